"""Resizing against torch, Pillow's rule through torch's antialias, and OpenCV."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from minidet_kernels import resize, resize_grad_x

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

NEAREST = {
    "nearest": {},
    "nearest-exact": {"coordinates": "half_pixel", "rounding": "prefer_ceil"},
}
BILINEAR = {
    "align_corners=False": ({"mode": "bilinear"}, {"align_corners": False}),
    "align_corners=True": ({"mode": "bilinear", "coordinates": "align_corners"}, {"align_corners": True}),
    "antialias": ({"mode": "bilinear", "antialias": True}, {"antialias": True}),
}
SIDE = st.integers(1, 24)


def images(data: Any) -> tuple[np.ndarray, tuple[int, int], Any]:
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    return rng.normal(size=(2, 2, data.draw(SIDE), data.draw(SIDE))), (data.draw(SIDE), data.draw(SIDE)), rng


def compare(x: np.ndarray, size: tuple[int, int], rng: Any, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    y = resize(x, size=size, **ours)
    X = torch.tensor(x, requires_grad=True)
    Y = torch.nn.functional.interpolate(X, size, **theirs)
    np.testing.assert_allclose(y, Y.detach().numpy(), rtol=0, atol=1e-12)
    g = rng.normal(size=y.shape)
    Y.backward(torch.tensor(g))
    np.testing.assert_allclose(resize_grad_x(g, shape=x.shape, **ours), X.grad.numpy(), rtol=0, atol=1e-11)


def rounds_alike(n: int, m: int, mode: str) -> bool:
    """Whether torch's float32 scale leads to the exact index everywhere."""
    i = np.arange(m, dtype=np.float32)
    at = (i + np.float32(0.5 if mode == "nearest-exact" else 0)) * (np.float32(n) / np.float32(m))
    i = np.arange(m)
    exact = (2 * i + 1) * n // (2 * m) if mode == "nearest-exact" else i * n // m
    return np.array_equal(np.minimum(np.floor(at).astype(int), n - 1), exact)


@pytest.mark.parametrize("mode", NEAREST)
@given(data=st.data())
def test_nearest(mode, data):
    x, size, rng = images(data)
    if all(rounds_alike(n, m, mode) for n, m in zip(x.shape[2:], size, strict=True)):
        compare(x, size, rng, NEAREST[mode], {"mode": mode})


def test_nearest_where_torch_rounds_the_scale():
    """The witness of what the property above leaves out: a coordinate that is whole, and just below it in float32."""
    pairs = [(n, m) for n in range(1, 60) for m in range(1, 60) if not rounds_alike(n, m, "nearest")]
    assert pairs, "float32 scales are exact after all: drop the exclusion"
    n, m = pairs[0]
    x = np.arange(n, dtype=np.float32).reshape(1, 1, 1, n)
    theirs = torch.nn.functional.interpolate(torch.tensor(x), (1, m), mode="nearest").numpy()
    assert not np.array_equal(theirs, resize(x, size=(1, m)))
    assert resize(x, size=(1, m)).ravel().tolist() == [i * n // m for i in range(m)]


@pytest.mark.parametrize("kind", BILINEAR)
@given(data=st.data())
def test_bilinear(kind, data):
    x, size, rng = images(data)
    ours, theirs = BILINEAR[kind]
    # torch 2.14 with antialias does not resize a single column downwards: [[0], [1]] to 3 x 1 gives 0, 0, 0.
    assume(kind != "antialias" or 1 not in (x.shape[3], size[1]))
    compare(x, size, rng, ours, {"mode": "bilinear"} | theirs)


@given(data=st.data())
def test_opencv_linear(data):
    """INTER_LINEAR on float32: its coordinates are float32 too."""
    cv2 = pytest.importorskip("cv2")
    x, size, _ = images(data)
    image = x[0, 0].astype(np.float32)
    expected = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    y = resize(image[None, None], size=size, mode="bilinear")[0, 0]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-4 * np.abs(image).max())
