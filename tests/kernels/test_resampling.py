"""Laws and witnesses of the resampling room, for every implementation."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from minidet_kernels import OPS, pin, resize, resize_grad_x
from minidet_kernels.resampling.axis import nearest, weights
from support.cases_maps import resizing

EVERY = ["definition", *OPS["resize"].rungs("numpy")]
EVERY_GRADIENT = ["definition", *OPS["resize_grad_x"].rungs("numpy")]
every = pytest.mark.parametrize("name", EVERY)
every_gradient = pytest.mark.parametrize("name", EVERY_GRADIENT)
VARIANTS: dict[str, dict[str, Any]] = {
    "asymmetric floor": {},  # the default: torch "nearest", cv2 INTER_NEAREST, Darknet
    "nearest-exact": {"coordinates": "half_pixel", "rounding": "prefer_ceil"},  # torch "nearest-exact", Pillow
    "onnx nearest": {"coordinates": "half_pixel", "rounding": "prefer_floor"},
    "half_pixel": {"mode": "bilinear"},  # torch align_corners=False, cv2 INTER_LINEAR
    "align_corners": {"mode": "bilinear", "coordinates": "align_corners"},  # torch True, Darknet's resize_image
    "asymmetric": {"mode": "bilinear", "coordinates": "asymmetric"},  # TensorFlow 1
    "antialias": {"mode": "bilinear", "antialias": True},  # Pillow, torch antialias=True
}
ROWS = [
    ("asymmetric floor", [0, 1, 2, 3], [0, 1, 2]),
    ("asymmetric floor", [0, 10], [0, 0, 0, 10, 10]),
    ("nearest-exact", [0, 1, 2, 3], [0, 2, 3]),
    ("nearest-exact", [0, 10], [0, 0, 10, 10, 10]),
    ("onnx nearest", [0, 1, 2, 3], [0, 1, 3]),
    ("onnx nearest", [0, 10], [0, 0, 0, 10, 10]),
    ("half_pixel", [0, 1, 2, 3], [1 / 6, 1.5, 17 / 6]),
    ("half_pixel", [0, 10], [0, 1, 5, 9, 10]),
    ("align_corners", [0, 1, 2, 3], [0, 1.5, 3]),
    ("align_corners", [0, 10], [0, 2.5, 5, 7.5, 10]),
    ("asymmetric", [0, 1, 2, 3], [0, 4 / 3, 8 / 3]),
    ("asymmetric", [0, 10], [0, 4, 8, 10, 10]),
    ("antialias", [0, 1, 2, 3], [0.3, 1.5, 2.7]),
    ("antialias", [0, 10], [0, 1, 5, 9, 10]),
    ("half_pixel", [0, 1, 2], [1]),
    ("align_corners", [0, 1, 2], [0]),
    ("asymmetric", [0, 1, 2], [0]),
    ("asymmetric floor", [0, 1, 2], [0]),
    ("nearest-exact", [0, 1, 2], [1]),
    ("nearest-exact", [0, 1, 2, 3], [1, 3]),  # halves up
    ("onnx nearest", [0, 1, 2, 3], [0, 2]),  # halves down
    ("asymmetric floor", [5, 7], [5, 5, 7, 7]),
    ("nearest-exact", [5, 7], [5, 5, 7, 7]),
    ("onnx nearest", [5, 7], [5, 5, 7, 7]),
    ("half_pixel", [4], [4, 4, 4]),
    ("align_corners", [4], [4, 4, 4]),
]


def takes(name: str, shape: tuple[int, int], size: tuple[int, int], options: dict[str, Any]) -> bool:
    """Whether this implementation takes such a call."""
    return resize.refusal(name, np.zeros((1, 1, *shape)), size=size, **options) is None


@pytest.mark.parametrize(
    ("name", "variant", "x", "y"),
    [(name, v, x, y) for v, x, y in ROWS for name in EVERY if takes(name, (1, len(x)), (1, len(y)), VARIANTS[v])],
)
def test_the_rows_that_tell_conventions_apart(name, variant, x, y):
    row, options = np.array(x, np.float64).reshape(1, 1, 1, -1), VARIANTS[variant]
    with pin(resize=name):
        across = resize(row, size=(1, len(y)), **options)
        down = resize(row.swapaxes(2, 3), size=(len(y), 1), **options)
    np.testing.assert_allclose(across.ravel(), y, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(down.ravel(), y, rtol=1e-14, atol=1e-15)


@given(
    n=st.integers(1, 3000),
    m=st.integers(1, 3000),
    coordinates=st.sampled_from(["half_pixel", "asymmetric", "align_corners"]),
)
def test_nearest_is_exact(n, m, coordinates):
    """Against rationals: no coordinate is rounded before the rounding that is asked for."""
    i = np.unique(np.random.default_rng(n * m).integers(0, m, 20))
    for rounding in ("floor", "prefer_floor", "prefer_ceil"):
        index = nearest(n, m, coordinates, rounding)
        for j in i:
            j = int(j)
            x = {
                "half_pixel": Fraction(2 * j + 1, 2) * Fraction(n, m) - Fraction(1, 2),
                "asymmetric": j * Fraction(n, m),
                "align_corners": Fraction(j * (n - 1), max(m - 1, 1)),
            }[coordinates]
            half = Fraction(1, 2)
            exact = {"floor": floor(x), "prefer_floor": ceil(x - half), "prefer_ceil": floor(x + half)}[rounding]
            assert index[j] == min(max(exact, 0), n - 1)


@every
@given(data=st.data())
def test_laws(name, data):
    """Constants stay; the same size is the identity; transposition; linearity; the range is kept."""
    shape, out, options = resizing(data.draw)
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    x, size = rng.normal(size=shape), out[2:]
    if resize.refusal(name, x, size=size, **options):
        return
    with pin(resize=name):
        y = resize(x, size=size, **options)
        np.testing.assert_allclose(resize(np.full(shape, 3.7), size=size, **options), 3.7, rtol=1e-14)
        np.testing.assert_allclose(resize(x, size=shape[2:], **options), x, rtol=1e-14, atol=1e-15)
        turned = resize(x.swapaxes(2, 3), size=size[::-1], **options)
        np.testing.assert_allclose(turned, y.swapaxes(2, 3), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(resize(4 * x + 1, size=size, **options), 4 * y + 1, rtol=1e-12, atol=1e-13)
    assert y.shape == out
    if y.size:
        assert (y <= x.max(axis=(2, 3), keepdims=True) + 1e-12).all()
        assert (y >= x.min(axis=(2, 3), keepdims=True) - 1e-12).all()


@every
@given(n=st.integers(1, 30), m=st.integers(1, 60))
def test_ramps(name, n, m):
    """Linear interpolation returns the coordinate it looked at, moved to the border where it lies outside."""
    x, i = np.arange(n, dtype=float).reshape(1, 1, 1, -1), np.arange(m)
    for variant, at in (
        ("half_pixel", (i + 0.5) * n / m - 0.5),
        ("asymmetric", i * n / m),
        ("align_corners", i * ((n - 1) / max(m - 1, 1))),
    ):
        if not resize.refusal(name, x, size=(1, m), **VARIANTS[variant]):
            with pin(resize=name):
                y = resize(x, size=(1, m), **VARIANTS[variant])
            np.testing.assert_allclose(y.ravel(), np.clip(at, 0, n - 1), rtol=1e-12, atol=1e-12)


@every
@pytest.mark.parametrize("variant", ["half_pixel", "align_corners", "antialias"])
@given(n=st.integers(1, 12), m=st.integers(1, 12), seed=st.integers(0, 999))
def test_reversal(name, variant, n, m, seed):
    """Symmetric coordinates: resizing the mirror image gives the mirror image."""
    assume(m > 1 or variant != "align_corners")  # whose single output is the first corner
    x = np.random.default_rng(seed).normal(size=(1, 1, 2, n))
    options = VARIANTS[variant] | {"size": (3, m)}
    if not resize.refusal(name, x, **options):
        with pin(resize=name):
            y, mirrored = resize(x, **options), resize(x[..., ::-1], **options)
        np.testing.assert_allclose(mirrored[..., ::-1], y, rtol=1e-12, atol=1e-13)


@every_gradient
@given(data=st.data())
def test_the_gradient_is_the_adjoint(name, data):
    shape, out, options = resizing(data.draw)
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    x, g = rng.normal(size=shape), rng.normal(size=out)
    if resize_grad_x.refusal(name, g, shape=shape, **options):
        return
    y = resize(x, size=out[2:], **options)
    with pin(resize_grad_x=name):
        back = resize_grad_x(g, shape=shape, **options)
    assert back.shape == shape
    assert abs((y * g).sum() - (x * back).sum()) <= 1e-10 * (1 + np.abs(y * g).sum())


@given(
    n=st.integers(1, 40),
    m=st.integers(1, 40),
    variant=st.sampled_from(list(VARIANTS)),
)
def test_every_row_of_weights_sums_to_one(n, m, variant):
    o = {"mode": "nearest", "coordinates": None, "rounding": "floor", "antialias": False} | VARIANTS[variant]
    where = o["coordinates"] or ("asymmetric" if o["mode"] == "nearest" else "half_pixel")
    w = weights(n, m, o["mode"], where, o["rounding"], o["antialias"])
    assert w.shape == (m, n)
    assert (w >= 0).all()
    np.testing.assert_allclose(w.sum(axis=1), 1, rtol=1e-15)


@pytest.mark.parametrize("name", [name for name in EVERY if takes(name, (5, 4), (10, 8), {})])
@pytest.mark.parametrize("factor", [(1, 1), (2, 2), (3, 1), (2, 5)])
def test_whole_factors_repeat(name, factor):
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    expected = x.repeat(factor[0], axis=2).repeat(factor[1], axis=3)
    with pin(resize=name):
        np.testing.assert_array_equal(resize(x, size=expected.shape[2:]), expected)
        np.testing.assert_array_equal(resize(x, size=expected.shape[2:], **VARIANTS["nearest-exact"]), expected)


@every_gradient
def test_the_gradient_of_a_whole_factor_sums_its_copies(name):
    g = np.arange(24, dtype=np.float32).reshape(1, 1, 4, 6)
    with pin(resize_grad_x=name):
        x = resize_grad_x(g, shape=(1, 1, 2, 3))
    np.testing.assert_array_equal(x, g.reshape(1, 1, 2, 2, 3, 2).sum(axis=(3, 5)))


def test_who_takes_what():
    x = np.zeros((1, 1, 4, 4), np.float32)
    assert resize.refusal("repeat", x, size=(8, 8)) is None
    assert resize.refusal("repeat", x, size=(6, 8)) == "repeats every element equally often, not 4 elements for 6"
    align = {"size": (8, 8), "coordinates": "align_corners"}
    assert "equally often" in resize.refusal("repeat", x, **align)  # the corners are repeated less often
    assert resize.refusal("gather", x, size=(2, 2), mode="bilinear") == "takes mode 'nearest', not 'bilinear'"
    with pin(resize="repeat"), pytest.raises(ValueError, match="pinned to 'repeat', which"):
        resize(x, size=(6, 8))


def test_cached_weights_cannot_be_changed():
    for made in (nearest(3, 5, "half_pixel", "floor"), weights(3, 5, "bilinear", "half_pixel", "floor", False)):
        with pytest.raises(ValueError, match="read-only"):
            made[0] = 7


good = np.zeros((1, 2, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("x", "options", "error", "words"),
    [
        (good.tolist(), {}, TypeError, "x must be a NumPy or CuPy array, not list"),
        (good.astype(np.uint8), {}, TypeError, r"x must be float32 or float64, not uint8; use x.astype\(np.float32\)"),
        (good[0], {}, ValueError, r"x must have shape \(N, C, H, W\), not \(2, 4, 4\)"),
        (good[:, :, :0], {}, ValueError, r"x must have at least one pixel, not shape \(1, 2, 0, 4\)"),
        (good, {"size": 8}, TypeError, r"size must be integers \(height, width\), not 8"),
        (good, {"size": (8.0, 8)}, TypeError, r"size must be integers \(height, width\), not \(8.0, 8\)"),
        (good, {"size": (8, 8, 8)}, ValueError, r"size must be \(height, width\).* not \(8, 8, 8\)"),
        (good, {"size": (0, 8)}, ValueError, r"size must be .*at least one pixel, not \(0, 8\)"),
        (good, {"mode": "bicubic"}, ValueError, "mode is one of 'nearest', 'bilinear', not 'bicubic'"),
        (good, {"coordinates": "corners"}, ValueError, "coordinates is one of 'half_pixel', .* not 'corners'"),
        (good, {"rounding": "round"}, ValueError, "rounding is one of 'floor', .* not 'round'"),
        (
            good,
            {"mode": "bilinear", "rounding": "prefer_ceil"},
            ValueError,
            "rounding 'prefer_ceil' is for mode 'nearest'",
        ),
        (good, {"antialias": True}, ValueError, "antialias needs mode 'bilinear' and coordinates 'half_pixel'"),
        (
            good,
            {"mode": "bilinear", "coordinates": "align_corners", "antialias": True},
            ValueError,
            "antialias needs mode 'bilinear' and coordinates 'half_pixel'",
        ),
    ],
)
def test_bad_arguments_get_one_line(x, options, error, words):
    with pytest.raises(error, match=words) as caught:
        resize(x, **({"size": (8, 8)} | options))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("resize: ")


@pytest.mark.parametrize(
    ("shape", "error", "words"),
    [
        ((1, 3, 4, 4), ValueError, r"g has shape \(1, 2, 4, 4\), so shape must begin with \(1, 2\)"),
        ((1, 2, 4), ValueError, r"shape must be \(N, C, H, W\).* not \(1, 2, 4\)"),
        ((1, 2, 0, 4), ValueError, "at least one pixel"),
        (4, TypeError, r"shape must be integers \(N, C, H, W\), not 4"),
    ],
)
def test_bad_shapes_get_one_line(shape, error, words):
    with pytest.raises(error, match=words):
        resize_grad_x(good, shape=shape)


@pytest.mark.parametrize(("n", "m"), [((500, 700), (90, 80)), ((90, 80), (500, 701)), ((300, 400), (310, 390))])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "antialias", "align_corners"])
def test_large_maps_shared_among_threads_are_the_same(n, m, mode):
    numba = pytest.importorskip("numba")
    options = {
        "nearest": {"mode": "nearest"},
        "bilinear": {"mode": "bilinear"},
        "antialias": {"mode": "bilinear", "antialias": True},
        "align_corners": {"mode": "bilinear", "coordinates": "align_corners"},
    }[mode]
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(1, 3, *n)), rng.normal(size=(1, 3, *m))
    before, found = numba.get_num_threads(), []
    for threads in sorted({1, numba.config.NUMBA_NUM_THREADS}):
        numba.set_num_threads(threads)
        with pin(resize="numba", resize_grad_x="numba"):
            found.append((resize(x, size=m, **options), resize_grad_x(g, shape=x.shape, **options)))
    numba.set_num_threads(before)
    for y, back in found:
        np.testing.assert_array_equal(y, found[0][0])
        np.testing.assert_array_equal(back, found[0][1])
    np.testing.assert_allclose(found[0][0], resize.definition(x, size=m, **options), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found[0][1], resize_grad_x.definition(g, shape=x.shape, **options), rtol=0, atol=1e-10)
