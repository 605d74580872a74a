"""2048 x 2048 uint16 in memory -> window -> area resize to 512 x 512 -> normalise, float32.

usage: preprocess.py opencv|torch --threads N
"""

import argparse

import numpy as np

import worker

LOW, HIGH, MEAN, STD = 500.0, 3500.0, 0.5, 0.25


def stored_pixels():
    index = np.arange(2048 * 2048, dtype=np.int64)
    return (((index * 2654435761) >> 7) & 4095).astype(np.uint16).reshape(2048, 2048)


def opencv_work(pixels, threads):
    import cv2

    cv2.setNumThreads(threads)

    def work():
        values = pixels.astype(np.float32)
        values -= LOW
        values *= 1 / (HIGH - LOW)
        np.clip(values, 0, 1, out=values)
        values = cv2.resize(values, (512, 512), interpolation=cv2.INTER_AREA)
        values -= MEAN
        values *= 1 / STD
        return values

    return work


def torch_work(pixels, threads):
    import torch

    torch.set_num_threads(threads)
    source = torch.from_numpy(pixels.astype(np.int32))[None, None]

    def work():
        values = source.float().sub_(LOW).mul_(1 / (HIGH - LOW)).clamp_(0, 1)
        values = torch.nn.functional.interpolate(values, (512, 512), mode="area")
        return values.sub_(MEAN).mul_(1 / STD).numpy()

    return work


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=["opencv", "torch"])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    make = opencv_work if arguments.library == "opencv" else torch_work
    work = make(stored_pixels(), arguments.threads)
    values = work().astype(np.float64)
    worker.serve({"check": [values.mean(), values.std(ddof=1)]}, 1, work)


if __name__ == "__main__":
    main()
