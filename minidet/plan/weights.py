"""Whether the weights that a plan was made from are still what they were."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from minidet_kernels.convolution.packed import Unchanged

from ..autograd import Tensor
from .trace import Constant


class Watch:
    """Keeps an eye on some weights.

    ``frozen`` makes their arrays read-only: who writes to one gets NumPy's ``ValueError``, and only whether the arrays
    are still the same ones has to be looked at.  Otherwise every look reads all of them.
    """

    def __init__(self, *, frozen: bool) -> None:
        self._frozen = frozen
        self._seen: dict[str, tuple[Constant, Tensor, np.ndarray]] = {}
        self._values: list[Unchanged] = []

    def add(self, constants: Iterable[Constant]) -> None:
        """Watch these, too, as they are now."""
        new = {c.name: (c, c.tensor, c.tensor.data) for c in constants if c.name not in self._seen}
        self._seen |= new
        arrays = [array for _, _, array in new.values()]
        if not self._frozen:
            self._values += [Unchanged(arrays)] if arrays else []
            return
        for array in arrays:
            array.flags.writeable = False

    def changed(self) -> bool:
        """Whether any weight is not what it was."""
        for constant, tensor, array in self._seen.values():
            if vars(constant.module).get(constant.attribute) is not tensor or tensor.data is not array:
                return True
        return not all(unchanged() for unchanged in self._values)
