#!/usr/bin/env python3
"""Golden vectors for tests/kernels/clahe_golden_test.cpp.

    pip install numpy opencv-python-headless==5.0.0.93 pydicom==3.0.2
    tests/support/golden/make_clahe.py tests/data/clahe

One input is a piece of a CT slice of tests/data/dicom, stored as ct.u16; the other a formula that the
test repeats. cases.txt has one line per case (operator, input, bits, height, width, clip limit, tiles
beside and below each other) and results.bin what OpenCV made of them, one after another, row by row:
bytes for 8 bits, little-endian 16-bit words for more. Between 9 and 15 bits OpenCV counts the upper
bits of 16 (setBitShift): it is given value << (16 - bits) and its result is shifted back.
"""
import pathlib
import sys

import cv2
import numpy as np
import pydicom

ROOT = pathlib.Path(__file__).resolve().parents[3]
SLICE = ROOT / "tests/data/dicom/ct_contrast/ID_0005_AGE_0048_CONTRAST_1_CT.dcm"

# bits, height, width, clip limit, tiles beside, tiles below
PICTURES = [(8, 64, 64, 40, 8, 8), (8, 61, 47, 2, 8, 8), (8, 5, 3, 40, 8, 8), (8, 1, 1, 1, 3, 2),
            (8, 48, 50, 0, 4, 6), (8, 2, 70, 3.5, 8, 8), (8, 96, 33, 1000, 1, 1),
            (16, 64, 64, 40, 8, 8), (16, 61, 47, 2, 5, 3), (16, 40, 48, 0, 4, 8), (16, 33, 70, 100, 1, 2),
            (12, 64, 64, 40, 8, 8), (12, 61, 47, 3, 5, 3), (10, 40, 30, 2, 2, 2), (14, 50, 50, 8, 3, 4),
            (9, 64, 32, 4, 8, 8)]
SLICES = [(12, 2, 8, 8), (12, 40, 4, 4), (16, 40, 8, 8), (12, 0, 3, 5)]


def picture(height, width, bits):
    """Bands of values with a scrambled number on top, below 2^bits."""
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    scrambled = (y * 7919 + x * 10473 + x * y * 31) % 65536
    bands = ((x + 2 * y) % 97) * 512
    return ((bands + scrambled // 4) >> (16 - bits)).astype(np.uint8 if bits == 8 else np.uint16)


def ct():
    pixels = pydicom.dcmread(SLICE).pixel_array[150:246, 120:220]
    assert pixels.dtype == np.uint16 and pixels.max() < 4096
    return np.ascontiguousarray(pixels)


def clahe(image, bits, clip, tiles_x, tiles_y):
    operator = cv2.createCLAHE(clip, (tiles_x, tiles_y))
    if bits in (8, 16):
        return operator.apply(image)
    operator.setBitShift(16 - bits)
    result = operator.apply(image << (16 - bits))
    assert not (result & ((1 << (16 - bits)) - 1)).any()
    return result >> (16 - bits)


def main():
    folder = pathlib.Path(sys.argv[1])
    lines, results = [], []

    def add(line, result):
        lines.append(line + "\n")
        results.append(result.astype(result.dtype.newbyteorder("<")).tobytes())

    for bits, height, width, clip, tiles_x, tiles_y in PICTURES:
        add(f"clahe picture {bits} {height} {width} {clip} {tiles_x} {tiles_y}",
            clahe(picture(height, width, bits), bits, clip, tiles_x, tiles_y))
    pixels = ct()
    for bits, clip, tiles_x, tiles_y in SLICES:
        add(f"clahe ct {bits} {pixels.shape[0]} {pixels.shape[1]} {clip} {tiles_x} {tiles_y}",
            clahe(pixels, bits, clip, tiles_x, tiles_y))
    for height, width in [(64, 64), (1, 1), (3, 50), (61, 47)]:
        add(f"equalize picture 8 {height} {width} 0 1 1",
            cv2.equalizeHist(picture(height, width, 8)))
    (folder / "ct.u16").write_bytes(pixels.astype("<u2").tobytes())
    (folder / "cases.txt").write_text("".join(lines))
    (folder / "results.bin").write_bytes(b"".join(results))


if __name__ == "__main__":
    main()
