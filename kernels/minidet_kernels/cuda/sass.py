"""Counts the instructions of a compiled kernel's main loop, and what they allow on a Hopper GPU.

NVIDIA's ``nvdisasm`` prints a cubin's instructions (SASS).  A backward branch closes a loop.  The main loop is the
smallest with products by tensor cores; else, of the loops with no other inside, one with many fused products of what
lies in shared memory, or one that stores, or the one with most arithmetic and traffic.  From its instructions two
limits follow, whatever else the kernel waits for, as a multiprocessor issues four instructions of warps a clock:

    TFLOP/s  =  operations of a warp in the loop / instructions of the loop * instructions a second
    TB/s     =  bytes that a warp moves in the loop / instructions of the loop * instructions a second

Bytes count as if each lane moved its own: what lanes share, or what comes from the caches, does not reach memory.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .errors import NoCompilerError

#: H200: 132 multiprocessors at 1.98 GHz, four instructions a clock each; 67 TFLOP/s in float32, 4.3 TB/s when copying.
ISSUE = 132 * 1.98e9 * 4
FLOAT32, COPY = 67e12, 4.3e12

_INSTRUCTION = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_]*)((?:\.[A-Za-z0-9_]+)*)([^;]*);")
_LABEL = re.compile(r"^(\.L_\w+):")
_TARGET = re.compile(r"`\((\.L_\w+)\)")
_WIDTH = re.compile(r"\.(U8|S8|U16|S16|64|128)\b")
_BYTES = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16}


@dataclass(frozen=True)
class Instruction:
    """One of a kernel: its place, its name, and what follows the name."""

    address: int
    name: str
    suffix: str
    rest: str


@dataclass(frozen=True)
class Counts:
    """Of a kernel: all instructions, and of its main loop (0 if none) what kind they are.

    ``flops`` and ``tensor`` are operations of a warp in float32 (or float64) and by tensor cores; ``shared`` counts
    instructions; ``loaded`` and ``stored`` are global bytes of a warp.
    """

    total: int
    loop: int
    fused: int
    flops: int
    tensor: int
    shared: int
    loaded: int
    stored: int

    @property
    def counted(self) -> int:
        """The instructions that the other figures are of: the main loop's, or all where there is no loop."""
        return self.loop or self.total

    def per_second(self, amount: int) -> float:
        """How much a second, if a loop does ``amount`` and every slot for an instruction is used."""
        return amount / self.counted * ISSUE


def disassembler() -> str:
    """The path of ``nvdisasm``.  Raises ``NoCompilerError`` that says how to get it."""
    found = _find()
    if found is None:
        raise NoCompilerError(
            "there is no nvdisasm on PATH or in CUDA_HOME, so instructions cannot be counted; "
            "pip install nvidia-cuda-nvdisasm brings it"
        )
    return found


@cache
def _find() -> str | None:
    if on_path := shutil.which("nvdisasm"):
        return on_path
    from ..cuda_on_cpu import toolkit

    if (nvcc := toolkit.nvcc()) and (beside := shutil.which("nvdisasm", path=str(Path(nvcc).resolve().parent))):
        return beside
    wheels = importlib.util.find_spec("nvidia")  # where pip puts it
    folders = wheels.submodule_search_locations or () if wheels else ()
    return next((str(found) for folder in folders for found in Path(folder).glob("*/bin/nvdisasm")), None)


def of_cubin(path: Path) -> dict[str, Counts]:
    """The kernels of a cubin, by the linker's names."""
    done = subprocess.run([disassembler(), "-c", str(path)], capture_output=True, text=True, check=True)
    return of_text(done.stdout)


def of_text(text: str) -> dict[str, Counts]:
    """The kernels of what ``nvdisasm -c`` prints."""
    parts = re.split(r"^\s*\.section\s+\.text\.([^,\s]+),.*$", text, flags=re.MULTILINE)
    return {name: _count(*_parse(body)) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _parse(body: str) -> tuple[list[Instruction], dict[str, int]]:
    found: list[Instruction] = []
    labels: dict[str, int] = {}
    waiting: list[str] = []
    for line in body.splitlines():
        if line.startswith("//---"):
            break  # the next section
        if match := _LABEL.match(line):
            waiting.append(match[1])
        elif match := _INSTRUCTION.search(line):
            one = Instruction(int(match[1], 16), match[2], match[3], match[4])
            labels |= dict.fromkeys(waiting, one.address)
            waiting.clear()
            found.append(one)
    return found, labels


def loops(code: list[Instruction], labels: dict[str, int]) -> list[tuple[int, int]]:
    """The loops: addresses of the first and the last instruction."""
    every = set()
    for one in code:
        target = _TARGET.search(one.rest) if one.name == "BRA" else None
        if target and labels.get(target[1], one.address) < one.address:
            every.add((labels[target[1]], one.address))
    return sorted(every)


def _count(code: list[Instruction], labels: dict[str, int]) -> Counts:
    code = [one for one in code if one.name != "NOP"]
    every = loops(code, labels)
    made = {}
    for first, last in every:
        inside = [one for one in code if first <= one.address <= last]
        made[first, last] = _sum(inside, len(code), len(inside))
    if with_tensor := [counts for counts in made.values() if counts.tensor]:
        return min(with_tensor, key=lambda counts: counts.loop)
    inner = [
        counts for (a, b), counts in made.items() if not any((c, d) != (a, b) and a <= c and d <= b for c, d in every)
    ]
    return max(inner, key=_rank, default=_sum(code, len(code), 0))


def _rank(counts: Counts) -> tuple[bool, bool, int]:
    return (
        counts.fused >= 32 and counts.shared >= 4,
        counts.stored > 0,
        counts.flops + 8 * (counts.loaded + counts.stored),
    )


def _sum(inside: list[Instruction], total: int, loop: int) -> Counts:
    fused = flops = tensor = shared = loaded = stored = 0
    for one in inside:
        if one.name in ("FFMA", "DFMA"):
            fused, flops = fused + 1, flops + 64
        elif one.name in ("FADD", "FMUL", "DADD", "DMUL"):
            flops += 32
        elif one.name in ("FFMA2", "FADD2", "FMUL2"):  # pairs, on Blackwell
            fused, flops = fused + (one.name == "FFMA2"), flops + (128 if one.name == "FFMA2" else 64)
        elif one.name in ("HMMA", "HGMMA", "QGMMA", "UTCHMMA"):
            tensor += _products(one)
        elif one.name in ("LDS", "STS", "LDSM", "STSM", "ATOMS"):
            shared += 1
        elif one.name in ("LDG", "LDGSTS"):
            loaded += 32 * _width(one.suffix)
        elif one.name == "STG":
            stored += 32 * _width(one.suffix)
    return Counts(total, loop, fused, flops, tensor, shared, loaded, stored)


def _width(suffix: str) -> int:
    match = _WIDTH.search(suffix)
    return _BYTES[match[1]] if match else 4


def _products(one: Instruction) -> int:
    """Operations of a product by tensor cores: HMMA.16816 is 16 x 8 x 16, HGMMA.64x128x16 says itself."""
    if match := re.search(r"\.(\d+)x(\d+)x(\d+)", one.suffix):
        m, n, k = map(int, match.groups())
        return 2 * m * n * k // 4  # four warps together
    match = re.search(r"\.16(8)(\d+)", one.suffix)
    return 2 * 16 * 8 * int(match[2]) if match else 0
