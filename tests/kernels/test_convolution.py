"""The convolution room: values by hand, the identities that define the gradients, blocks, memory, refusals."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from minidet_kernels import OPS, conv2d, conv2d_grad_w, conv2d_grad_x, pin
from minidet_kernels.convolution import im2col, out_size
from support.cases import CASES, assert_close
from support.cases_convolution import array, shapes

#: Those that compute any convolution by sums in float64; the others have files of tests to themselves.
NAMES = ["definition", "direct", "im2col", "numba"]
ROOM = [conv2d, conv2d_grad_x, conv2d_grad_w]

every_implementation = pytest.mark.parametrize("name", NAMES)


def all_pinned(name: str) -> Any:
    return pin(conv2d=name, conv2d_grad_x=name, conv2d_grad_w=name)


def taken(name: str, x: np.ndarray, w: np.ndarray, **options: Any) -> bool:
    return conv2d.refusal(name, x, w, **options) is None


@st.composite
def problems(draw: Any, dtype: Any = np.float64) -> Any:
    """An x, a w, a g of the output's shape, and options."""
    options, x, w, y = shapes(draw)
    return array(draw, x, dtype), array(draw, w, dtype), array(draw, y, dtype), options


# ---- values worked by hand


@every_implementation
def test_the_filter_is_not_flipped(name: str) -> None:
    x, w = np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), np.array([[[[1.0, 10.0, 100.0]]]])
    with all_pinned(name):
        assert conv2d(x, w).tolist() == [[[[321.0, 432.0]]]]
        assert conv2d(x, w, np.array([0.5])).tolist() == [[[[321.5, 432.5]]]]
        assert conv2d(x, w, padding=(0, 1)).tolist() == [[[[210.0, 321.0, 432.0, 43.0]]]]
        assert conv2d(x, w, padding=(0, 1), dilation=(1, 2)).tolist() == [[[[420.0, 31.0]]]]
        assert conv2d_grad_x(np.array([[[[1.0, 2.0]]]]), w, shape=x.shape).tolist() == [[[[1.0, 12.0, 120.0, 200.0]]]]
        assert conv2d_grad_w(x, np.array([[[[1.0, 10.0]]]]), shape=w.shape).tolist() == [[[[21.0, 32.0, 43.0]]]]


@every_implementation
def test_padding_is_symmetric_and_the_size_is_rounded_down(name: str) -> None:
    with all_pinned(name):  # TensorFlow's SAME would give 6, 7
        y = conv2d(np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), np.ones((1, 1, 1, 3)), stride=2, padding=(0, 1))
    assert y.tolist() == [[[[3.0, 9.0]]]]


@every_implementation
def test_vertical_comes_first_in_a_pair(name: str) -> None:
    x, w = np.arange(12.0).reshape(1, 1, 3, 4), np.ones((1, 1, 1, 1))
    with all_pinned(name):
        assert conv2d(x, w, stride=(2, 3)).tolist() == [[[[0.0, 3.0], [8.0, 11.0]]]]
        assert conv2d(x, w, padding=(1, 0)).shape == (1, 1, 5, 4)
        assert conv2d(x, np.ones((1, 1, 2, 2)), dilation=(2, 1)).shape == (1, 1, 1, 3)


@every_implementation
def test_a_filter_sees_the_channels_of_its_group(name: str) -> None:
    x = np.array([1.0, 10.0, 100.0, 1000.0]).reshape(1, 4, 1, 1)
    w = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]).reshape(4, 2, 1, 1)
    with all_pinned(name):
        assert conv2d(x, w, groups=2).ravel().tolist() == [21.0, 43.0, 6500.0, 8700.0]
        multiplied = conv2d(x, w.reshape(8, 1, 1, 1), groups=4)
    assert multiplied.ravel().tolist() == [1.0, 2.0, 30.0, 40.0, 500.0, 600.0, 7000.0, 8000.0]


@given(st.integers(0, 12), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3))
def test_out_size_counts_the_places_that_fit(n: int, k: int, stride: int, padding: int, dilation: int) -> None:
    last = n + padding - dilation * (k - 1)  # one beyond the last first pixel
    places = len(range(-padding, last, stride))
    assert max(0, out_size(n, k, stride, padding, dilation)) == places


# ---- the identities


@every_implementation
@given(problem=problems())
def test_the_gradients_are_the_adjoints(name: str, problem: Any) -> None:
    """<conv2d(x, w), g> == <x, grad_x(g, w)> == <w, grad_w(x, g)>, to 1e-10 of the sizes of what is summed."""
    x, w, g, options = problem
    assume(taken(name, x, w, **options))
    with all_pinned(name):
        y = conv2d(x, w, **options)
        x_grad = conv2d_grad_x(g, w, shape=x.shape, **options)
        w_grad = conv2d_grad_w(x, g, shape=w.shape, **options)
    size = np.vdot(conv2d.definition(np.abs(x), np.abs(w), **options), np.abs(g))
    assert abs(np.vdot(y, g) - np.vdot(x, x_grad)) <= 1e-10 * size
    assert abs(np.vdot(y, g) - np.vdot(w, w_grad)) <= 1e-10 * size


@every_implementation
@given(problem=problems(), seed=st.integers(0, 99))
def test_linear_in_either_argument(name: str, problem: Any, seed: int) -> None:
    x, w, g, options = problem
    assume(taken(name, x, w, **options))
    rng = np.random.default_rng(seed)
    x2, w2, g2 = (rng.normal(size=a.shape) for a in (x, w, g))

    def close(a: np.ndarray, b: np.ndarray) -> None:
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11 * max(1.0, np.abs(b).max(initial=0)))

    with all_pinned(name):
        close(conv2d(2 * x - x2, w, **options), 2 * conv2d(x, w, **options) - conv2d(x2, w, **options))
        close(conv2d(x, 2 * w - w2, **options), 2 * conv2d(x, w, **options) - conv2d(x, w2, **options))
        there = options | {"shape": x.shape}
        close(conv2d_grad_x(2 * g - g2, w, **there), 2 * conv2d_grad_x(g, w, **there) - conv2d_grad_x(g2, w, **there))
        there = options | {"shape": w.shape}
        close(conv2d_grad_w(x, 2 * g - g2, **there), 2 * conv2d_grad_w(x, g, **there) - conv2d_grad_w(x, g2, **there))


@every_implementation
@given(data=st.data())
def test_moving_the_image_moves_the_output(name: str, data: Any) -> None:
    """Shift the content of ``x`` by a multiple of the stride: the output shifts by that many places."""
    (sh, sw), (kh, kw) = data.draw(st.tuples(*[st.integers(1, 3)] * 2)), data.draw(st.tuples(*[st.integers(1, 4)] * 2))
    down, right = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))
    content = array(data.draw, (2, 4, 3, 4), np.float64)
    w = array(data.draw, (4, 2, kh, kw), np.float64)
    x, moved = np.zeros((2, 4, 17, 18)), np.zeros((2, 4, 17, 18))
    x[:, :, 4:7, 4:8] = content
    moved[:, :, 4 + down * sh : 7 + down * sh, 4 + right * sw : 8 + right * sw] = content
    options = {"stride": (sh, sw), "padding": 1, "groups": 2}
    assume(taken(name, x, w, **options))
    with all_pinned(name):
        y, y_moved = conv2d(x, w, **options), conv2d(moved, w, **options)
    oh, ow = y.shape[2:]
    np.testing.assert_allclose(y_moved[:, :, down:, right:], y[:, :, : oh - down, : ow - right], atol=1e-12)
    assert np.abs(y).max() > 0


# ---- what is not an ordinary number


@pytest.mark.parametrize("name", [n for n in NAMES if n != "definition"])
@given(problem=problems(), where=st.integers(0, 10**6))
def test_a_nan_reaches_the_outputs_that_look_at_it_and_no_other(name: str, problem: Any, where: int) -> None:
    x, w, _, options = problem
    assume(taken(name, x, w, **options) and x.size and w.size)
    x, w = np.abs(x), np.abs(w) + 0.1
    place = np.unravel_index(where % x.size, x.shape)
    at = np.zeros_like(x)
    at[place] = 1
    x[place] = np.nan
    with all_pinned(name):
        y = conv2d(x, w, **options)
    np.testing.assert_array_equal(np.isnan(y), conv2d.definition(at, w, **options) > 0)


@every_implementation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_in_gives_nothing_or_zeros_out(name: str, dtype: Any) -> None:
    bias = np.array([3.0, 4.0], dtype)
    with all_pinned(name):
        for N, C, O, size in [(0, 2, 2, 5), (2, 0, 2, 5), (2, 2, 0, 5), (2, 2, 2, 0), (0, 0, 0, 0)]:
            x, w = np.ones((N, C, size, 5), dtype), np.ones((O, C, 3, 3), dtype)
            y = conv2d(x, w, bias[:O], padding=1 if size else 2)
            assert y.dtype == dtype
            assert y.shape == (N, O, size or 2, 5 if size else 7)
            if C == 0 or size == 0:
                np.testing.assert_array_equal(y, np.broadcast_to(bias[:O, None, None], y.shape))
            options = {"padding": 1 if size else 2}
            x_grad = conv2d_grad_x(np.ones_like(y), w, shape=x.shape, **options)
            w_grad = conv2d_grad_w(x, np.ones_like(y), shape=w.shape, **options)
            assert (x_grad.shape, w_grad.shape, x_grad.dtype, w_grad.dtype) == (x.shape, w.shape, dtype, dtype)
            if O == 0:
                assert not x_grad.any()
            if N == 0 or size == 0:
                assert not w_grad.any()


@every_implementation
def test_read_only_arrays_are_taken(name: str) -> None:
    x, w = np.ones((1, 2, 4, 4)), np.ones((2, 1, 3, 3))
    for a in (x, w):
        a.flags.writeable = False
    g = np.broadcast_to(np.float64(1), (1, 2, 2, 2))
    with all_pinned(name):
        assert (conv2d(x, w, groups=2) == 9).all()
        assert conv2d_grad_x(g, w, shape=x.shape, groups=2).sum() == 9 * 8
        assert (conv2d_grad_w(x, g, shape=w.shape, groups=2) == 4).all()


def test_a_stride_far_beyond_the_image_costs_nothing() -> None:
    x, w = np.ones((1, 2, 4, 4)), np.ones((2, 1, 3, 3))
    for name in NAMES:
        with all_pinned(name):
            assert conv2d(x, w, stride=10**9, groups=2).tolist() == [[[[9.0]], [[9.0]]]]
            g = np.ones((1, 2, 1, 1))
            assert conv2d_grad_x(g, w, shape=x.shape, stride=10**9, groups=2).sum() == 18
            assert (conv2d_grad_w(x, g, shape=w.shape, stride=10**9, groups=2) == 1).all()


# ---- every small geometry, drawn by nobody


@pytest.mark.parametrize("name", [n for n in NAMES if n != "definition"])
@pytest.mark.parametrize("groups", [1, 4])
def test_every_small_geometry(name: str, groups: int) -> None:
    """Every stride, padding, dilation and number of taps along the columns, each with another along the rows."""
    columns = list(itertools.product([1, 2, 3], [0, 1, 2, 3], [1, 2], [1, 2, 3]))
    rng = np.random.default_rng(0)
    for i, along_columns in enumerate(columns):
        s, p, d, k = zip(columns[(7 * i + 3) % len(columns)], along_columns, strict=True)
        options: dict[str, Any] = {"stride": s, "padding": p, "dilation": d, "groups": groups}
        x, w = rng.normal(size=(2, 4, 8, 7)), rng.normal(size=(4, 4 // groups, *k))
        y = conv2d.definition(x, w, **options)
        calls = [
            (conv2d, (x, w), options),
            (conv2d_grad_x, (y, w), options | {"shape": x.shape}),
            (conv2d_grad_w, (x, y), options | {"shape": w.shape}),
        ]
        for op, args, kwargs in calls:
            assert_close(
                op.using(name)(*args, **kwargs), op.definition(*args, **kwargs), CASES[op.name].compare, args, kwargs
            )


# ---- im2col's blocks


@pytest.mark.parametrize("op", ROOM, ids=lambda op: op.name)
@pytest.mark.parametrize(("buffer", "least"), [(1, 1), (1, 7), (600, 1), (5000, 1)])
def test_any_cutting_into_blocks_gives_the_same(op: Any, buffer: int, least: int) -> None:
    @given(CASES[op.name].strategy)
    def check(call: Any) -> None:
        args, kwargs = call
        with mock.patch.dict(im2col.BUFFER, numpy=buffer), mock.patch.object(im2col, "LEAST", least):
            got = op.using("im2col")(*args, **kwargs)
        assert_close(got, op.definition(*args, **kwargs), CASES[op.name].compare, args, kwargs)

    check()


@given(
    st.tuples(*[st.integers(0, 6)] * 2, st.integers(1, 3), st.integers(1, 3), *[st.integers(0, 9)] * 2),
    st.integers(1, 2000),
    st.integers(1, 40),
)
def test_blocks_cover_every_output_once_and_fit(columns: Any, buffer: int, least: int) -> None:
    images, C, kh, kw, rows, ow = columns
    seen = np.zeros((images, rows), int)
    with mock.patch.object(im2col, "LEAST", least):
        for block in im2col.blocks(columns, 4, buffer):
            seen[block.images, block.rows] += 1
            n, height = block.shape
            assert n == 1 or height == rows, "several images are cut into whole images only"
            row_bytes = C * kh * kw * ow * 4
            fits = n * height * row_bytes <= buffer
            assert fits or (n * height - 1) * ow < least or n * height == 1
    assert (seen == 1).all()


@pytest.mark.parametrize("op", ROOM, ids=lambda op: op.name)
def test_memory_beyond_the_result_is_bounded(op: Any) -> None:
    """The columns of this layer take 199 MB; at most 16 MiB may be live beside the result."""
    x, w = np.ones((1, 32, 416, 416), np.float32), np.ones((16, 32, 3, 3), np.float32)
    g = np.ones((1, 16, 416, 416), np.float32)
    calls = {
        "conv2d": lambda: conv2d(x, w, padding=1),
        "conv2d_grad_x": lambda: conv2d_grad_x(g, w, shape=x.shape, padding=1),
        "conv2d_grad_w": lambda: conv2d_grad_w(x, g, shape=w.shape, padding=1),
    }
    with all_pinned("im2col"):
        tracemalloc.start()
        try:
            result = calls[op.name]()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak - result.nbytes <= 16 * 2**20


# ---- which implementation runs, and what is refused


def test_few_channels_per_group_run_in_numba_and_the_rest_in_im2col() -> None:
    x = np.ones((1, 8, 4, 4))
    assert conv2d.choose(x, np.ones((8, 1, 3, 3)), groups=8) == "numba"
    assert conv2d.choose(x, np.ones((8, 8, 3, 3))) == "im2col"
    g = np.ones((1, 8, 2, 2))
    assert conv2d_grad_x.choose(g, np.ones((8, 1, 3, 3)), shape=x.shape, groups=8) == "numba"
    assert conv2d_grad_w.choose(x, g, shape=(8, 1, 3, 3), groups=8) == "numba"
    assert conv2d_grad_w.choose(x, g, shape=(8, 8, 3, 3)) == "im2col"
    why = conv2d.refusal("numba", x, np.ones((8, 8, 3, 3)))
    assert why == "takes groups of at most 4 channels and 4 filters, not 8 and 8"


def f32(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


X, W = f32(2, 4, 8, 9), f32(6, 4, 3, 3)

BAD = [
    (ValueError, r"x must have four axes \(N, C, H, W\), not 3: \(4, 8, 9\)", lambda: conv2d(X[0], W)),
    (ValueError, r"w must have four axes", lambda: conv2d(X, W[0])),
    (ValueError, r"x \(2, 4, 8, 9\) has 4 channels and w \(6, 3, 3, 3\)", lambda: conv2d(X, f32(6, 3, 3, 3))),
    (ValueError, r"do not make 2 group", lambda: conv2d(X, W, groups=2)),
    (ValueError, r"do not make 4 group", lambda: conv2d(X, f32(6, 1, 3, 3), groups=4)),
    (ValueError, r"groups must be at least 1", lambda: conv2d(X, W, groups=0)),
    (ValueError, r"stride must be at least 1 along both axes, not \(1, 0\)", lambda: conv2d(X, W, stride=(1, 0))),
    (ValueError, r"dilation must be at least 1", lambda: conv2d(X, W, dilation=0)),
    (ValueError, r"padding must be at least 0", lambda: conv2d(X, W, padding=-1)),
    (TypeError, r"padding must be an integer or a \(vertical, horizontal\) pair", lambda: conv2d(X, W, padding="same")),  # type: ignore[arg-type]
    (TypeError, r"stride must be an integer", lambda: conv2d(X, W, stride=1.5)),  # type: ignore[arg-type]
    (TypeError, r"stride must be an integer", lambda: conv2d(X, W, stride=(1, 2, 3))),  # type: ignore[arg-type]
    (TypeError, r"groups must be an integer, not 1.5", lambda: conv2d(X, W, groups=1.5)),  # type: ignore[arg-type]
    (ValueError, r"spans 9 pixels \(dilation 4\) and x .* has only 8 \(padding 0\).*padding >= 1",
     lambda: conv2d(X, W, dilation=4)),
    (ValueError, r"has no taps", lambda: conv2d(X, f32(6, 4, 0, 3))),
    (ValueError, r"bias \(5,\) must have one number per filter of w .*: \(6,\)", lambda: conv2d(X, W, f32(5))),
    (TypeError, r"x is float32 and w is float64; use w.astype\(x.dtype\)", lambda: conv2d(X, W.astype(np.float64))),
    (TypeError, r"x is float32 and bias is float64", lambda: conv2d(X, W, np.zeros(6))),
    (TypeError, r"x must be float32 or float64, not uint8; use x.astype", lambda: conv2d(X.astype(np.uint8), W)),
    (TypeError, r"x must be float32 or float64, not float16", lambda: conv2d(X.astype(np.float16), W)),
    (TypeError, r"x must be float32 or float64, not >f4", lambda: conv2d(X.astype(">f4"), W)),
    (TypeError, r"w must be a NumPy or CuPy array, not list", lambda: conv2d(X, W.tolist())),
    (ValueError, r"g \(2, 6, 8, 9\) must have the shape of conv2d's output .*: \(2, 6, 6, 7\)",
     lambda: conv2d_grad_x(f32(2, 6, 8, 9), W, shape=X.shape)),
    (ValueError, r"shape must have four axes", lambda: conv2d_grad_x(f32(2, 6, 6, 7), W, shape=(4, 8, 9))),
    (TypeError, r"shape must be a tuple of four integers", lambda: conv2d_grad_x(f32(2, 6, 6, 7), W, shape=4)),  # type: ignore[arg-type]
    (ValueError, r"shape must have no negative size", lambda: conv2d_grad_x(f32(2, 6, 6, 7), W, shape=(-2, 4, 8, 9))),
    (ValueError, r"g \(2, 6, 8, 9\) must have the shape of conv2d's output .*: \(2, 6, 6, 7\)",
     lambda: conv2d_grad_w(X, f32(2, 6, 8, 9), shape=W.shape)),
    (TypeError, r"x is float32 and g is float64", lambda: conv2d_grad_w(X, np.zeros((2, 6, 6, 7)), shape=W.shape)),
]  # fmt: skip


@pytest.mark.parametrize(("error", "message", "call"), BAD, ids=[message[:40] for _, message, _ in BAD])
def test_bad_arguments_get_one_line(error: type[Exception], message: str, call: Any) -> None:
    for name in ("definition", "im2col"):
        with all_pinned(name), pytest.raises(error, match=message) as caught:
            call()
        assert str(caught.value).startswith("conv2d")
        assert "\n" not in str(caught.value)


def test_the_room_is_in_the_table() -> None:
    assert all(OPS[op.name] is op for op in ROOM)
