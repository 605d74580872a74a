"""Writes tests/data/models: outputs of torchvision's networks on weights made by a formula.

Needs torch, torchvision and safetensors; run from the root of the repository. The C++ test makes the
same weights (tests/support/formula_weights.h), so that only the outputs are stored.
"""

import json
import pathlib

import numpy as np
import safetensors.torch
import torch
import torchvision.models as zoo
from torch import nn

OUT = pathlib.Path("tests/data/models")


def uniform(name, count):
    """count numbers in [-1, 1): a 32-bit integer hash of (FNV-1a of the name, position)."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 % 2**32
    x = np.arange(count, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(seed)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return x.astype(np.float64) / 2**31 - 1


def formula(name, shape):
    u = uniform(name, int(np.prod(shape)))
    if name.endswith("running_var"):
        u = 1 + 0.5 * u
    elif len(shape) >= 2:
        u = u * np.sqrt(6.0 / np.prod(shape[1:]))
    elif name.endswith("weight"):
        u = 1 + 0.2 * u
    else:
        u = 0.1 * u
    return torch.from_numpy(u.astype(np.float32)).reshape(shape)


def fill(model):
    state = model.state_dict()
    for name, value in state.items():
        if value.is_floating_point():
            value.copy_(formula(name, tuple(value.shape)))
    return model.eval()


def replace_stem(model, path, channels, pool=None):
    """Another number of channels; with `pool` (the max pooling to leave out) the 28-pixel stem."""
    parent_path, _, last = path.rpartition(".")
    parent = model.get_submodule(parent_path)
    old = model.get_submodule(path)
    size = (3, 1, 1) if pool else (old.kernel_size, old.stride, old.padding)
    parent.add_module(last, nn.Conv2d(channels, old.out_channels, *size, bias=False))
    if pool:
        parent.add_module(pool, nn.Identity())
    return model


def cases():
    narrow = dict(growth_rate=8, num_init_features=16, block_config=(6, 12, 24, 16))
    yield "resnet18", (3, 64, 64), 10, {}, zoo.resnet18(num_classes=10)
    yield "resnet34", (3, 65, 49), 4, {}, zoo.resnet34(num_classes=4)
    yield "resnet50", (3, 64, 64), 5, {}, zoo.resnet50(num_classes=5)
    yield "resnet18", (1, 57, 64), 1, {}, replace_stem(zoo.resnet18(num_classes=1), "conv1", 1)
    yield ("resnet18", (1, 28, 28), 2, {"small": 1},
           replace_stem(zoo.resnet18(num_classes=2), "conv1", 1, "maxpool"))
    yield "densenet121", (3, 64, 64), 6, {}, zoo.densenet121(num_classes=6)
    yield ("densenet121", (2, 33, 47), 3, {"growth": 8, "width": 16},
           replace_stem(zoo.DenseNet(num_classes=3, **narrow), "features.conv0", 2))
    yield ("densenet121", (1, 28, 28), 2, {"growth": 8, "width": 16, "small": 1},
           replace_stem(zoo.DenseNet(num_classes=2, **narrow), "features.conv0", 1, "pool0"))
    yield "efficientnet_b0", (3, 64, 64), 7, {}, zoo.efficientnet_b0(num_classes=7)
    yield ("efficientnet_b0", (1, 63, 50), 1, {},
           replace_stem(zoo.efficientnet_b0(num_classes=1), "features.0.0", 1))


def golden():
    rows = []
    for name, (c, h, w), outputs, options, model in cases():
        image = torch.from_numpy(uniform("image", 2 * c * h * w)).float().reshape(2, c, h, w)
        with torch.no_grad():
            logits = fill(model)(image)
        rows.append(dict(model=name, channels=c, height=h, width=w, outputs=outputs,
                         options=options, logits=logits.double().flatten().tolist()))
        print(name, options, logits.abs().max().item())
    return rows


def initial(name, make):
    """Sum and sum of magnitudes of each tensor after torch.manual_seed(7)."""
    torch.manual_seed(7)
    state = make(num_classes=3).state_dict()
    return dict(model=name, seed=7, outputs=3,
                tensors={k: [float(f"{x:.7g}") for x in
                                (v.double().sum().item(), v.double().abs().sum().item())]
                         for k, v in state.items() if v.is_floating_point()})


def checkpoints():
    """A published-style checkpoint of DenseNet (narrow, old names) and of a narrow network."""
    torch.manual_seed(3)
    model = zoo.DenseNet(growth_rate=2, num_init_features=4, block_config=(6, 12, 24, 16),
                         num_classes=3).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    state = model.state_dict()
    torch.save(state, OUT / "densenet_narrow.pt")
    safetensors.torch.save_file(state, OUT / "densenet_narrow.safetensors")
    image = torch.from_numpy(uniform("image", 3 * 40 * 40)).float().reshape(1, 3, 40, 40)
    with torch.no_grad():
        gray = image[:, :1]
        return dict(logits=model(image).double().flatten().tolist(),
                    gray_logits=model(gray.repeat(1, 3, 1, 1)).double().flatten().tolist())


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    data = dict(torchvision="0.26.0", outputs=golden(),
                initial=[initial("resnet18", zoo.resnet18), initial("densenet121", zoo.densenet121),
                         initial("efficientnet_b0", zoo.efficientnet_b0)],
                checkpoint=checkpoints())
    (OUT / "torchvision.json").write_text(json.dumps(data, separators=(",", ":")) + "\n")
