"""``giou_loss``, ``diou_loss``, ``ciou_loss`` (pred, target): one minus the overlap, and its gradient for ``pred``.

The gradient is exact: the formula of the value is computed with numbers that carry their derivatives (``slopes``).
Whole numbers draw no rounding from sides, areas, hulls and diagonals; what is left are some ten roundings of terms
whose sizes are those of the answer, so the default bound (``answers.UNITS`` steps of it) holds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import exact
from . import slopes
from .family import of_pair
from .operator import Answer, Dialect, Inputs, Operator, Vector


def _loss(kind: str) -> Callable[[Inputs, Dialect], Answer]:
    def reference(inputs: Inputs, dialect: Dialect) -> Answer:
        pred, target, of = exact.boxes(inputs["pred"]), exact.boxes(inputs["target"]), slopes.arithmetic(dialect)
        loss, gradient = np.zeros(len(pred)), np.zeros((len(pred), 4))
        for n, (p, t) in enumerate(zip(pred, target, strict=True)):
            value = slopes.slope(1 - of_pair(kind, slopes.box(p, fixed=False), slopes.box(t, fixed=True), dialect, of))
            loss[n] = float(value.value)
            gradient[n] = [float(one) for one in value.by]
        return loss, gradient

    return reference


def _pair(name: str, pred: list[float], target: list[float], *tells: str) -> Vector:
    inputs = {"pred": np.array([pred], np.float64), "target": np.array([target], np.float64)}
    return Vector(name, inputs, tells)


def _operator(kind: str, vectors: tuple[Vector, ...]) -> Operator:
    call = f"{kind}_loss(pred, target): boxes (n, 4) and (n, 4) to the losses (n,) and their gradient for pred (n, 4)"
    return Operator(f"{kind}_loss", call, _loss(kind), vectors, boxes=("pred", "target"), outputs=("loss", "gradient"))


_SHARE = ("empty", "empty_hull")
_SIDES = ("inverted", "clamped", "coinciding")
_SHAPE = ("empty_hull", "alpha", "alpha_grad")


def _vectors(*alike: str) -> tuple[Vector, ...]:
    """What all three tell; ``alike`` is what two equal boxes tell besides."""
    return (
        _pair("side by side", [0, 0, 2, 2], [2, 1, 4, 3], *_SHARE, "clamped"),
        _pair("two equal boxes", [1, 1, 3, 3], [1, 1, 3, 3], *_SHARE, *alike, "coinciding"),
        _pair("1e-4 apart", [0, 0, 1e-4, 1e-4], [2e-4, 2e-4, 3e-4, 3e-4], *_SHARE),
        _pair("1e-4 within 2.5e-4", [0, 0, 1e-4, 1e-4], [-1e-4, -1e-4, 1.5e-4, 1.5e-4], *_SHARE),
    )


GIOU_LOSS, DIOU_LOSS = (
    _operator(
        kind,
        (
            *_vectors(),
            _pair("an edge in common", [0, 0, 2, 2], [0, 1, 3, 3], *_SHARE, "coinciding"),
            _pair("inverted across", [2, 0, 1, 2], [0, -1, 3, 4], *_SHARE, "inverted"),
            _pair("inverted across, a union of zero", [2, 0.5, 0, 1.5], [0, 0, 1, 2], *_SHARE, "inverted"),
            _pair("two equal points", [1, 1, 1, 1], [1, 1, 1, 1], *_SHARE),
            *([_pair("two equal lines", [0, 0, 0, 1], [0, 0, 0, 1], *_SHARE, *_SIDES)] if kind == "giou" else []),
        ),
    )
    for kind in ("giou", "diou")
)
CIOU_LOSS = _operator(
    "ciou",
    (
        *_vectors("alpha"),
        _pair(
            "two equal points",
            [1, 1, 1, 1],
            [1, 1, 1, 1],
            *_SHARE,
            "alpha",
            "alpha_grad",
            "angle",
            "clamped",
            "inverted",
        ),
        _pair("2 x 1 in 1.5 x 3", [0, 0, 2, 1], [-1, -1, 0.5, 2], "empty", *_SHAPE),
        _pair("4 x 3 and 3.25 x 2.75", [0, 0, 4, 3], [-0.25, -0.25, 3, 2.5], "empty", *_SHAPE),
        _pair("inverted across, apart", [2, 0, 1, 2], [5, -1, 8, 4], *_SHAPE, "angle", "inverted"),
        _pair("a flat box, apart", [1, 1, 3, 1], [0, 5, 4, 7], *_SHAPE, "angle", "clamped", "inverted"),
    ),
)
BOX_LOSSES: tuple[Operator, ...] = (GIOU_LOSS, DIOU_LOSS, CIOU_LOSS)
