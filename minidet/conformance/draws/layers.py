"""Small layers: filters, statistics, activations and pictures, of small whole numbers, so that sums are exact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from ..operators import Dialect
from ..operators.taps import axis
from .draw import Draw


def whole_numbers(draw: Any, shape: tuple[int, ...], most: int = 4) -> np.ndarray:
    """Whole numbers from ``-most`` to ``most``, float64, which shrink to 0; all at once, as there are hundreds."""
    count = int(np.prod(shape))
    drawn = np.frombuffer(draw(st.binary(min_size=count, max_size=count)), np.uint8) % (2 * most + 1)
    return np.where(drawn % 2, (drawn + 1) // 2, 0.0 - drawn // 2).reshape(shape)


def _geometry(draw: Any) -> tuple[tuple[int, int], int, int, int]:
    """Sizes of a filter, stride, dilation and padding; half are 3 x 3 at stride 1, often treated apart."""
    if draw(st.booleans()):
        return (3, 3), 1, 1, draw(st.integers(0, 2))
    taps = draw(st.sampled_from([(1, 1), (1, 1), (3, 3), (2, 2), (2, 3), (1, 3), (4, 1)]))
    stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    return taps, stride, dilation, draw(st.integers(0, 2))


def _channels(draw: Any) -> tuple[int, int, int]:
    """Groups, channels and filters of each; at times one channel each, which is depthwise."""
    return draw(
        st.sampled_from([(1, 1, 1), (1, 2, 1), (1, 1, 2), (1, 2, 3), (2, 1, 1), (2, 2, 1), (2, 1, 2), (3, 1, 1)])
    )


def _convolution(draw: Any, dialect: Dialect) -> tuple[dict[str, int], tuple[int, ...], tuple[int, ...]]:
    """Options, and the sizes of the maps and the filters, under which there is an output."""
    (kh, kw), stride, dilation, padding = _geometry(draw)
    groups, inputs, outputs = _channels(draw)
    sizes = [draw(st.integers(1, 5)) for _ in range(2)]
    counts = [
        axis(n, k, stride, padding, dilation, dialect["padding"]).count for n, k in zip(sizes, (kh, kw), strict=True)
    ]
    assume(min(counts) >= 1)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return options, (draw(st.integers(1, 2)), groups * inputs, *sizes), (groups * outputs, inputs, kh, kw)


@st.composite
def of_conv2d(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Maps, filters, a bias."""
    options, maps, taps = _convolution(draw, dialect)
    return {
        "x": whole_numbers(draw, maps),
        "w": whole_numbers(draw, taps, 2),
        "bias": whole_numbers(draw, taps[:1]),
        **options,
    }


def _counts(
    maps: tuple[int, ...], taps: tuple[int, ...], options: Mapping[str, int], dialect: Dialect
) -> tuple[int, ...]:
    """The sizes of the result."""
    places = (
        axis(n, k, options["stride"], options["padding"], options["dilation"], dialect["padding"]).count
        for n, k in zip(maps[2:], taps[2:], strict=True)
    )
    return (maps[0], taps[0], *places)


@st.composite
def of_conv2d_grad_x(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """The gradient of a result, filters."""
    options, maps, taps = _convolution(draw, dialect)
    g = whole_numbers(draw, _counts(maps, taps, options, dialect))
    return {"g": g, "w": whole_numbers(draw, taps, 2), "shape": maps, **options}


@st.composite
def of_conv2d_grad_w(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Maps, the gradient of a result."""
    options, maps, taps = _convolution(draw, dialect)
    g = whole_numbers(draw, _counts(maps, taps, options, dialect), 2)
    return {"x": whole_numbers(draw, maps), "g": g, "shape": taps, **options}


@st.composite
def of_conv_transpose2d(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Maps, filters, a bias; what is added behind is less than the stride."""
    taps, stride, dilation, padding = _geometry(draw)
    groups, inputs, outputs = _channels(draw)
    sizes = [draw(st.integers(1, 4)) for _ in range(2)]
    extra = draw(st.integers(0, stride - 1))
    whole = [(n - 1) * stride - 2 * padding + dilation * (k - 1) + 1 for n, k in zip(sizes, taps, strict=True)]
    assume(min(whole) >= 1)
    return {
        "x": whole_numbers(draw, (draw(st.integers(1, 2)), groups * inputs, *sizes)),
        "w": whole_numbers(draw, (groups * inputs, outputs, *taps), 2),
        "bias": whole_numbers(draw, (groups * outputs,)),
        "stride": stride,
        "padding": padding,
        "output_padding": extra,
        "groups": groups,
        "dilation": dilation,
    }


def _normalised(draw: Any, least: int) -> dict[str, np.ndarray]:
    """Maps of at least so many values of each channel, statistics, weights."""
    n, c, h, w = (draw(st.integers(1, most)) for most in (2, 2, 3, 3))
    assume(n * h * w >= least)
    return {
        "x": whole_numbers(draw, (n, c, h, w)),
        "running_mean": whole_numbers(draw, (c,)),
        "running_var": np.array([draw(st.sampled_from([1.0, 0.25, 4.0, 0.0, 9.0])) for _ in range(c)]),
        "weight": whole_numbers(draw, (c,), 2),
        "bias": whole_numbers(draw, (c,)),
    }


@st.composite
def of_batch_norm(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Maps, statistics of them, weights."""
    return _normalised(draw, 1)


@st.composite
def of_batch_norm_train(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """The same, of two values of each channel at least, and a momentum."""
    return {**_normalised(draw, 2), "momentum": draw(st.sampled_from([0.125, 0.25, 0.5]))}


def _numbers(draw: Any) -> np.ndarray:
    """Quarters around 0, at times farther out, but not where a tail is lost; a row or a batch of maps."""
    shape = draw(st.sampled_from([(1,), (2,), (3,), (9,), (1, 2, 1, 2), (2, 1, 3, 1)]))
    quarters = whole_numbers(draw, shape, 16) / 4
    far = whole_numbers(draw, shape, 5)
    return np.where(far == -5, -10.0, np.where(far == 5, 40.0, quarters))


@st.composite
def of_activation(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Numbers."""
    return {"x": _numbers(draw)}


@st.composite
def of_activation_grad(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Numbers, and the gradient of what comes of them."""
    x = _numbers(draw)
    return {"g": whole_numbers(draw, x.shape), "x": x}


@st.composite
def of_roi_pool(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Maps of small whole numbers, regions of quarters, some outside; at times so many bins that n/m is rounded."""
    c, h, w = (draw(st.integers(1, high)) for high in (2, 5, 9))
    rois = []
    for _ in range(draw(st.integers(1, 3))):
        x, y, a, b = (draw(st.integers(low, high)) / 4 for low, high in ((-8, 20), (-8, 20), (0, 32), (0, 20)))
        rois.append((draw(st.integers(0, 1)), x, y, x + a, y + b))
    return {
        "x": whole_numbers(draw, (2, c, h, w)),
        "rois": np.array(rois, np.float64),
        "output_size": (draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 3, 13]))),
        "spatial_scale": draw(st.sampled_from([1.0, 0.5])),
    }


@st.composite
def of_letterbox(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """A picture of whole levels; where a side could come to nothing, which OpenCV refuses, its dialect draws none."""
    h, w = (draw(st.integers(1, 6)) for _ in range(2))
    least = 6 if dialect["placing"] == "opencv" else 1
    size = (draw(st.integers(least, 10)), draw(st.integers(least, 10)))
    image = np.abs(whole_numbers(draw, (h, w, 1), 9)) * 24 + np.arange(3) * 13
    return {"image": image.astype(np.uint8), "size": size}


@st.composite
def of_letterbox_boxes(draw: Any, dialect: Dialect) -> dict[str, Any]:
    """Boxes of whole numbers, some outside of the picture."""
    image, network = ((draw(st.integers(1, 12)), draw(st.integers(1, 12))) for _ in range(2))
    rows = whole_numbers(draw, (draw(st.integers(1, 3)), 4), 14)
    return {"boxes": rows, "image": image, "network": network}


DRAWS: Mapping[str, Draw] = {
    "roi_pool": of_roi_pool,
    "conv2d": of_conv2d,
    "conv2d_grad_x": of_conv2d_grad_x,
    "conv2d_grad_w": of_conv2d_grad_w,
    "conv_transpose2d": of_conv_transpose2d,
    "batch_norm": of_batch_norm,
    "batch_norm_train": of_batch_norm_train,
    **dict.fromkeys(("leaky_relu", "mish", "silu", "gelu", "softplus"), of_activation),
    **dict.fromkeys(("leaky_relu_grad", "relu_grad", "mish_grad", "silu_grad"), of_activation_grad),
    "letterbox": of_letterbox,
    "letterbox_boxes": of_letterbox_boxes,
}
