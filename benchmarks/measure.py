"""Timing that is fair: candidates in turns, several repeats, medians with their spread; and what machine it was."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

#: A single timing lasts at least this long; shorter calls are repeated within it.
SHORTEST = 0.005
#: A candidate stops taking turns when its calls have taken this long in all (but not before its second turn).
LONGEST = 4.0
#: Idle threads of OpenMP wait busily for some milliseconds, on the cores of whoever comes next: seconds before a turn.
PAUSE = 0.01
#: A turn begins with a call that is not timed, unless one takes longer than this: threads have to wake up first.
WARM = 0.5


def threads() -> int:
    """How many threads every program gets: what Numba is told, at most one for each core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, int(os.environ.get("NUMBA_NUM_THREADS", cores)))


@dataclass(frozen=True)
class Timing:
    """Seconds per call: the median of the turns, and how far apart their quartiles are, relative to it."""

    median: float
    spread: float
    turns: int


def in_turns(
    candidates: Mapping[str, Callable[[], Any]], *, repeats: int, longest: float = LONGEST
) -> dict[str, Timing]:
    """Time the candidates one after the other, ``repeats`` times over, the first one shifting by one each turn.

    They are expected to have run before: compilation and caches are not what is measured.  Each turn begins with a
    pause, for the threads of the turn before to go to sleep, and a call that is not timed.
    """
    loops, warm, samples = {}, {}, {name: list[float]() for name in candidates}
    for name, call in candidates.items():
        start = time.perf_counter()
        call()
        took = time.perf_counter() - start
        loops[name], warm[name] = max(1, int(SHORTEST / max(took, 1e-9))), took < WARM
    names = list(candidates)
    for turn in range(repeats):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            if turn >= 2 and sum(samples[name]) * loops[name] > longest:
                continue
            call = candidates[name]
            time.sleep(PAUSE)
            if warm[name]:
                call()
            start = time.perf_counter()
            for _ in range(loops[name]):
                call()
            samples[name].append((time.perf_counter() - start) / loops[name])
    timings = {}
    for name, seconds in samples.items():
        low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75])
        timings[name] = Timing(float(median), float((high - low) / median), len(seconds))
    return timings


def matrix_product(n: int = 1024) -> tuple[Callable[[], Any], float]:
    """A float32 matrix product by NumPy's BLAS, and its operations: the yardstick of the machine."""
    a, b = np.random.default_rng(0).standard_normal((2, n, n), dtype=np.float32)
    out = np.empty_like(a)
    return (lambda: np.matmul(a, b, out=out)), 2.0 * n**3


def relative_error(got: Any, expected: Any) -> float:
    """``max|got - expected| / max|expected|``; infinite for NaN, for other shapes, and for wrong zeros."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    if got.shape != expected.shape or not np.isfinite(got).all():
        return float("inf")
    if not expected.size:
        return 0.0
    largest, difference = np.abs(expected).max(), np.abs(got - expected).max()
    return float(difference / largest) if largest else (0.0 if difference == 0 else float("inf"))


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    here = Path(__file__).parent
    try:
        return subprocess.run(command, cwd=here, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _blas_core() -> str | None:
    """Which kernels NumPy's OpenBLAS has chosen, which may be older ones than the processor could run."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        library = ctypes.CDLL(next(line.split()[-1] for line in lines if "scipy_openblas" in line))
        name = library.scipy_openblas_get_corename64_
    except (OSError, StopIteration, AttributeError):
        return None
    name.restype = ctypes.c_char_p
    return f"OpenBLAS for {name().decode()}"


def machine() -> dict[str, Any]:
    """Processor, cores, versions, BLAS, threads and commit: what a figure must come with."""
    wanted = [
        "numpy",
        "numba",
        "torch",
        "torchvision",
        "opencv-python-headless",
        "onnxruntime",
        "openvino",
        "pycocotools",
        "faster-coco-eval",
    ]
    threads = ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"]
    return {
        "processor": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": sys.version.split()[0],
        "versions": {name: found for name in wanted if (found := _version(name))},
        "blas": _blas_core(),
        "threads": {name: os.environ[name] for name in threads if name in os.environ},
        "commit": _commit(),
    }
