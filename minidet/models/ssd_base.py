"""What every SSD has: priors on each of its maps, and two heads on each that say where and what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minidet_kernels.arrays import Array

from .. import nn
from ..autograd import Tensor
from ..boxes.candidates import Candidates
from ..boxes.ssd import SsdBoxes, SsdHead

#: Makes the head of a map: from its channels to so many.
Head = Callable[[int, int], nn.Module]


class SSDBase(nn.Module):
    """A detector whose ``forward`` returns raw maps: of locations (N, 4 A, h, w), the finest first, then of logits.

    Those are (N, (1 + classes) A, h, w); A is the number of boxes that a cell of the map has.  One that is made of it
    sets ``classes`` and ``size``, calls ``add_boxes`` before its layers and ``add_heads`` after them (parameters are
    drawn in that order), and ends its ``forward`` with ``return self.raw_maps(features)``.
    """

    size: tuple[int, int]
    classes: int
    heads: tuple[SsdHead, ...]
    boxes: SsdBoxes
    locations: nn.ModuleList
    logits: nn.ModuleList

    def add_boxes(self, heads: Sequence[SsdHead], **conventions: Any) -> None:
        """Each map's boxes, and the ``conventions`` that `SsdBoxes` has."""
        self.heads = tuple(heads)
        self.boxes = SsdBoxes(self.heads, self.classes, **conventions)

    def add_heads(self, widths: Sequence[int], make: Head) -> None:
        """Heads on maps of so many channels: all of locations, and then all of logits."""
        self.locations, self.logits = (
            nn.ModuleList(make(c, numbers * len(h.shapes)) for c, h in zip(widths, self.heads, strict=True))
            for numbers in (4, 1 + self.classes)
        )

    def raw_maps(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What the heads say of the maps ``features``: locations, then logits."""
        return tuple(
            head(one) for heads in (self.locations, self.logits) for head, one in zip(heads, features, strict=True)
        )

    def candidates(self, heads: Sequence[Array], size: tuple[int, int] | None = None) -> list[Candidates]:
        """Per image, every box in pixels of the input and its scores; ``heads`` are the arrays of ``forward``."""
        return self.boxes.candidates(heads, size or self.size)


def plain_head(size: int = 3, *, gain: float = 1.0, rng: nn.init.Rng = None) -> Head:
    """Heads of one convolution of ``size`` x ``size``, whose first weights are ``gain`` times the usual ones."""

    def make(c_in: int, c_out: int) -> nn.Conv2d:
        conv = nn.Conv2d(c_in, c_out, size, padding=size // 2, rng=rng)
        if gain != 1:
            conv.weight.data *= conv.weight.dtype.type(gain)
        return conv

    return make
