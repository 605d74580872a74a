"""Makes tests/data/arrays: NumPy files of every header version, order and dtype, and .npz archives of
every kind that Python writes. Every array is arange(24) in the shape and dtype that its name says. Run
from the repository root with numpy installed.
"""
import io
import pathlib
import zipfile

import numpy as np
from numpy.lib import format as npy

OUT = pathlib.Path("tests/data/arrays")
OUT.mkdir(parents=True, exist_ok=True)


def ramp(dtype, shape=(2, 3, 4), order="C"):
    return np.asarray(np.arange(24).reshape(shape), dtype=dtype, order=order)


for dtype in ("u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8", ">i2", ">f4",
              ">f8", ">u8"):
    name = dtype.replace("<", "little_").replace(">", "big_")
    np.save(OUT / f"{name}.npy", ramp(dtype))
np.save(OUT / "fortran.npy", ramp("<i4", order="F"))
np.save(OUT / "big_fortran.npy", ramp(">f4", order="F"))
np.save(OUT / "scalar.npy", np.float64(2.5))
np.save(OUT / "empty.npy", np.zeros((0, 3), np.float32))
np.save(OUT / "bool.npy", np.arange(24) % 2 == 0)
np.save(OUT / "text.npy", np.array(["ab", "c"]))
np.save(OUT / "complex.npy", np.array([1 + 2j]))
np.save(OUT / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
np.save(OUT / "records.npy", np.zeros(2, [("x", "<i4"), ("y", "<f8")]))
for version in ((1, 0), (2, 0), (3, 0)):
    with open(OUT / f"version{version[0]}.npy", "wb") as file:
        npy.write_array(file, ramp("<i2"), version)

np.savez(OUT / "stored.npz", a=ramp("u1"), b=ramp(">f4"))
np.savez_compressed(OUT / "deflated.npz", a=ramp("u1"), b=ramp(">f4"))


def bytes_of(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


class Unseekable(io.RawIOBase):
    """A pipe: zipfile then writes sizes behind the data."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, piece):
        self.data += bytes(piece)
        return len(piece)


def archive(name, target):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.comment = b"PK\x05\x06 in a comment"
        for key, dtype in (("a", "u1"), ("b", ">f4")):
            zipped.writestr(key + ".npy", bytes_of(ramp(dtype)))
    if isinstance(target, Unseekable):
        (OUT / name).write_bytes(target.data)


archive("descriptors.npz", Unseekable())
zipfile.ZIP64_LIMIT = 10
zipfile.ZIP_FILECOUNT_LIMIT = 1
archive("zip64.npz", OUT / "zip64.npz")
