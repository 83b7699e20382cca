"""What the options of transforms have in common: their checks, each with one line that says how to mend it."""

from __future__ import annotations

import numpy as np

#: A level 0..255, or one each of red, green and blue.
Fill = int | tuple[int, int, int]

#: Which objects of a part of a picture are kept; see ``moving``.
KEEP = ("share", "centre")


def check_share(name: str, value: float) -> None:
    """``value`` is a probability or a share."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], found {value}")


def check_range(name: str, value: tuple[float, float], *, least: float = -np.inf, most: float = np.inf) -> None:
    """``value`` is two finite numbers (lowest, highest) in [least, most]."""
    if len(value) != 2 or not least <= value[0] <= value[1] <= most or not np.isfinite(value).all():
        raise ValueError(f"{name} must be (lowest, highest) in [{least:g}, {most:g}], found {value}")


def check_at_least(name: str, value: float, least: float) -> None:
    """``value`` is finite and not below ``least``."""
    if not least <= value < np.inf:
        raise ValueError(f"{name} must be a finite number of at least {least:g}, found {value}")


def check_size(name: str, value: tuple[int, int] | None) -> None:
    """``value`` is None or (h, w), both at least 1."""
    if value is not None and (len(value) != 2 or not all(int(n) == n and n >= 1 for n in value)):
        raise ValueError(f"{name} must be (height, width) in whole pixels, at least 1 x 1, found {value}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} {value!r} is not known; expected one of {', '.join(choices)}")


def check_fill(name: str, value: Fill) -> None:
    """``value`` is a level, or three of them."""
    levels = np.atleast_1d(value)
    if levels.shape not in ((1,), (3,)) or not all(0 <= x <= 255 and int(x) == x for x in levels.tolist()):
        raise ValueError(f"{name} must be a whole level 0..255, or one each of red, green and blue, found {value}")


def check_keep(keep: str, least: float) -> None:
    """The two options that say which objects of a part of a picture are kept."""
    check_choice("keep", keep, KEEP)
    check_share("least", least)


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between ``low`` and ``high``, in whichever order they come."""
    return low + (high - low) * float(rng.random())
