"""GRU-D (48 steps, 37 variables, 64 units), forward and backward, as it is written in PyTorch.

usage: gru_d.py eager|compile-step|compile|train --batch N --threads N [--device cuda]
compile-step compiles one step, compile the whole loop. train: an eager network with head, loss and AdamW
that learns from shuffled stays in memory; --steps of it are a repetition.
"""

import argparse

import torch
from torch.nn.functional import linear

import worker

STEPS, VARIABLES, UNITS, STAYS = 48, 37, 64, 2048


def formula(shape, phase, scale):
    """The same values as in gru_d_bench.cpp."""
    index = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return ((index * 0.37 + phase).sin() * scale).float().view(shape)


def inputs(batch):
    shape = (batch, STEPS, VARIABLES)
    index = torch.arange(batch * STEPS * VARIABLES)
    mask = ((index * 7919) % 10 < 3).float().view(shape)
    return formula(shape, 0, 1), mask, ((index % 7).float() / 4).view(shape)


def parameters():
    return [formula((VARIABLES,), 1, 0.5), formula((VARIABLES,), 2, 0.1),
            formula((UNITS, VARIABLES), 3, 0.1), formula((UNITS,), 4, 0.1),
            formula((3 * UNITS, 2 * VARIABLES), 5, 0.1), formula((3 * UNITS, UNITS), 6, 0.1),
            formula((3 * UNITS,), 7, 0.1), formula((3 * UNITS,), 8, 0.1)]


def step(value, mask, delta, last, state, wx, bx, wh, bh, w_ih, w_hh, b_ih, b_hh):
    last = torch.where(mask > 0, value, last)
    imputed = mask * value + (1 - mask) * torch.exp(-torch.relu(wx * delta + bx)) * last
    state = torch.exp(-torch.relu(linear(delta, wh, bh))) * state
    of_input = linear(torch.cat([imputed, mask], 1), w_ih, b_ih).chunk(3, 1)
    of_state = linear(state, w_hh, b_hh).chunk(3, 1)
    r = torch.sigmoid(of_input[0] + of_state[0])
    z = torch.sigmoid(of_input[1] + of_state[1])
    n = torch.tanh(of_input[2] + r * of_state[2])
    return last, n + z * (state - n)


def run(one_step, values, mask, delta, weights):
    last = torch.zeros_like(values[:, 0])
    state = values.new_zeros(values.shape[0], UNITS)
    hidden = []
    for t in range(STEPS):
        last, state = one_step(values[:, t], mask[:, t], delta[:, t], last, state, *weights)
        hidden.append(state)
    return torch.stack(hidden, 1)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = torch.nn.ParameterList(parameters())
        self.head = torch.nn.Linear(UNITS, 1)

    def forward(self, values, mask, delta):
        return self.head(run(step, values, mask, delta, self.weights)[:, -1]).squeeze(1)


def train(arguments):
    network = Network().to(arguments.device)
    stays = [tensor.to(arguments.device) for tensor in inputs(STAYS)]
    labels = (torch.arange(STAYS, device=arguments.device) % 2).float()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    loss_of = torch.nn.BCEWithLogitsLoss()

    def batches():
        while True:
            yield from torch.randperm(STAYS, device=arguments.device).split(arguments.batch)

    stream = batches()

    def learn():
        chosen = next(stream)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(network(*(tensor[chosen] for tensor in stays)), labels[chosen])
        loss.backward()
        optimizer.step()
        loss.item()  # a run that logs its loss waits for it, as ours does

    about = {"check": [sum(p.numel() for p in network.parameters())]}
    worker.serve_steps(about, arguments.batch, learn, arguments.steps,
                       torch.cuda.synchronize if arguments.device != "cpu" else lambda: None)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["eager", "compile-step", "compile", "train"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.kind == "train":
        train(arguments)
        return
    batch = [tensor.to(arguments.device) for tensor in inputs(arguments.batch)]
    weights = [tensor.to(arguments.device).requires_grad_() for tensor in parameters()]
    one_step = torch.compile(step) if arguments.kind == "compile-step" else step
    sequence = torch.compile(run) if arguments.kind == "compile" else run
    gpu = arguments.device != "cpu"
    loss = None

    def work():
        nonlocal loss
        for weight in weights:
            weight.grad = None
        loss = sequence(one_step, *batch, weights).square().mean()
        loss.backward()
        if gpu:
            torch.cuda.synchronize()

    work()
    check = [loss.item()] + [weight.grad.norm().item() for weight in weights]
    worker.serve({"check": check}, arguments.batch, work)


if __name__ == "__main__":
    main()
