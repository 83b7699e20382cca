"""The page of instruction counts, ``docs/cuda_counts.md``: what every kernel's main loop could reach on an H200."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from . import sass
from .every import Made, title

HEAD = """\
# Instructions of the CUDA kernels

This page is generated: `python -m minidet_kernels.cuda counts --write docs/cuda_counts.md` (which needs `nvdisasm`:
`pip install nvidia-cuda-nvdisasm`). The kernels were compiled for `sm_90a` by {by}; nothing here was measured.

An H200 has 132 multiprocessors at 1.98 GHz, each of which issues four instructions of warps a clock: 1.05e12 a second.
It computes 67 TFLOP/s in float32 and copies 4.3 TB/s. For each kernel the table says what its main loop would reach if
every slot for an instruction were used and it waited for nothing:

- **loop**: instructions of the main loop, and of the whole kernel (a kernel without a loop counts as a whole);
- **float**: TFLOP/s of float32 (or float64), a fused product as two; for a convolution in float32, hold it against 67;
- **tensor**: TFLOP/s by tensor cores; above what they can do (989 in bf16 and fp16, 495 in tf32) issuing is no limit;
- **global**: TB/s loaded and stored, as if each lane moved its own bytes and no cache helped. Above 4.3, memory is the
  limit and not the instructions; below, a kernel that only moves data is bound by its instructions.

Which loop is the main one is a guess by rule (`kernels/minidet_kernels/cuda/sass.py`); what branches inside it skip is
counted. Loads in bulk (TMA) are not.
"""


def page(every: Iterable[Made], by: str) -> str:
    """The page of what was compiled, a section for each room."""
    lines = [HEAD.format(by=by.partition(" by ")[0])]
    for room, sources in groupby(sorted(every, key=lambda one: title(one.source)), lambda one: _room(one)):
        lines += [f"\n## {room}\n", "| kernel | loop | float | tensor | global |", "|---|---|---|---|---|"]
        for source, _, made in sources:
            if isinstance(made, str):
                lines.append(f"| `{source.path.name}` does not compile: {made} | | | | |")
                continue
            found = sass.of_cubin(made.path)
            lines += [_row(kernel, found[entry]) for kernel, entry in sorted(made.names.items())]
    return "\n".join(lines) + "\n"


def _room(made: Made) -> str:
    return title(made.source).partition("/")[0]


def _row(kernel: str, counts: sass.Counts) -> str:
    cells = [
        f"{counts.loop or '-'} of {counts.total}",
        *(_rate(counts.per_second(amount)) for amount in (counts.flops, counts.tensor, counts.loaded + counts.stored)),
    ]
    return f"| `{kernel}` | {' | '.join(cells)} |"


def _rate(per_second: float) -> str:
    """In tera."""
    value = per_second / 1e12
    return "" if not value else f"{value:.2f}" if value < 10 else f"{value:.0f}"
