"""The CUDA sources of the repository, compiled for the CPU: each once a process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from minidet_kernels import cuda_on_cpu
from minidet_kernels.cuda_on_cpu import Module

from .tree import PACKAGES, ROOT

KERNELS = ROOT / "tests" / "cuda_on_cpu" / "kernels"
ROOMS = PACKAGES["minidet_kernels"]

needs_compiler = pytest.mark.skipif(
    not cuda_on_cpu.available(), reason="CUDA C on the CPU needs g++, which is not here"
)
needs_nvcc = [
    pytest.mark.nvcc,
    pytest.mark.skipif(cuda_on_cpu.nvcc() is None, reason="nvcc is not here: no .cu file was compiled for a GPU"),
]

#: What is compiled together of each file, for every build of it alike.
INSTANCES = {
    "features.cu": (
        *(f"block_sum<{kind}>" for kind in ("float", "double", "int")),
        *(f"add_all<{kind}>" for kind in ("int", "unsigned", "unsigned long long", "float", "double")),
        *(f"tensor_16<{k}, {brain}>" for k in (8, 16) for brain in ("false", "true")),
        *(f"matrices<{count}, {transposed}>" for count in (1, 2, 4) for transposed in ("false", "true")),
    ),
}


@cache
def module(path: Path, sanitize: str | None = None, instances: tuple[str, ...] = ()) -> Module:
    """The module of ``path``, with ``INSTANCES`` or the ``instances`` given."""
    return Module.from_file(path, sanitize=sanitize, instantiate=INSTANCES.get(path.name, instances))


def of_rooms(name: str, sanitize: str | None = None) -> Module:
    """The module of a kernel of the rooms, such as ``"overlap/iou_matrix.cu"``."""
    return module(ROOMS / name, sanitize)


def boxes4(boxes: np.ndarray) -> np.ndarray:
    """Boxes that begin where a ``float4`` may."""
    aligned = cuda_on_cpu.empty(boxes.shape, boxes.dtype)
    aligned[...] = boxes
    return aligned
