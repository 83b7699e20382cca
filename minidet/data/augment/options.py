"""What the options of transforms have in common: their checks, each with one line that says how to mend it."""

from __future__ import annotations

from math import isfinite

import numpy as np

#: A level 0..255, or one each of red, green and blue.
Fill = int | tuple[int, int, int]

#: Which objects of a part of a picture are kept; see ``moving``.
KEEP = ("share", "centre")


def _number(value: object) -> bool:
    """Whether ``value`` is a finite number, and not a truth value."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool) and isfinite(value)


def _numbers(value: object, count: int) -> bool:
    """Whether ``value`` is so many finite numbers."""
    return isinstance(value, (tuple, list)) and len(value) == count and all(_number(x) for x in value)


def check_share(name: str, value: float) -> None:
    """``value`` is a probability or a share."""
    if not _number(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], found {value!r}")


def check_range(name: str, value: tuple[float, float], *, least: float = -np.inf, most: float = np.inf) -> None:
    """``value`` is two finite numbers (lowest, highest) in [least, most]."""
    if not _numbers(value, 2) or not least <= value[0] <= value[1] <= most:
        raise ValueError(f"{name} must be (lowest, highest) in [{least:g}, {most:g}], found {value!r}")


def check_at_least(name: str, value: float, least: float) -> None:
    """``value`` is finite and not below ``least``."""
    if not _number(value) or value < least:
        raise ValueError(f"{name} must be a finite number of at least {least:g}, found {value!r}")


def check_count(name: str, value: int, least: int) -> None:
    """``value`` is a whole number and not below ``least``."""
    if not _number(value) or int(value) != value or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, found {value!r}")


def check_size(name: str, value: tuple[int, int] | None, *, optional: bool = False) -> None:
    """``value`` is (h, w), both at least 1, or where it is ``optional`` None."""
    if not (value is None and optional) and not (
        _numbers(value, 2) and all(int(n) == n and n >= 1 for n in value or ())
    ):
        raise ValueError(f"{name} must be (height, width) in whole pixels, at least 1 x 1, found {value!r}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} {value!r} is not known; expected one of {', '.join(choices)}")


def check_fill(name: str, value: Fill) -> None:
    """``value`` is a level, or three of them."""
    levels = value if isinstance(value, (tuple, list)) else (value,)
    good = len(levels) in (1, 3) and _numbers(levels, len(levels))
    if not good or not all(0 <= x <= 255 and int(x) == x for x in levels):
        raise ValueError(f"{name} must be a whole level 0..255, or one each of red, green and blue, found {value!r}")


def check_keep(keep: str, least: float) -> None:
    """The two options that say which objects of a part of a picture are kept."""
    check_choice("keep", keep, KEEP)
    check_share("least", least)


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between ``low`` and ``high``, in whichever order they come."""
    return low + (high - low) * float(rng.random())
