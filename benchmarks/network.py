"""A whole network: ours, torch's and OpenCV's on the same weights; time of the network alone, and peak memory.

The weights are drawn from a seed, written by minidet as a ``.weights`` file, and read from there by everyone: OpenCV by
its own reader, torch by a twin that computes the same sections with torch's functions.  Raw head maps are compared
before anything is timed.  ``python -m benchmarks.network PROGRAM CFG WEIGHTS`` runs one program once, in a process of
its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .cfgs import cfg_text
from .measure import in_turns, matrix_product, relative_error
from .operators import BASELINE, DisagreementError, _row

ROOT = Path(__file__).resolve().parents[1]
AGREES = 1e-4
#: What is asked of our YOLOv3 at 416 x 416: peak of resident memory in MB, and time relative to torch.
MOST_MB, MOST_TIMES_TORCH = 1000, 3.0
EPSILON = "opencv"  # the batch-norm dialect that all three can compute

Forward = Callable[[np.ndarray], list[np.ndarray]]


def drawn_network(cfg: Path, seed: int = 0) -> Any:
    """A network with random weights whose activations neither vanish nor explode, and lively batch statistics."""
    from minidet.darknet import DarknetNetwork
    from minidet.nn import BatchNorm2d

    net, rng = DarknetNetwork(cfg, epsilon=EPSILON, rng=seed), np.random.default_rng(seed)
    for _, module in net.named_modules():
        if isinstance(module, BatchNorm2d):
            shape = module.weight.shape
            module.weight.data[...] = rng.uniform(0.5, 1.0, shape)
            module.bias.data[...] = rng.normal(0, 0.1, shape)
            module.running_mean.data[...] = rng.normal(0, 0.1, shape)
            module.running_var.data[...] = rng.uniform(0.5, 1.5, shape)
    return net.eval()


# --- the programs: each returns a function from an image (1, 3, h, w) to raw head maps --------------------------------


def _ours(cfg: Path, weights: Path, *, fold: bool) -> Forward:
    from minidet import Tensor, no_grad
    from minidet.darknet import DarknetNetwork
    from minidet.nn import init
    from minidet.weights import darknet

    with init.skipped():
        net = DarknetNetwork(cfg, epsilon=EPSILON)
    darknet.load(net, weights)
    net = net.fold() if fold else net.eval()

    def forward(x: np.ndarray) -> list[np.ndarray]:
        with no_grad():
            return [head.numpy() for head in net(Tensor(x))]

    return forward


def _torch(cfg: Path, weights: Path, *, fold: bool) -> Forward:
    import torch

    from minidet.darknet import DarknetNetwork
    from minidet.nn import init
    from minidet.weights import darknet

    from .twin import twin

    with init.skipped():
        net = DarknetNetwork(cfg, epsilon=EPSILON)
    darknet.load(net, weights)
    run = twin(net, fold=fold)
    layout = torch.channels_last if fold else torch.contiguous_format

    def forward(x: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            return [head.numpy() for head in run(torch.from_numpy(x).contiguous(memory_format=layout))]

    return forward


def _opencv(cfg: Path, weights: Path) -> Forward:
    import cv2

    net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    # The raw map of the head in section k is what the convolution in section k - 1 puts out.
    heads = [int(name.split("_")[1]) for name in net.getLayerNames() if name.startswith("yolo_")]
    outputs = [f"conv_{k - 1}" for k in heads]

    def forward(x: np.ndarray) -> list[np.ndarray]:
        net.setInput(x)
        return [np.asarray(head) for head in net.forward(outputs)]

    return forward


PROGRAMS: dict[str, Callable[[Path, Path], Forward]] = {
    "minidet": lambda cfg, weights: _ours(cfg, weights, fold=False),
    "minidet, folded": lambda cfg, weights: _ours(cfg, weights, fold=True),
    "torch": lambda cfg, weights: _torch(cfg, weights, fold=False),
    "torch, folded, channels last": lambda cfg, weights: _torch(cfg, weights, fold=True),
    "opencv": _opencv,
}


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    return int(height), int(width or height)


def _image(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(1).random((1, 3, *size), dtype=np.float32)


def peak_mb(program: str, cfg: Path, weights: Path) -> float:
    """Peak resident memory, in MB, of a fresh process that loads the weights and runs the network on one image."""
    command = [sys.executable, "-m", "benchmarks.network", program, str(cfg), str(weights)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{program} failed in a process of its own:\n{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mb"])


def run_network(name: str, *, size: str, against: Sequence[str], repeats: int) -> dict[str, Any]:
    """Check, then time, one network in all programs; as plain data, like an operator's result."""
    from minidet.weights import darknet

    height, width = _size(size)
    programs = [p for p in PROGRAMS if p.split(",")[0] in ("minidet", *against)]
    with tempfile.TemporaryDirectory() as folder:
        cfg, weights = Path(folder, f"{name}.cfg"), Path(folder, f"{name}.weights")
        cfg.write_text(cfg_text(name, (height, width)), encoding="utf-8")
        drawn = drawn_network(cfg)
        flops = network_flops(drawn, (height, width))
        darknet.save(drawn, weights)
        expected = _in_float64(drawn, _image((height, width)) if len(programs) == 2 else None)
        del drawn
        peaks = {program: peak_mb(program, cfg, weights) for program in programs}
        forwards = {program: PROGRAMS[program](cfg, weights) for program in programs}
        x = _image((height, width))
        results = {program: forward(x) for program, forward in forwards.items()}
        reference = expected or results[programs[-1]]  # float64, or the program of others that was named last
        errors = {}
        for program, maps in results.items():
            pairs = zip(maps, reference, strict=True)
            errors[program] = max(relative_error(got, wanted) for got, wanted in pairs)
            if not errors[program] <= AGREES:
                raise DisagreementError(
                    f"{name} by {program}: relative error {errors[program]:.1e}, above {AGREES:.0e}"
                )
        gemm, gemm_flops = matrix_product()
        calls = {program: partial(forward, x) for program, forward in forwards.items()}
        timings = in_turns(calls | {BASELINE: gemm}, repeats=repeats, longest=60.0)
    gemm_rate = gemm_flops / timings.pop(BASELINE).median
    rows = [
        _row(p, t, errors[p], flops, gemm_rate, timings["minidet"]) | {"peak_mb": peaks[p]} for p, t in timings.items()
    ]
    return {
        "operator": name,
        "size": f"{height} x {width}, batch 1",
        "runs": "minidet",
        "refused": {},
        "gemm_gflops": gemm_rate / 1e9,
        "candidates": rows,
    }


def network_flops(net: Any, size: tuple[int, int]) -> float:
    """Two per multiplication and addition of the convolutions."""
    shapes = net.shapes(size)
    convolutions = [(layer, shape) for layer, shape in zip(net.layers, shapes, strict=True) if hasattr(layer, "conv")]
    return float(sum(2 * layer.conv.weight.size * shape[1] * shape[2] for layer, shape in convolutions))


def _in_float64(net: Any, x: np.ndarray | None) -> list[np.ndarray]:
    """The raw maps in float64, which is the reference when no other program takes part."""
    from minidet import Tensor, no_grad

    if x is None:
        return []
    with no_grad():
        maps = [head.numpy() for head in net.astype(np.float64)(Tensor(x.astype(np.float64)))]
    return maps


def over_limits(result: dict[str, Any]) -> list[str]:
    """What our YOLOv3 at 416 x 416 exceeds of the limits above."""
    if (result["operator"], result["size"]) != ("yolov3", "416 x 416, batch 1"):
        return []
    rows = {row["name"]: row for row in result["candidates"]}
    found = []
    if (peak := rows["minidet"]["peak_mb"]) > MOST_MB:
        found.append(f"yolov3: minidet's peak memory is {peak:.0f} MB, more than {MOST_MB}")
    if "torch" in rows and (times := 1 / rows["torch"]["ratio"]) > MOST_TIMES_TORCH:
        found.append(f"yolov3: minidet takes {times:.2f} times as long as torch, more than {MOST_TIMES_TORCH}")
    return found


def _peak() -> float:
    """The peak of this process's resident memory, in bytes.

    Linux keeps ``ru_maxrss`` over fork and exec, so that a child starts with its parent's peak; ``VmHWM`` is its own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return float(line.split()[1]) * 1024
    import resource

    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


def _alone(program: str, cfg: str, weights: str) -> None:
    from minidet.darknet import read_cfg

    net = read_cfg(cfg).net
    PROGRAMS[program](Path(cfg), Path(weights))(_image((net.integer("height"), net.integer("width"))))
    print(json.dumps({"peak_mb": _peak() / 1e6}))


if __name__ == "__main__":
    _alone(*sys.argv[1:])
