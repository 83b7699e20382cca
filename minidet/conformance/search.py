"""The smallest drawn input for which something holds, by Hypothesis, the same for the same seed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class _FoundError(Exception):
    """What Hypothesis shrinks by."""


@contextmanager
def nothing_else_matters() -> Iterator[None]:
    """Draws depend on the seed alone while this lasts.

    Hypothesis mixes in the constants of all modules that happen to be imported, unless they are installed packages, so
    that in two processes the same seed draws different values.  It has no setting for that; where its insides are other
    than those known here, nothing is changed.
    """
    providers: Any = importlib.import_module("hypothesis.internal.conjecture.providers")
    known = [getattr(providers, name, None) for name in ("_get_local_constants", "Constants", "CONSTANTS_CACHE")]
    if None in known or not hasattr(providers.CONSTANTS_CACHE, "cache"):
        yield
        return
    before, none = providers._get_local_constants, providers.Constants()
    providers._get_local_constants = lambda: none
    providers.CONSTANTS_CACHE.cache.clear()
    try:
        yield
    finally:
        providers._get_local_constants = before
        providers.CONSTANTS_CACHE.cache.clear()


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
        with nothing_else_matters():
            one()
    except Exception:
        if not found:
            raise
    return tried, found
