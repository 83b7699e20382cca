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
        # Kept for the common types, so that a plan knows them again; neither parameters nor buffers.
        self.factor_float32, self.shift_float32 = self._numbers(np, np.dtype(np.float32))
        self.factor_float64, self.shift_float64 = self._numbers(np, np.dtype(np.float64))

    def _numbers(self, xp: Any, dtype: np.dtype) -> tuple[Tensor, Tensor]:
        """What pixels from 0 to 1 are multiplied by, and what is added: each (1, 3, 1, 1)."""
        factor = [255 / s for s in self.scale]
        shift = [-m / s for m, s in zip(self.mean, self.scale, strict=True)]
        return Tensor(xp.asarray(factor, dtype).reshape(1, 3, 1, 1)), Tensor(
            xp.asarray(shift, dtype).reshape(1, 3, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The normalised images."""
        xp = namespace(x.data)
        if xp is np and hasattr(self, f"factor_{x.dtype}"):
            factor, shift = getattr(self, f"factor_{x.dtype}"), getattr(self, f"shift_{x.dtype}")
        else:
            factor, shift = self._numbers(xp, x.dtype)
        y = F.add(F.mul(x, factor), shift)
        return F.getitem(y, index=(slice(None), slice(None, None, -1))) if self.channels == "bgr" else y
