"""How far rounding may carry: operators whose results are moved by their own bounds, with signs at random.

Two implementations of an operator differ by at most the bound that its case derives.  What becomes of such differences
behind further layers, gradients and steps is not derived but done: every result is moved by its whole bound, up or
down, and the run goes on with it.  Rounding errors are seldom a tenth of their bounds, so a run by other kernels stays
nearer than such runs; one with an error that is not of rounding does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
from minidet_kernels.table import Op
from support.cases import CASES, EXACT


@contextmanager
def moved_by_bounds(seed: int) -> Iterator[None]:
    """Inside, every operator's result is off by its bound in each number."""
    rng, call = np.random.default_rng(seed), Op.__call__

    def moving(op: Op[..., Any], *args: Any, **kwargs: Any) -> Any:
        rules = CASES[op.name].rule(op.choose(*args, **kwargs))
        made = call(op, *args, **kwargs)
        parts = made if isinstance(made, tuple) else (made,)
        moved = [
            part if rule is EXACT else _moved(part, rule(part, *args, **kwargs), rng)
            for part, rule in zip(parts, rules if isinstance(rules, tuple) else (rules,) * len(parts), strict=True)
        ]
        return tuple(moved) if isinstance(made, tuple) else moved[0]

    with mock.patch.object(Op, "__call__", moving):
        yield


def _moved(x: np.ndarray, bound: Any, rng: np.random.Generator) -> np.ndarray:
    return (x + rng.choice([-1.0, 1.0], x.shape) * bound).astype(x.dtype)


def assert_within_bounds(
    there: Mapping[str, np.ndarray], run: Callable[[], Mapping[str, np.ndarray]], runs: int = 3
) -> None:
    """Arrays of another run of ``run`` differ from its own by no more than runs with moved results do."""
    here, far = run(), dict.fromkeys(there, 0.0)
    for seed in range(runs):
        with moved_by_bounds(seed):
            for name, x in run().items():
                far[name] = max(far[name], _distance(x, here[name]))
    assert there.keys() == here.keys()
    for name, x in there.items():
        assert x.shape == here[name].shape, name
        distance = _distance(x, here[name])
        assert distance <= far[name], f"{name}: {distance:.3g} from the host's, where bounds carry {far[name]:.3g}"


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(np.abs(a - b).max()) if a.size else 0.0
