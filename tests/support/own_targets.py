"""Our own implementations as targets of the suite, in this process: by operator and rung."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from minidet_kernels import OPS
from minidet_kernels.table import Op

from minidet.conformance import OPERATORS, Outcome

from . import own_coders, own_layers, own_metrics, own_overlaps

#: Operators of the table: the suite's name, the table's, and how many inputs are given by their place.
TABLE: Mapping[str, tuple[str, int]] = {
    "iou": ("iou_matrix", 2),
    "nms": ("nms", 2),
    "batched_nms": ("batched_nms", 3),
    "roi_align": ("roi_align", 2),
    "max_pool2d": ("max_pool2d", 1),
    "resize": ("resize", 1),
    **own_layers.TABLE,
    **own_overlaps.TABLE,
}
#: All others: functions that take an operator's inputs by their names.
FUNCTIONS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    **own_coders.FUNCTIONS,
    **own_layers.FUNCTIONS,
    **own_metrics.FUNCTIONS,
    **own_overlaps.FUNCTIONS,
}


class Here:
    """A target in this process, called with the inputs by name, or its first ``arrays`` by their place.

    Of a tuple as many are taken as the operator has ``outputs``.
    """

    def __init__(self, function: Callable[..., Any], arrays: int = 0, outputs: int = 1) -> None:
        self.name = getattr(function, "__name__", "here")
        self.function, self.arrays, self.outputs = function, arrays, outputs

    def call(self, inputs: Mapping[str, Any]) -> Outcome:
        given = list(inputs.items())
        answer = self.function(*(v for _, v in given[: self.arrays]), **dict(given[self.arrays :]))
        several = answer if isinstance(answer, tuple) else (answer,)
        taken = tuple(map(np.asarray, several[: self.outputs]))
        return Outcome("answers", taken if self.outputs > 1 else taken[0])


def implementations(*, backend: str = "numpy") -> list[tuple[str, str]]:
    """Each operator of the suite with each of our implementations of it."""
    found = [(name, rung) for name, (own, _) in TABLE.items() for rung in OPS[own].rungs(backend)]
    return found + [(name, rung) for name, rungs in FUNCTIONS.items() for rung in rungs]


def target(name: str, rung: str = "") -> Here:
    """One of them; the one that the table chooses where no ``rung`` is named."""
    outputs = len(OPERATORS[name].outputs)
    if name in FUNCTIONS:
        return Here(FUNCTIONS[name][rung or next(iter(FUNCTIONS[name]))], 0, outputs)
    own, arrays = TABLE[name]
    op: Op = OPS[own]

    def here(*given: Any, **options: Any) -> Any:
        if not rung or op.refusal(rung, *given, **options):
            return op(*given, **options)  # another one takes what this one does not
        return op.using(rung)(*given, **options)

    return Here(here, arrays, outputs)
