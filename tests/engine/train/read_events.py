"""Prints what TensorBoard's own reader finds in a folder: one line per scalar."""

import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

accumulator = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
accumulator.Reload()
for tag in sorted(accumulator.Tags()["scalars"]):
    events = accumulator.Scalars(tag)
    first, last = events[0], events[-1]
    print(tag, len(events), "first", first.step, round(first.value, 6), "last", last.step, round(last.value, 6))
