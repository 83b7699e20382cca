"""R-CNNs without an oracle: the transform and back, levels, pooling, and images and boxes that are odd."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.thin_rcnn import thin_rcnn

from minidet import nn
from minidet.autograd import Tensor, no_grad
from minidet.errors import InputError
from minidet.models import build
from minidet.models.fpn import FPN
from minidet.models.rcnn import Transform
from minidet.models.rcnn.pool import STRIDES, levels_of, pool
from minidet.models.resnet import ResNet


@pytest.fixture(scope="module")
def small():
    return thin_rcnn(most=12)


def picture(h, w, seed=0):
    return np.random.default_rng(seed).random((3, h, w), dtype="f4")


@given(h=st.integers(1, 300), w=st.integers(1, 300), shortest=st.integers(1, 100), longest=st.integers(1, 150))
def test_sizes_fit_and_keep_their_aspect(h, w, shortest, longest):
    made = Transform(shortest, longest).size((h, w))
    assert max(made) <= max(longest, 1)
    scale = min(shortest / min(h, w), longest / max(h, w))
    for side, new in zip((h, w), made, strict=True):
        assert new == max(1, int(side * scale)) or abs(side * scale - round(side * scale)) < 1e-9


@settings(max_examples=15)
@given(seed=st.integers(0, 9999), h=st.integers(1, 60), w=st.integers(1, 60))
def test_boxes_come_back_as_they_were(seed, h, w):
    """Into the batch and back; the corners of the image are the corners of what it became."""
    transform = Transform(32, 64)
    batch = transform([np.zeros((3, h, w), "f4"), np.zeros((3, 7, 9), "f4")])
    assert batch.padded[0] % 32 == batch.padded[1] % 32 == 0
    rng = np.random.default_rng(seed)
    boxes = (rng.random((5, 4)) * [w, h, w, h]).astype("f8")
    np.testing.assert_allclose(batch.to_image(0, batch.to_input(0, boxes)), boxes, rtol=1e-12)
    whole = np.array([[0.0, 0, w, h]])
    rows, columns = batch.sizes[0]
    np.testing.assert_allclose(batch.to_input(0, whole), [[0, 0, columns, rows]], rtol=1e-12)
    np.testing.assert_allclose(batch.to_image(0, np.array([[columns, rows]])), [[w, h]], rtol=1e-12)


def test_the_batch_is_normalised_resized_and_padded_by_zeros():
    transform = Transform(32, 64)
    grey = np.broadcast_to(np.asarray(transform.mean, "f4")[:, None, None], (3, 20, 30))
    white = np.ones((3, 10, 10), "f4")
    batch = transform([np.ascontiguousarray(grey), Tensor(white)])
    assert batch.sizes == ((32, 48), (32, 32))
    assert batch.originals == ((20, 30), (10, 10))
    assert batch.x.shape == (2, 3, 32, 64)
    np.testing.assert_allclose(batch.x.data[0], 0, atol=1e-6)
    expected = (1 - np.array(transform.mean)) / np.array(transform.deviation)
    np.testing.assert_allclose(batch.x.data[1, :, :, :32], np.broadcast_to(expected[:, None, None], (3, 32, 32)), 1e-5)
    assert not batch.x.data[1, :, :, 32:].any()


@pytest.mark.parametrize(
    "image", [np.zeros((3, 0, 4), "f4"), np.zeros((1, 4, 4), "f4"), np.zeros((3, 4, 4), "u1"), np.zeros((4, 4), "f4")]
)
def test_what_is_no_image_is_refused(image):
    with pytest.raises(ValueError, match=r"an image .* is expected"):
        Transform()([image])


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="no images"):
        Transform()([])


@given(seed=st.integers(0, 9999), s=st.floats(1, 2000))
def test_level_is_monotone_in_size(seed, s):
    rng = np.random.default_rng(seed)
    x, y, ratio = rng.random(3) * [500, 500, 3] + [0, 0, 0.3]
    sizes = np.sort(np.append(rng.random(6) * 1500 + 0.1, s))
    boxes = np.array([[x, y, x + t * np.sqrt(ratio), y + t / np.sqrt(ratio)] for t in sizes])
    level = levels_of(boxes)
    assert (np.diff(level) >= 0).all()
    assert level.min() >= 0
    assert level.max() <= 3


@settings(max_examples=20)
@given(seed=st.integers(0, 9999), side=st.sampled_from([2, 7]), canonical=st.sampled_from([20.0, 224.0]))
def test_pooling_a_ramp_is_exact_on_every_level(seed, side, canonical):
    """Maps that hold the x and y of their cells' corners: each bin is the mean of its samples, which is its middle."""
    rng = np.random.default_rng(seed)
    size = 256
    maps = []
    for stride in STRIDES:
        y, x = np.mgrid[0 : size // stride, 0 : size // stride] * float(stride)
        maps.append(Tensor(np.stack([x, y])[None].repeat(2, axis=0)))
    corner, extent = rng.random((2, 4, 2)) * 40 + 1, rng.random((2, 4, 2)) * 48 + 32
    boxes = [np.concatenate([a, a + b], axis=1) for a, b in zip(corner, extent, strict=True)]
    boxes[0] = np.concatenate([boxes[0], boxes[0][:1]])
    made = pool(maps, boxes, side, canonical_size=canonical)
    assert made.shape == (9, 2, side, side)
    for got, (x1, y1, x2, y2) in zip(made.data, np.concatenate(boxes), strict=True):
        middles = (np.arange(side) + 0.5) / side
        np.testing.assert_allclose(got[0], np.tile(x1 + (x2 - x1) * middles, (side, 1)), rtol=1e-9)
        np.testing.assert_allclose(got[1].T, np.tile(y1 + (y2 - y1) * middles, (side, 1)), rtol=1e-9)


def test_pooling_takes_each_box_from_its_image_and_level():
    maps = [Tensor(np.full((2, 1, 128 // s, 128 // s), 0.0) + np.array([1, 100])[:, None, None, None] * (i + 1))
            for i, s in enumerate(STRIDES)]  # fmt: skip
    boxes = [np.array([[0, 0, 100, 100], [0, 0, 5, 5], [0, 0, 40.0, 40]]), np.array([[3, 3, 20.0, 20]])]
    made = pool(maps, boxes, 3, canonical_size=50.0)
    assert made.data[:, 0, 1, 1].tolist() == [4, 1, 2, 100]
    none = pool(maps, [np.zeros((0, 4)), np.zeros((0, 4))], 3)
    assert none.shape == (0, 1, 3, 3)


def test_pooling_has_gradients():
    """They go to the level that each box is of, and add up to what came."""
    maps = [Tensor(np.zeros((1, 1, 128 // s, 128 // s)), requires_grad=True) for s in STRIDES]
    made = pool(maps, [np.array([[10, 10, 100, 100.0], [10, 10, 15, 15]])], 2, canonical_size=45.0)
    made.backward(np.ones(made.shape) * np.array([1, 10])[:, None, None, None])
    sums = [0 if m.grad is None else m.grad.sum() for m in maps]
    np.testing.assert_allclose(sums, [40, 0, 0, 4], atol=1e-12)


def test_a_pyramid_by_hand():
    """Laterals that copy, smoothing that does nothing: each level is the sum of its own map and the coarser ones."""
    fpn = FPN((1, 1, 1), 1)
    for inner, smooth in zip(fpn.inner_blocks, fpn.layer_blocks, strict=True):
        inner.weight.data[...] = 1
        smooth.weight.data[...] = 0
        smooth.weight.data[0, 0, 1, 1] = 1
    maps = [
        Tensor(np.arange(n * n, dtype="f4").reshape(1, 1, n, n) * np.float32(10**k)) for k, n in enumerate((4, 2, 1))
    ]
    p2, p3, p4, p5 = (p.data[0, 0] for p in fpn(maps))
    assert p4.tolist() == p5.tolist() == [[0]]
    assert p3.tolist() == [[0, 10], [20, 30]]
    assert p2.tolist() == (np.arange(16).reshape(4, 4) + np.kron([[0, 10], [20, 30]], np.ones((2, 2)))).tolist()


@pytest.mark.parametrize(("extra", "sizes"), [("pool", [8, 4, 2]), ("none", [8, 4]), ("p6p7", [8, 4, 2, 1])])
def test_extra_levels(extra, sizes):
    fpn = FPN((2, 3), 4, extra=extra)
    made = fpn([Tensor(np.ones((1, 2, 8, 8), "f4")), Tensor(np.ones((1, 3, 4, 4), "f4"))])
    assert [p.shape for p in made] == [(1, 4, n, n) for n in sizes]
    assert fpn.levels == len(made)


def test_unknown_names_are_refused():
    for make in (lambda: FPN((1,), 1, extra="p8"), lambda: ResNet(20), lambda: ResNet(18, width=1 / 64, norm="layer")):
        with pytest.raises(InputError, match="expected one of"):
            make()
    with pytest.raises(InputError, match="4 sizes of anchors"):
        build("mask-rcnn-r18-fpn-small", width=1 / 64, anchors=(8, 16, 32, 64))
    with pytest.raises(InputError, match="at least 1 pixel"):
        build("mask-rcnn-r18-fpn-small", width=1 / 64, size=0)


def test_frozen_batch_norm_is_not_trained():
    frozen, trained = (ResNet(18, width=1 / 16, norm=norm, rng=0) for norm in ("frozen", "batch"))
    assert set(frozen.state_dict()) == set(trained.state_dict())
    names = {name for name, _ in trained.named_parameters()} - {name for name, _ in frozen.named_parameters()}
    assert names == {
        name for name in frozen.state_dict() if ("bn" in name or "downsample.1" in name) and "running" not in name
    }
    x = Tensor(picture(33, 40)[None])
    before = {name: array.copy() for name, array in frozen.state_dict().items()}
    made = [y.data for y in frozen(x)]  # in training
    for name, array in frozen.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    for a, b in zip(made, frozen.eval()(x), strict=True):
        np.testing.assert_array_equal(a, b.data)
    for a, b in zip(trained.eval()(x), made, strict=True):  # statistics 0 and 1, scale 1, shift 0
        np.testing.assert_allclose(a.data, b, rtol=1e-6)
    assert [y.shape for y in made] == [(1, c, h, w) for c, h, w in ((4, 9, 10), (8, 5, 5), (16, 3, 3), (32, 2, 2))]


def test_stages_are_those_of_forward(small):
    images = [picture(40, 70), picture(90, 33, seed=1)]
    with no_grad():
        results, stages = small(images), small.stages(images)
    assert len(results) == 2
    assert len(results[0]) > 1
    for one, same, found in zip(results, stages.results, stages.found, strict=True):
        for name in ("boxes", "scores", "labels", "proposal", "masks", "keypoints", "keypoint_scores"):
            np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
        assert found.masks.shape == (len(one), 28, 28)
    for image, one in zip(images, results, strict=True):
        assert one.masks.shape == (len(one), *image.shape[1:])
        h, w = image.shape[1:]
        assert (one.boxes >= 0).all()
        assert (one.boxes <= np.array([w, h, w, h]) * (1 + 1e-6)).all()
        assert one.keypoints.shape == (len(one), 2, 3)


def test_an_image_alone_is_found_as_in_a_batch(small):
    """Of two images of one size: padding is the same, and so is all else."""
    images = [picture(64, 96, seed) for seed in (1, 2)]
    with no_grad():
        together, alone = small(images), [small([image])[0] for image in images]
    for a, b in zip(together, alone, strict=True):
        assert a.labels.tolist() == b.labels.tolist()
        np.testing.assert_allclose(a.boxes, b.boxes, rtol=1e-3, atol=1e-2)


@settings(max_examples=6)
@given(factor=st.sampled_from([0.5, 2, 3]))
def test_resize_invariance(small, factor):
    """A flat picture of another size becomes the same input, so what is found is as many times as large."""
    grey = np.full((3, 32, 48), 0.3, "f4")
    other = np.full((3, int(32 * factor), int(48 * factor)), 0.3, "f4")
    with no_grad():
        (a,), (b,) = small([grey]), small([other])
    assert len(a) == len(b) > 0
    np.testing.assert_allclose(b.boxes, a.boxes * factor, rtol=1e-4)
    np.testing.assert_allclose(b.keypoints[..., :2], a.keypoints[..., :2] * factor, rtol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 400), (400, 1), (31, 33)])
def test_images_smaller_than_a_stride_and_slivers(small, shape):
    with no_grad():
        (found,) = small([picture(*shape)])
    assert np.isfinite(found.boxes).all()
    assert found.masks.shape == (len(found), *shape)
    assert np.isfinite(found.keypoints).all()


def test_no_proposals_and_no_detections(small):
    """Nothing above a threshold of more than 1: every head runs on no boxes."""
    rpn_score, score = small.rpn.score, small.roi_heads.score
    try:
        small.rpn.score = 1.5
        with no_grad():
            (found,) = small([picture(20, 30)])
        assert found.boxes.shape == (0, 4)
        assert found.masks.shape == (0, 20, 30)
        assert found.keypoints.shape == (0, 2, 3)
        small.rpn.score, small.roi_heads.score = rpn_score, 1.5
        with no_grad():
            stages = small.stages([picture(20, 30)])
        assert len(stages.proposals[0].boxes) > 0
        assert len(stages.results[0]) == 0
    finally:
        small.rpn.score, small.roi_heads.score = rpn_score, score


def test_boxes_of_zero_size_have_features_masks_and_points(small):
    """No proposal and no detection is one, but a caller may ask: they count as one pixel of their level."""
    with no_grad():
        batch = small.transform([picture(40, 60)])
        features = small.backbone(batch.x)
        boxes = [np.array([[5, 5, 5, 5], [0, 0, 0, 9], [60, 60, 60, 60.0]], "f4")]
        logits, deltas = small.roi_heads.box(features, boxes)
        masks, points = small.roi_heads.mask(features, boxes), small.roi_heads.keypoint(features, boxes)
    for made, shape in ((logits, (3, 4)), (deltas, (3, 16)), (masks, (3, 4, 28, 28)), (points, (3, 2, 56, 56))):
        assert made.shape == shape
        assert np.isfinite(made.data).all()


def test_nan_weights_are_an_error(small):
    weight = small.rpn.head.cls_logits.bias.data
    kept = weight.copy()
    weight[...] = np.nan
    try:
        with no_grad(), pytest.raises(InputError, match="NaN for its proposals"):
            small([picture(20, 30)])
    finally:
        weight[...] = kept


def test_training_proposes_more(small):
    assert small.rpn.before == (500, 300)
    assert small.rpn.after == (300, 100)
    with no_grad():
        batch = small.transform([picture(64, 96)])
        features = small.backbone(batch.x)
        counts = []
        for training in (True, False):
            small.rpn.train(training)
            counts.append(len(small.rpn(features, batch)[0].boxes))
        small.rpn.eval()
    assert counts[0] > counts[1] == 100


def test_every_parameter_has_a_gradient(small):
    """From the proposals' maps and the three heads, through pooling, to the first filter."""
    batch = small.transform([picture(40, 60)])
    features = small.backbone(batch.x)
    boxes = [np.array([[2, 2, 50, 40], [1, 1, 9, 9], [0, 0, 200, 200.0]], "f4")]
    logits, deltas = small.rpn.head(features)
    parts = [*logits, *deltas, *small.roi_heads.box(features, boxes)]
    parts += [small.roi_heads.mask(features, boxes), small.roi_heads.keypoint(features, boxes)]
    total = sum((part * part).sum() for part in parts)
    total.backward()
    without = [name for name, p in small.named_parameters() if p.grad is None or not np.abs(p.grad).sum() > 0]
    small.zero_grad()
    assert without == []


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("faster-rcnn-r50-fpn", {"classes": 90}, 41755286),
        ("mask-rcnn-r50-fpn", {"classes": 90}, 44401393),
        ("keypoint-rcnn-r50-fpn", {}, 59137258),
    ],
)
def test_facts(name, options, parameters):
    from minidet.facts import facts

    with nn.init.skipped():
        model = build(name, **options)
    assert nn.count(model.parameters()) == parameters
    if name == "mask-rcnn-r50-fpn":
        found = facts(model, size=(800, 800))
        assert abs(found.macs - 134.38e9) < 0.005e9
        assert found.boxes == 159882
        assert facts(model, size=(800, 1344)).boxes == 268569


def test_postprocess_moves_boxes_points_and_masks():
    """An image that was doubled: what was found in the batch is halved, and the mask is pasted into the image."""
    transform = Transform(64, 96)
    batch = transform([np.zeros((3, 32, 48), "f4")])
    assert batch.sizes == ((64, 96),)
    from minidet.models.rcnn import Instances

    one = Instances(
        np.array([[8, 16, 40, 48]], "f4"), np.ones(1, "f4"), np.zeros(1, np.int64), np.zeros(1, np.int64),
        masks=np.ones((1, 28, 28), "f4"), keypoints=np.array([[[10, 20, 1]]], "f4"),
    )  # fmt: skip
    (made,) = transform.postprocess([one], batch)
    assert made.boxes.tolist() == [[4, 8, 20, 24]]
    assert made.keypoints.tolist() == [[[5, 10, 1]]]
    assert made.masks.shape == (1, 32, 48)
    rows, columns = np.nonzero(made.masks[0] > 0.5)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 23, 4, 19)
    (bare,) = transform.postprocess([replace(one, masks=None, keypoints=None)], batch)
    assert bare.masks is bare.keypoints is None


def test_rows_are_in_the_order_of_the_anchors(small):
    """A map that holds the numbers of its anchors, rows of cells first and the anchors of a cell last."""
    h, w, a = 2, 3, 3
    order = np.arange(h * w * a, dtype="f4").reshape(h, w, a)
    logits = np.stack([order, order + 100]).transpose(0, 3, 1, 2)
    numbers = order[..., None] + np.array([0, 0.25, 0.5, 0.75], "f4")  # (h, w, A, 4)
    deltas = numbers.reshape(1, h, w, 4 * a).transpose(0, 3, 1, 2)
    x, d = small.rpn.rows([Tensor(logits)], [Tensor(np.ascontiguousarray(deltas))])
    assert x[0].data.tolist() == [list(range(18)), list(range(100, 118))]
    np.testing.assert_array_equal(d[0].data[0], numbers.reshape(-1, 4))
    empty, _ = small.rpn.rows([Tensor(logits[:0])], [Tensor(deltas[:0])])
    assert empty[0].shape == (0, 18)


def test_masks_are_those_of_the_classes(small):
    """A head that says one number for each class, whatever it sees."""
    last = small.roi_heads.mask_predictor.mask_fcn_logits
    kept = last.weight.data.copy(), last.bias.data.copy()
    last.weight.data[...], last.bias.data[...] = 0, [9, -2, 0, 2]
    try:
        with no_grad():
            (found,) = small.stages([picture(64, 96)]).found
    finally:
        last.weight.data[...], last.bias.data[...] = kept
    assert len(set(found.labels.tolist())) > 1
    expected = 1 / (1 + np.exp(-np.array([-2.0, 0, 2])[found.labels]))
    np.testing.assert_allclose(found.masks, np.broadcast_to(expected[:, None, None], found.masks.shape), rtol=1e-6)
