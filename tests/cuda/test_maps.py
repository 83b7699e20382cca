"""Pooling, resizing and regions on the GPU: what drawn cases are too small for, and what is refused.

Every launch runs in three schedules, which must leave the same bytes: so each of these tests is one of determinism too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minidet_kernels import (
    OPS,
    crop_and_resize_grad_x,
    max_pool2d,
    resize,
    roi_align,
    roi_align_grad_x,
    roi_pool,
)
from minidet_kernels.arrays import to_numpy
from minidet_kernels.resampling import lines
from minidet_kernels.resampling.axis import weights
from support.cases import CASES, assert_close

F4, F8 = np.float32, np.float64


def agree(cupy: Any, name: str, impl: str, *args: Any, **kwargs: Any) -> Any:
    """Run one implementation and compare it with the definition, within the bound of the operator's case."""
    op = OPS[name]
    there = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in args]
    assert op.refusal(impl, *there, **kwargs) is None
    got = op.using(impl)(*there, **kwargs)
    host = tuple(map(to_numpy, got)) if isinstance(got, tuple) else to_numpy(got)
    assert_close(host, op.definition(*args, **kwargs), CASES[name].rule(impl), args, kwargs)
    return host


def normal(*shape: int, dtype: Any = F4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# --- resizing: more planes than a block takes, more elements than a block has threads


@pytest.mark.parametrize("size", [(19, 23), (18, 23), (8, 30)], ids=["one", "two", "four at once"])
@pytest.mark.parametrize("dtype", [F4, F8])
def test_nearest_of_many_planes(size: tuple[int, int], dtype: Any, cupy: Any) -> None:
    for coordinates, rounding in (
        ("half_pixel", "prefer_floor"),
        ("align_corners", "prefer_ceil"),
        ("asymmetric", "prefer_ceil"),  # beyond the last input, where the map more than doubles
        (None, "floor"),
    ):
        options = {"mode": "nearest", "coordinates": coordinates, "rounding": rounding}
        agree(cupy, "resize", "places", normal(3, 7, 11, 14, dtype=dtype), size=size, **options)
        g = normal(3, 7, *size, dtype=dtype)
        agree(cupy, "resize_grad_x", "nearest", g, shape=(3, 7, 11, 14), **options)
    if dtype is F4:
        agree(cupy, "resize", "columns", normal(3, 7, 11, 14), size=size, mode="nearest")


@pytest.mark.parametrize("size", [(30, 9), (1, 40), (13, 17)])
@pytest.mark.parametrize("options", [{}, {"antialias": True}, {"coordinates": "align_corners"}], ids=str)
def test_bilinear_of_many_planes(size: tuple[int, int], options: dict[str, Any], cupy: Any) -> None:
    x, g = normal(2, 10, 12, 19), normal(2, 10, *size)
    agree(cupy, "resize", "taps", x, size=size, mode="bilinear", **options)
    if not options.get("antialias"):
        agree(cupy, "resize", "bilinear", x, size=size, mode="bilinear", **options)
    agree(cupy, "resize_grad_x", "taps", g, shape=x.shape, mode="bilinear", **options)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("coordinates", ["half_pixel", "asymmetric", "align_corners"])
def test_taps_are_as_many_as_are_counted(coordinates: str, antialias: bool) -> None:
    """``most_taps`` allots the tables: one too few would lose a neighbour."""
    if antialias and coordinates != "half_pixel":
        return
    for n in range(1, 14):
        for m in range(1, 30):
            w = weights(n, m, "bilinear", coordinates, "floor", antialias) > 0
            for back, used in ((False, w), (True, w.T)):
                widest = max((int(np.ptp(np.flatnonzero(row))) + 1 for row in used if row.any()), default=1)
                most = lines.most_taps(n, m, coordinates, antialias, back)
                assert widest <= most <= used.shape[1], (n, m, back)


def test_a_side_beyond_counting_is_refused(cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x = cupy.asarray(normal(1, 1, 2, 2))
    assert resize.refusal("places", x, size=(1, 1 << 30)) == "takes sides below 2^30"
    assert resize.refusal("columns", x, size=(1, 1 << 30)) == "takes sides below 2^30"
    why = resize.refusal("places", x, size=(1 << 16, 1 << 15))
    assert str(why).startswith("counts to 2^31")


# --- pooling


SPECIAL = np.array([0, 1, 1, -0.0, np.nan, np.inf, -np.inf, 2], F4)


@pytest.mark.parametrize("kind", ["ties", "special", "plain"])
@pytest.mark.parametrize("size", [5, 13, (3, 9)])
def test_windows_over_several_tiles(size: Any, kind: str, cupy: Any) -> None:
    x = normal(2, 5, 37, 45)
    if kind != "plain":
        x = np.round(x) if kind == "ties" else np.random.default_rng(1).choice(SPECIAL, x.shape)
    padding = size // 2 if isinstance(size, int) else tuple(k // 2 for k in size)
    y, index = agree(cupy, "max_pool2d", "tiled", x, size=size, stride=1, padding=padding)
    again = agree(cupy, "max_pool2d", "windows", x, size=size, stride=1, padding=padding)
    np.testing.assert_array_equal(y, again[0])
    agree(cupy, "max_pool2d_grad_x", "tiles", normal(*y.shape), index, shape=x.shape)


@pytest.mark.parametrize("stride", [2, 3])
def test_strides_over_several_tiles(stride: int, cupy: Any) -> None:
    x = np.round(normal(1, 3, 70, 81))
    for impl in ("windows", "tiled"):
        agree(cupy, "max_pool2d", impl, x, size=3, stride=stride, padding=1, convention="caffe")
    for include in (True, False):
        options = {"size": 3, "stride": stride, "padding": 1, "convention": "caffe", "count_include_pad": include}
        y = agree(cupy, "avg_pool2d", "windows", normal(2, 9, 13, 20), **options)
        agree(cupy, "avg_pool2d_grad_x", "windows", normal(*y.shape), shape=(2, 9, 13, 20), **options)


@pytest.mark.parametrize("shape", [(1, 2, 40, 70), (1, 1, 3, 1100)], ids=["several rows", "wider than a tile"])
@pytest.mark.parametrize("dtype", [F4, F8])
def test_all_windows_won_by_few_elements(shape: tuple[int, ...], dtype: Any, cupy: Any) -> None:
    """Rows of windows that go far away, and lanes that meet at one element, in the order of the windows."""
    rng = np.random.default_rng(0)
    few = rng.integers(0, shape[2] * shape[3], 5)
    index = few[rng.integers(0, 5, (*shape[:2], 9, 50))]
    g = rng.standard_normal(index.shape).astype(dtype)
    got = agree(cupy, "max_pool2d_grad_x", "tiles", g, index, shape=shape)
    expected = np.zeros(shape, dtype)
    n, c, _, _ = np.ogrid[: shape[0], : shape[1], :1, :1]
    np.add.at(expected.reshape(*shape[:2], -1), (n, c, index), g)  # one after another, in this dtype
    np.testing.assert_array_equal(got, expected)


def test_which_rung_pools(cupy: Any) -> None:
    x = cupy.asarray(normal(1, 1, 20, 20))
    assert max_pool2d.choose(x, size=2) == "windows"
    assert max_pool2d.choose(x, size=5, stride=1, padding=2) == "tiled"
    assert "shared memory" in str(max_pool2d.refusal("tiled", x, size=(1, 19), stride=(19, 19)))


# --- regions


def boxes(K: int, images: int, H: int, W: int, seed: int = 0) -> np.ndarray:
    """Regions inside, outside, across the border, empty, inverted, on one element, and of the whole map."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-0.2, 1.2, (K, 4)) * [W, H, W, H]
    corners[: K // 2] = np.concatenate(
        [
            np.minimum(corners[: K // 2, :2], corners[: K // 2, 2:]),
            np.maximum(corners[: K // 2, :2], corners[: K // 2, 2:]),
        ],
        1,
    )  # the others may be inverted
    corners[::7, 2:] = corners[::7, :2]
    corners[1::9] += 3 * W
    corners[2::9] = np.round(corners[2::9])
    corners[3::11] = [0, 0, W, H]
    return np.concatenate([rng.integers(0, images, (K, 1)), corners], 1).astype(F4)


CONVENTIONS = [
    {},
    {"aligned": True, "sampling_ratio": 2},
    {"aligned": True, "outside": "zero"},
    {"outside": "border", "sampling_ratio": 3, "min_size": 0.0},
    {"sampling_ratio": 2, "spatial_scale": 0.25},
]


@pytest.mark.parametrize("options", CONVENTIONS, ids=str)
def test_regions_of_several_images_and_tiles(options: dict[str, Any], cupy: Any) -> None:
    for shape, out in (((2, 70, 21, 36), (3, 4)), ((3, 33, 40, 19), (7, 7))):  # W a multiple of 4, and not
        r = boxes(23, shape[0], *shape[2:])
        r[:, 1:] /= options.get("spatial_scale", 1)
        agree(cupy, "roi_align", "channels", normal(*shape), r, output_size=out, **options)
        g = normal(len(r), shape[1], *out)
        tiles = agree(cupy, "roi_align_grad_x", "tiles", g, r, shape=shape, **options)
        assert np.abs(tiles).max() > 0.1, "nothing was sent back"


def test_the_gradient_is_the_transpose(cupy: Any) -> None:
    """In float64, and so to its precision; without the definition."""
    x, r = normal(2, 5, 50, 34, dtype=F8), boxes(40, 2, 50, 34).astype(F8)
    for op, options in (("roi_align", {"aligned": True}), ("roi_align", {"sampling_ratio": 2})):
        y = to_numpy(OPS[op].using("channels")(cupy.asarray(x), cupy.asarray(r), output_size=(5, 9), **options))
        g = normal(*y.shape, dtype=F8, seed=1)
        back = OPS["roi_align_grad_x"].using("tiles")(cupy.asarray(g), cupy.asarray(r), shape=x.shape, **options)
        a, b = float((y * g).sum()), float((x * to_numpy(back)).sum())
        assert abs(a) > 1
        assert abs(a - b) < 1e-10 * abs(a)


def test_more_regions_than_threads_on_one_element(cupy: Any) -> None:
    shape = (1, 3, 20, 20)
    r = np.tile(np.array([[0, 4.0, 4.0, 6.0, 6.0]], F4), (1100, 1))
    r[::3, 1:] += 0.25
    agree(cupy, "roi_align_grad_x", "tiles", normal(len(r), 3, 2, 2), r, shape=shape)
    y, index = roi_pool.definition(normal(*shape), r[:70], output_size=2)
    agree(cupy, "roi_pool_grad_x", "runs", normal(*y.shape), index, r[:70], shape=shape)


def test_bins_larger_than_a_warp(cupy: Any) -> None:
    """A bin of more than 32 elements, and more bins than are written at once."""
    r = np.tile(np.array([[0, -3.0, -2.0, 9.0, 85.0], [0, 3.0, 90.0, 0.0, 0.0]], F4), (5, 1))
    x = normal(1, 2, 80, 4)
    for out in ((2, 1), (9, 11)):
        agree(cupy, "roi_align", "channels", x, r, output_size=out)
        agree(cupy, "roi_align", "channels", x, r, output_size=out, aligned=True, sampling_ratio=12)
        agree(cupy, "roi_align_grad_x", "tiles", normal(10, 2, *out), r, shape=x.shape, sampling_ratio=12)


@pytest.mark.parametrize("max_of", ["samples", "corners"])
@pytest.mark.parametrize("dtype", [F4, F8])
def test_maxima_and_who_won(max_of: str, dtype: Any, cupy: Any) -> None:
    x, r = np.round(normal(2, 3, 30, 70, dtype=dtype)), boxes(30, 2, 30, 70)  # ties
    options: dict[str, Any] = {"mode": "max", "max_of": max_of}
    y = agree(cupy, "roi_align", "samples", x, r, output_size=(4, 3), **options)
    np.testing.assert_array_equal(y, roi_align.definition(x, r, output_size=(4, 3), **options))
    agree(cupy, "roi_align_grad_x", "winners", normal(*y.shape, dtype=dtype), r, x, shape=x.shape, **options)


@pytest.mark.parametrize("options", [{}, {"bins": "rounded", "end": "exclusive"}, {"rounding": "half_even"}], ids=str)
def test_pooled_regions_over_several_tiles(options: dict[str, Any], cupy: Any) -> None:
    x, r = np.round(normal(2, 11, 45, 90)), boxes(40, 2, 45, 90)
    x[0, 0, 3:9, 5:60] = np.nan
    y, index = agree(cupy, "roi_pool", "bins", x, r, output_size=(7, 7), **options)
    g = normal(*y.shape)
    got = agree(cupy, "roi_pool_grad_x", "runs", g, index, r, shape=x.shape)
    expected = np.zeros((2, 11, 45 * 90), F4)
    c = np.arange(11)[:, None, None]
    for k in range(len(r)):  # one after another, in this dtype
        np.add.at(expected[int(r[k, 0])], (c, np.maximum(index[k], 0)), np.where(index[k] < 0, F4(0), g[k]))
    np.testing.assert_array_equal(got, expected.reshape(x.shape))


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_crops_of_several_images_and_tiles(method: str, cupy: Any) -> None:
    shape, K = (3, 37, 25, 40), 30
    rng = np.random.default_rng(2)
    b = rng.uniform(-0.3, 1.3, (K, 4)).astype(F4)
    b[::5] = [0, 0, 1, 1]
    index = rng.integers(0, 3, K)
    for impl in ("samples", "channels"):
        x = normal(*shape)
        agree(cupy, "crop_and_resize", impl, x, b, index, size=(9, 14), method=method, extrapolation=np.nan)
    for impl in ("pixels", "tiles"):
        g = normal(K, 37, 9, 14)
        agree(cupy, "crop_and_resize_grad_x", impl, g, b, index, shape=shape, method=method)
    agree(cupy, "crop_and_resize_grad_boxes", "boxes", normal(K, 37, 9, 14), normal(*shape), b, index)


def test_halves_go_up(cupy: Any) -> None:
    """Samples of nearest crops, and corners of pooled regions, that lie exactly in between."""
    x, b = normal(1, 3, 6, 7), np.array([[0.5, 1.5, 2.5, 3.5], [4.5, 0.5, 0.5, 6.0]], F4)
    for impl in ("samples", "channels"):
        kwargs = {"size": (3, 3), "method": "nearest", "unit": "element"}
        got = agree(cupy, "crop_and_resize", impl, x, b, np.zeros(2, np.int64), **kwargs)
        np.testing.assert_array_equal(got[0, :, 0, 0], x[0, :, 1, 2])
    r = np.array([[0, -0.5, -1.5, 2.5, 3.5], [0, 0.5, 1.5, 3.5, 4.5]], F4)
    for rounding in ("half_away", "half_even"):
        agree(cupy, "roi_pool", "bins", x, r, output_size=2, rounding=rounding)


def test_what_regions_do_not_take(cupy: Any) -> None:
    x, r = cupy.asarray(normal(1, 2, 40, 40)), cupy.asarray(boxes(3, 1, 40, 40))
    assert str(roi_align.refusal("channels", x, r, output_size=1)).startswith("pays from one bin per")
    assert "shared memory" in str(roi_align.refusal("channels", x, r, output_size=2000))
    assert roi_align.choose(x, r, output_size=1) == "samples"
    assert roi_align.choose(x, r, output_size=7) == "channels"
    g = cupy.asarray(normal(3, 2, 33, 1))
    assert roi_align_grad_x.choose(g, r, shape=x.shape) == "pixels"
    assert "at most 32 x 32" in str(roi_align_grad_x.refusal("tiles", g, r, shape=x.shape))
    assert roi_align_grad_x.choose(cupy.asarray(normal(3, 2, 7, 7)), r, shape=x.shape) == "tiles"
    b, index = cupy.asarray(normal(3, 4)), cupy.asarray(np.zeros(3, np.int64))
    assert "at most 32 x 32" in str(crop_and_resize_grad_x.refusal("tiles", g, b, index, shape=x.shape))
    why = roi_align.refusal("samples", x, r, output_size=(1 << 15, 1 << 15))
    assert str(why).startswith("counts to 2^31")


def test_nothing_in_nothing_out(cupy: Any) -> None:
    """No regions and no channels: all of the gradient is zero."""
    r = np.zeros((0, 5), F4)
    agree(cupy, "roi_align", "samples", normal(1, 3, 4, 4), r, output_size=2)
    for impl in ("pixels", "tiles"):
        got = agree(cupy, "roi_align_grad_x", impl, normal(0, 3, 2, 2), r, shape=(2, 3, 20, 20))
        assert not got.any()
        agree(cupy, "roi_align_grad_x", impl, normal(0, 0, 2, 2), r, shape=(2, 0, 20, 20))
    index = np.zeros((0, 3, 2, 2), np.int64)
    assert not agree(cupy, "roi_pool_grad_x", "runs", normal(0, 3, 2, 2), index, r, shape=(2, 3, 20, 20)).any()
