"""What is particular to some of the convolutions: vectors at borders, tables, transforms; and where each is chosen."""

from __future__ import annotations

import os
import subprocess
import sys
from math import prod
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import conv2d, conv2d_grad_w, conv2d_grad_x, pin
from minidet_kernels.convolution import depthwise, fft, indirect, rows
from support.cases import CASES, assert_close


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def calls(x: np.ndarray, w: np.ndarray, **options: Any) -> list[Any]:
    """The three operators' calls for an image and filters."""
    g = normal(*conv2d.definition(x, w, **options).shape, seed=1)
    return [
        (conv2d, (x, w), options),
        (conv2d_grad_x, (g, w), options | {"shape": x.shape}),
        (conv2d_grad_w, (x, g), options | {"shape": w.shape}),
    ]


def check(name: str, x: np.ndarray, w: np.ndarray, **options: Any) -> None:
    """Those that the implementation takes are within the bound; and it takes ``conv2d``."""
    assert conv2d.refusal(name, x, w, **options) is None
    for op, args, kwargs in calls(x, w, **options):
        if name in op.impls and op.refusal(name, *args, **kwargs) is None:
            expected = op.definition(*args, **kwargs)
            assert_close(op.using(name)(*args, **kwargs), expected, CASES[op.name].rule(name), args, kwargs)


# ---- depthwise


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 15, 16, 17, 31, 32, 33, 34, 64])
def test_depthwise_at_the_ends_of_the_vectors(width: int, stride: int) -> None:
    for height in (1, 2, 5, 18):
        check("depthwise", normal(2, 3, height, width), normal(3, 1, 3, 3), stride=stride, padding=1, groups=3)
        check("depthwise", normal(1, 2, height, width), normal(4, 1, 3, 3), stride=stride, padding=(2, 3), groups=2)


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_neither_reads_nor_writes_beside_the_planes(stride: int) -> None:
    """NaN lies all around the arrays; none arrives in a result, and none is overwritten."""

    def among_nan(a: np.ndarray) -> np.ndarray:
        around = np.full(a.size + 200, np.nan, np.float32)
        inside = around[100 : 100 + a.size].reshape(a.shape)
        inside[...] = a
        return inside

    x, w = among_nan(normal(2, 3, 9, 21)), among_nan(normal(3, 1, 3, 3))
    options: dict[str, Any] = {"stride": stride, "padding": 1, "groups": 3}
    for op, args, kwargs in calls(x, w, **options):
        made = []

        def empty(shape: Any, dtype: Any, made: Any = made) -> np.ndarray:
            made.append(among_nan(np.zeros(shape, dtype)))
            return made[-1]

        op.using("depthwise")(*args, **kwargs)  # Numba compiles what numpy.empty means at the first call
        with mock.patch.object(depthwise.np, "empty", empty):
            got = op.using("depthwise")(*map(among_nan, args), **kwargs)
        assert_close(got, op.definition(*args, **kwargs), CASES[op.name].compare, args, kwargs)
        around = made[0].base
        assert np.isnan(around[:100]).all()
        assert np.isnan(around[100 + got.size :]).all()


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_gives_the_same_bits_on_any_number_of_threads(stride: int) -> None:
    options: dict[str, Any] = {"stride": stride, "padding": 1, "groups": 7}
    for op, args, kwargs in calls(normal(3, 7, 20, 40), normal(7, 1, 3, 3), **options):
        alone = op.using("depthwise")(*args, **kwargs)
        for threads in (1, 2, 5):
            with (
                mock.patch.object(depthwise, "ALONE", 0),
                mock.patch.object(depthwise, "get_num_threads", return_value=threads),
            ):
                np.testing.assert_array_equal(op.using("depthwise")(*args, **kwargs), alone)


def test_what_depthwise_takes() -> None:
    x, w = normal(1, 4, 8, 8), normal(4, 1, 3, 3)
    refused = [
        ("takes float32, not float64", (x.astype("d"), w.astype("d")), {"groups": 4}),
        ("takes one channel a group, not 2", (x, normal(4, 2, 3, 3)), {"groups": 2}),
        ("takes filters of 3 x 3, not 3 x 5", (x, normal(4, 1, 3, 5)), {"groups": 4}),
        ("takes stride 1 or 2, not (1, 2)", (x, w), {"groups": 4, "stride": (1, 2)}),
        ("takes dilation 1, not (2, 2)", (x, w), {"groups": 4, "dilation": 2}),
    ]
    for why, args, options in refused:
        assert conv2d.refusal("depthwise", *args, **options) == why
    g = normal(1, 8, 8, 8)
    shape = {"shape": (1, 4, 8, 8), "groups": 4}
    assert (
        conv2d_grad_x.refusal("depthwise", g, normal(8, 1, 3, 3), padding=1, **shape)
        == "takes one filter per channel, not 2"
    )
    assert conv2d_grad_x.refusal("depthwise", g, w, padding=3, **shape) == "takes a padding of at most 2, not (3, 3)"
    why = conv2d_grad_x.refusal("depthwise", g, w, stride=2, padding=(1, 0), **shape)
    assert why == "takes padding 1 with stride 2, not (1, 0)"


# ---- indirect


@pytest.mark.parametrize(("run", "buffer"), [(1, 1), (40, 3000), (1024, 2**19)])
@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"stride": (3, 1), "dilation": (2, 3)}])
def test_any_bands_of_indirect_and_any_threads_give_the_same(run: int, buffer: int, options: Any) -> None:
    for groups, C, O in [(1, 3, 5), (2, 6, 38), (3, 3, 24)]:
        x, w = normal(2, C, 13, 21), normal(O, C // groups, 3, 4)
        for threads in (1, 3):
            with (
                mock.patch.multiple(indirect, RUN=run, BUFFER=buffer),
                mock.patch.object(indirect, "get_num_threads", return_value=threads),
            ):
                check("indirect", x, w, groups=groups, **options)


# ---- rows


@pytest.mark.parametrize("width", [32, 33, 47, 48, 63, 64, 65, 97])
def test_rows_at_every_end_of_a_piece(width: int) -> None:
    check("rows", normal(2, 3, 5, width), normal(13, 3, 3, 3), padding=1)
    check("rows", normal(1, 2, 7, width - 2), normal(4, 2, 3, 3), padding=(0, 2))


@pytest.mark.parametrize("filters", range(1, 42))
def test_rows_of_any_number_of_filters(filters: int) -> None:
    check("rows", normal(1, 1, 3, 34), normal(filters, 1, 3, 3))


@pytest.mark.parametrize("band", [1, 5000, 2**17])
def test_any_bands_of_rows_and_any_threads_give_the_same(band: int) -> None:
    x, w, b = normal(2, 5, 19, 40), normal(9, 5, 3, 3), normal(9)
    expected = rows.conv2d(x, w, b, padding=(2, 1))
    for threads in (1, 3):
        with mock.patch.object(rows, "BAND", band), mock.patch.object(rows, "get_num_threads", return_value=threads):
            np.testing.assert_array_equal(rows.conv2d(x, w, b, padding=(2, 1)), expected)
    np.testing.assert_allclose(expected, conv2d.definition(x, w, b, padding=(2, 1)), rtol=0, atol=1e-5)


def test_rows_neither_read_nor_write_beside_the_arrays() -> None:
    def among_nan(a: np.ndarray) -> np.ndarray:
        around = np.full(a.size + 200, np.nan, np.float32)
        inside = around[100 : 100 + a.size].reshape(a.shape)
        inside[...] = a
        return inside

    x, w, b = normal(1, 3, 6, 45), normal(7, 3, 3, 3), normal(7)
    got = rows.conv2d(among_nan(x), among_nan(w), among_nan(b), padding=1)
    np.testing.assert_array_equal(got, rows.conv2d(x, w, b, padding=1))


def test_rows_of_nothing_and_where_they_are_chosen() -> None:
    for shape, padding in [((2, 4, 0, 40), 2), ((0, 4, 5, 40), 1), ((2, 0, 5, 40), 1)]:
        check("rows", normal(*shape), normal(6, shape[1], 3, 3), padding=padding)
    check("rows", normal(2, 4, 5, 40), normal(0, 4, 3, 3))
    x = np.broadcast_to(np.float32(0), (1, 3, 416, 416))
    w = np.broadcast_to(np.float32(0), (32, 3, 3, 3))
    assert conv2d.choose(x, w, padding=1) == "rows"
    assert conv2d.choose(x[..., :35], w, padding=1) == "indirect"
    assert conv2d.doubt("rows", x[..., :35], w, padding=1) == "computes 29 of 35 outputs of a row twice"
    assert conv2d.refusal("rows", x[..., :31], w, padding=1) == "takes rows of at least 32 outputs, not 31"
    wide = np.broadcast_to(np.float32(0), (1, 129, 64, 64)), np.broadcast_to(np.float32(0), (8, 129, 3, 3))
    assert conv2d.doubt("rows", *wide, padding=1) == "pays for at most 128 channels, not 129"


def test_indirect_of_nothing() -> None:
    for shape, padding in [((2, 4, 0, 5), 2), ((2, 4, 5, 0), (0, 2)), ((0, 4, 5, 5), 1)]:
        check("indirect", normal(*shape), normal(6, 4, 3, 3), padding=padding)
    check("indirect", normal(2, 0, 5, 5), normal(6, 0, 3, 3))
    check("indirect", normal(2, 4, 5, 5), normal(0, 4, 3, 3))


def test_indirect_with_a_stride_far_beyond_the_image() -> None:
    with pin(conv2d="indirect"):
        assert conv2d(np.ones((1, 2, 4, 4), "f"), np.ones((2, 1, 3, 3), "f"), stride=10**9, groups=2).tolist() == [
            [[[9.0]], [[9.0]]]
        ]


def test_a_nan_reaches_what_looks_at_it_by_indirect_and_depthwise() -> None:
    for name, groups in (("indirect", 1), ("indirect", 3), ("depthwise", 3)):
        for stride in (1, 2):
            x, w = np.ones((1, 3, 12, 37), "f"), np.ones((3, 3 // groups, 3, 3), "f")
            at = np.zeros_like(x)
            at[0, 1, 5, 20], x[0, 1, 5, 20] = 1, np.nan
            options: dict[str, Any] = {"stride": stride, "padding": 1, "groups": groups}
            got = conv2d.using(name)(x, w, **options)
            np.testing.assert_array_equal(np.isnan(got), conv2d.definition(at, w, **options) > 0)


# ---- transforms


@given(st.integers(1, 3000))
def test_good_sizes_are_the_next_without_large_factors(n: int) -> None:
    good = fft.good_size(n)
    assert prod(fft.factors(good)) == good >= n
    assert max(fft.factors(good), default=1) <= 5
    assert all(max(fft.factors(m)) > 5 for m in range(n, good))


@pytest.mark.parametrize("padding", [0, 15, 40])
def test_a_large_box_by_transforms_is_a_difference_of_sums(padding: int) -> None:
    """Ones over 31 x 31: each output is a rectangle of the summed-area table, computed in integers."""
    x = np.random.default_rng(3).integers(0, 9, (1, 1, 64, 50))
    table = np.pad(x[0, 0], padding).cumsum(0).cumsum(1)
    table = np.pad(table, ((1, 0), (1, 0)))
    expected = table[31:, 31:] - table[:-31, 31:] - table[31:, :-31] + table[:-31, :-31]
    with pin(conv2d="fft"):
        got = conv2d(x.astype(np.float64), np.ones((1, 1, 31, 31)), padding=padding)
    np.testing.assert_array_equal(np.rint(got[0, 0]), expected)
    assert np.abs(got - expected).max() < 1e-9


def test_filters_in_parts_give_the_same_by_transforms() -> None:
    x, w = normal(2, 6, 12, 11), normal(8, 3, 7, 7)
    for buffer in (1, 20_000):
        with mock.patch.object(fft, "BUFFER", buffer):
            check("fft", x, w, padding=3, stride=(1, 2), groups=2)


def test_a_nan_stays_in_its_image_by_transforms() -> None:
    x = normal(2, 2, 9, 9)
    x[0, 0, 4, 4] = np.nan
    with np.errstate(invalid="ignore"):
        y = conv2d.using("fft")(x, normal(2, 1, 5, 5), groups=2)
    assert np.isnan(y[0, 0]).all()
    assert np.isfinite(y[0, 1]).all()
    assert np.isfinite(y[1]).all()


# ---- which one runs


def test_where_each_is_chosen() -> None:
    x = np.broadcast_to(np.float32(0), (1, 64, 56, 56))

    def chosen(x: np.ndarray, *w: int, **options: Any) -> tuple[str, str, str]:
        filters = np.broadcast_to(x.dtype.type(0), w)
        size = np.broadcast_to(x.dtype.type(0), (len(x), len(filters), *outputs(x, filters, options)))
        return (
            conv2d.choose(x, filters, **options),
            conv2d_grad_x.choose(size, filters, shape=x.shape, **options),
            conv2d_grad_w.choose(x, size, shape=w, **options),
        )

    def outputs(x: np.ndarray, w: np.ndarray, options: dict[str, Any]) -> tuple[int, int]:
        s, p = options.get("stride", 1), options.get("padding", 0)
        return ((x.shape[2] + 2 * p - w.shape[2]) // s + 1, (x.shape[3] + 2 * p - w.shape[3]) // s + 1)

    double = np.broadcast_to(0.0, (1, 3, 112, 112))
    assert chosen(x, 128, 64, 1, 1) == ("indirect", "pointwise", "pointwise")
    assert chosen(x[:, :, :13, :13], 128, 64, 1, 1) == ("pointwise",) * 3
    assert chosen(x, 64, 1, 3, 3, groups=64, padding=1, stride=2) == ("depthwise",) * 3
    assert chosen(x, 64, 8, 3, 3, groups=8)[:2] == ("indirect", "indirect")
    assert chosen(x, 128, 64, 3, 3, stride=2)[:2] == ("indirect", "im2col")
    assert chosen(x[:, :32], 32, 32, 7, 7, padding=3) == ("indirect", "indirect", "im2col")
    assert chosen(x[:, :8], 8, 8, 31, 31, padding=15)[2] == "fft"
    assert chosen(np.broadcast_to(x[:, :32], (8, 32, 56, 56)), 32, 32, 31, 31, padding=15) == ("fft",) * 3
    assert chosen(double, 16, 3, 15, 15, padding=7) == ("fft",) * 3
    assert chosen(double, 16, 3, 5, 5) == ("im2col",) * 3
    assert chosen(double[:, :1], 1, 1, 5, 5) == ("numba",) * 3
    why = conv2d.doubt("fft", x, np.broadcast_to(np.float32(0), (64, 64, 3, 3)), padding=1)
    assert why is not None
    assert why.startswith("pays from 80 products in place of a step of the transforms on, not for ")


def test_what_pointwise_takes() -> None:
    x = normal(1, 4, 8, 8)
    assert conv2d.refusal("pointwise", x, normal(3, 4, 1, 3)) == "takes filters of 1 x 1, not 1 x 3"
    assert conv2d.refusal("pointwise", x, normal(3, 4, 1, 1), padding=(0, 1)) == "takes padding 0, not (0, 1)"
    check("pointwise", x, normal(6, 2, 1, 1), groups=2, stride=(3, 2), dilation=4)


# ---- a processor without AVX and FMA


@pytest.mark.parametrize("name", conv2d.rungs("numpy"))
@pytest.mark.parametrize("size", [1, 3])
def test_rows_and_columns_are_not_confused(name: str, size: int) -> None:
    """Everything differs between the two axes: size, stride, padding, dilation."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 17, 23)).astype(np.float32), rng.normal(size=(4, 3, size, size)).astype(np.float32)
    uneven = {"stride": (1, 2)}, {"stride": (3, 1)}, {"dilation": (1, 2)}, {"padding": (0, 1), "dilation": (3, 1)}
    for options in uneven:
        if conv2d.refusal(name, x, w, **options):
            continue
        got, expected = conv2d.using(name)(x, w, **options), plain_sum(x, w, **options)
        assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(conv2d.definition(x, w, **options), expected, rtol=1e-5, atol=1e-5)


def plain_sum(x: Any, w: Any, stride: Any = (1, 1), padding: Any = (0, 0), dilation: Any = (1, 1)) -> Any:
    """The formula, output by output."""
    padded = np.pad(x.astype(float), ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    kh, kw = w.shape[2:]
    oh, ow = ((padded.shape[2 + a] - dilation[a] * (w.shape[2 + a] - 1) - 1) // stride[a] + 1 for a in (0, 1))
    y = np.zeros((len(x), len(w), oh, ow))
    for i, j in np.ndindex(oh, ow):
        window = padded[:, :, i * stride[0] :: dilation[0], j * stride[1] :: dilation[1]][:, :, :kh, :kw]
        y[:, :, i, j] = np.einsum("ncuv,ocuv->no", window, w)
    return y


GENERIC = """
import numpy as np
from minidet_kernels import OPS
rng = np.random.default_rng(0)
normal = lambda *shape: rng.standard_normal(shape, dtype=np.float32)
cases = [
    ("winograd_numba", (2, 9, 17, 22), (11, 9, 3, 3), dict(padding=1)),
    ("indirect", (2, 6, 17, 22), (10, 3, 3, 3), dict(padding=1, stride=2, groups=2)),
    ("indirect", (1, 3, 17, 22), (10, 3, 5, 5), dict()),
    ("rows", (1, 3, 9, 45), (13, 3, 3, 3), dict(padding=1)),
    ("winograd_maps", (2, 16, 17, 22), (19, 16, 3, 3), dict(padding=1)),
    ("depthwise", (2, 3, 17, 22), (3, 1, 3, 3), dict(padding=1, groups=3)),
    ("depthwise", (2, 3, 17, 22), (3, 1, 3, 3), dict(padding=1, stride=2, groups=3)),
]
done = []
for name, x, w, options in cases:
    x, w = normal(*x), normal(*w)
    g = normal(*OPS["conv2d"].definition(x, w, **options).shape)
    for op, args, more in [
        ("conv2d", (x, w), {}),
        ("conv2d_grad_x", (g, w), {"shape": x.shape}),
        ("conv2d_grad_w", (x, g), {"shape": w.shape}),
    ]:
        op, kwargs = OPS[op], options | more
        if name in op.impls and op.refusal(name, *args, **kwargs) is None:
            got, expected = op.using(name)(*args, **kwargs), op.definition(*args, **kwargs)
            assert np.abs(got - expected).max() <= 5e-6 * np.abs(expected).max(), (op.name, name)
            done.append(name)
from numba import njit
from minidet_kernels.convolution.indirect_vectors import product
alone = njit("void(int64, int64, int64, int64, int64, int64, int64)")(
    lambda u, row, pixels, table, out, far, depth: product(u, row, pixels, table, out, far, depth)
)
(assembly,) = alone.inspect_asm().values()
assert "mulps" in assembly or "fmul" in assembly
print(len(done), "zmm" in assembly or "ymm" in assembly or "vfmadd" in assembly)
"""


def test_right_without_the_instructions_of_newer_processors() -> None:
    """The vector kernels, compiled for the least processor of this kind: no AVX, no FMA."""
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run([sys.executable, "-c", GENERIC], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["14", "False"]
