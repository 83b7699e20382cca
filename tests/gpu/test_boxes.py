"""IoU and NMS on a GPU give the very bits that NumPy gives, for many boxes, and where numbers are extreme."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minidet_kernels import OPS, pin
from minidet_kernels.suppression.cuda_batched import padded

SPECIAL = np.array([np.inf, -np.inf, 0.0, -0.0, 2e19, 1e-23, 1e-38, 1e-45, 3.4e38, 16777217, 1 / 3], np.float32)


def boxes(n: int, seed: int, *, special: bool = True) -> np.ndarray:
    """Boxes that overlap a lot, with ties and empty ones, and, if asked for, extreme numbers among them."""
    rng = np.random.default_rng(seed)
    corner, side = rng.integers(0, 120, (n, 2)), rng.integers(0, 60, (n, 2))
    made = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
    made += rng.choice([0, 0, 0.1, 1e-3], (n, 1)).astype(np.float32)
    if special:
        some = rng.random((n, 4)) < 0.02
        made[some] = rng.choice(SPECIAL, some.sum())
    return made


def bits(x: np.ndarray) -> np.ndarray:
    """For a comparison of bits in which any NaN is like any other."""
    return np.where(np.isnan(x), np.float32(np.nan), x).view(np.uint32)


IOU = [name for name, impl in OPS["iou_matrix"].impls.items() if impl.arrays == {"cupy"} and len(impl.needs) == 1]
NMS = [name for name, impl in OPS["nms"].impls.items() if impl.arrays == {"cupy"} and len(impl.needs) == 1]


@pytest.mark.parametrize("name", IOU)
@pytest.mark.parametrize("width", ["exclusive", "inclusive"])
def test_iou_to_the_bit(name: str, width: str, cupy: Any) -> None:
    n = 3000 if hasattr(cupy, "RawModule") else 150
    a, b = boxes(n, 0), boxes(n // 2 + 3, 1)
    expected = OPS["iou_matrix"].definition(a, b, width=width)
    with pin(iou_matrix=name):
        got = OPS["iou_matrix"](cupy.asarray(a), cupy.asarray(b), width=width).get()
    np.testing.assert_array_equal(bits(got), bits(expected))


@pytest.mark.parametrize("name", NMS)
@pytest.mark.parametrize("threshold", [0.0, 1 / 3, 0.5, 1.0])
def test_nms_keeps_the_very_boxes(name: str, threshold: float, cupy: Any) -> None:
    n = 3000 if hasattr(cupy, "RawModule") else 150
    x, scores = boxes(n, 2), np.random.default_rng(3).integers(0, 50, n).astype(np.float32) / 50  # many ties
    expected = OPS["nms"].definition(x, scores, threshold=threshold)
    with pin(nms=name):
        got = OPS["nms"](cupy.asarray(x), cupy.asarray(scores), threshold=threshold).get()
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("count", [1000, 10_000, 100_000])
def test_batched_nms_of_many(count: int, real: Any) -> None:
    rng = np.random.default_rng(4)
    x, scores = boxes(count, 5, special=False), rng.random(count, dtype=np.float32)
    x += np.tile(rng.integers(0, 4000, (count, 2)), 2).astype(np.float32)  # spread out, so that many stay
    classes = rng.integers(0, 80, count)
    expected = OPS["batched_nms"](x, scores, classes, threshold=0.5)
    got = OPS["batched_nms"](real.asarray(x), real.asarray(scores), real.asarray(classes), threshold=0.5)
    np.testing.assert_array_equal(got.get(), expected)


def test_nms_is_part_of_a_cuda_graph(real: Any) -> None:
    """Captured once, launched on other boxes: nothing waits for the host, and no size depends on what is found."""
    n, most = 2000, 300
    rng = np.random.default_rng(8)
    x, scores = real.zeros((n, 4), np.float32), real.zeros(n, np.float32)
    classes = real.asarray(rng.integers(0, 80, n))
    stream = real.cuda.Stream(non_blocking=True)
    with stream:
        padded(x, scores, classes, threshold=0.5, most=most, number_of_classes=80)  # compiles, and fills the pool
        stream.synchronize()
        stream.begin_capture()
        kept, count = padded(x, scores, classes, threshold=0.5, most=most, number_of_classes=80)
        graph = stream.end_capture()
        for seed in (9, 10):
            x.set(boxes(n, seed, special=False))
            scores.set(np.random.default_rng(seed).random(n, dtype=np.float32))
            graph.launch(stream)
            stream.synchronize()
            expected = OPS["batched_nms"].definition(x.get(), scores.get(), classes.get(), threshold=0.5)[:most]
            assert int(count.get()[0]) == len(expected)
            np.testing.assert_array_equal(kept.get()[0, : len(expected)], expected)


def test_more_elements_than_32_bits_count(real: Any) -> None:
    """The matrix has more than 2^32 elements: offsets into it need 64 bits."""
    m, n = 70_000, 65_000
    free, _ = real.cuda.runtime.memGetInfo()
    if free < 4 * m * n + (2 << 30):
        pytest.skip(f"needs 20 GB of memory on the GPU; {free / 1e9:.0f} GB are free")
    a, b = boxes(m, 6), boxes(n, 7)
    got = OPS["iou_matrix"](real.asarray(a), real.asarray(b))
    for rows in (slice(0, 3), slice(m // 2, m // 2 + 3), slice(m - 3, m)):
        np.testing.assert_array_equal(bits(got[rows].get()), bits(OPS["iou_matrix"].definition(a[rows], b)))
