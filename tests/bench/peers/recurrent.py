"""GRU and LSTM over values, mask and log(1 + delta) of stays, with a linear head, in PyTorch.

usage: recurrent.py eager --model gru|lstm --label train|infer --batch N --threads N [--device cuda]
       recurrent.py step --model gru --batch N --threads N
eager: 48 steps, 76 variables, 128 units. step: one bin by torch.nn.GRUCell, 37 variables, 64 units.
"""

import argparse

import torch

import worker


def formula(shape, phase, scale):
    """The same values as in recurrent_benches.cpp."""
    index = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return ((index * 0.37 + phase).sin() * scale).float().view(shape)


def stays(count, steps, variables):
    shape = (count, steps, variables)
    index = torch.arange(count * steps * variables)
    mask = ((index * 7919) % 10 < 3).float().view(shape)
    return formula(shape, 0, 1), mask, ((index % 7).float() / 4).view(shape)


def fill(module):
    with torch.no_grad():
        for i, (_, parameter) in enumerate(sorted(module.named_parameters())):
            parameter.copy_(formula(parameter.shape, 1 + i, 0.08))


class Network(torch.nn.Module):
    def __init__(self, model, variables, units):
        super().__init__()
        self.fc = torch.nn.Linear(units, 1)
        self.rnn = getattr(torch.nn, model.upper())(3 * variables, units, batch_first=True)
        fill(self)

    def forward(self, values, mask, delta):
        hidden, _ = self.rnn(torch.cat([values, mask, torch.log1p(delta)], 2))
        return self.fc(hidden[:, -1])


class Step(torch.nn.Module):
    def __init__(self, variables, units):
        super().__init__()
        self.fc = torch.nn.Linear(units, 1)
        self.rnn = torch.nn.GRUCell(3 * variables, units)
        fill(self)

    def forward(self, values, mask, delta, state):
        state = self.rnn(torch.cat([values, mask, torch.log1p(delta)], 1), state)
        return self.fc(state), state


def sequence(arguments):
    network = Network(arguments.model, 76, 128).to(arguments.device)
    inputs = [tensor.to(arguments.device) for tensor in stays(arguments.batch, 48, 76)]
    train = arguments.label == "train"
    logits = None

    def work():
        nonlocal logits
        if train:
            network.zero_grad(set_to_none=True)
            logits = network(*inputs)
            logits.square().mean().backward()
        else:
            with torch.inference_mode():
                logits = network(*inputs)
        if arguments.device != "cpu":
            torch.cuda.synchronize()

    work()
    check = logits.detach().flatten()[:8].tolist()
    if train:
        check += sorted(parameter.grad.norm().item() for parameter in network.parameters())
    worker.serve({"check": check}, arguments.batch, work)


def step(arguments):
    network = Step(37, 64)
    inputs = [tensor[:, 0] for tensor in stays(arguments.batch, 1, 37)]
    state = torch.zeros(arguments.batch, 64)
    logits = None

    def work():
        nonlocal logits, state
        with torch.inference_mode():
            logits, state = network(*inputs, state)

    work()
    worker.serve({"check": logits.flatten()[:8].tolist()}, arguments.batch, work)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["eager", "step"])
    parser.add_argument("--model", choices=["gru", "lstm"], default="gru")
    parser.add_argument("--label", choices=["train", "infer"], default="infer")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    step(arguments) if arguments.kind == "step" else sequence(arguments)


if __name__ == "__main__":
    main()
