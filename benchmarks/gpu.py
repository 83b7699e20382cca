"""``python -m benchmarks [OPERATOR ... | targets] --device cuda``: check, then time, on a GPU.

The definition is computed on the host (of convolutions, by matrix products in float64), every candidate is held against
it in the precision that it claims, and only then timed (``gpu_clock``).  The ceiling is copying, measured in the same
run.  Without a GPU there is one line that says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from minidet_kernels import cuda
from minidet_kernels.arrays import library, to_numpy
from minidet_kernels.table import OPS, pin
from rich.console import Console
from rich.table import Table

from .gpu_clock import Candidate, GpuTiming, Stream, beyond_cache, copies, in_turns
from .gpu_work import AGREES, TARGETS, precision, sizes
from .measure import machine
from .operators import DisagreementError, check, traffic
from .sizes import Size

#: Bytes that are copied to find out how fast that is.
COPIED = 1 << 30


def reference(operator: str, args: Any, options: Any) -> Any:
    """What the definition gives, on the host."""
    op = OPS[operator]
    if operator not in ("conv2d", "conv2d_grad_x", "conv2d_grad_w"):
        return op.definition(*args, **options)
    with pin(**{operator: "im2col"}):  # in float64: the definition's sums, in a fraction of its time
        return op(*(a.astype(np.float64) for a in args), **options)


def candidates(
    operator: str, args: Any, options: Any, gpu: Any
) -> tuple[dict[str, Callable[..., Any]], dict[str, str], str]:
    """Our implementations that take these arguments, why the others do not, and which one runs."""
    op = OPS[operator]
    ours: dict[str, Callable[..., Any]] = {}
    refused: dict[str, str] = {}
    for name, impl in op.impls.items():
        if "cupy" in impl.arrays:
            if why := op.refusal(name, *args, **options) or ("numba.cuda" in impl.needs and gpu.without_numba()):
                refused[name] = why
            else:
                ours[name] = op.using(name)
    return ours, refused, op.choose(*args, **options)


def measure_size(
    operator: str, label: str, size: Size, gpu: Any, *, against: Sequence[str], repeats: int, seed: int = 0
) -> dict[str, Any]:
    """One operator at one size, as plain data.  ``gpu`` is a ``Hardware``."""
    args, options = size.draw(np.random.default_rng(seed))
    expected = reference(operator, args, options)
    each = size.bytes or traffic(args, expected)
    count = copies(each, gpu.cache, gpu.free())
    sets = [[gpu.put(a) for a in args] for _ in range(count)]
    ours, refused, runs = candidates(operator, sets[0], options, gpu)
    made: dict[str, Candidate] = {}
    errors: dict[str, float] = {}
    for name, function in ours.items():
        calls = [partial(function, *one, **options) for one in sets]
        errors[name] = _checked(operator, label, name, calls[0](), expected)
        made[name] = Candidate(gpu.stream, calls)
    if against:
        for name, make in gpu.peers(operator).items():
            if name.split(",")[0] in against:
                calls = [call for one in sets if (call := make(*one, **options)) is not None]
                if calls:
                    errors[name] = _checked(operator, label, name, calls[0](), expected)
                    made[name] = Candidate(gpu.others_stream, calls)
    timings = in_turns(made, repeats=repeats)
    return {
        "operator": operator,
        "size": label,
        "runs": runs,
        "refused": refused,
        "copies": count,
        "from_cache": not beyond_cache(each, count, gpu.cache),
        "copy_gb_s": gpu.copy_rate / 1e9,
        "candidates": rows(timings, errors, set(ours), runs, size.flops, each, gpu.copy_rate),
    }


def _checked(operator: str, label: str, name: str, got: Any, expected: Any) -> float:
    parts = tuple(map(_on_host, got)) if isinstance(got, (tuple, list)) else _on_host(got)
    return check(f"{operator} by {name} ({label})", parts, expected, AGREES[precision(name)])


def _on_host(x: Any) -> np.ndarray:
    if library(x) in ("cupy", "numpy"):
        return to_numpy(x)
    host = x.detach().cpu()  # torch's
    return (host.float() if host.is_floating_point() else host).numpy()


def rows(
    timings: dict[str, GpuTiming],
    errors: dict[str, float],
    ours: set[str],
    runs: str,
    flops: float,
    moved: float,
    copy_rate: float,
) -> list[dict[str, Any]]:
    """Of each candidate: time, operations and bytes a second, and the share of the speed of copying."""
    chosen = timings[runs].timing.median
    return [
        {
            "name": name,
            "ours": name in ours,
            "ms": t.timing.median * 1e3,
            "spread": t.timing.spread,
            "how": t.how,
            "ratio": t.timing.median / chosen,
            "tflops": flops / t.timing.median / 1e12,
            "gb_s": moved / t.timing.median / 1e9,
            "share_of_copy": moved / t.timing.median / copy_rate,
            "error": errors[name],
        }
        for name, t in timings.items()
    ]


class Hardware:
    """The GPU at hand: its cache, its memory, its streams, the speed of copying."""

    def __init__(self, found: cuda.Gpu, against: Sequence[str]) -> None:
        import cupy

        from .gpu_streams import CupyStream, TorchStream

        self.cupy, self.name = cupy, found.name
        self.cache = float(cupy.cuda.Device().attributes["L2CacheSize"])
        self.stream: Stream = CupyStream()
        self.others_stream: Stream | None = TorchStream() if against else None
        self.copy_rate = self._copying()

    def put(self, x: Any) -> Any:
        """A new copy of a NumPy array on the GPU; anything else as it is."""
        return self.cupy.asarray(x) if isinstance(x, np.ndarray) else x

    def free(self) -> float:
        """Bytes of memory that are free."""
        self.cupy.get_default_memory_pool().free_all_blocks()
        return float(self.cupy.cuda.runtime.memGetInfo()[0])

    def without_numba(self) -> str | None:
        """Why Numba's kernels cannot run, or ``None``."""
        from numba import cuda as numba_cuda

        return None if numba_cuda.is_available() else f"Numba finds no GPU: {numba_cuda.cuda_error()}"

    def peers(self, operator: str) -> Any:
        """See ``gpu_peers``."""
        from .gpu_peers import peers

        return peers(operator)

    def _copying(self) -> float:
        """Bytes a second, those that are read and those that are written."""
        a, b = (self.cupy.zeros(COPIED, np.uint8) for _ in "ab")
        timing = in_turns({"copy": Candidate(self.stream, [partial(self.cupy.copyto, b, a)])}, repeats=7)["copy"]
        return 2.0 * COPIED / timing.timing.median


def results(
    operators: Sequence[str], gpu: Any, *, wanted: Sequence[str], against: Sequence[str], repeats: int
) -> Iterator[dict[str, Any] | str]:
    """Of each operator at each size; a line where a result disagrees, and nothing of that size is timed."""
    for operator in operators:
        for label, size in sizes(operator).items():
            if not wanted or any(part in label for part in wanted):
                try:
                    yield measure_size(operator, label, size, gpu, against=against, repeats=repeats)
                except DisagreementError as error:
                    yield f"not timed: {error}"


HEADINGS = ("", "ms", "spread", "by", "x ours", "TFLOP/s", "GB/s", "of copying", "error")


def print_result(console: Console, result: dict[str, Any]) -> None:
    """One operator at one size."""
    cached = "; from the cache" if result["from_cache"] else ""
    title = f"{result['operator']}  {result['size']}  ({result['copies']} copies in turn{cached}; copying: "
    table = Table(title=f"{title}{result['copy_gb_s']:.0f} GB/s)", title_justify="left", title_style="bold")
    for i, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if i else "left", no_wrap=True)
    for row in result["candidates"]:
        table.add_row(
            f"[green]{row['name']}" if row["name"] == result["runs"] else row["name"],
            f"{row['ms']:.4f}", f"{row['spread']:.0%}", row["how"], f"{row['ratio']:.2f}",
            f"{row['tflops']:.2f}" if row["tflops"] else "", f"{row['gb_s']:.0f}", f"{row['share_of_copy']:.0%}",
            f"{row['error']:.0e}" if row["error"] else "0",
        )  # fmt: skip
    console.print(table)
    for name, why in result["refused"].items():
        console.print(f"  {name}: {why}", highlight=False)


def verdicts(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each target that was measured: what was asked, what there is, and whether it is met."""
    judged = [(target, target.judge(found)) for target in TARGETS]
    return [
        {"target": target.work, "asked": target.least, "ratio": verdict[0], "met": verdict[1]}
        for target, verdict in judged
        if verdict is not None
    ]


def main(
    operators: Sequence[str], *, targets: bool, wanted: Sequence[str], against: Sequence[str], repeats: int, where: Any
) -> int:
    """Run it; 0, or 1 when a result is wrong or a target missed, or 2 with one line where there is no GPU."""
    found = cuda.gpu()
    if isinstance(found, str):
        print(f"benchmarks --device cuda: no GPU here ({found}): nothing was measured", file=sys.stderr)
        return 2
    if targets:
        operators, against = list(dict.fromkeys(target.operator for target in TARGETS)), ("torch", "torchvision")
    return measure_all(
        Hardware(found, against),
        operators, targets=targets, wanted=wanted, against=against, repeats=repeats, where=where,
    )  # fmt: skip


def measure_all(
    gpu: Any,
    operators: Sequence[str],
    *,
    targets: bool,
    wanted: Sequence[str],
    against: Sequence[str],
    repeats: int,
    where: Any,
) -> int:
    """Measure, print and write."""
    to_stdout = str(where) == "-"
    console = Console(stderr=to_stdout)
    console.width = max(console.width, 130)
    about = machine() | {"gpu": gpu.name}
    console.print(
        f"{gpu.name}, cache {gpu.cache / 1e6:.0f} MB, copying {gpu.copy_rate / 1e9:.0f} GB/s", highlight=False
    )
    measured: list[dict[str, Any]] = []
    problems: list[str] = []
    for result in results(operators, gpu, wanted=wanted, against=against, repeats=repeats):
        if isinstance(result, str):
            problems.append(result)
        else:
            measured.append(result)
            print_result(console, result)
    judged = verdicts(measured) if targets else []
    for one in judged:
        word = "met   " if one["met"] else "missed"
        console.print(f"{word} {one['target']:<40} {one['ratio']:.2f} of {one['asked']:.3g} asked", highlight=False)
        if not one["met"]:
            problems.append(f"target missed: {one['target']}: {one['ratio']:.2f} instead of {one['asked']:.3g}")
    document = {
        "machine": about,
        "copying": gpu.copy_rate,
        "results": measured,
        "targets": judged,
        "problems": problems,
    }
    text = json.dumps(document, indent=1) + "\n"
    if to_stdout:
        sys.stdout.write(text)
    elif where:
        where.write_text(text, encoding="utf-8")
    for line in problems:
        print(line, file=sys.stderr)
    return 1 if problems else 0
