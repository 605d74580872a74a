"""CLAHE of 2048 x 2048 pixels: clip limit 40, 8 x 8 tiles.

usage: clahe.py words|shift --bits 8|12|16 --threads N

words  pixels as they are: OpenCV counts 65,536 bins for any uint16 image
shift  OpenCV 5's setBitShift: 2^bits bins, for pixels that were shifted to the upper bits before
"""

import argparse

import cv2
import numpy as np

import worker


def stored_pixels(bits):
    index = np.arange(2048 * 2048, dtype=np.int64)
    values = ((index * 2654435761) >> 7) & ((1 << bits) - 1)
    return values.astype(np.uint8 if bits <= 8 else np.uint16).reshape(2048, 2048)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("how", choices=["words", "shift"])
    parser.add_argument("--bits", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    pixels = stored_pixels(arguments.bits)
    operator = cv2.createCLAHE(40, (8, 8))
    top = 255 if arguments.bits <= 8 else 65535
    if arguments.how == "shift":
        shift = 16 - arguments.bits
        operator.setBitShift(shift)
        pixels = pixels << shift
        top = ((1 << arguments.bits) - 1) << shift
    out = np.empty_like(pixels)

    def work():
        return operator.apply(pixels, out)

    values = work().astype(np.float64) / top
    worker.serve({"check": [values.mean(), values.std(ddof=1)]}, 1, work)


if __name__ == "__main__":
    main()
