"""Makes tests/data/vitals from the full public sets: some stays of the PhysioNet challenges as they are,
and the first minute of MIT-BIH record 100 with what wfdb-python reads from it. Run from the repository
root with wfdb and pyarrow installed:  make_vitals.py FOLDER_OF_THE_SETS
"""
import gzip
import io
import json
import pathlib
import sys
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import wfdb

FULL = pathlib.Path(sys.argv[1])
OUT = pathlib.Path("tests/data/vitals")
# Empty stays, stays with duplicates and with missing descriptors, survivors and others.
STAYS_2012 = [132539, 132540, 132541, 132543, 132545, 132547, 132548, 132551, 132554, 132555, 132556,
              132567, 132568, 132570, 132573, 132575, 132577, 132582, 132584, 132585, 140501, 140936,
              132588, 132590]
STAYS_2019 = 16
SAMPLES = 21600  # a minute


def members(archive, suffix):
    with tarfile.open(archive) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.name.endswith(suffix)}


def write_tar(path, files):
    """A .tar.gz that is the same in every run."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    path.write_bytes(gzip.compress(data.getvalue(), 9, mtime=0))


def physionet2012():
    out = OUT / "physionet2012"
    (out / "set-a").mkdir(parents=True, exist_ok=True)
    stays = members(FULL / "physionet2012" / "set-a.tar.gz", ".txt")
    chosen = {f"set-a/{n}.txt": stays[f"set-a/{n}.txt"] for n in sorted(STAYS_2012)}
    for name, content in chosen.items():
        (out / name).write_bytes(content)
    write_tar(out / "set-a.tar.gz", chosen)
    lines = (FULL / "physionet2012" / "Outcomes-a.txt").read_text().splitlines()
    kept = [line for line in lines if not line[0].isdigit() or int(line.split(",")[0]) in STAYS_2012]
    (out / "Outcomes-a.txt").write_text("\n".join(kept) + "\n")


def physionet2019():
    out = OUT / "physionet2019"
    out.mkdir(parents=True, exist_ok=True)
    stays = members(FULL / "physionet2019" / "training_setB.tar.gz", ".psv")
    septic, late, plain = [], [], []
    for name in sorted(stays):
        rows = stays[name].decode().splitlines()[1:]
        kind = (septic if any(row.endswith("|1") for row in rows) else
                late if rows[0].split("|")[-2] != "1" else plain)
        kind.append(name)
    for name in septic[:5] + late[:3] + plain[:STAYS_2019 - 8]:
        (out / pathlib.PurePath(name).name).write_bytes(stays[name])


def first_annotations(data):
    """The words up to the last annotation before SAMPLES, and the closing zero."""
    at = time = end = 0
    while True:
        word = int.from_bytes(data[at:at + 2], "little")
        code, rest = word >> 10, word & 0x3ff
        at += 2
        if code == 59:  # SKIP
            time += int.from_bytes(data[at:at + 2], "little") << 16
            time += int.from_bytes(data[at + 2:at + 4], "little")
            at += 4
        elif code == 63:  # AUX
            at += rest + rest % 2
        elif code < 59:
            time += rest
            if time > SAMPLES or word == 0:
                return data[:end] + bytes(2)
        end = at


def record100():
    out = OUT / "wfdb"
    out.mkdir(parents=True, exist_ok=True)
    source = str(FULL / "wfdb" / "100")
    record = wfdb.rdrecord(source, sampto=SAMPLES, physical=False)
    common = dict(fs=record.fs, units=record.units, sig_name=record.sig_name,
                  d_signal=record.d_signal, adc_gain=record.adc_gain, baseline=record.baseline,
                  comments=record.comments, write_dir=str(out))
    for name, fmt in (("100", "212"), ("100_16", "16")):
        wfdb.wrsamp(name, fmt=[fmt, fmt], **common)
    assert (out / "100.dat").read_bytes() == pathlib.Path(source + ".dat").read_bytes()[:SAMPLES * 3]
    (out / "100.atr").write_bytes(first_annotations(pathlib.Path(source + ".atr").read_bytes()))
    read = wfdb.rdrecord(str(out / "100"))
    marks = wfdb.rdann(source, "atr", sampto=SAMPLES, return_label_elements=["label_store", "symbol"])
    golden = {
        "frequency": read.fs, "length": read.sig_len, "names": read.sig_name, "units": read.units,
        "comments": read.comments,
        "samples": {str(i): wfdb.rdrecord(str(out / "100"), physical=False).d_signal[i].tolist()
                    for i in (0, 1, 2, 999, 12345, SAMPLES - 1)},
        "physical_mean": read.p_signal.mean(axis=0).tolist(),
        "physical_std": read.p_signal.std(axis=0).tolist(),
        # Codes that have no symbol come as NaN.
        "annotations": [[int(at), int(code), symbol if isinstance(symbol, str) else f"[{code}]"]
                        for at, code, symbol in zip(marks.sample, marks.label_store, marks.symbol)],
    }
    (out / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


def long_tables():
    """The same made-up stays as CSV and Parquet."""
    out = OUT / "long"
    out.mkdir(parents=True, exist_ok=True)
    tables = {
        "events": {"stay_id": [11, 11, 12, 11, 12], "time": [0.0, 1.5, 0.25, 2.0, 7.0],
                   "variable": ["HR", "Glucose", "HR", "Glucose", "Temp"],
                   "value": [80.0, 90.5, 71.0, 5.25, 98.6],
                   "unit": ["bpm", "mg/dL", "bpm", "mmol/L", "degF"]},
        "statics": {"stay_id": [11, 12, 13], "patient_id": ["a", "b", "a"], "age": [61, 70, 62]},
        "labels": {"stay_id": [12, 11, 13], "death": [1, 0, 0]},
    }
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), out / f"{name}.parquet")
        rows = [",".join(columns)] + [",".join(map(str, row)) for row in zip(*columns.values())]
        (out / f"{name}.csv").write_text("\n".join(rows) + "\n")


physionet2012()
physionet2019()
record100()
long_tables()
