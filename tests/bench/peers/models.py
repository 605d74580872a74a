"""The networks of the peers, their weights and inputs.

usage: models.py FOLDER: writes NAME.pt (state dict) and NAME.onnx of each network for inference, once.
"""

import pathlib
import sys

import torch
import torchvision

NAMES = ["resnet18", "densenet121"]


def small_resnet18():
    """ResNet-18 for 28 x 28 images: stem of stride 1, no pooling, one channel, one output."""
    model = torchvision.models.resnet18(num_classes=1)
    model.conv1 = torch.nn.Conv2d(1, 64, 3, 1, 1, bias=False)
    model.maxpool = torch.nn.Identity()
    return model


def for_inference(name):
    """torchvision's network with weights that are the same in every process; normalisation is not the
    identity, as it is not in a trained network."""
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.8, 1.2)
    return model.eval()


def images(batch):
    """float32 [batch, 3, 224, 224], the same values as in model_benches.cpp."""
    index = torch.arange(batch * 3 * 224 * 224, dtype=torch.float64)
    return (index * 0.37).sin().float().view(batch, 3, 224, 224)


def flops(model, example):
    """Floating-point operations of one forward pass (a multiply-add counts as two)."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(example)
    return counter.get_total_flops()


def export(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        target = folder / f"{name}.onnx"
        if target.exists():
            continue
        model = for_inference(name)
        torch.save(model.state_dict(), folder / f"{name}.pt")
        partial = folder / f"{name}.partial"
        torch.onnx.export(model, (images(2),), partial, dynamo=False, input_names=["image"],
                          output_names=["logits"], dynamic_axes={"image": {0: "batch"},
                                                                 "logits": {0: "batch"}})
        partial.rename(target)


if __name__ == "__main__":
    export(pathlib.Path(sys.argv[1]))
