"""Convolution and its gradients against torch: values that nobody here computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from minidet_kernels import conv2d, conv2d_grad_w, conv2d_grad_x, pin
from support.cases_convolution import array, shapes

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.oracle


def relative(got: np.ndarray, expected: Any) -> float:
    """max|a - b| / max|b|; of exact zeros, max|a| by 1e-3, so that 1e-12 passes; NaN stays NaN, and fails."""
    assert got.shape == expected.shape
    wanted = expected.detach().numpy()
    if wanted.size == 0:
        return 0.0
    return float(np.abs(got - wanted).max() / (np.abs(wanted).max() or 1e-3))


#: Those that are there for all three and take float64.
ONLY_FLOAT32 = {"depthwise", "pointwise_numba", "winograd_numba"}
NAMES = [
    "definition",
    *(name for name in conv2d_grad_w.rungs("numpy") if name in {*conv2d.rungs("numpy")} - ONLY_FLOAT32),
]


@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients(name: str) -> None:
    compared = 0

    @given(st.data())
    def check(data: Any) -> None:
        nonlocal compared
        options, *sizes = shapes(data.draw)
        assume(all(np.prod(size) for size in sizes))  # torch refuses some of the empty ones
        x, w, g = (array(data.draw, size, np.float64) for size in sizes)
        bias = np.random.default_rng(1).normal(size=len(w))
        if conv2d.refusal(name, x, w, **options):
            return
        leaves = [torch.tensor(a.copy(), requires_grad=True) for a in (x, w, bias)]
        y = torch.nn.functional.conv2d(*leaves, **options)
        y.backward(torch.tensor(g.copy()))
        with pin(conv2d=name, conv2d_grad_x=name, conv2d_grad_w=name):
            assert relative(conv2d(x, w, bias, **options), y) <= 1e-9
            assert relative(conv2d_grad_x(g, w, shape=x.shape, **options), leaves[0].grad) <= 1e-9
            assert relative(conv2d_grad_w(x, g, shape=w.shape, **options), leaves[1].grad) <= 1e-9
        compared += 1

    check()
    assert compared > 0


@pytest.mark.parametrize("name", ["im2col"])
@pytest.mark.parametrize(
    ("N", "C", "O", "k", "options", "size"),
    [
        (1, 32, 64, 3, {"stride": 2, "padding": 1}, (61, 75)),
        (2, 64, 32, 1, {}, (33, 40)),
        (1, 48, 64, 3, {"padding": 1}, (70, 70)),
        (9, 24, 40, 5, {"padding": 4, "dilation": 2, "groups": 8}, (17, 19)),
    ],
)
def test_sizes_that_take_several_blocks(name: str, N: int, C: int, O: int, k: int, options: Any, size: Any) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(N, C, *size)), rng.normal(size=(O, C // options.get("groups", 1), k, k))
    X, W = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
    y = torch.nn.functional.conv2d(X, W, **options)
    g = rng.normal(size=tuple(y.shape))
    y.backward(torch.tensor(g))
    with pin(conv2d=name, conv2d_grad_x=name, conv2d_grad_w=name):
        assert relative(conv2d(x, w, **options), y) <= 1e-9
        assert relative(conv2d_grad_x(g, w, shape=x.shape, **options), X.grad) <= 1e-9
        assert relative(conv2d_grad_w(x, g, shape=w.shape, **options), W.grad) <= 1e-9


ALL_TAKE = (2, 48, 40, (0, 2), (26, 37))


@pytest.mark.parametrize("name", [n for n in conv2d.rungs("numpy") if n.startswith("winograd") or n == "rows"])
@pytest.mark.parametrize(
    ("N", "C", "O", "padding", "size"),
    [(2, 70, 33, 1, (26, 26)), (1, 24, 40, (0, 2), (57, 31)), (1, 256, 8, 1, (13, 13)), ALL_TAKE],
)
def test_three_by_three_in_float32(name: str, N: int, C: int, O: int, padding: Any, size: Any) -> None:
    """Against torch in float64: 5e-6 of the largest, where float32 sums of so many terms lose up to about 1e-6."""
    rng = np.random.default_rng(0)
    x, w, bias = (rng.normal(size=shape).astype("f") for shape in ((N, C, *size), (O, C, 3, 3), (O,)))
    why = conv2d.refusal(name, x, w, bias, padding=padding)
    if why and (N, C, O, padding, size) != ALL_TAKE:
        pytest.skip(f"{name} {why}")
    X, W, B = (torch.tensor(a.astype(np.float64), requires_grad=True) for a in (x, w, bias))
    y = torch.nn.functional.conv2d(X, W, B, padding=padding)
    g = rng.normal(size=tuple(y.shape)).astype("f")
    y.backward(torch.tensor(g.astype(np.float64)))
    with pin(conv2d=name):
        assert relative(conv2d(x, w, bias, padding=padding), y) <= 5e-6
    if name in conv2d_grad_x.impls:
        with pin(conv2d_grad_x=name):
            assert relative(conv2d_grad_x(g, w, shape=x.shape, padding=padding), X.grad) <= 5e-6


@pytest.mark.parametrize(
    ("name", "C", "O", "k", "options", "size"),
    [
        ("depthwise", 24, 24, 3, {"groups": 24, "padding": 1}, (33, 47)),
        ("depthwise", 24, 24, 3, {"groups": 24, "padding": 1, "stride": 2}, (56, 31)),
        ("depthwise", 8, 24, 3, {"groups": 8, "padding": (0, 2)}, (20, 70)),
        ("indirect", 32, 40, 3, {"padding": 1, "stride": 2}, (53, 60)),
        ("indirect", 48, 96, 3, {"groups": 6, "padding": 1}, (28, 28)),
        ("indirect", 3, 16, 7, {"padding": 3, "dilation": (1, 2)}, (40, 61)),
        ("fft", 4, 6, 21, {"padding": 10}, (40, 51)),
        ("fft", 6, 6, 15, {"padding": 3, "groups": 6, "stride": 2}, (40, 51)),
    ],
)
def test_others_in_float32(name: str, C: int, O: int, k: int, options: Any, size: Any) -> None:
    """Against torch in float64: 5e-6 of the largest, as above."""
    rng = np.random.default_rng(0)
    shapes = (2, C, *size), (O, C // options.get("groups", 1), k, k), (O,)
    x, w, bias = (rng.normal(size=shape).astype("f") for shape in shapes)
    X, W, B = (torch.tensor(a.astype(np.float64), requires_grad=True) for a in (x, w, bias))
    y = torch.nn.functional.conv2d(X, W, B, **options)
    g = rng.normal(size=tuple(y.shape)).astype("f")
    y.backward(torch.tensor(g.astype(np.float64)))
    assert relative(conv2d.using(name)(x, w, bias, **options), y) <= 5e-6
    for op, args, like, expected in [(conv2d_grad_x, (g, w), x, X.grad), (conv2d_grad_w, (x, g), w, W.grad)]:
        kwargs = options | {"shape": like.shape}
        if name in op.impls and op.refusal(name, *args, **kwargs) is None:
            assert relative(op.using(name)(*args, **kwargs), expected) <= 5e-6
