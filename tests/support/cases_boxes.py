"""Arguments for the rooms of boxes: ties, touching edges, duplicates, empty and inverted boxes, extremes of size."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from support.cases_registry import EXACT, case

WIDTHS = st.sampled_from(["exclusive", "exclusive", "inclusive"])
EMPTY = st.sampled_from(["zero", "zero", "nan", "one"])
#: Fractions of small integers are where a comparison can be off by a rounding.
THRESHOLDS = st.sampled_from([0, 0.0, 0.1, 0.2, 0.25, 0.3, 1 / 3, 0.45, 0.5, 0.6, 0.7, 0.75, 0.8, 1.0]) | st.floats(
    0, 1
)


def boxes(draw: Any, n: int, dtype: Any, *, inverted: bool = True, infinite: bool = True) -> np.ndarray:
    """``n`` boxes: on a coarse grid, in general position, normalised, tiny, huge, or far from the origin."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["grid", "grid", "grid", "general", "normalised", "tiny", "huge", "far"]))
    corners = rng.integers(-3, 5, (n, 4)) if kind == "grid" else rng.uniform(-50, 350, (n, 4))
    scale = {"normalised": 1 / 416, "tiny": 1e-30, "huge": 1e17}.get(kind, 1)
    x = (corners * scale).astype(dtype) + dtype(1e5 if kind == "far" else 0)
    if not inverted or draw(st.booleans()):
        x = np.concatenate([np.minimum(x[:, :2], x[:, 2:]), np.maximum(x[:, :2], x[:, 2:])], axis=1)
    if n and draw(st.booleans()):
        x = x[rng.integers(0, n, n)]  # duplicates
    if n and infinite and draw(st.integers(0, 7)) == 0:
        x[rng.integers(0, n), rng.integers(0, 4)] = rng.choice([np.inf, -np.inf])
    return x


def view(draw: Any, x: np.ndarray) -> np.ndarray:
    """The same numbers, perhaps not contiguous."""
    layout = draw(st.sampled_from(["C", "C", "F", "reversed", "skipping"]))
    if layout == "F":
        return np.asfortranarray(x)
    if layout == "reversed":
        return x[::-1].copy()[::-1]
    if layout == "skipping":
        return np.repeat(x, 2, axis=0)[::2]
    return x


def scores(draw: Any, n: int, dtype: Any) -> np.ndarray:
    """``n`` scores, often tied; zeros of both signs and infinities among them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        return rng.choice([0.9, 0.5, 0.1, 0.0, -0.0, -1.0, np.inf, -np.inf], n).astype(dtype)
    return rng.random(n).astype(dtype)


FLOATS = st.sampled_from([np.float32, np.float32, np.float64])


@case("iou_matrix", compare=EXACT)
def _iou_matrix(draw: Any) -> Any:
    dtype = draw(FLOATS)
    a, b = (boxes(draw, draw(st.integers(0, 40)), dtype) for _ in "ab")
    if len(a) and draw(st.integers(0, 7)) == 0:
        a[draw(st.integers(0, len(a) - 1)), draw(st.integers(0, 3))] = np.nan
    options = {"width": draw(WIDTHS), "empty": draw(EMPTY)}
    if draw(st.integers(0, 3)) == 0:
        options["out"] = view(draw, np.full((len(a), len(b)), np.nan, dtype))
    return (view(draw, a), view(draw, b)), options


@case("crowd_iou_matrix", compare=EXACT)
def _crowd_iou_matrix(draw: Any) -> Any:
    dtype = draw(FLOATS)
    a, b = (boxes(draw, draw(st.integers(0, 40)), dtype) for _ in "ab")
    for x in (a, b):
        if len(x) and draw(st.integers(0, 7)) == 0:
            x[draw(st.integers(0, len(x) - 1)), draw(st.integers(0, 3))] = np.nan
    crowd = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random(len(b)) < draw(st.sampled_from([0.0, 0.5, 1]))
    return (view(draw, a), view(draw, b), view(draw, crowd)), {"width": draw(WIDTHS), "empty": draw(EMPTY)}


def _family(draw: Any, paired: bool) -> Any:
    dtype, m = draw(FLOATS), draw(st.integers(0, 40))
    a, b = (boxes(draw, n, dtype) for n in (m, m if paired else draw(st.integers(0, 40))))
    if m and draw(st.booleans()):
        b[: m // 2] = a[: len(b[: m // 2])]
    if m and draw(st.integers(0, 7)) == 0:
        a[draw(st.integers(0, m - 1)), draw(st.integers(0, 3))] = np.nan
    return (view(draw, a), view(draw, b)), {"width": draw(WIDTHS), "empty": draw(EMPTY)}


for _name in ("giou_matrix", "diou_matrix", "ciou_matrix"):
    case(_name, compare=EXACT)(lambda draw: _family(draw, paired=False))
for _name in ("iou_pairs", "giou_pairs", "diou_pairs", "ciou_pairs"):
    case(_name, compare=EXACT)(lambda draw: _family(draw, paired=True))


@case("match", compare=EXACT)
def _match(draw: Any) -> Any:
    dtype = draw(FLOATS)
    anchors = boxes(draw, draw(st.integers(0, 40) | st.sampled_from([511, 512, 513, 1200])), dtype)
    truths = boxes(draw, draw(st.integers(0, 12)), dtype)
    return (view(draw, anchors), view(draw, truths)), {"width": draw(WIDTHS)}


def suppression(draw: Any, most: int) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Boxes, scores and the options of suppression."""
    n = draw(st.integers(0, most))
    options = {
        "threshold": draw(THRESHOLDS),
        "compare": draw(st.sampled_from(["strict", "strict", "inclusive"])),
        "width": draw(WIDTHS),
        "empty": draw(EMPTY),
    }
    return view(draw, boxes(draw, n, draw(FLOATS))), view(draw, scores(draw, n, draw(FLOATS))), options


@case("nms", compare=EXACT)
def _nms(draw: Any) -> Any:
    x, s, options = suppression(draw, draw(st.sampled_from([8, 60, 300])))
    return (x, s), options


@case("batched_nms", compare=EXACT)
def _batched_nms(draw: Any) -> Any:
    x, s, options = suppression(draw, draw(st.sampled_from([8, 60])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.int64, np.int32, np.uint8, np.int8]))
    low, high = draw(st.sampled_from([(0, 1), (0, 3), (-128, 128), (0, 80)]))
    return (x, s, view(draw, rng.integers(low, high, len(x)).astype(dtype))), options
