"""Where NVIDIA's own headers and compiler are, if they are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from .errors import NoCompilerError


@cache
def nvcc() -> str | None:
    """The path of ``nvcc``: on ``PATH``, else in ``CUDA_HOME`` or ``CUDA_PATH``; ``None`` where there is none."""
    homes = [os.environ[name] for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    return shutil.which("nvcc") or shutil.which("nvcc", path=os.pathsep.join(f"{home}/bin" for home in homes))


@cache
def headers() -> Path | None:
    """The folder with ``cuda_fp16.h`` of the toolkit that ``CUDA_HOME`` names or ``nvcc`` belongs to."""
    homes = [Path(os.environ[name]) for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    compiler = nvcc()
    if compiler:
        homes.append(Path(compiler).resolve().parents[1])
        # Where nvcc is a script that stands elsewhere, what it would do tells.
        dry = subprocess.run([compiler, "-dryrun", "-c", "-x", "cu", "/dev/null"], capture_output=True, text=True)
        homes += [Path(top) for top in re.findall(r"^#\$ TOP=(.+)$", dry.stderr, re.MULTILINE)]
    for folder in [*(home / "include" for home in homes), Path("/usr/local/cuda/include")]:
        if (folder / "cuda_fp16.h").is_file() and (folder / "crt" / "host_defines.h").is_file():
            return folder.resolve()
    return None


def need_headers(where: str) -> Path:
    """``headers()``, or an error that says who needs them."""
    found = headers()
    if found is None:
        raise NoCompilerError(
            f"{where} includes cuda_fp16.h or cuda_bf16.h, which come with NVIDIA's CUDA toolkit (nvcc, headers); "
            "none is on PATH or in CUDA_HOME, so this kernel cannot run here"
        )
    return found
