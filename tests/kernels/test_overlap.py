"""Laws and witnesses of ``iou_matrix``, for every implementation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import OPS, iou_matrix, pin
from minidet_kernels.overlap import pages, shares, streams
from support.cases_boxes import EMPTY, WIDTHS, boxes

EVERY = ["definition", *OPS["iou_matrix"].rungs("numpy")]
every = pytest.mark.parametrize("name", EVERY)
nan = float("nan")


def iou(name: str, a: Any, b: Any, dtype: Any = np.float32, **options: Any) -> np.ndarray:
    with pin(iou_matrix=name):
        return iou_matrix(np.array(a, dtype), np.array(b, dtype), **options)


@every
@pytest.mark.parametrize(
    ("a", "b", "options", "expected"),
    [
        ([0, 0, 1, 1], [1, 1, 2, 2], {}, 0),
        ([0, 0, 1, 1], [1, 1, 2, 2], {"width": "inclusive"}, 1 / 7),
        ([0, 0, 10, 10], [1, 1, 11, 11], {}, 81 / 119),
        ([0, 0, 10, 10], [1, 1, 11, 11], {"width": "inclusive"}, 100 / 142),
        ([5, 5, 5, 5], [5, 5, 5, 5], {"width": "inclusive"}, 1),
        ([5, 5, 5, 5], [5, 5, 5, 5], {}, 0),
        ([5, 5, 5, 5], [5, 5, 5, 5], {"empty": "nan"}, nan),
        ([5, 5, 5, 5], [5, 5, 5, 5], {"empty": "one"}, 1),
        ([5, 5, 5, 5], [0, 0, 9, 9], {"empty": "one"}, 0),  # the union has an area
        ([0, 0, 1e-4, 1e-4], [0, 0, 1e-4, 1e-4], {}, 1),  # no epsilon
        ([0, 0, 1e-7, 1], [0, 0, 1e-7, 1], {}, 1),
        ([2, 2, 0, 0], [0, 0, 2, 2], {}, 0),  # inverted: an empty box
        ([2, 0, 0, 2], [0, 0, 2, 2], {}, 0),
        ([2, 0, 0, 2], [0, 0, 1, 2], {}, 0),
        ([2, 2, 0, 0], [2, 2, 0, 0], {}, 0),
        ([2, 2, 0, 0], [2, 2, 0, 0], {"empty": "one"}, 1),
        ([1, 1, 0, 0], [0, 0, 1, 1], {"width": "inclusive"}, 0),
        ([0, 0, np.inf, 1], [0, 0, 1, 1], {}, 0),
        ([0, 0, np.inf, 1], [0, 0, np.inf, 1], {}, nan),
        ([0, 0, 1e20, 1e20], [0, 0, 1e20, 1e20], {}, nan),  # its area is infinite in float32
        ([0, 0, 1e-30, 1e-30], [0, 0, 1e-30, 1e-30], {}, 0),  # its area is zero in float32
        ([nan, 0, 1, 1], [0, 0, 1, 1], {}, nan),
        ([nan, 0, 1, 1], [5, 5, 6, 6], {}, nan),
        ([0, 0, 1, 1], [0, nan, 1, 1], {"empty": "one"}, nan),
        ([1, 1, 2, 2], [1, 1, 3, 3], {}, 1 / 4),  # read as xywh it would be 4/9
    ],
)
def test_witnesses(name, a, b, options, expected):
    got = iou(name, [a], [b], **options)
    np.testing.assert_array_equal(got, np.array([[expected]], np.float32))


@every
@given(
    data=st.data(), width=st.sampled_from(["exclusive", "inclusive"]), dtype=st.sampled_from([np.float32, np.float64])
)
def test_exact_arithmetic_on_small_integers(name, data, width, dtype):
    """Sums and products of small integers are exact, so the quotient is the correctly rounded one."""
    corner = st.integers(-5, 6)
    rows = st.lists(st.tuples(corner, corner, corner, corner), min_size=1, max_size=6)
    a, b = data.draw(rows), data.draw(rows)
    got = iou(name, a, b, dtype, width=width)

    def side(lo: int, hi: int) -> int:
        return max(hi - lo + (width == "inclusive"), 0)

    for i, p in enumerate(a):
        for j, q in enumerate(b):
            inter = side(max(p[0], q[0]), min(p[2], q[2])) * side(max(p[1], q[1]), min(p[3], q[3]))
            areas = side(p[0], p[2]) * side(p[1], p[3]) + side(q[0], q[2]) * side(q[1], q[3])
            exact = Fraction(inter, areas - inter) if areas > inter else 0
            assert got[i, j] == dtype(float(exact))


@every
@given(data=st.data(), width=WIDTHS, empty=EMPTY)
def test_symmetry_transposition_and_order(name, data, width, empty):
    a, b = (boxes(data.draw, data.draw(st.integers(1, 20)), np.float32) for _ in "ab")
    options = {"width": width, "empty": empty}
    m = iou(name, a, b, **options)
    np.testing.assert_array_equal(iou(name, b, a, **options), m.T)
    swap = [1, 0, 3, 2]
    np.testing.assert_array_equal(iou(name, a[:, swap], b[:, swap], **options), m)
    order = np.random.default_rng(len(a)).permutation(len(a))
    np.testing.assert_array_equal(iou(name, a[order], b, **options), m[order])
    for i in range(len(a)):
        for j in range(len(b)):
            np.testing.assert_array_equal(iou(name, a[i : i + 1], b[j : j + 1], **options), m[i : i + 1, j : j + 1])


@every
@given(data=st.data(), dx=st.integers(-1000, 1000), dy=st.integers(-1000, 1000), power=st.integers(-20, 20))
def test_translation_and_scaling_change_no_bit(name, data, dx, dy, power):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    a, b = (rng.integers(-40, 40, (7, 4)).astype(np.float32) for _ in "ab")
    shift = np.array([dx, dy, dx, dy], np.float32)
    np.testing.assert_array_equal(iou(name, a + shift, b + shift), iou(name, a, b))
    a, b = (rng.uniform(-40, 40, (7, 4)).astype(np.float32) for _ in "ab")
    scale = np.float32(2.0**power)
    np.testing.assert_array_equal(iou(name, a * scale, b * scale), iou(name, a, b))


@every
@given(data=st.data())
def test_itself_and_range(name, data):
    a = boxes(data.draw, 12, np.float64, inverted=False, infinite=False)
    m = iou(name, a, a, np.float64)
    area = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    np.testing.assert_array_equal(np.diag(m), (area > 0).astype(float))
    assert (m >= 0).all()
    assert (m <= 1 + 4 * np.finfo(float).eps).all()


@every
def test_out_is_filled_and_returned(name):
    a, b = [[0, 0, 2, 2]] * 3, [[0, 0, 2, 1]] * 2
    for out in (
        np.full((3, 2), nan, np.float32),
        np.full((2, 3), nan, np.float32).T,
        np.full((3, 4), nan, "f")[:, ::2],
    ):
        assert iou(name, a, b, out=out) is out
        np.testing.assert_array_equal(out, 0.5)


@every
@pytest.mark.parametrize(("m", "n"), [(0, 0), (0, 3), (3, 0), (1, 70000), (70000, 1), (300, 301)])
def test_sizes_beyond_a_block(name, m, n):
    """Across the borders of blocks, and on no boxes at all."""
    rng = np.random.default_rng(0)
    a, b = (np.sort(rng.uniform(0, 9, (k, 2, 2)).astype(np.float32), axis=1).reshape(k, 4) for k in (m, n))
    got = iou(name, a, b)
    assert got.shape == (m, n)
    np.testing.assert_array_equal(got, iou_matrix.definition(a, b))


@given(data=st.data(), width=WIDTHS, empty=EMPTY, dtype=st.sampled_from([np.float32, np.float64]))
def test_stores_past_the_caches_and_shares_of_threads(data, width, empty, dtype):
    """What only large matrices go through, on small ones: every alignment of a row, more threads than rows."""
    n = data.draw(st.integers(0, 100) | st.sampled_from([1023, 1041]))
    a, b = boxes(data.draw, data.draw(st.integers(0, 9)), dtype), boxes(data.draw, n, dtype)
    guard = np.full(len(a) * n + 40, 7, dtype)
    ahead = data.draw(st.integers(0, 20))
    out = guard[ahead : ahead + len(a) * n].reshape(len(a), n)
    options = {"width": width, "empty": empty}
    with (
        mock.patch.multiple(streams, LARGE=0, SHARE=1),
        mock.patch.object(shares.numba, "get_num_threads", return_value=data.draw(st.integers(1, 4))),
    ):
        assert streams.iou_matrix(a, b, out=out, **options) is out
        new = streams.iou_matrix(a, b, **options)
    np.testing.assert_array_equal(new, out)
    np.testing.assert_array_equal(out, iou_matrix.definition(a, b, **options))
    assert (guard[:ahead] == 7).all()
    assert (guard[ahead + out.size :] == 7).all()


def test_out_may_begin_anywhere():
    rng = np.random.default_rng(0)
    a = np.sort(rng.uniform(0, 9, (40, 2, 2)).astype(np.float32), axis=1).reshape(40, 4)
    memory = np.full(40 * 40 * 4 + 8, 7, np.uint8)
    out = memory[1:-7].view(np.float32).reshape(40, 40)
    with mock.patch.multiple(streams, LARGE=0):
        assert streams.iou_matrix(a, a, out=out) is out
    np.testing.assert_array_equal(out, iou_matrix.definition(a, a))
    assert (memory[[0, *range(-7, 0)]] == 7).all()


@given(m=st.integers(0, 9), n=st.integers(0, 700), dtype=st.sampled_from([np.float32, np.float64]))
def test_new_memory_begins_where_a_huge_page_does(m, n, dtype):
    got = pages.empty((m, n), dtype)
    assert (got.shape, got.dtype) == ((m, n), dtype)
    assert got.flags.c_contiguous
    assert got.flags.writeable
    assert got.ctypes.data % pages.HUGE == 0 or not got.size
    got[...] = 1
    with mock.patch.multiple(streams, LARGE=0):
        rows, columns = np.ones((m + 1, 4), dtype), np.ones((n + 1, 4), dtype)
        assert streams.iou_matrix(rows, columns).ctypes.data % pages.HUGE == 0


def test_an_error_in_a_share_is_raised():
    def work(start: int, stop: int) -> None:
        done.append((start, stop))
        if start >= 4:
            raise ArithmeticError(f"at {start}")

    done: list[tuple[int, int]] = []
    with mock.patch.object(shares.numba, "get_num_threads", return_value=3):
        shares.in_shares(work, 4)
        assert sorted(done) == [(i, i + 1) for i in range(4)]
        with pytest.raises(ArithmeticError, match="at"):
            shares.in_shares(work, 100, least=2)


def test_callers_on_many_threads():
    rng = np.random.default_rng(0)
    a = np.sort(rng.uniform(0, 9, (1200, 2, 2)).astype(np.float32), axis=1).reshape(-1, 4)
    expected = iou_matrix.definition(a, a)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: iou_matrix(a, a), range(8)):
            np.testing.assert_array_equal(got, expected)


good = np.zeros((2, 4), np.float32)


@pytest.mark.parametrize(
    ("a", "b", "options", "error", "words"),
    [
        ([[0, 0, 1, 1]], good, {}, TypeError, "a must be a NumPy or CuPy array, not list"),
        (good.astype(int), good, {}, TypeError, r"a must be float32 or float64, not int64; use a.astype"),
        (good, good.astype(np.float16), {}, TypeError, "b must be float32 or float64, not float16"),
        (good, good.astype(float), {}, TypeError, "a is float32 and b is float64"),
        (good[0], good, {}, ValueError, r"a must have shape \(n, 4\).* not \(4,\)"),
        (good, good[:, :3], {}, ValueError, r"b must have shape \(n, 4\).* not \(2, 3\)"),
        (good, good, {"width": "legacy"}, ValueError, "width is one of 'exclusive', 'inclusive', not 'legacy'"),
        (good, good, {"empty": 0}, ValueError, "empty is one of 'zero', 'nan', 'one', not 0"),
        (good, good, {"out": np.zeros((2, 3), "f")}, ValueError, r"out must be float32 of shape \(2, 2\)"),
        (good, good, {"out": np.zeros((2, 2))}, ValueError, r"not float64 of shape \(2, 2\)"),
    ],
)
def test_bad_arguments_get_one_line(a, b, options, error, words):
    with pytest.raises(error, match=words) as caught:
        iou_matrix(a, b, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("iou_matrix: ")
