"""Training steps of ResNet-18 on 28 x 28 images in PyTorch.

usage: train.py --dtype bfloat16|float32 [--compile] --threads N --batch N --steps N FILE.npz
Channels-last, fused AdamW, binary cross-entropy; the images wait in memory.
"""

import argparse
import contextlib

import numpy as np
import torch

import models
import worker


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("file")
    return parser.parse_args()


def load(path, device):
    arrays = np.load(path)
    images = torch.from_numpy(arrays["train_images"]).to(device).float().div_(255).sub_(0.5).mul_(2)
    labels = torch.from_numpy(arrays["train_labels"]).to(device).float()
    return images[:, None], labels


def batches(images, labels, size):
    """Shuffled batches for ever; the last, smaller one of an epoch is dropped."""
    while True:
        order = torch.randperm(len(images), device=images.device)
        for at in range(0, len(order) - size + 1, size):
            chosen = order[at:at + size]
            yield images[chosen].contiguous(memory_format=torch.channels_last), labels[chosen]


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    model = models.small_resnet18().to(arguments.device, memory_format=torch.channels_last)
    about = {"check": [sum(p.numel() for p in model.parameters())],
             "flops_per_item": 3 * models.flops(model, torch.zeros(1, 1, 28, 28,
                                                                   device=arguments.device))}
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    loss_of = torch.nn.BCEWithLogitsLoss()
    forward = torch.compile(model) if arguments.compile else model
    stream = batches(*load(arguments.file, arguments.device), arguments.batch)
    gpu = arguments.device != "cpu"

    def step():
        images, labels = next(stream)
        optimizer.zero_grad(set_to_none=True)
        half = (torch.autocast(arguments.device.split(":")[0], torch.bfloat16)
                if arguments.dtype == "bfloat16" else contextlib.nullcontext())
        with half:
            logits = forward(images)
        loss = loss_of(logits.float(), labels)
        loss.backward()
        optimizer.step()
        loss.item()  # a run that logs its loss waits for it, as ours does

    worker.serve_steps(about, arguments.batch, step, arguments.steps,
                       torch.cuda.synchronize if gpu else lambda: None)


if __name__ == "__main__":
    main()
