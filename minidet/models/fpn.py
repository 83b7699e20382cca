"""A feature pyramid: maps of all strides with the same number of channels, each told what the coarser ones saw.

Lin et al., "Feature Pyramid Networks for Object Detection" (2017), section 3 and figure 3.  With C2 to C5,

    P5 = smooth5(lateral5(C5)),   M4 = lateral4(C4) + double(M5),   P4 = smooth4(M4),   ...

where lateral is 1 x 1, smooth is 3 x 3, and double repeats each element (nearest).  ``inner_blocks`` are the laterals
and ``layer_blocks`` the smooth ones, finest first: torchvision's names.

Coarser levels than the backbone's, by name (``extra``):

* ``"pool"``: P6 is every second element of P5 (Detectron; torchvision's ``LastLevelMaxPool``).
* ``"p6p7"``: P6 and P7 are 3 x 3 convolutions of stride 2, with ReLU between them (RetinaNet; of P5, as torchvision's
  ``LastLevelP6P7`` does where the channels agree).
* ``"none"``.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from ..errors import InputError

EXTRAS = ("pool", "p6p7", "none")


class FPN(nn.Module):
    """Maps of ``c_in`` channels, finest first, to as many of ``c_out``, and those of ``extra``."""

    def __init__(self, c_in: Sequence[int], c_out: int = 256, *, extra: str = "pool", rng: nn.init.Rng = None) -> None:
        if extra not in EXTRAS:
            raise InputError(f"extra {extra!r} is not known; expected one of {', '.join(EXTRAS)}")
        self.inner_blocks = nn.ModuleList(nn.Conv2d(c, c_out, 1, rng=rng) for c in c_in)
        self.layer_blocks = nn.ModuleList(nn.Conv2d(c_out, c_out, 3, padding=1, rng=rng) for _ in c_in)
        for conv in (*self.inner_blocks, *self.layer_blocks):  # nothing but sums between them: variance 1 / fan_in
            conv.weight.data *= conv.weight.dtype.type(0.5**0.5)
        self.extra, self.c_out = extra, c_out
        if extra == "p6p7":
            self.p6 = nn.Conv2d(c_out, c_out, 3, stride=2, padding=1, rng=rng)
            self.p7 = nn.Conv2d(c_out, c_out, 3, stride=2, padding=1, rng=rng)

    @property
    def levels(self) -> int:
        """How many maps there are."""
        return len(self.inner_blocks) + {"pool": 1, "p6p7": 2, "none": 0}[self.extra]

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """P2, P3, ... of C2, C3, ...; each has the size of its C, and each of the extra ones half of that before it."""
        laterals = [inner(c) for inner, c in zip(self.inner_blocks, maps, strict=True)]
        merged = laterals[-1:]
        for lateral in laterals[-2::-1]:
            merged.insert(0, lateral + F.resize(merged[0], size=lateral.shape[2:]))
        pyramid = [smooth(m) for smooth, m in zip(self.layer_blocks, merged, strict=True)]
        if self.extra == "pool":
            pyramid.append(F.max_pool2d(pyramid[-1], size=1, stride=2, padding=0))
        if self.extra == "p6p7":
            p6 = self.p6(pyramid[-1])
            pyramid += [p6, self.p7(F.relu(p6))]
        return tuple(pyramid)
