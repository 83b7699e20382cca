"""Check, then time, every implementation of an operator, and the same operator by other programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from minidet_kernels.table import DEFINITION, OPS

from .ceilings import filling
from .measure import Timing, in_turns, matrix_product, relative_error, threads
from .peers import PEERS, family
from .sizes import MEMORY_BOUND, SIZES, Size

#: How far a result may be from the definition.  float32 sums of up to a few thousand products are within 1e-5 of the
#: largest value; boxes are exact; programs of others may sum in another order or in lower precision.
AGREES, PEER_AGREES = 1e-5, 1e-4
#: A listed order counts as wrong when a later implementation is slower than an earlier one by more than this factor.
MARGIN = 1.15

BASELINE, WRITING = "matrix product", "writing"


class DisagreementError(Exception):
    """A result that does not agree, so that nothing may be timed."""


def _parts(result: Any) -> list[np.ndarray]:
    parts = result if isinstance(result, tuple | list) else (result,)
    return [np.asarray(part) for part in parts]


def check(name: str, got: Any, expected: Any, bound: float) -> float:
    """The relative error of a result; indices must be equal.  Raises ``DisagreementError`` above ``bound``."""
    error = 0.0
    for part, wanted in zip(_parts(got), _parts(expected), strict=True):
        if wanted.dtype.kind in "iu":
            if not np.array_equal(part, wanted):
                raise DisagreementError(f"{name}: the indices differ from the definition's")
        elif not (difference := relative_error(part, wanted)) <= bound:
            raise DisagreementError(
                f"{name}: relative error {difference:.2e} against the definition, more than {bound:.0e}"
            )
        else:
            error = max(error, difference)
    return error


def run_size(
    operator: str, label: str, size: Size, *, against: Sequence[str], repeats: int, seed: int = 0
) -> dict[str, Any]:
    """One operator at one size: errors and timings of every candidate, as plain data."""
    op = OPS[operator]
    args, options = size.draw(np.random.default_rng(seed))
    expected = op.definition(*args, **options)
    candidates: dict[str, Callable[[], Any]] = {DEFINITION: partial(op.definition, *args, **options)}
    errors, refused = {DEFINITION: 0.0}, {}
    for name in op.impls:
        if why := op.refusal(name, *args, **options):
            refused[name] = why
            continue
        candidates[name] = partial(op.using(name), *args, **options)
        errors[name] = check(f"{operator} {name!r} ({label})", candidates[name](), expected, AGREES)
    for whose in against:
        calls = {
            name: call
            for name, make in PEERS.get(operator, {}).items()
            if family(name) == whose and (call := make(*args, **options)) is not None
        }
        if not calls:
            refused[whose] = "has no equal of this operator, or none was written down"
        for program, call in calls.items():
            candidates[program] = call
            errors[program] = check(f"{operator} by {program} ({label})", call(), expected, PEER_AGREES)
    moved = size.bytes or (traffic(args, expected) if operator in MEMORY_BOUND else 0.0)
    sticks = {BASELINE: matrix_product()} | ({WRITING: filling(threads())} if moved else {})
    timings = in_turns(candidates | {name: call for name, (call, _) in sticks.items()}, repeats=repeats)
    rates = {name: work / timings.pop(name).median for name, (_, work) in sticks.items()}
    gemm_rate = rates[BASELINE]
    ours = op.choose(*args, **options)
    doubted = {name for name in errors if name in op.impls and op.doubt(name, *args, **options)}
    return {
        "operator": operator,
        "size": label,
        "runs": ours,
        "refused": refused,
        "gemm_gflops": gemm_rate / 1e9,
        "write_gb_s": rates.get(WRITING, 0.0) / 1e9,
        "candidates": [
            _row(name, t, errors[name], size.flops, gemm_rate, timings[ours])
            | by_bytes(t, moved, rates.get(WRITING, 0.0))
            | {"doubted": name in doubted}
            for name, t in timings.items()
        ],
    }


def traffic(arguments: Sequence[Any], result: Any) -> float:
    """The bytes of the arrays that go in and of those that come out: what has to move at least."""
    arrays = [*(a for a in arguments if isinstance(a, np.ndarray)), *_parts(result)]
    return float(sum(array.nbytes for array in arrays))


def by_bytes(t: Timing, moved: float, write_rate: float) -> dict[str, float]:
    """GB/s, and the share of the speed of writing: above 1 for what stays in the caches."""
    if not moved:
        return {}
    return {"gb_s": moved / t.median / 1e9, "share_of_write": moved / t.median / write_rate}


def _row(name: str, t: Timing, error: float, flops: float, gemm_rate: float, ours: Timing) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "ms": t.median * 1e3, "spread": t.spread, "turns": t.turns, "error": error}
    row["ratio"] = t.median / ours.median  # above 1: slower than what minidet runs
    if flops:
        row |= {"gflops": flops / t.median / 1e9, "share_of_gemm": flops / t.median / gemm_rate}
    return row


def run(
    operators: Sequence[str], *, sizes: Sequence[str] = (), against: Sequence[str] = (), repeats: int = 7
) -> Iterator[dict[str, Any]]:
    """The operators at the sizes whose label contains one of ``sizes``; at all of them, unless any is given."""
    for operator in operators:
        for label, size in SIZES[operator].items():
            if not sizes or any(part in label for part in sizes):
                yield run_size(operator, label, size, against=against, repeats=repeats)


def wrong_order(results: Sequence[dict[str, Any]]) -> list[str]:
    """The listed orders that the measurement contradicts: over all sizes, a later implementation is slower.

    Implementations are listed slowest first, and the last that accepts is run, so a wrong order costs time.  Where one
    has doubts, it is not chosen, and its time there does not count.
    """
    found = []
    for operator in {r["operator"]: None for r in results}:
        names = [DEFINITION, *OPS[operator].impls]
        times = [
            {c["name"]: c["ms"] for c in r["candidates"] if c["name"] in names and not c.get("doubted")}
            for r in results
            if r["operator"] == operator
        ]
        for i, earlier in enumerate(names):
            for later in names[i + 1 :]:
                ratios = [t[later] / t[earlier] for t in times if earlier in t and later in t]
                if ratios and (mean := float(np.exp(np.mean(np.log(ratios))))) > MARGIN:
                    found.append(
                        f"{operator}: {later!r} is listed after {earlier!r} but takes {mean:.2f} times as long"
                    )
    return found
