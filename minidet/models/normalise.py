"""Pixels as a network wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from minidet_kernels.arrays import namespace

from .. import functions as F
from .. import nn
from ..autograd import Tensor


class Normalise(nn.Module):
    """Images (N, 3, h, w), RGB from 0 to 1, as ``(255 x - mean) / scale``, in the order ``channels``.

    ``mean`` is of red, green, blue, of 255, whatever the order; ``scale`` is one number or three.  Nothing of it is
    learned, or kept in a file of weights.
    """

    def __init__(
        self, mean: Sequence[float], scale: float | Sequence[float], channels: Literal["rgb", "bgr"] = "rgb"
    ) -> None:
        if channels not in ("rgb", "bgr") or len(mean) != 3:
            raise ValueError(f"Normalise: three means and 'rgb' or 'bgr' are expected, not {mean}, {channels!r}")
        self.mean, self.scale = tuple(mean), tuple(np.broadcast_to(scale, 3).tolist())
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """The normalised images."""
        xp = namespace(x.data)
        factor, shift = (
            xp.asarray(numbers, dtype=x.dtype).reshape(1, 3, 1, 1)
            for numbers in (
                [255 / s for s in self.scale],
                [-m / s for m, s in zip(self.mean, self.scale, strict=True)],
            )
        )
        y = F.add(F.mul(x, factor), shift)
        return F.getitem(y, index=(slice(None), slice(None, None, -1))) if self.channels == "bgr" else y
