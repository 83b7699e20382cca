"""For every operator: how to draw arguments for it, and how closely an implementation must follow its definition.

    @case("iou_matrix", compare=EXACT)
    def _(draw):
        return (a, b), {"width": "inclusive"}          # the positional arguments and the keyword arguments

``compare`` is ``EXACT`` (equal bit for bit, NaN equal to NaN), or a function of the arguments,
``bound(expected, *args, **kwargs) -> float or array``: the largest absolute difference allowed, element by element,
which must be derived from the operation.  An operator that returns a tuple gives a tuple of such rules.
``implementations={"name": rule}`` is for those whose algorithm has another bound than the operator's formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

Bound = Callable[..., Any]


class _Exact:
    def __repr__(self) -> str:
        return "EXACT"


EXACT = _Exact()
Rule = _Exact | Bound


@dataclass(frozen=True)
class Case:
    """One operator's strategy of ``(args, kwargs)``, and its rules of comparison."""

    strategy: st.SearchStrategy[tuple[tuple[Any, ...], dict[str, Any]]]
    compare: Rule | tuple[Rule, ...]
    implementations: Mapping[str, Rule] = field(default_factory=dict)

    def rule(self, implementation: str) -> Rule | tuple[Rule, ...]:
        """How closely this implementation must follow the definition."""
        return self.implementations.get(implementation, self.compare)


CASES: dict[str, Case] = {}


def case(
    name: str, *, compare: Rule | tuple[Rule, ...], implementations: Mapping[str, Rule] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated ``strategy(draw)`` under the operator's name."""

    def register(strategy: Callable[..., Any]) -> Callable[..., Any]:
        assert name not in CASES, f"two cases are named {name!r}"
        CASES[name] = Case(st.composite(strategy)(), compare, implementations or {})
        return strategy

    return register


def assert_close(got: Any, expected: Any, rule: Rule | tuple[Rule, ...], args: Any = (), kwargs: Any = None) -> None:
    """Check shapes, dtypes and values of one result, or of each part of a tuple of results."""
    if isinstance(expected, tuple):
        assert isinstance(got, tuple), type(got)
        assert len(got) == len(expected)
        rules = rule if isinstance(rule, tuple) else (rule,) * len(expected)
        for part, wanted, each in zip(got, expected, rules, strict=True):
            assert_close(part, wanted, each, args, kwargs)
        return
    assert not isinstance(rule, tuple)
    assert got.shape == expected.shape, (got.shape, expected.shape)
    assert got.dtype == expected.dtype, (got.dtype, expected.dtype)
    if isinstance(rule, _Exact):
        np.testing.assert_array_equal(got, expected)
        return
    bound = np.broadcast_to(rule(expected, *args, **(kwargs or {})), expected.shape)
    with np.errstate(invalid="ignore"):  # inf - inf; the equality below covers it
        difference = np.abs(got.astype(np.float64) - expected.astype(np.float64))
        fine = (difference <= bound) | (got == expected) | (np.isnan(got) & np.isnan(expected))
    if not fine.all():
        worst = np.unravel_index(np.argmax(~fine), fine.shape)
        raise AssertionError(
            f"{np.sum(~fine)} of {fine.size} values are out of bound; first at {tuple(map(int, worst))}: "
            f"got {got[worst]!r}, expected {expected[worst]!r}, allowed difference {bound[worst]:.3e}"
        )
