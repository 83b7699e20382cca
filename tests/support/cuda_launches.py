"""The rooms' CUDA launchers without a GPU: arrays of the stand-in for CuPy, kernels run by ``cuda_on_cpu``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from minidet_kernels.cuda import Source
from minidet_kernels.cuda_on_cpu import Module

from . import strict_cupy


@cache
def module(source: Source, sanitize: str | None) -> Module:
    return Module.from_file(source.path, defines=dict(source.defines), instantiate=source.instances, sanitize=sanitize)


class OnCpu:
    """Takes launches: ``OnCpu(schedule="all")``, ``OnCpu(sanitize="address")``; ``launches`` names those it took."""

    def __init__(self, schedule: str = "all", sanitize: str | None = None, seed: int = 0) -> None:
        self.schedule, self.sanitize, self.seed = schedule, sanitize, seed
        self.launches: list[str] = []

    def __call__(self, source: Source, kernel: str, grid: Any, block: Any, args: Sequence[Any], shared: int) -> None:
        self.launches.append(kernel)
        given = [x._host if isinstance(x, strict_cupy.ndarray) else x for x in args]
        for x in given:
            if isinstance(x, np.ndarray):
                assert x.base is None or x.flags.c_contiguous, kernel
        run = module(source, self.sanitize).kernel(kernel, max_shared=227 << 10)
        run(grid, block, given, shared=shared, schedule=self.schedule, seed=self.seed)
