"""Inputs to search with, by operator.

What a dialect refuses, or leaves to the order of the input, is not drawn: NaN, inverted boxes, and unsorted scores
where they are assumed to be sorted.  Hypothesis is imported here, and so only where something is searched for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import coders, layers, maps, metrics, overlap, regions, suppression
from .draw import Draw

DRAWS: Mapping[str, Draw] = MappingProxyType(
    {
        name: draw
        for part in (overlap, suppression, regions, maps, coders, layers, metrics)
        for name, draw in part.DRAWS.items()
    }
)

__all__ = ["DRAWS", "Draw"]
