"""Pixels as a network wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

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
        # Kept, so that a plan (of float32) knows them again; neither parameters nor buffers.
        self.factor, self.shift = self._numbers(np, np.dtype(np.float32))

    def _numbers(self, xp: Any, dtype: np.dtype) -> tuple[Tensor, Tensor]:
        """What pixels from 0 to 1 are multiplied by, and what is added: each (1, 3, 1, 1)."""
        factor = [255 / s for s in self.scale]
        shift = [-m / s for m, s in zip(self.mean, self.scale, strict=True)]
        first, second = (Tensor(xp.asarray(numbers, dtype).reshape(1, 3, 1, 1)) for numbers in (factor, shift))
        return first, second

    def forward(self, x: Tensor) -> Tensor:
        """The normalised images."""
        xp = namespace(x.data)
        kept = xp is np and x.dtype == self.factor.dtype
        factor, shift = (self.factor, self.shift) if kept else self._numbers(xp, x.dtype)
        y = F.add(F.mul(x, factor), shift)
        return F.getitem(y, index=(slice(None), slice(None, None, -1))) if self.channels == "bgr" else y
