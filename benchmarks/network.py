"""A whole network in all programs, on the same weights: time of the network alone, and peak memory.

The weights are drawn from a seed, and written by minidet as a ``.weights`` file, which everyone reads, and as an ONNX
model (`benchmarks.programs`).  Raw head maps are compared with minidet's layers in float64 before anything is timed.
``python -m benchmarks.network PROGRAM CFG WEIGHTS`` runs one program once, in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .cfgs import NETWORKS, cfg_text
from .measure import in_turns, matrix_product, relative_error
from .operators import BASELINE, DisagreementError, _row
from .peers import family
from .programs import EPSILON, PROGRAMS, READ_ONNX, chosen, onnx_file

ROOT = Path(__file__).resolve().parents[1]
AGREES = 1e-4
#: What is asked of our YOLOv3 at 416 x 416: peak of resident memory in MB, and time relative to torch.
MOST_MB, MOST_TIMES_TORCH = 1000, 3.0


def drawn_network(cfg: Path, seed: int = 0) -> Any:
    """A network with random weights whose activations neither vanish nor explode, and lively batch statistics."""
    from minidet.darknet import DarknetNetwork
    from minidet.nn import BatchNorm2d, Conv2d

    net, rng = DarknetNetwork(cfg, epsilon=EPSILON, rng=seed), np.random.default_rng(seed)
    for _, module in net.named_modules():
        if isinstance(module, BatchNorm2d):
            shape = module.weight.shape
            module.weight.data[...] = rng.uniform(0.5, 1.0, shape)
            module.bias.data[...] = rng.normal(0, 0.1, shape)
            module.running_mean.data[...] = rng.normal(0, 0.1, shape)
            module.running_var.data[...] = rng.uniform(0.5, 1.5, shape)
        if isinstance(module, Conv2d) and module.bias is not None:
            module.bias.data[...] = rng.normal(0, 0.1, module.bias.shape)
    return net.eval()


def _size(text: str) -> tuple[int, int]:
    """(height, width) of ``N`` or ``HxW``; raises ``ValueError`` for anything else."""
    height, _, width = text.lower().partition("x")
    return int(height), int(width or height)


def _image(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(1).random((1, 3, *size), dtype=np.float32)


def write_files(name: str, size: tuple[int, int], folder: Path, programs: Sequence[str]) -> tuple[Path, Path, Any]:
    """The cfg and the weights of a drawn network, and its ONNX model if any of the programs reads it; the network."""
    from minidet.weights import darknet

    cfg, weights = folder / f"{name}.cfg", folder / f"{name}.weights"
    cfg.write_text(cfg_text(name, size), encoding="utf-8")
    drawn = drawn_network(cfg)
    darknet.save(drawn, weights)
    if any(family(program) in READ_ONNX for program in programs):
        from .onnx_twin import save

        save(drawn, onnx_file(weights))
    return cfg, weights, drawn


def peak_mb(program: str, cfg: Path, weights: Path) -> dict[str, float]:
    """``peak_mb`` of resident memory of a fresh process that loads the weights and runs the network on one image.

    ``packed_mb``, where it is not nothing, says how much of it are copies of the weights packed for the kernels.
    """
    command = [sys.executable, "-m", "benchmarks.network", program, str(cfg), str(weights)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{program} failed in a process of its own:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {key: value for key, value in found.items() if value}


def run_network(
    name: str,
    *,
    size: str = "",
    against: Sequence[str] = (),
    repeats: int = 7,
    memory: bool = True,
    programs: Sequence[str] = (),
) -> dict[str, Any]:
    """Check, then time, one network in all programs (or those named); as plain data, like an operator's result.

    ``memory=False`` leaves out the processes of their own that measure it.  Raises ``DisagreementError`` when a
    program's raw maps are further than ``AGREES`` from float64.
    """
    height, width = _size(size or str(NETWORKS[name]))
    programs = list(programs) or chosen(against)
    x = _image((height, width))
    with tempfile.TemporaryDirectory() as folder:
        cfg, weights, drawn = write_files(name, (height, width), Path(folder), programs)
        flops = network_flops(drawn, (height, width))
        reference = _in_float64(drawn, x)
        del drawn
        peaks = {program: peak_mb(program, cfg, weights) for program in programs} if memory else {}
        forwards = {program: PROGRAMS[program](cfg, weights) for program in programs}
        errors = {program: check_maps(name, program, forward(x), reference) for program, forward in forwards.items()}
        gemm, gemm_flops = matrix_product()
        calls = {program: partial(forward, x) for program, forward in forwards.items()}
        timings = in_turns(calls | {BASELINE: gemm}, repeats=repeats, longest=60.0)
    gemm_rate = gemm_flops / timings.pop(BASELINE).median
    ours = runs(programs)
    rows = [_row(p, t, errors[p], flops, gemm_rate, timings[ours]) | peaks.get(p, {}) for p, t in timings.items()]
    return {
        "operator": name,
        "size": f"{height} x {width}, batch 1",
        "runs": ours,
        "refused": {},
        "gflop": flops / 1e9,
        "gemm_gflops": gemm_rate / 1e9,
        "candidates": rows,
        "best_of_others": best_of_others(rows, ours),
    }


def runs(programs: Sequence[str]) -> str:
    """What of ours is held against the others: the plan, where there is one."""
    return "minidet, plan" if "minidet, plan" in programs else "minidet"


def best_of_others(rows: Sequence[dict[str, Any]], ours: str) -> dict[str, Any] | None:
    """The fastest program of others, each in its fastest setting; and how many times as fast ours is."""
    others = [row for row in rows if family(row["name"]) != "minidet"]
    if not others:
        return None
    best = min(others, key=lambda row: row["ms"])
    (mine,) = (row["ms"] for row in rows if row["name"] == ours)
    return {"name": best["name"], "ms": best["ms"], "ours": ours, "times_as_fast": best["ms"] / mine}


def check_maps(name: str, program: str, maps: Sequence[Any], reference: Sequence[np.ndarray]) -> float:
    """The largest relative error of a program's raw maps; raises ``DisagreementError`` above ``AGREES``."""
    if len(maps) != len(reference):
        raise DisagreementError(f"{name} by {program}: {len(maps)} maps, expected {len(reference)}")
    error = max(relative_error(got, wanted) for got, wanted in zip(maps, reference, strict=True))
    if not error <= AGREES:
        raise DisagreementError(f"{name} by {program}: relative error {error:.1e}, above {AGREES:.0e}")
    return error


def network_flops(net: Any, size: tuple[int, int]) -> float:
    """Two per multiplication and addition of the convolutions."""
    shapes = net.shapes(size)
    convolutions = [(layer, shape) for layer, shape in zip(net.layers, shapes, strict=True) if hasattr(layer, "conv")]
    return float(sum(2 * layer.conv.weight.size * shape[1] * shape[2] for layer, shape in convolutions))


def _in_float64(net: Any, x: np.ndarray) -> list[np.ndarray]:
    """The raw maps in float64; the network's own weights become float64 with it."""
    from minidet import Tensor, no_grad

    with no_grad():
        return [head.numpy() for head in net.astype(np.float64)(Tensor(x.astype(np.float64)))]


def over_limits(result: dict[str, Any]) -> list[str]:
    """What our YOLOv3 at 416 x 416 exceeds of the limits above."""
    if (result["operator"], result["size"]) != ("yolov3", "416 x 416, batch 1"):
        return []
    rows = {row["name"]: row for row in result["candidates"]}
    found = []
    if (peak := rows["minidet"].get("peak_mb", 0.0)) > MOST_MB:
        found.append(f"yolov3: minidet's peak memory is {peak:.0f} MB, more than {MOST_MB}")
    if "torch" in rows and (times := rows["minidet"]["ms"] / rows["torch"]["ms"]) > MOST_TIMES_TORCH:
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
    forward = PROGRAMS[program](Path(cfg), Path(weights))
    forward(_image((net.integer("height"), net.integer("width"))))
    print(json.dumps({"peak_mb": _peak() / 1e6, "packed_mb": forward.packed_bytes() / 1e6}))


if __name__ == "__main__":
    _alone(*sys.argv[1:])
