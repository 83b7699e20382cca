"""What every layer of a cfg is: a module that was built from a section, knows its geometry, and computes.

``sources`` are the layers that it reads, -1 being the input of the network; most read the layer before them.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..weights.slots import Parts
from .cfg import Section
from .options import Shape


class Layer(nn.Module):
    """One section of a cfg.  ``shape`` is what leaves it for the size of image that it was built for."""

    def __init__(self, section: Section, sources: Sequence[int]) -> None:
        self.section = section
        self.sources = tuple(sources)
        self.shape: Shape = (0, 0, 0)

    def geometry(self, *shapes: Shape) -> Shape:
        """The shape that leaves the layer for those that reach it; raises `CfgError` where they do not fit."""
        return shapes[0]

    def parts(self) -> Parts:
        """What a weights file holds for this layer, in its order; empty for a layer without weights."""
        return ()
