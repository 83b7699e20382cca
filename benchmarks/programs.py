"""The programs that run a whole network, each in the settings that may be its best.

A program takes a cfg and a ``.weights`` file and returns a function from an image (1, 3, h, w) to the raw head maps.
OpenCV reads the files by itself; torch gets a twin of the same sections (`benchmarks.twin`); ONNX Runtime and OpenVINO
read the ``.onnx`` file beside the weights (`benchmarks.onnx_twin`).  All have the same number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from .measure import threads
from .peers import family

EPSILON = "opencv"  # the batch-norm dialect that all can compute


@dataclass(frozen=True)
class Forward:
    """A program that has loaded a network; ``packed_bytes`` says how much of its memory is weights packed anew."""

    run: Callable[[np.ndarray], list[np.ndarray]]
    packed_bytes: Callable[[], int] = lambda: 0

    def __call__(self, x: np.ndarray) -> list[np.ndarray]:
        """The raw head maps of ``x``, or the output of a network without heads."""
        return self.run(x)


def _loaded(cfg: Path, weights: Path) -> Any:
    from minidet.darknet import DarknetNetwork
    from minidet.nn import init
    from minidet.weights import darknet

    with init.skipped():
        net = DarknetNetwork(cfg, epsilon=EPSILON)
    darknet.load(net, weights)
    return net.eval()


def _ours(cfg: Path, weights: Path, *, fold: bool = False, pinned: str | None = None) -> Forward:
    from minidet_kernels.table import pin

    from minidet import Tensor, no_grad

    net = _loaded(cfg, weights)
    if fold:
        net.fold()

    def forward(x: np.ndarray) -> list[np.ndarray]:
        with no_grad(), pin(conv2d=pinned) if pinned else nullcontext():
            return [head.numpy() for head in net(Tensor(x))]

    return Forward(forward)


def _plan(cfg: Path, weights: Path, *, frozen: bool) -> Forward:
    from minidet.plan import Plan

    net = _loaded(cfg, weights)
    plan = Plan(net, weights="frozen") if frozen else Plan(net)
    return Forward(lambda x: [np.asarray(head) for head in plan(x)], lambda: int(getattr(plan, "packed_bytes", 0)))


def _torch(cfg: Path, weights: Path, *, setting: str) -> Forward:
    import torch

    from .twin import twin

    torch.set_num_threads(threads())
    run = twin(_loaded(cfg, weights), setting=setting)
    layout = torch.contiguous_format if setting == "eager" else torch.channels_last

    def forward(x: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            return [head.numpy() for head in run(torch.from_numpy(x).contiguous(memory_format=layout))]

    return Forward(forward)


def _opencv(cfg: Path, weights: Path, *, winograd: bool) -> Forward:
    import cv2

    cv2.setNumThreads(threads())
    net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    net.enableWinograd(winograd)
    # The raw map of the head in section k is what the convolution in section k - 1 puts out.
    heads = [int(name.split("_")[1]) for name in net.getLayerNames() if name.startswith("yolo_")]
    outputs = [f"conv_{k - 1}" for k in heads] or list(net.getUnconnectedOutLayersNames())

    def forward(x: np.ndarray) -> list[np.ndarray]:
        net.setInput(x)
        return [np.asarray(head) for head in net.forward(outputs)]

    return Forward(forward)


def onnx_file(weights: Path) -> Path:
    """Where the ONNX model of a network lies: beside its weights."""
    return weights.with_suffix(".onnx")


def _onnxruntime(cfg: Path, weights: Path) -> Forward:
    from .engines import onnxruntime_session

    session = onnxruntime_session(str(onnx_file(weights)))
    return Forward(lambda x: session.run(None, {"image": x}))


def _openvino(cfg: Path, weights: Path) -> Forward:
    from .engines import openvino_request

    request = openvino_request(str(onnx_file(weights)))

    def forward(x: np.ndarray) -> list[np.ndarray]:
        request.infer([x], share_inputs=True)
        return [tensor.data for tensor in request.output_tensors]

    return Forward(forward)


#: The inference plan, where this minidet has one.
_PLANS: dict[str, Callable[[Path, Path], Forward]] = {
    "minidet, plan": partial(_plan, frozen=False),
    "minidet, plan, frozen": partial(_plan, frozen=True),
}

#: What the programs of others are called on the command line is the word before the comma.
PROGRAMS: dict[str, Callable[[Path, Path], Forward]] = {
    **(_PLANS if find_spec("minidet.plan") else {}),
    "minidet": _ours,
    "minidet, folded": partial(_ours, fold=True),
    "minidet, im2col": partial(_ours, pinned="im2col"),
    "torch": partial(_torch, setting="eager"),
    "torch, folded, channels last": partial(_torch, setting="folded"),
    "torch, prepacked": partial(_torch, setting="prepacked"),
    "opencv": partial(_opencv, winograd=True),
    "opencv, without Winograd": partial(_opencv, winograd=False),
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}
#: The programs that read the ONNX file.
READ_ONNX = ("onnxruntime", "openvino")


def chosen(against: Sequence[str]) -> list[str]:
    """Ours, and those of the named others."""
    return [program for program in PROGRAMS if family(program) in ("minidet", *against)]
