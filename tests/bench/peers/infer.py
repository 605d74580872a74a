"""Inference of torchvision networks at 224 x 224 by the common run-times.

usage: infer.py eager|compile|onnxruntime|openvino --model NAME --dtype float32|bfloat16 --batch N
                --threads N --folder FOLDER [--device cuda]
FOLDER holds what models.py exported.
"""

import argparse
import contextlib
import pathlib

import torch

import models
import worker


def torch_work(arguments, compiled):
    device = arguments.device
    model = models.for_inference(arguments.model)
    about = {"flops_per_item": models.flops(model, models.images(1))}
    half = arguments.dtype == "bfloat16"
    layout = torch.channels_last if half or compiled else torch.contiguous_format
    model = model.to(device, torch.bfloat16 if half else torch.float32, memory_format=layout)
    forward = torch.compile(model) if compiled else model
    batch = models.images(arguments.batch)

    def work():
        with torch.inference_mode() if not compiled else torch.no_grad():
            inputs = batch.to(device, torch.bfloat16 if half else torch.float32,
                              memory_format=layout)
            return forward(inputs).float().cpu()

    return about, work


def onnxruntime_work(arguments):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    provider = "CUDAExecutionProvider" if arguments.device != "cpu" else "CPUExecutionProvider"
    session = onnxruntime.InferenceSession(
        str(arguments.folder / f"{arguments.model}.onnx"), options, providers=[provider])
    batch = models.images(arguments.batch).numpy()
    return {}, lambda: torch.from_numpy(session.run(None, {"image": batch})[0])


def openvino_work(arguments):
    import openvino

    core = openvino.Core()
    network = core.read_model(arguments.folder / f"{arguments.model}.onnx")
    network.reshape([arguments.batch, 3, 224, 224])
    compiled = core.compile_model(network, "CPU", {
        "INFERENCE_NUM_THREADS": arguments.threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if arguments.dtype == "bfloat16" else "f32",
    })
    request = compiled.create_infer_request()
    batch = models.images(arguments.batch).numpy()

    def work():
        return torch.from_numpy(request.infer({0: batch})[0])

    return {}, work


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=["eager", "compile", "onnxruntime", "openvino"])
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.library == "onnxruntime":
        about, work = onnxruntime_work(arguments)
    elif arguments.library == "openvino":
        about, work = openvino_work(arguments)
    else:
        about, work = torch_work(arguments, arguments.library == "compile")
    check = work()[0, :8].double().tolist()
    with contextlib.suppress(BrokenPipeError):
        worker.serve({"check": check, **about}, arguments.batch, work)


if __name__ == "__main__":
    main()
