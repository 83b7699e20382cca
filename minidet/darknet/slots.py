"""What a ``.weights`` file is read into: tensors in the order in which the file holds their numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ..autograd import Tensor


@dataclass(frozen=True)
class Slot:
    """One layer's share of a weights file.

    ``name`` says which layer, for messages; ``parts`` are (what it is, the tensor that holds it), in file order: for a
    convolution bias, then scale, mean and variance when it has batch norm, then weight.
    """

    name: str
    parts: tuple[tuple[str, Tensor], ...]

    @property
    def floats(self) -> int:
        """How many numbers the file holds for this layer."""
        return sum(tensor.size for _, tensor in self.parts)
