"""Kernels of boxes at sizes that drawn cases do not reach: several tiles, odd remainders, many ties, few classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minidet_kernels import OPS, crowd_iou_matrix, iou_matrix
from minidet_kernels.arrays import to_numpy
from minidet_kernels.suppression import cuda_batched, cuda_order
from support.cases import CASES, assert_close

MATRICES = ["iou_matrix", "giou_matrix", "diou_matrix", "ciou_matrix"]


def on_a_grid(rng: np.random.Generator, n: int, side: int = 6, dtype: Any = np.float32) -> np.ndarray:
    """``n`` boxes with corners at small integers: ties, touching edges, empty and inverted boxes."""
    return rng.integers(-2, side, (n, 4)).astype(dtype)


def crowded(rng: np.random.Generator, n: int) -> np.ndarray:
    """``n`` boxes on a grid, few of them inverted or empty, so that most overlap many others and chains are long."""
    low = rng.integers(0, 9, (n, 2))
    return np.concatenate([low, low + rng.integers(-1, 9, (n, 2))], axis=1).astype(np.float32)


def spread(rng: np.random.Generator, n: int, clusters: int = 40) -> np.ndarray:
    """``n`` boxes around so many centres, as detections are: some overlap much, most not at all."""
    centres = rng.uniform(0, 600, (clusters, 2))[rng.integers(0, clusters, n)] + rng.normal(0, 4, (n, 2))
    sides = rng.uniform(20, 60, (n, 2))
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(17, 512), (16, 516), (33, 1021), (1, 4), (50, 257), (40, 100), (7, 130)])
@pytest.mark.parametrize("name", MATRICES)
def test_matrices_of_several_tiles(name: str, shape: tuple[int, int], dtype: Any, cupy: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = on_a_grid(rng, shape[0], dtype=dtype), on_a_grid(rng, shape[1], dtype=dtype)
    rung = "wide" if name == "iou_matrix" else "cuda"
    made = to_numpy(OPS[name].using(rung)(cupy.asarray(a), cupy.asarray(b)))
    assert_close(made, OPS[name].definition(a, b), CASES[name].rule(rung), (a, b))


@pytest.mark.parametrize("n", [512, 513])
def test_crowds_of_several_tiles(n: int, cupy: Any) -> None:
    rng = np.random.default_rng(1)
    a, b, crowd = on_a_grid(rng, 21), on_a_grid(rng, n), rng.random(n) < 0.5
    made = to_numpy(crowd_iou_matrix.using("cuda")(*map(cupy.asarray, (a, b, crowd))))
    np.testing.assert_array_equal(made, crowd_iou_matrix.definition(a, b, crowd))


def test_an_out_that_begins_in_between_is_written_element_by_element(cupy: Any) -> None:
    rng = np.random.default_rng(2)
    a, b = on_a_grid(rng, 9), on_a_grid(rng, 8)
    whole = cupy.zeros(9 * 8 + 1, np.float32)
    out = whole[1:].reshape(9, 8)
    iou_matrix.using("wide")(cupy.asarray(a), cupy.asarray(b), out=out)
    np.testing.assert_array_equal(out.get(), iou_matrix.definition(a, b))
    assert whole.get()[0] == 0


def test_more_rows_than_a_grid_has_places_are_for_the_wide_kernel(cupy: Any) -> None:
    a, b = cupy.zeros((16 * 65535 + 1, 4), np.float32), cupy.zeros((1, 4), np.float32)
    assert "1048560 boxes a" in (iou_matrix.refusal("cuda", a, b) or "")
    assert iou_matrix.refusal("wide", a, b) is None


@pytest.mark.parametrize(("m", "n"), [(300, 130), (129, 257), (64, 1), (31, 128), (1000, 5)])
def test_partners_past_one_tile(m: int, n: int, cupy: Any) -> None:
    """Corners of a few values: most anchors share their IoU with others, far apart and in other blocks."""
    rng = np.random.default_rng(m)
    anchors, truths = on_a_grid(rng, m, 4), on_a_grid(rng, n, 4)
    for got, expected in zip(
        OPS["match"].using("cuda")(cupy.asarray(anchors), cupy.asarray(truths)),
        OPS["match"].definition(anchors, truths),
        strict=True,
    ):
        np.testing.assert_array_equal(got.get(), expected)


def test_partners_of_boxes_that_meet_nothing(cupy: Any) -> None:
    far = np.array([[100, 100, 110, 110], [3, 3, 3, 3]], np.float32)
    truth, iou, anchor, best = (
        x.get() for x in OPS["match"].using("cuda")(cupy.asarray(np.zeros((5, 4), np.float32)), cupy.asarray(far))
    )
    assert not np.concatenate([truth, iou, anchor, best]).any()


def test_a_truth_without_end_is_nobody_s(cupy: Any) -> None:
    """Anchors of the second warp meet it, in a union that is infinite: an overlap of 0, as of those that do not."""
    anchors = np.zeros((40, 4), np.float32)
    anchors[35] = [-5, 0, 2, 2]
    truths = np.array([[-np.inf, 0, 1, 1]], np.float32)
    got = OPS["match"].using("cuda")(cupy.asarray(anchors), cupy.asarray(truths))
    for part, expected in zip(got, OPS["match"].definition(anchors, truths), strict=True):
        np.testing.assert_array_equal(part.get(), expected)


@pytest.mark.parametrize(("m", "n"), [(0, 3), (3, 0), (0, 0)])
def test_where_there_is_nothing_to_choose_from(m: int, n: int, cupy: Any) -> None:
    anchors, truths = np.ones((m, 4), np.float32), np.ones((n, 4), np.float32)
    got = OPS["match"].using("cuda")(cupy.asarray(anchors), cupy.asarray(truths))
    for part, expected in zip(got, OPS["match"].definition(anchors, truths), strict=True):
        np.testing.assert_array_equal(to_numpy(part), expected)


def few_scores(rng: np.random.Generator, n: int) -> np.ndarray:
    """Scores of which most are equal to others; zeros of both signs, and infinities."""
    return rng.choice([0.9, 0.5, 0.25, 0.0, -0.0, -1.0, np.inf, -np.inf], n).astype(np.float32)


@pytest.mark.parametrize(
    ("n", "tied"), [(1, False), (65, True), (130, False), (1025, False), (4097, True), (9000, True)]
)
def test_keys_are_sorted_whatever_their_number(n: int, tied: bool, cupy: Any) -> None:
    keys = np.random.default_rng(n).integers(0, 2**64, n, np.uint64) >> np.uint64(52 if tied else 0)
    np.testing.assert_array_equal(to_numpy(cuda_order.sort(cupy.asarray(keys))), np.sort(keys))


@pytest.mark.parametrize(("n", "threshold", "tied"), [(63, 0.1, True), (129, 0.3, True), (700, 0.5, False)])
def test_nms_of_several_words(n: int, threshold: float, tied: bool, cupy: Any) -> None:
    rng = np.random.default_rng(n)
    boxes = crowded(rng, n) if tied else spread(rng, n)
    scores = few_scores(rng, n) if tied else rng.random(n, np.float32)
    got = OPS["nms"].using("cuda")(cupy.asarray(boxes), cupy.asarray(scores), threshold=threshold)
    expected = OPS["nms"].using("numba")(boxes, scores, threshold=threshold)
    assert n / 20 < len(expected) < 0.7 * n
    np.testing.assert_array_equal(got.get(), expected)


PER_CLASS = {"batched_nms": {}, "diou_nms": {"beta": 0.6}, "fast_nms": {}}


@pytest.mark.parametrize(("n", "classes", "tied"), [(65, 1, True), (300, 3, True), (600, 1, False), (1500, 40, False)])
@pytest.mark.parametrize("name", PER_CLASS)
def test_classes_of_several_words(name: str, n: int, classes: int, tied: bool, cupy: Any) -> None:
    rng = np.random.default_rng(n)
    boxes = crowded(rng, n) if tied else spread(rng, n)
    scores = few_scores(rng, n) if tied else rng.random(n, np.float32)
    args, options = (boxes, scores, rng.integers(0, classes, n)), {"threshold": 0.4, **PER_CLASS[name]}
    got = OPS[name].using("cuda")(*map(cupy.asarray, args), **options)
    expected = OPS[name].using("numba")(*args, **options)
    assert n / 20 < len(expected) < 0.9 * n
    np.testing.assert_array_equal(to_numpy(got), expected)


def test_sorting_in_several_chunks_and_many_classes(cupy: Any) -> None:
    rng = np.random.default_rng(5)
    n = 4100
    args = spread(rng, n, 3), few_scores(rng, n), rng.integers(-(2**40), 2**40, 900)[rng.integers(0, 900, n)]
    got = OPS["batched_nms"].using("cuda")(*map(cupy.asarray, args), threshold=0.5)
    np.testing.assert_array_equal(to_numpy(got), OPS["batched_nms"].using("numba")(*args, threshold=0.5))


@pytest.mark.parametrize(
    ("dtype", "labels"),
    [
        (np.uint64, [2**64 - 1, 2**64 - 3]),
        (np.int64, [-(2**63), 2 - 2**63]),
        (np.int64, [-(2**63), 2**63 - 1]),
        (np.int8, [-128, 127]),
        (np.uint8, [0, 255]),
    ],
)
def test_classes_at_the_ends_of_their_range(dtype: Any, labels: list[int], cupy: Any) -> None:
    rng = np.random.default_rng(0)
    args = crowded(rng, 70), few_scores(rng, 70), np.array(labels, dtype)[rng.integers(0, 2, 70)]
    got = OPS["batched_nms"].using("cuda")(*map(cupy.asarray, args), threshold=0.3)
    np.testing.assert_array_equal(to_numpy(got), OPS["batched_nms"].definition(*args, threshold=0.3))


@pytest.mark.parametrize("most", [0, 3, 300])
def test_padded_lists_each_image_and_leaves_out_what_does_not_count(most: int, cupy: Any) -> None:
    rng = np.random.default_rng(most)
    n, number_of_images = 400, 5
    boxes, scores = spread(rng, n, 4), few_scores(rng, n)
    classes, images = rng.integers(-1, 4, n), rng.integers(0, number_of_images, n) % 4 + (rng.random(n) < 0.1) * 5
    scores[::9] = np.nan
    options: dict[str, Any] = {"threshold": 0.5, "compare": "inclusive", "width": "inclusive"}
    kept, count = cuda_batched.padded(
        *map(cupy.asarray, (boxes, scores, classes, images)),
        most=most, number_of_classes=3, number_of_images=number_of_images, floor=0.25, **options,
    )  # fmt: skip
    listed, found = to_numpy(kept), to_numpy(count)
    assert listed.shape == (number_of_images, most)
    for image in range(number_of_images):
        (of,) = np.nonzero((images == image) & (scores >= 0.25) & (classes >= 0) & (classes < 3))
        expected = of[OPS["batched_nms"].definition(boxes[of], scores[of], classes[of], **options)][:most]
        assert found[image] == len(expected)
        np.testing.assert_array_equal(listed[image, : len(expected)], expected)
        assert (listed[image, len(expected) :] == -1).all()
    assert found[4] == 0


def test_padded_asks_nothing_of_the_device(cupy: Any, monkeypatch: Any) -> None:
    """Whatever makes a number of an array waits for it, and cannot be part of a CUDA graph."""
    rng = np.random.default_rng(0)
    args = [cupy.asarray(x) for x in (spread(rng, 70), few_scores(rng, 70), rng.integers(0, 3, 70))]
    waits = ("get", "item", "tolist", "__int__", "__bool__", "__float__", "__index__", "__iter__", "nonzero")
    for name in waits:
        monkeypatch.setattr(cupy.ndarray, name, lambda *_: pytest.fail("waits for the device"), raising=False)
    for name in ("unique", "nonzero", "flatnonzero", "asarray", "sort", "argsort"):
        monkeypatch.setattr(cupy, name, lambda *_, **__: pytest.fail("is not for a CUDA graph"))
    kept, count = cuda_batched.padded(*args, threshold=0.5, most=20, number_of_classes=3)
    assert kept.shape == (1, 20)
    assert count.shape == (1,)


def test_padded_says_what_it_does_not_take(cupy: Any) -> None:
    boxes, scores = cupy.zeros((70000, 4), np.float32), cupy.zeros(70000, np.float32)
    with pytest.raises(ValueError, match="do not hold 70000 classes beside 70000 boxes"):
        cuda_batched.padded(boxes, scores, threshold=0.5, most=1, number_of_classes=70000)
    with pytest.raises(TypeError, match="takes float32 boxes and scores, not float32 and float64"):
        cuda_batched.padded(boxes, scores.astype(np.float64), threshold=0.5, most=1)
    with pytest.raises(ValueError, match=r"the rest \(n,\), not \(70000, 4\), scores \(3,\)"):
        cuda_batched.padded(boxes, scores[:3], threshold=0.5, most=1)
    with pytest.raises(ValueError, match="-1 of 1 classes"):
        cuda_batched.padded(boxes, scores, threshold=0.5, most=-1)


@pytest.mark.parametrize("name", ["nms", "batched_nms", "diou_nms", "fast_nms", "soft_nms", "matrix_nms", "match"])
@pytest.mark.parametrize("narrow", ["nothing", "boxes", "scores"])
def test_float64_is_refused_in_words(name: str, narrow: str, cupy: Any) -> None:
    """Nothing is rounded to float32 unasked: another implementation takes it, or the error says what is taken.

    The boxes differ from multiples of a half in digits that float32 has not, and so do overlaps from the threshold.
    """
    rng = np.random.default_rng(0)
    boxes = rng.integers(0, 9, (60, 4)) / 2 + rng.choice([-1e-12, 0, 1e-12], (60, 4))
    boxes[:, 2:] += boxes[:, :2]
    scores = rng.integers(0, 9, 60) / 8 + 0.1 + rng.choice([-1e-12, 0, 1e-12], 60)
    boxes, scores = (
        a.astype(np.float32) if narrow == what else a for a, what in ((boxes, "boxes"), (scores, "scores"))
    )
    options: dict[str, Any] = (
        {"threshold": 0.5} if name.endswith("nms") and name not in ("soft_nms", "matrix_nms") else {}
    )
    if name == "match":
        if narrow != "nothing":
            return  # both have one dtype
        args: tuple[Any, ...] = (boxes, boxes[::3].copy())
    else:
        args = (boxes, scores, rng.integers(0, 3, 60))[: 2 if name == "nms" else 3]
    there = [cupy.asarray(a) for a in args]
    assert "takes float32 boxes" in str(OPS[name].refusal("cuda", *there, **options))
    assert "takes float32 boxes" in OPS[name].explain(*there, **options)
    if len(OPS[name].rungs("cupy")) == 1:
        with pytest.raises(TypeError, match=r"takes float32 boxes(?! and scores, not float32 and float32)"):
            OPS[name](*there, **options)
    else:
        made = OPS[name](*there, **options)
        np.testing.assert_array_equal(to_numpy(made), OPS[name].definition(*args, **options))


def test_padded_of_no_boxes(cupy: Any) -> None:
    kept, count = cuda_batched.padded(
        cupy.zeros((0, 4), np.float32), cupy.zeros(0, np.float32), threshold=0.5, most=2, number_of_images=3
    )
    np.testing.assert_array_equal(to_numpy(kept), np.full((3, 2), -1))
    np.testing.assert_array_equal(to_numpy(count), np.zeros(3))


def decaying(rng: np.random.Generator, n: int) -> np.ndarray:
    """Scores that are finite and not below zero, most of them equal to others."""
    return rng.choice([0.9, 0.5, 0.25, 0.125, 0.0, -0.0], n).astype(np.float32)


@pytest.mark.parametrize("kernel", ["linear", "gaussian", "hard"])
@pytest.mark.parametrize(
    ("n", "classes", "tied", "most"), [(300, 1, True, None), (600, 3, False, 70), (33, 20, True, 9)]
)
def test_scores_decay_in_segments_larger_than_a_block(
    n: int, classes: int, tied: bool, most: int | None, kernel: str, cupy: Any
) -> None:
    rng = np.random.default_rng(n)
    args = crowded(rng, n) if tied else spread(rng, n), decaying(rng, n), rng.integers(0, classes, n)
    options: dict[str, Any] = {"kernel": kernel, "most": most, "floor": 0.125, "at_floor": "kept"}
    got = OPS["soft_nms"].using("cuda")(*map(cupy.asarray, args), **options)
    for part, expected in zip(got, OPS["soft_nms"].using("numba")(*args, **options), strict=True):
        np.testing.assert_array_equal(to_numpy(part), expected)


@pytest.mark.parametrize("kernel", ["linear", "gaussian"])
@pytest.mark.parametrize(("n", "classes"), [(128, 1), (129, 2), (500, 3)])
@pytest.mark.parametrize("given", [False, True])
def test_every_score_is_lowered_past_one_tile(given: bool, n: int, classes: int, kernel: str, cupy: Any) -> None:
    rng = np.random.default_rng(n)
    boxes, scores, labels = spread(rng, n, 5), decaying(rng, n), rng.integers(0, classes, n)
    name, first = ("matrix_nms_of", iou_matrix.definition(boxes, boxes)) if given else ("matrix_nms", boxes)
    args = first, scores, labels
    expected = OPS[name].using("numba")(*args, kernel=kernel)
    got = to_numpy(OPS[name].using("cuda")(*map(cupy.asarray, args), kernel=kernel))
    assert_close(got, expected, CASES[name].rule("cuda"), args)
    assert (got < scores).sum() > n / 3


def test_padded_takes_boxes_without_numbers(cupy: Any) -> None:
    """Such a box drops none and is dropped by none: the others are kept as if it were not there."""
    rng = np.random.default_rng(3)
    boxes, scores = spread(rng, 200, 3), rng.random(200, np.float32)
    broken = np.arange(0, 200, 7)
    boxes[broken, rng.integers(0, 4, len(broken))] = np.nan
    whole = np.setdiff1d(np.arange(200), broken)
    expected = np.concatenate([broken, whole[OPS["nms"].definition(boxes[whole], scores[whole], threshold=0.3)]])
    for beta in (None, 0.6):
        kept, count = cuda_batched.padded(
            cupy.asarray(boxes), cupy.asarray(scores), threshold=0.3, most=200, beta=beta, empty="one"
        )
        found = to_numpy(kept)[0, : int(to_numpy(count)[0])]
        assert set(broken) <= set(found)
        np.testing.assert_array_equal(found, found[np.argsort(-scores[found], kind="stable")])
        if beta is None:
            np.testing.assert_array_equal(np.sort(found), np.sort(expected))
