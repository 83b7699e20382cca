"""The CUDA kernels of the rooms against the definitions, in the three schedules; again under the sanitizers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minidet_kernels.convolution import conv2d, out_size
from minidet_kernels.cuda_on_cpu import empty
from minidet_kernels.overlap import iou_matrix
from minidet_kernels.overlap.check import EMPTY
from minidet_kernels.resampling import resize
from minidet_kernels.suppression import nms
from support.cuda_sources import boxes4, needs_compiler, of_rooms

pytestmark = needs_compiler
i4, f4 = np.int32, np.float32
FILES = ("overlap/iou_matrix.cu", "suppression/nms_mask.cu", "resampling/nearest.cu", "convolution/naive.cu")


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    for file in FILES:
        of_rooms(file)


# Small integers make ties, touching edges and empty boxes common; the others reach into every corner of float32.
corners = st.one_of(
    st.integers(-3, 6).map(float),
    st.floats(-1e3, 1e3, width=32),
    st.sampled_from([np.inf, -np.inf, np.nan, 2e19, 1e-23]),
)
finite = st.one_of(st.integers(-3, 6).map(float), st.floats(-1e3, 1e3, width=32))


@st.composite
def boxes(draw, most=70, of=corners) -> np.ndarray:
    n = draw(st.integers(1, most))
    some = draw(st.lists(st.tuples(of, of, of, of), min_size=1, max_size=12))
    return boxes4(
        np.array([some[i * i % len(some)] for i in range(n)], f4) + (np.arange(n) // 12 % 5)[:, None].astype(f4)
    )


def run_iou(a, b, width="exclusive", nothing="zero", sanitize=None, seed=0):
    out = empty((len(a), len(b)), f4)
    grid = (-(-len(b) // 128), -(-len(a) // 16))
    args = (a, b, out, i4(len(a)), i4(len(b)), f4(width == "inclusive"), f4(EMPTY[nothing]))
    of_rooms(FILES[0], sanitize).kernel("iou_matrix")(grid, 128, args, schedule="all", seed=seed)
    return out


@given(
    a=boxes(), b=boxes(150), width=st.sampled_from(["exclusive", "inclusive"]), nothing=st.sampled_from(sorted(EMPTY))
)
def test_iou_is_bitwise_the_definition(a, b, width, nothing):
    expected = iou_matrix.definition(a, b, width=width, empty=nothing)
    got = run_iou(a, b, width, nothing)
    assert ((got.view("u4") == expected.view("u4")) | (np.isnan(got) & np.isnan(expected))).all()


def run_mask(b, threshold, compare="strict", width="exclusive", sanitize=None, seed=0):
    n, words = len(b), -(-len(b) // 64)
    mask = empty((n, words), np.uint64)
    args = (b, mask, i4(n), f4(threshold), i4(compare == "inclusive"), f4(width == "inclusive"), f4(0))
    of_rooms(FILES[1], sanitize).kernel("nms_mask")((words, words), 64, args, schedule="all", seed=seed)
    return np.unpackbits(mask.view("u1"), axis=1, bitorder="little").astype(bool)[:, :n], mask


@given(
    b=boxes(150, finite),
    threshold=st.one_of(st.sampled_from([0.0, 1 / 3, 0.5, 1.0]), st.floats(0, 1)),
    compare=st.sampled_from(["strict", "inclusive"]),
    width=st.sampled_from(["exclusive", "inclusive"]),
)
def test_the_nms_mask_gives_what_nms_keeps(b, threshold, compare, width):
    drops, mask = run_mask(b, threshold, compare, width)
    with np.errstate(all="ignore"):
        overlap = iou_matrix.definition(b, b, width=width)
    above = overlap > f4(threshold) if compare == "strict" else overlap >= f4(threshold)
    np.testing.assert_array_equal(drops, np.triu(above, 1))
    kept, dropped = [], np.zeros(len(b), bool)
    for i in range(len(b)):
        if not dropped[i]:
            kept.append(i)
            dropped |= drops[i]
    scores = -np.arange(len(b), dtype=f4)
    assert kept == nms.definition(b, scores, threshold=threshold, compare=compare, width=width).tolist()
    unused = -len(b) % 64
    assert not unused or not (mask[:, -1] >> np.uint64(64 - unused)).any(), "bits beyond the last box"


def run_nearest(x, size, rows, sanitize=None, seed=0):
    (n, c, h, w), (oh, ow) = x.shape, size
    y = empty((n, c, oh, ow), f4)
    args = (x, y, i4(n * c), i4(h), i4(w), i4(oh), i4(ow))
    of_rooms(FILES[2], sanitize).kernel("resize_nearest")((-(-ow // 128), rows), 128, args, schedule="all", seed=seed)
    return y


sizes = st.integers(1, 9)


@given(shape=st.tuples(st.integers(1, 2), st.integers(1, 3), sizes, sizes), oh=st.integers(1, 20),
       ow=st.integers(1, 150), rows=st.integers(1, 9))  # fmt: skip
def test_nearest_is_the_definition(shape, oh, ow, rows):
    x = np.random.default_rng(oh).standard_normal(shape, f4)
    np.testing.assert_array_equal(run_nearest(x, (oh, ow), rows), resize.definition(x, size=(oh, ow)))


FIELDS = "C H W O kh kw oh ow groups stride_h stride_w padding_h padding_w dilation_h dilation_w"


def run_conv(x, w, bias, stride, padding, dilation, groups, sanitize=None, seed=0):
    (n, c, h, wide), (o, _, kh, kw) = x.shape, w.shape
    oh = out_size(h, kh, stride[0], padding[0], dilation[0])
    ow = out_size(wide, kw, stride[1], padding[1], dilation[1])
    numbers = (c, h, wide, o, kh, kw, oh, ow, groups, *stride, *padding, *dilation)
    p = np.array(numbers, dtype=[(name, "i4") for name in FIELDS.split()])
    y = empty((n, o, oh, ow), f4)
    grid = (-(-oh * ow // 128), o, n)
    of_rooms(FILES[3], sanitize).kernel("conv2d_naive")(grid, 128, (x, w, bias, y, p), schedule="all", seed=seed)
    return y


pairs = st.tuples(st.integers(1, 2), st.integers(1, 3))


def assert_in_bound(y, x, w, bias, **options):
    """Each term is rounded once, and passes through as many sums at most."""
    wide = [None if a is None else a.astype(np.float64) for a in (x, w, bias)]
    terms = w[0].size + 1
    bound = conv2d.definition(*(None if a is None else np.abs(a) for a in wide), **options) * (terms + 1) * 2.0**-24
    assert (np.abs(y - conv2d.definition(*wide, **options)) <= bound * 1.0001).all()


@given(n=st.integers(1, 2), channels=st.integers(1, 3), filters=st.integers(1, 3), groups=st.integers(1, 2), k=pairs,
       stride=pairs, padding=st.tuples(st.integers(0, 2), st.integers(0, 2)), dilation=pairs, more=pairs,
       biased=st.booleans(), seed=st.integers(0, 999))  # fmt: skip
def test_naive_convolution_is_the_definition(
    n, channels, filters, groups, k, stride, padding, dilation, more, biased, seed
):
    rng = np.random.default_rng(seed)
    shape = [max(1, (k[d] - 1) * dilation[d] + 1 - 2 * padding[d]) + 3 * more[d] for d in (0, 1)]
    x = rng.standard_normal((n, channels * groups, *shape), f4)
    w = rng.standard_normal((filters * groups, channels, *k), f4)
    bias = rng.standard_normal(filters * groups, f4) if biased else None
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    got = run_conv(x, w, bias, **options)
    assert_in_bound(got, x, w, bias, **options)


@pytest.mark.parametrize("sanitize", ["address", "thread"])
@settings(max_examples=5)
@given(a=boxes(40), b=boxes(140, finite), seed=st.integers(0, 999))
def test_boxes_are_clean_under_the_sanitizers(sanitize, a, b, seed):
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(run_iou(a, b, sanitize=sanitize, seed=seed), iou_matrix.definition(a, b))
        drops, _ = run_mask(b, 0.5, sanitize=sanitize, seed=seed)
        np.testing.assert_array_equal(drops, np.triu(iou_matrix.definition(b, b) > 0.5, 1))


@pytest.mark.parametrize("sanitize", ["address", "thread"])
def test_maps_are_clean_under_the_sanitizers(sanitize):
    rng = np.random.default_rng(0)
    x, w, bias = rng.standard_normal((2, 3, 7, 5), f4), rng.standard_normal((4, 3, 3, 3), f4), np.ones(4, f4)
    y = run_conv(x, w, bias, (2, 1), (1, 1), (1, 1), 1, sanitize, 1)
    assert_in_bound(y, x, w, bias, stride=(2, 1), padding=1)
    np.testing.assert_array_equal(run_nearest(x, (14, 11), 3, sanitize), resize.definition(x, size=(14, 11)))
