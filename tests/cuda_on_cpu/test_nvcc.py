"""Every ``.cu`` file of the repository compiles for the GPUs that are supported, where NVIDIA's compiler is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from minidet_kernels import cuda_on_cpu
from support.cuda_sources import needs_nvcc
from support.tree import tracked

pytestmark = needs_nvcc
ARCHITECTURES = ("75", "80", "90a", "100a", "120a")
#: Boxes are compared bit by bit, so no product is fused with a sum, and nothing is flushed to zero.
FLAGS = ["-std=c++17", "-fmad=false", "-ftz=false", "-prec-div=true", "-prec-sqrt=true", "-cubin", "-w"]


def sources() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".cu"]


def test_there_are_sources():
    assert {"iou_matrix.cu", "nms_mask.cu", "nearest.cu", "naive.cu"} <= {path.name for path in sources()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_cu_file_compiles_to_cubin(architecture, tmp_path):
    """All in one unit, each in a namespace of its own; their own headers go before them."""
    lines = ["#include <cassert>", "#include <cstdint>", "#include <cuda_fp16.h>", "#include <cuda_bf16.h>"]
    lines += [f'#include "{path}"' for path in tracked() if path.suffix == ".cuh"]
    for number, path in enumerate(sources()):
        lines += [f"namespace file_{number} {{", "#undef TILE", "#undef ROWS", "#undef N", f'#include "{path}"', "}"]
    unit = tmp_path / "all.cu"
    unit.write_text("\n".join(lines))
    nvcc = cuda_on_cpu.nvcc()
    assert nvcc is not None
    target = f"-gencode=arch=compute_{architecture},code=sm_{architecture}"
    command = [nvcc, *FLAGS, target, f"-I{cuda_on_cpu.INCLUDE}", "-o", str(tmp_path / "all.cubin"), str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "all.cubin").stat().st_size > 1000
