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


def arc_tangents(expected: Any, a: np.ndarray, *_: Any, **__: Any) -> Any:
    """How far apart two CIoUs are whose arc tangents, in 0 .. pi / 2, come from two libraries.

    An angle differs by e: in float32 by one unit in the last place, since both round a double; in float64 by six (CUDA
    promises two, the fastest library under NumPy four); a unit is at most eps.  So t, the difference of two angles, by
    2 e + 1.6 eps, and v = c t^2 by 2 c |t| <= 4 / pi times that, and by 2 eps for its own roundings, v being at most 1.
    v^2 / (s + v) has a slope between 0 and 1 in v, is at most 1 and rounded three times, and the last difference once.
    """
    eps = float(np.finfo(a.dtype).eps)
    e = eps if a.dtype == np.float32 else 6 * eps
    return 4 / np.pi * (2 * e + 1.6 * eps) + (2 + 3) * eps + eps * np.abs(expected)


for _name in ("giou_matrix", "diou_matrix", "ciou_matrix"):
    _cuda = {"cuda": arc_tangents} if _name == "ciou_matrix" else {}
    case(_name, compare=EXACT, implementations=_cuda)(lambda draw: _family(draw, paired=False))
for _name in ("iou_pairs", "giou_pairs", "diou_pairs", "ciou_pairs"):
    _cuda = {"cuda": arc_tangents} if _name == "ciou_pairs" else {}
    case(_name, compare=EXACT, implementations=_cuda)(lambda draw: _family(draw, paired=True))


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


def _classes(draw: Any, n: int) -> np.ndarray | None:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype, (low, high) = draw(st.sampled_from([np.int64, np.int32, np.uint8, np.int8])), draw(CLASSES)
    far = 2**40 if dtype is np.int64 and draw(st.booleans()) else 1
    return view(draw, rng.integers(low, high, n).astype(dtype) * dtype(far))


CLASSES = st.sampled_from([(0, 1), (0, 3), (-100, 100), (0, 80)]).map(lambda pair: (max(pair[0], 0), pair[1]))


def _maybe_classes(draw: Any, n: int) -> tuple[np.ndarray, ...]:
    return (_classes(draw, n),) if draw(st.booleans()) else ()


@case("diou_nms", compare=EXACT)
def _diou_nms(draw: Any) -> Any:
    x, s, options = suppression(draw, draw(st.sampled_from([8, 60, 200])))
    if draw(st.booleans()):
        options["beta"] = draw(st.sampled_from([1, 0.6, 2, 0.5, 100.0]))
    return (x, s, *_maybe_classes(draw, len(x))), options


@case("fast_nms", compare=EXACT)
def _fast_nms(draw: Any) -> Any:
    x, s, options = suppression(draw, draw(st.sampled_from([8, 60, 200])))
    return (x, s, *_maybe_classes(draw, len(x))), options


def decaying(draw: Any, n: int) -> np.ndarray:
    """``n`` scores, finite and not below zero, often tied, some of them tiny."""
    s = scores(draw, n, draw(FLOATS))
    tiny = s.dtype.type(draw(st.sampled_from([1, 1, 1, 1e-30])))
    return view(draw, np.where(np.isfinite(s), np.abs(s), 1).astype(s.dtype) * tiny)


SIGMAS = st.sampled_from([0.5, 0.5, 0.5, 0.1, 2, 1e-3, 1e-300, 1e300]) | st.floats(0.01, 4)


@case("soft_nms", compare=EXACT)
def _soft_nms(draw: Any) -> Any:
    x, _, options = suppression(draw, draw(st.sampled_from([8, 60, 200])))
    options |= {
        "kernel": draw(st.sampled_from(["gaussian", "gaussian", "linear", "hard"])),
        "sigma": draw(SIGMAS),
        "spread": draw(st.sampled_from(["sigma", "two_sigma"])),
        "floor": draw(st.sampled_from([0, 0.0, 0.001, 0.1, 0.5, 0.9])),
        "at_floor": draw(st.sampled_from(["dropped", "kept"])),
        "most": draw(st.sampled_from([None, None, 0, 1, 5, 1000])),
    }
    return (x, decaying(draw, len(x)), *_maybe_classes(draw, len(x))), options


def _matrix_options(draw: Any) -> dict[str, Any]:
    return {"kernel": draw(st.sampled_from(["gaussian", "linear"])), "sigma": draw(SIGMAS)}


def exponentials(expected: Any, _: Any, scores: np.ndarray, *__: Any, **___: Any) -> Any:
    """How far apart two products of a score and a factor are, whose exponential in double comes from two libraries.

    Rounded to float32 the factor differs by one unit in its last place at most, and then the product is rounded.
    """
    return 2.01 * np.finfo(np.float32).eps * np.abs(expected) + 2.0**-149 * (1 + scores.astype(np.float64))


@case("matrix_nms", compare=EXACT, implementations={"cuda": exponentials})
def _matrix_nms(draw: Any) -> Any:
    x, _, options = suppression(draw, draw(st.sampled_from([8, 60, 200])))
    options = {"width": options["width"], "empty": options["empty"]} | _matrix_options(draw)
    return (x, decaying(draw, len(x)), *_maybe_classes(draw, len(x))), options


@case("matrix_nms_of", compare=EXACT, implementations={"cuda": exponentials})
def _matrix_nms_of(draw: Any) -> Any:
    n, dtype = draw(st.integers(0, 60)), draw(FLOATS)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    half = rng.random((n, n)) if draw(st.booleans()) else rng.integers(0, 5, (n, n)) / 4
    m = np.maximum(half, half.T) if draw(st.booleans()) else half  # nothing asks for symmetry
    return (view(draw, m.astype(dtype)), decaying(draw, n), *_maybe_classes(draw, n)), _matrix_options(draw)


@case("weighted_boxes_fusion", compare=EXACT)
def _weighted_boxes_fusion(draw: Any) -> Any:
    n, t = draw(st.integers(0, draw(st.sampled_from([8, 60, 200])))), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = boxes(draw, n, draw(FLOATS), infinite=False)
    options: dict[str, Any] = {
        "threshold": draw(THRESHOLDS),
        "skip": draw(st.sampled_from([0, 0.0, 0.1, 0.9])),
        "conf": draw(st.sampled_from(["avg", "max"])),
        "count": draw(st.sampled_from(["capped", "all"])),
        "compare": draw(st.sampled_from(["strict", "strict", "inclusive"])),
        "width": draw(WIDTHS),
    }
    if draw(st.booleans()):
        options["weights"] = draw(st.sampled_from([[1.0] * t, list(range(1, t + 1)), rng.uniform(0.1, 3, t)]))
    models = view(draw, rng.integers(0, t, n).astype(draw(st.sampled_from([np.int64, np.uint8]))))
    return (view(draw, x), decaying(draw, n), _classes(draw, n), models), options
