"""Mixed precision: the network in float16, its parameters kept and changed in float32, the loss scaled.

Micikevicius et al., "Mixed precision training" (2018).  Gradients that float16 would round to zero are kept by
multiplying the loss by a large number, and dividing the gradients by it in float32; the number falls when a gradient
overflows, and that step is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..nn.module import Buffer, Module, Parameter


@dataclass
class LossScaler:
    """The number that the loss is multiplied by: halved at an overflow, doubled after ``patience`` steps without one.

    It stays a power of two when it begins as one, so scaling rounds nothing.
    """

    scale: float = 2.0**16
    patience: int = 2000
    least: float = 1.0
    most: float = 2.0**24
    good: int = 0

    def update(self, finite: bool) -> bool:
        """Take note of whether the gradients were finite; whether the step is to be made."""
        if not finite:
            self.scale, self.good = max(self.scale / 2, self.least), 0
            return False
        self.good += 1
        if self.good == self.patience:
            self.scale, self.good = min(self.scale * 2, self.most), 0
        return True

    @property
    def exhausted(self) -> bool:
        """Whether the scale is as small as it may be: what overflows now is no matter of scaling."""
        return self.scale <= self.least


class Masters(Module):
    """Float32 parameters of ``model``, which is converted to float16 and follows them.

    An optimiser changes the masters: ``gather`` gives them the model's gradients, ``spread`` gives the model their
    values.  As a module it has the masters for parameters and the model's buffers, under the model's names.
    """

    def __init__(self, model: Module, dtype: Any = np.float16) -> None:
        self._model = model
        self._kept = {name: Parameter(p.data.astype(np.float32)) for name, p in model.named_parameters()}
        model.astype(dtype)

    def children(self) -> Iterator[tuple[str, Module]]:
        """None: the model is not part of it."""
        return iter(())

    def _named_tensors(self, kind: type[Tensor]) -> Iterator[tuple[str, Any]]:
        if kind is Parameter:
            yield from self._kept.items()
        elif kind is Buffer:
            yield from self._model.named_buffers()

    def gather(self, scale: float) -> None:
        """The model's gradients, in float32 and divided by ``scale``, become the masters'."""
        for name, p in self._model.named_parameters():
            if p.grad is None:
                self._kept[name].grad = None
                continue
            wide = p.grad.astype(np.float32)
            wide *= np.float32(1 / scale)
            self._kept[name].grad = wide

    def spread(self) -> None:
        """The model's parameters become the masters', rounded."""
        for name, p in self._model.named_parameters():
            p.data[...] = self._kept[name].data


def supported(model: Any) -> str:
    """Why ``model`` cannot be computed in float16 where it is; empty when it can."""
    shape = (1, 3, *model.size)
    try:
        model(Tensor(model.to_device(np.zeros(shape, np.float16))))
    except TypeError as error:
        return " ".join(str(error).split())
    return ""
