"""What scripts/bench measures: each benchmark's input, our worker and its peers."""

import dataclasses
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "tests" / "bench" / "peers"
PNEUMONIA = ROOT / "tests" / "data" / "pneumoniamnist" / "pneumoniamnist.npz"


@dataclasses.dataclass
class Peer:
    name: str
    arguments: list  # of the Python interpreter


@dataclasses.dataclass
class Benchmark:
    name: str        # "infer/resnet18/batch1/float32"
    what: str
    unit: str        # of `items`
    ours: list       # arguments of salus_bench
    peers: list
    tolerance: float              # of the check values, relative to the largest of them
    limit: str = ""               # key of salus_bench limits
    cost_per_item: float = 0      # bytes or FLOPs; 0 = the peer reports FLOPs
    gpu: bool = False             # runs on a GPU too


def ct_files(data):
    """CT slices: the whole set if SALUS_DATA names it, or else those that ship, repeated."""
    full = sorted((data / "ct_contrast" / "dicom").glob("*.dcm")) if data else []
    if full:
        return full
    shipped = sorted((ROOT / "tests" / "data" / "dicom" / "ct_contrast").glob("*.dcm"))
    if not shipped:
        raise SystemExit("error: tests/data/dicom/ct_contrast holds no DICOM files.")
    return (shipped * 64)[:64]


def dicom(setup):
    files = [str(path) for path in ct_files(setup.data)]
    stored = sum(pathlib.Path(path).stat().st_size for path in files) / len(files)
    threads = ["--threads", str(setup.threads)]
    peers = [Peer("pydicom+numpy+OpenCV", [PEERS / "dicom.py", "pydicom", *threads, *files]),
             Peer("MONAI", [PEERS / "dicom.py", "monai", *threads, *files])]
    yield Benchmark("dicom", f"{len(files)} CT files of 512x512 in DICOM -> 224x224 float32", "files",
                    ["dicom", *threads, *files], peers, tolerance=0.02,
                    limit="memory_bytes_per_second", cost_per_item=stored + 4 * 224 * 224)


def preprocess(setup):
    threads = ["--threads", str(setup.threads)]
    peers = [Peer("numpy+OpenCV", [PEERS / "preprocess.py", "opencv", *threads]),
             Peer("PyTorch", [PEERS / "preprocess.py", "torch", *threads])]
    yield Benchmark("preprocess", "2048x2048 uint16 -> window -> area 512x512 -> normalise", "images",
                    ["preprocess", *threads, "--device", setup.device], peers, tolerance=1e-4,
                    limit="cache_bytes_per_second", cost_per_item=2 * 2048**2 + 4 * 512**2, gpu=True)


def clahe(setup):
    for bits in (8, 12, 16):
        options = ["--bits", str(bits), "--threads", str(setup.threads)]
        peers = [Peer("OpenCV", [PEERS / "clahe.py", "words", *options])]
        if bits == 12:
            peers.append(Peer("OpenCV, 4096 bins", [PEERS / "clahe.py", "shift", *options]))
        # Each pixel read for its tile's table and for the result, and written once.
        yield Benchmark(f"clahe/{bits}bit", f"2048x2048, {bits} bits: CLAHE, 8x8 tiles", "images",
                        ["clahe", *options, "--device", setup.device], peers, tolerance=1e-3,
                        limit="cache_bytes_per_second",
                        cost_per_item=3 * 2048**2 * (1 if bits <= 8 else 2), gpu=True)


def vitals(setup):
    """Both sides get the events in memory, from the same files."""
    archive = setup.data / "physionet2012" / "set-a.tar.gz" if setup.data else None
    real = archive is not None and archive.exists()
    folder = ROOT / "build" / "bench-vitals" / ("physionet2012" if real else "synthetic")
    peer = PEERS / "vitals.py"
    if not (folder / "statistics.npy").exists():
        subprocess.run([sys.executable, peer, "prepare", folder, *([archive] if real else [])],
                       check=True)
    events = (folder / "time.npy").stat().st_size // 4
    cells = 48 * 36 * 4000
    yield Benchmark("vitals/grid", f"4,000 {'PhysioNet 2012' if real else 'synthetic'} stays: events -> "
                    "48 h x 36 values, mask, delta", "stays",
                    ["vitals", "--threads", str(setup.threads), "--device", setup.device, folder],
                    [Peer("pandas", [peer, "pandas", folder])], tolerance=1e-4,
                    limit="memory_bytes_per_second", cost_per_item=(10 * events + 12 * cells) / 4000,
                    gpu=True)
    shipped = ROOT / "tests" / "data" / "vitals" / "physionet2012"
    folder = setup.data / "physionet2012" if real else shipped
    archives = sorted(folder.glob("set-*.tar.gz"))
    packed = sum(path.stat().st_size for path in archives)
    yield Benchmark("vitals/read", f"PhysioNet 2012, {len(archives)} .tar.gz of {packed / 1e6:.1f} MB: "
                    "inflate, parse, grid", "stays",
                    ["vitals-read", "--threads", str(setup.threads), *archives],
                    [Peer("pandas", [peer, "read", *archives])], tolerance=1e-4)


def similarity(setup):
    for rows, batches in ((100_000, (1, 64, 256)), (1_000_000, (64,))):
        for batch in batches:
            yield _similarity(setup, rows, batch, "bfloat16")
    yield _similarity(setup, 100_000, 1, "int8")


def _similarity(setup, rows, batch, dtype):
    common = ["--rows", str(rows), "--batch", str(batch), "--threads", str(setup.threads)]
    kinds = [("PyTorch bf16 mm + topk", "bfloat16")]
    if rows <= 100_000:
        kinds += [("PyTorch fp32 mm + topk", "float32"), ("faiss flat", "faiss")]
    peers = [Peer(name, [PEERS / "similarity.py", kind, *common]) for name, kind in kinds]
    size = 1 if dtype == "int8" else 2
    return Benchmark(f"similarity/{rows // 1000}k/batch{batch}/{dtype}",
                     f"10 nearest of {rows} x 256 in {dtype}, exact, {batch} queries", "queries",
                     ["similarity", "--dtype", dtype, *common], peers, tolerance=0.01,
                     limit="memory_bytes_per_second", cost_per_item=rows * 256 * size / batch)


def kmeans(setup):
    points, clusters, steps = 100_000, 256, 10
    common = ["--rows", str(points), "--batch", str(clusters), "--steps", str(steps),
              "--threads", str(setup.threads)]
    peers = [Peer("scikit-learn", [PEERS / "kmeans.py", "sklearn", *common]),
             Peer("faiss", [PEERS / "kmeans.py", "faiss", *common])]
    yield Benchmark("kmeans", f"k-means, {points} x 256, {clusters} clusters, {steps} iterations",
                    "points", ["kmeans", *common], peers, tolerance=1e-3,
                    limit="bfloat16_flops", cost_per_item=2 * 256 * clusters)


def train(setup):
    common = ["--threads", str(setup.threads), "--batch", "128", "--steps", str(setup.train_steps),
              "--device", setup.device, PNEUMONIA]
    peers = [Peer("PyTorch channels-last bf16", [PEERS / "train.py", "--dtype", "bfloat16", *common]),
             Peer("torch.compile fp32",
                  [PEERS / "train.py", "--dtype", "float32", "--compile", *common])]
    yield Benchmark("train", "ResNet-18, 28x28, batch 128, bf16: training steps", "images",
                    ["train", "--dtype", "bfloat16", *common], peers, tolerance=0,
                    limit="bfloat16_flops", gpu=True)


def infer(setup):
    for model in ("resnet18", "densenet121"):
        for batch in (1, 16):
            for dtype in ("float32", "bfloat16"):
                yield _infer(setup, model, batch, dtype)


def _infer(setup, model, batch, dtype):
    common = ["--model", model, "--dtype", dtype, "--batch", str(batch),
              "--threads", str(setup.threads), "--device", setup.device]
    kinds = [("PyTorch eager", "eager"), ("torch.compile", "compile")]
    if setup.device == "cpu":
        kinds.append(("OpenVINO", "openvino"))
        if dtype == "float32":
            kinds.append(("ONNX Runtime", "onnxruntime"))
    peers = [Peer(name, [PEERS / "infer.py", kind, *common, "--folder", setup.folder])
             for name, kind in kinds]
    return Benchmark(f"infer/{model}/batch{batch}/{dtype}", f"{model} at 224x224, batch {batch}, {dtype}",
                     "images", ["infer", *common, "--weights", setup.folder / f"{model}.pt"], peers,
                     tolerance=0.02 if dtype == "float32" else 0.2, limit=f"{dtype}_flops", gpu=True)


def gru_d(setup):
    common = ["--batch", "128", "--threads", str(setup.threads), "--device", setup.device]
    kinds = [("PyTorch eager", "eager"), ("torch.compile of a step", "compile-step"),
             ("torch.compile", "compile")]
    peers = [Peer(name, [PEERS / "gru_d.py", kind, *common]) for name, kind in kinds]
    steps, variables, units = 48, 37, 64
    of_input, of_state, of_decay = 6 * units * variables, 3 * units * units, units * variables
    forward = of_input + of_state + of_decay
    backward = of_input + 2 * of_state + of_decay + of_input // 2
    yield Benchmark("gru_d", "GRU-D, 48 steps, 37 variables, 64 units, batch 128: forward and backward",
                    "series", ["gru_d", *common], peers, tolerance=1e-4, limit="float32_flops",
                    cost_per_item=2 * steps * (forward + backward), gpu=True)
    learn = [*common, "--steps", "8"]
    yield Benchmark("gru_d/train", "the same network with its head: training steps", "series",
                    ["train-gru_d", *learn], [Peer("PyTorch eager", [PEERS / "gru_d.py", "train", *learn])],
                    tolerance=0, limit="float32_flops", cost_per_item=2 * steps * (forward + backward),
                    gpu=True)


def recurrent(setup):
    """The network on values, mask and log(1 + delta), as PyTorch has it."""
    steps, inputs, units = 48, 3 * 76, 128
    for model, gates in (("gru", 3), ("lstm", 4)):
        for label, passes in (("train", 3), ("infer", 1)):
            common = ["--model", model, "--label", label, "--batch", "256",
                      "--threads", str(setup.threads), "--device", setup.device]
            kinds = [("PyTorch eager", "eager")]
            peers = [Peer(name, [PEERS / "recurrent.py", kind, *common]) for name, kind in kinds]
            yield Benchmark(f"recurrent/{model}/{label}",
                            f"{model.upper()}, 48 steps, 76 variables, {units} units, batch 256: "
                            f"{'forward and backward' if label == 'train' else 'forward'}",
                            "series", ["recurrent", *common], peers, tolerance=1e-3,
                            limit="float32_flops",
                            cost_per_item=2 * passes * steps * gates * units * (inputs + units),
                            gpu=True)


def vitals_step(setup):
    variables, units = 37, 64
    for batch in (1, 10_000):
        common = ["--model", "gru", "--batch", str(batch), "--threads", "1"]
        peers = [Peer("PyTorch GRUCell", [PEERS / "recurrent.py", "step", *common])]
        yield Benchmark(f"vitals_step/gru/{batch}",
                        f"GRU, {variables} variables, {units} units: one bin of {batch} series, one core",
                        "rows", ["vitals-step", *common], peers, tolerance=1e-4,
                        limit="float32_flops", cost_per_item=2 * 3 * units * (3 * variables + units))


FAMILIES = {"dicom": dicom, "preprocess": preprocess, "clahe": clahe, "vitals": vitals,
            "similarity": similarity, "kmeans": kmeans, "train": train, "infer": infer, "gru_d": gru_d,
            "recurrent": recurrent, "vitals_step": vitals_step}
