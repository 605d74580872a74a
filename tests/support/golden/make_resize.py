#!/usr/bin/env python3
"""Golden vectors for tests/kernels/image_preprocess_golden_test.cpp.

    pip install numpy==1.26.4 opencv-python-headless==4.10.0.84 pillow==11.0.0
    tests/support/golden/make_resize.py tests/data/resize

The input is a formula that the test repeats, so that only what the libraries made of it is stored:
cases.txt has one line per case (library, mode, input height and width, output height and width) and
values.f32 the outputs one after another, row by row, little-endian float32.
"""
import pathlib
import sys

import cv2
import numpy as np
from PIL import Image

SIZES = [(37, 61, 12, 20), (64, 48, 16, 12), (30, 45, 7, 31), (51, 33, 50, 32), (40, 52, 17, 13)]
ENLARGING = [(12, 17, 40, 31), (1, 9, 5, 20), (13, 11, 26, 33)]


def picture(height, width):
    """Float32 in [0, 1): a scrambled 16-bit number per pixel."""
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return ((y * 7919 + x * 10473 + x * y * 31) % 65536).astype(np.float32) / np.float32(65536)


def opencv(flag):
    return lambda image, height, width: cv2.resize(image, (width, height), interpolation=flag)


def pillow(image, height, width):
    return np.asarray(Image.fromarray(image, "F").resize((width, height), Image.Resampling.BILINEAR))


MODES = [("opencv", "area", opencv(cv2.INTER_AREA), SIZES),
         ("opencv", "bilinear", opencv(cv2.INTER_LINEAR), SIZES + ENLARGING),
         ("opencv", "nearest", opencv(cv2.INTER_NEAREST), SIZES + ENLARGING),
         ("pillow", "bilinear-antialias", pillow, SIZES + ENLARGING)]


def main():
    folder = pathlib.Path(sys.argv[1])
    lines, values = [], []
    for library, mode, resize, sizes in MODES:
        for height, width, out_height, out_width in [s for s in sizes
                                                     if mode != "area" or s[3] <= s[1]]:
            out = resize(picture(height, width), out_height, out_width)
            assert out.shape == (out_height, out_width) and out.dtype == np.float32
            lines.append(f"{library} {mode} {height} {width} {out_height} {out_width}\n")
            values.append(out.astype("<f4").tobytes())
    (folder / "cases.txt").write_text("".join(lines))
    (folder / "values.f32").write_bytes(b"".join(values))


if __name__ == "__main__":
    main()
