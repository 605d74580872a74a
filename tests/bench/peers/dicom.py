"""DICOM CT file -> [1, 224, 224] float32, the way it is commonly done in Python.

usage: dicom.py pydicom|monai --threads N FILE...
As many processes as we have threads, forked once, that write into shared memory: nothing is pickled but
file positions. Threads inside the libraries are off, because the processes are the parallelism.
"""

import argparse
import multiprocessing
import warnings

import numpy as np

import worker

SIZE, CENTER, WIDTH, MEAN, STD = 224, 40.0, 400.0, 0.5, 0.25
LOW, HIGH = CENTER - 0.5 - (WIDTH - 1) / 2, CENTER - 0.5 + (WIDTH - 1) / 2


def pydicom_reader():
    import cv2
    import pydicom

    cv2.setNumThreads(0)

    def read(path):
        data = pydicom.dcmread(path)
        pixels = data.pixel_array.astype(np.float32)
        pixels = pixels * np.float32(data.RescaleSlope) + np.float32(data.RescaleIntercept)
        np.clip((pixels - LOW) / (HIGH - LOW), 0, 1, out=pixels)
        pixels = cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        return (pixels - MEAN) / STD

    return read


def monai_reader():
    import torch
    from monai import transforms

    torch.set_num_threads(1)
    chain = transforms.Compose([
        transforms.LoadImage(reader="PydicomReader", image_only=True, ensure_channel_first=True,
                             swap_ij=False),
        transforms.ScaleIntensityRange(LOW, HIGH, 0, 1, clip=True),
        transforms.Resize((SIZE, SIZE, 1), mode="area"),
        transforms.NormalizeIntensity(subtrahend=MEAN, divisor=STD),
    ])
    return lambda path: chain(path).numpy()[0, :, :, 0]


def shared_array(count):
    raw = multiprocessing.get_context("fork").RawArray("f", count * SIZE * SIZE)
    return np.frombuffer(raw, np.float32).reshape(count, SIZE, SIZE)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=["pydicom", "monai"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("files", nargs="+")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    read = pydicom_reader() if arguments.library == "pydicom" else monai_reader()
    images = shared_array(len(arguments.files))

    global store  # found again by the forked processes

    def store(position):
        images[position] = read(arguments.files[position])

    with multiprocessing.get_context("fork").Pool(arguments.threads) as pool:
        positions = range(len(arguments.files))
        chunk = max(1, len(positions) // (4 * arguments.threads))

        def load():
            for _ in pool.imap_unordered(call_store, positions, chunk):
                pass

        load()
        check = [float(images.mean(dtype=np.float64)), float(images.std(dtype=np.float64, ddof=1))]
        worker.serve({"check": check}, len(positions), load)


def call_store(position):
    store(position)


if __name__ == "__main__":
    main()
