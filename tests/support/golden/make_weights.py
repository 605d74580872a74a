"""Makes tests/data/weights: tiny PyTorch files beside what they hold, as safetensors written by the
reference library. Run from the repository root with torch and safetensors installed.
"""
import os
import pathlib
import zipfile
from collections import OrderedDict

import torch
from safetensors.torch import save_file

OUT = pathlib.Path("tests/data/weights")
OUT.mkdir(parents=True, exist_ok=True)
torch.manual_seed(7)


def save(name, obj, expected=None, **options):
    torch.save(obj, OUT / f"{name}.pt", **options)
    if expected is not None:
        save_file({k: v.detach().clone().contiguous() for k, v in expected.items()},
                  OUT / f"{name}.safetensors", metadata={"made by": "torch", "case": name})


def rewrite(source, target, change):
    with zipfile.ZipFile(OUT / source) as old, zipfile.ZipFile(OUT / target, "w") as new:
        for item in old.infolist():
            new.writestr(item.filename, change(item.filename, old.read(item)))


base = torch.randn(4, 6)
dtypes = OrderedDict()
for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32,
              torch.int16, torch.int8, torch.uint8, torch.bool, torch.uint16, torch.uint32,
              torch.float8_e4m3fn, torch.float8_e5m2):
    dtypes[str(dtype)] = (base * 20).to(torch.int64).abs().to(dtype)[:2]
save("dtypes", dtypes, dtypes)

views = OrderedDict(
    whole=base, transposed=base.t(), column=base[:, 2], steps=base[1:, ::2], scalar=base[3, 3],
    empty=torch.empty(0, 5), expanded=torch.tensor([1.5, -2.0]).expand(3, 2),
    channels_last=torch.randn(2, 3, 2, 2).to(memory_format=torch.channels_last),
    offset=base.flatten()[5:11])
save("views", views, views)

model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
checkpoint = {"epoch": 3, "lr": 1e-3, "note": "résumé", "best": None, "done": False, "big": 2**40,
              "negative": -5, "shape": torch.Size([1, 2]), "history": [0.5, (1, 2, 3, 4)],
              "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]},
              "state_dict": model.state_dict()}
save("checkpoint", checkpoint, model.state_dict())
save("nested_model", {"model": dict(model.named_parameters())}, dict(model.named_parameters()))
save("protocol4", model.state_dict(), model.state_dict(), pickle_protocol=4)
save("legacy", model.state_dict(), _use_new_zipfile_serialization=False)
save("no_tensors", {"epoch": 3})
save("module", model)


class Evil:
    def __reduce__(self):
        return os.system, ("touch salus-was-here",)


save("evil", {"weight": base, "hook": Evil()})
torch.jit.script(torch.nn.Linear(2, 1)).save(str(OUT / "torchscript.pt"))

small = OrderedDict(weight=base[:2].clone(), steps=torch.tensor([258, -2]))
save("little", small, small)


def to_big_endian(name, data):
    if name.endswith("/byteorder"):
        return b"big"
    width = {"0": 4, "1": 8}.get(name.rsplit("/", 1)[-1]) if "/data/" in name else None
    if width is None:
        return data
    return b"".join(data[i:i + width][::-1] for i in range(0, len(data), width))


rewrite("little.pt", "big_endian.pt", to_big_endian)
rewrite("little.pt", "without_data.pt", lambda n, d: d if not n.endswith("/data/1") else d[:3])
