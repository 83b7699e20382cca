"""The smallest drawn input for which something holds, by Hypothesis, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class _FoundError(Exception):
    """What Hypothesis shrinks by."""


def smallest(
    strategy: Any, wrong: Callable[[Any], bool], *, examples: int, seed: int, shrink: bool = True
) -> tuple[int, bool]:
    """How many values were tried, and whether ``wrong`` was true of one; then its last true call had the smallest.

    ``strategy`` is Hypothesis's.  Without ``shrink`` it is the first that was found.  What ``wrong`` raises is raised,
    but where it was true before: a target that wavers may not do twice what it did once.
    """
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    tried, found = 0, False

    @seeded(seed)
    @settings(
        max_examples=examples, database=None, deadline=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink][: 1 + shrink], print_blob=False, report_multiple_bugs=False,
    )  # fmt: skip
    @given(strategy)
    def one(value: Any) -> None:
        nonlocal tried, found
        tried += 1
        if wrong(value):
            found = True
            raise _FoundError

    try:
        one()
    except Exception:
        if not found:
            raise
    return tried, found
