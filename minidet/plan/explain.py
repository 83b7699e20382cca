"""What a plan does, step by step, and what each step takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from minidet_kernels.convolution.packed import multiply_add_rate

from .fuse import Convolution, Node
from .run import Arrays, Step, join

if TYPE_CHECKING:
    from . import Plan


@dataclass(frozen=True)
class Row:
    """One step: its layer or functions, the shape that leaves it, how it is computed and why, and its time.

    ``flops`` are the operations of the formula, two for each product, however few the algorithm needs; ``ceiling`` is
    their rate as a share of what the machine's multiply-add units can do.
    """

    step: str
    shape: tuple[int, ...]
    how: str
    why: str
    ms: float
    flops: float = 0.0
    ceiling: float = 0.0


@dataclass(frozen=True)
class Explanation:
    """The steps of a plan in their order; ``str()`` is a table, ``document()`` plain data."""

    rows: Sequence[Row]
    rate: float
    packed_bytes: int
    map_bytes: int

    @property
    def ms(self) -> float:
        """The sum of the steps' times."""
        return sum(row.ms for row in self.rows)

    def document(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "steps": [asdict(row) for row in self.rows],
            "ms": self.ms,
            "multiply_add_gflops": self.rate / 1e9,
            "packed_bytes": self.packed_bytes,
            "map_bytes": self.map_bytes,
        }

    def __str__(self) -> str:
        head = ("step", "shape", "how", "ms", "GFLOP/s", "ceiling", "why")
        table = [head]
        for row in self.rows:
            rate = (f"{row.flops / row.ms / 1e6:.0f}", f"{row.ceiling:.0%}") if row.flops and row.ms else ("", "")
            shape = " x ".join(map(str, row.shape))
            table.append((row.step, shape, row.how, f"{row.ms:.3f}", *rate, row.why))
        widths = [max(len(line[k]) for line in table) for k in range(len(head))]
        right = {3, 4, 5}
        lines = []
        for line in table:
            cells = zip(line, widths, strict=True)
            lines.append("  ".join(c.rjust(w) if k in right else c.ljust(w) for k, (c, w) in enumerate(cells)).rstrip())
        flops = sum(row.flops for row in self.rows)
        share = flops / (self.ms / 1e3) / self.rate if self.ms else 0.0
        lines.append(
            f"{len(self.rows)} steps, {self.ms:.1f} ms, {flops / 1e9:.2f} GFLOP: {share:.0%} of the multiply-add "
            f"ceiling of {self.rate / 1e9:.0f} GFLOP/s; {self.packed_bytes / 1e6:.0f} MB of packed weights, "
            f"{self.map_bytes / 1e6:.0f} MB of maps"
        )
        return "\n".join(lines)


def explain(plan: Plan, x: np.ndarray, repeats: int) -> Explanation:
    """Time each step of ``plan`` for images like ``x``, in the order of a run, but with a pause after each."""
    prepared = plan._ready(x)
    runs = [join(steps) for steps in prepared.bound()]
    clocks = [_clock(runs, {prepared.trace.input: x}) for _ in range(max(1, repeats) + 1)][1:]
    rate = multiply_add_rate()
    rows = []
    for index, node in enumerate(prepared.nodes):
        ms = 1e3 * median(clock[index + 1] - clock[index] for clock in clocks)
        flops, how, why = _facts(node)
        share = flops / (ms / 1e3) / rate if ms else 0.0
        rows.append(Row(node.title, node.output.shape, how, why, ms, flops, share))
    return Explanation(rows, rate, plan.packed_bytes, plan.map_bytes)


def _clock(runs: list[list[Step]], arrays: Arrays) -> list[float]:
    """What the clock shows before the first node and after each."""
    times = [time.perf_counter()]
    for steps in runs:
        for step in steps:
            step(arrays)
        times.append(time.perf_counter())
    return times


def _facts(node: Node) -> tuple[float, str, str]:
    if not isinstance(node, Convolution):
        return 0.0, type(node).__name__, "nothing faster is known here" if type(node).__name__ == "Plain" else ""
    n, o, h, w = node.output.shape
    extras = ["batch norm"] if node.norm is not None else []
    order = [node.activation if node.activation != "linear" else "", "residual" if node.residual is not None else ""]
    extras += [word for word in (order if node.after else order[::-1]) if word]
    how = node.kind + (f" ({', '.join(extras)})" if extras else "")
    per_output = node.weight.tensor.data[0].size if o else 0
    return 2.0 * n * o * h * w * per_output, how, node.why
