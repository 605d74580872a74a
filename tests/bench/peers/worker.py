"""The Python half of tests/bench/worker.h: measures one repetition for each line on standard input."""

import json
import sys
import time


def say(line):
    print(json.dumps(line), flush=True)


def turns():
    """Yields once per repetition that the runner asks for."""
    for _ in sys.stdin:
        yield


def serve(about, items, work, least_seconds=0.3):
    """Warms `work` up, finds how often to call it for a repetition of at least `least_seconds`, then
    measures on request. `items` is what one call gets done."""
    work()
    start = time.perf_counter()
    work()
    once = max(time.perf_counter() - start, 1e-7)
    calls = min(max(round(least_seconds / once), 1), 1_000_000)
    say({**about, "ready": True})
    for _ in turns():
        start = time.perf_counter()
        for _ in range(calls):
            work()
        say({"seconds": time.perf_counter() - start, "items": calls * items})


def serve_steps(about, items, step, steps, finish):
    """Measures `steps` calls of `step` a repetition, after two that are not counted. `items` is what one call
    gets done; `finish` waits for what a repetition has left running."""
    step()
    step()
    say({**about, "ready": True})
    for _ in turns():
        start = time.perf_counter()
        for _ in range(steps):
            step()
        finish()
        say({"seconds": time.perf_counter() - start, "items": steps * items})
