"""Plain bugs of each operator, in implementations that are right but for them: what the suite must find.

Each module of this folder has ``BUGS``: operator to what is wrong to a function of the inputs, which follows the
profile ``minidet`` in all else.  Where it also has ``RIGHT``, those are the same implementations without a bug.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from minidet.conformance.operators import Answer, Inputs

Implementation = Callable[[Inputs], Answer]


def _gathered(what: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for part in sorted(one.name for one in pkgutil.iter_modules(__path__)):
        for operator, entry in getattr(import_module(f"{__name__}.{part}"), what, {}).items():
            more = dict(entry) if isinstance(entry, Mapping) else {part: entry}
            twice = found.setdefault(operator, {}).keys() & more.keys()
            assert not twice, f"{part}: {operator} has {', '.join(twice)} twice"
            found[operator].update(more)
    return found


def bugs() -> dict[str, dict[str, Implementation]]:
    """Operator to what is wrong to an implementation with that bug, of all modules."""
    return _gathered("BUGS")


def right() -> dict[str, dict[str, Implementation]]:
    """Operator to implementations without a bug, by module."""
    return _gathered("RIGHT")
