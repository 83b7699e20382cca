"""What a ``.weights`` file is read into: tensors in the order in which the file holds their numbers."""

from __future__ import annotations

from dataclasses import dataclass

from .. import nn
from ..autograd import Tensor

#: What each is ("bias", "scale", ...) and the tensor that holds it, in file order.
Parts = tuple[tuple[str, Tensor], ...]


@dataclass(frozen=True)
class Slot:
    """One layer's share of a weights file; ``name`` says which layer, for messages."""

    name: str
    parts: Parts

    @property
    def floats(self) -> int:
        """How many numbers the file holds for this layer."""
        return sum(tensor.size for _, tensor in self.parts)


def convolution_parts(conv: nn.Conv2d, bn: nn.BatchNorm2d | None) -> Parts:
    """The tensors of a convolution in file order: bias, (with batch norm scale, mean, variance), weight."""
    if bn is None:
        assert conv.bias is not None
        return ("bias", conv.bias), ("weight", conv.weight)
    return (
        ("bias", bn.bias),
        ("scale", bn.weight),
        ("mean", bn.running_mean),
        ("variance", bn.running_var),
        ("weight", conv.weight),
    )
