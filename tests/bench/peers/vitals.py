"""Irregular vital signs -> hourly grid with forward fill, mask and GRU-D's time delta, by pandas.

usage: vitals.py prepare FOLDER [ARCHIVE]   the events of both sides, as .npy files
       vitals.py pandas FOLDER              the grid of these events
       vitals.py read ARCHIVE...            from the archives of PhysioNet 2012 to the grid
"""

import pathlib
import sys
import tarfile

import numpy as np

STEPS, GAP = 48, 24
STATICS = {"RecordID", "Age", "Gender", "Height", "ICUType", "Weight"}


def archive_events(archive):
    """Stay, hour, variable and value of every row of a PhysioNet 2012 set, in the order of its files."""
    names, rows = {}, []
    with tarfile.open(archive) as tar:
        members = sorted((m for m in tar if m.name.endswith(".txt")), key=lambda m: m.name)
        for stay, member in enumerate(members):
            for line in tar.extractfile(member).read().decode().splitlines()[1:]:
                time, name, value = line.split(",")
                if name and name not in STATICS:
                    hour = int(time[:2]) + int(time[3:]) / 60
                    rows.append((stay, hour, names.setdefault(name, len(names)), float(value)))
    return len(members), len(names), np.array(rows)


def synthetic_events(stays=4000, variables=37, each=430):
    """The same amount of events in the same form, for machines without the data."""
    random = np.random.default_rng(2012)
    count = random.poisson(each, stays)
    rows = np.empty((count.sum(), 4))
    rows[:, 0] = np.repeat(np.arange(stays), count)
    rows[:, 1] = np.floor(random.uniform(0, 48 * 60, len(rows))) / 60
    rows[:, 2] = np.minimum(random.geometric(0.09, len(rows)) - 1, variables - 1)
    rows[:, 3] = random.normal(80, 15, len(rows))
    return stays, variables, rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def prepare(folder, archive):
    folder.mkdir(parents=True, exist_ok=True)
    stays, variables, rows = archive_events(archive) if archive else synthetic_events()
    value = rows[:, 3].astype(np.float32)
    number = rows[:, 2].astype(np.int16)
    counts = np.maximum(np.bincount(number, minlength=variables), 1)
    mean = np.bincount(number, value, variables) / counts
    spread = np.sqrt(np.bincount(number, (value - mean[number]) ** 2, variables) / counts)
    offsets = np.searchsorted(rows[:, 0], np.arange(stays + 1))
    np.save(folder / "offsets.npy", offsets.astype(np.int64))
    np.save(folder / "time.npy", rows[:, 1].astype(np.float32))
    np.save(folder / "variable.npy", number)
    np.save(folder / "value.npy", value)
    np.save(folder / "statistics.npy", np.stack([mean, np.maximum(spread, 1e-3)]))


def whole_grid(stays):
    """Every (stay, bin)."""
    import pandas

    return pandas.MultiIndex.from_product([range(stays), range(STEPS)], names=["stay", "bin"])


def grid(frame, whole, variables, mean, spread, gap):
    """Values, mask and delta of the events of a frame (stay, time, variable, value)."""
    stays = len(whole) // STEPS
    bins = whole.get_level_values("bin").to_numpy()
    # Seconds first: an hour that is not exact in float32 must not slip into the bin before.
    events = frame.assign(bin=((frame.time * 3600).round() // 3600).astype("int64"))
    length = events.groupby("stay").bin.max().add(1).clip(0, STEPS).reindex(range(stays), fill_value=0)
    number = events.variable.to_numpy()
    low, high = mean - 6 * spread, mean + 6 * spread
    plausible = (events.value >= low[number]) & (events.value <= high[number])
    last = events[plausible & (events.bin < STEPS)].groupby(["stay", "bin", "variable"]).value.last()
    table = last.unstack("variable").reindex(index=whole, columns=range(variables))
    mask = table.notna()
    values = ((table.groupby(level="stay").ffill(limit=gap) - mean) / spread).fillna(0)
    seen = mask.mul(bins, axis=0).where(mask).groupby(level="stay").ffill()
    delta = seen.groupby(level="stay").shift().fillna(0).rsub(bins, axis=0)
    inside = bins < np.repeat(length.to_numpy(), STEPS)
    return [part.mul(inside, axis=0).to_numpy(np.float32) for part in (values, mask, delta)]


def pandas_work(folder):
    import pandas

    offsets, time, variable, value, (mean, spread) = (
        np.load(folder / f"{name}.npy")
        for name in ("offsets", "time", "variable", "value", "statistics"))
    stays, variables = len(offsets) - 1, len(mean)
    frame = pandas.DataFrame({"stay": np.repeat(np.arange(stays), np.diff(offsets)),
                              "time": time, "variable": variable, "value": value})
    whole = whole_grid(stays)
    return lambda: grid(frame, whole, variables, mean, spread, GAP), stays


def read_work(archives):
    """Reading and gridding; the variables are neither scaled nor limited."""
    import pandas

    def work():
        parts = []
        for archive in archives:
            with tarfile.open(archive) as tar:
                for member in sorted((m for m in tar if m.name.endswith(".txt")), key=lambda m: m.name):
                    parts.append(pandas.read_csv(tar.extractfile(member)))
        frame = pandas.concat(parts, keys=range(len(parts)), names=["stay", "row"]).reset_index("stay")
        weight = frame.Parameter == "Weight"
        frame = frame[~frame.Parameter.isin(STATICS - {"Weight"}) & ~(weight & (frame.Value == -1))]
        clock = frame.Time.str.split(":", expand=True).astype("int64")
        names = sorted(frame.Parameter.unique())
        events = pandas.DataFrame({
            "stay": frame.stay, "time": clock[0] + clock[1] / 60, "value": frame.Value.astype("float32"),
            "variable": pandas.Categorical(frame.Parameter, categories=names).codes})
        zero, wide = np.zeros(len(names)), np.full(len(names), 1e30)
        made = grid(events, whole_grid(len(parts)), len(names), zero, wide, None)
        return len(events), len(parts), made

    return work


def main():
    command, first = sys.argv[1], pathlib.Path(sys.argv[2])
    if command == "prepare":
        return prepare(first, sys.argv[3] if len(sys.argv) > 3 else None)
    import worker

    if command == "read":
        work = read_work(sys.argv[2:])
        events, stays, made = work()
        check = [events / 1e6] + [float(part.mean(dtype=np.float64)) for part in made[1:]]
        return worker.serve({"check": check}, stays, work)
    work, stays = pandas_work(first)
    worker.serve({"check": [float(part.mean(dtype=np.float64)) for part in work()]}, stays, work)


if __name__ == "__main__":
    main()
