"""Matching, sampling and every loss of Mask R-CNN beside torchvision's functions, value and gradients."""

from __future__ import annotations

import numpy as np
import pytest
from minidet_kernels.masks import encode

from minidet.autograd import Tensor
from minidet.train.rcnn_losses import head_loss, keypoint_loss, mask_loss, rpn_loss
from minidet.train.rcnn_match import match_boxes, sample, the_first
from minidet.train.region_targets import keypoint_targets, mask_targets

pytestmark = pytest.mark.oracle
DTYPES = [(np.float64, 1e-9), (np.float32, 1e-4)]


def close(mine, theirs, bound):
    mine, theirs = np.asarray(mine), np.asarray(theirs)
    assert mine.shape == theirs.shape
    scale, worst = np.abs(theirs).max(initial=0), np.abs(mine - theirs).max(initial=0)
    assert scale > 0
    assert worst <= bound * scale, (worst, scale)


@pytest.fixture
def torch(monkeypatch):
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchvision")
    monkeypatch.setattr(torch, "randperm", lambda n, **_: torch.arange(n))  # the first ones are sampled
    return torch


def boxes_of(rng, n, side=100.0, whole=False):
    low, extent = rng.random((n, 2)) * side, 1 + rng.random((n, 2)) * side / 2
    both = np.concatenate([low, low + extent], axis=1)
    return np.rint(both) if whole else both


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("limits", [(0.7, 0.3, True), (0.5, 0.5, False), (0.6, 0.2, True)])
def test_matching(torch, seed, limits):
    """Whole numbers on a small square: many ties; every third time a truth without area, which takes all."""
    from torchvision.models.detection._utils import Matcher
    from torchvision.ops import box_iou

    rng, (high, low, ties) = np.random.default_rng(seed), limits
    found, truths = (boxes_of(rng, n, side=12, whole=True).astype(np.float32) for n in (300, 6))
    found = np.concatenate([found, found[:40]])  # exact doubles
    if seed % 3 == 0:
        truths[2, 2:] = truths[2, :2]
    with torch.no_grad():
        theirs = Matcher(high, low, ties)(box_iou(torch.tensor(truths), torch.tensor(found))).numpy()
    kind = "ties" if ties else "none"
    mine = match_boxes(found, truths, high=high, low=low, low_quality=kind, untouched="all")
    np.testing.assert_array_equal(mine.truth, theirs)


@pytest.mark.parametrize(("count", "fraction"), [(256, 0.5), (512, 0.25), (8, 0.5)])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_sampling(torch, count, fraction, share):
    from torchvision.models.detection._utils import BalancedPositiveNegativeSampler

    rng = np.random.default_rng(count)
    labels = np.where(rng.random(1000) < share, 1, rng.choice([0, -1], 1000, p=[0.8, 0.2])).astype(np.float32)
    positive, negative = BalancedPositiveNegativeSampler(count, fraction)([torch.tensor(labels)])
    mine = sample(labels >= 1, labels == 0, count=count, fraction=fraction, pick=the_first)
    for got, want in zip(mine, (positive[0], negative[0]), strict=True):
        np.testing.assert_array_equal(got, np.flatnonzero(want.numpy()))


@pytest.mark.parametrize(("dtype", "bound"), DTYPES)
def test_rpn(torch, dtype, bound):
    from torchvision.models.detection.rpn import RegionProposalNetwork

    rng, n, a = np.random.default_rng(1), 2, 400
    logits, deltas = (rng.normal(size=s).astype(dtype) for s in ((n, a), (n, a, 4)))
    encoded = (deltas + rng.normal(0, 0.2, deltas.shape)).astype(dtype)
    labels = rng.choice([-1.0, 0, 1], (n, a), p=[0.2, 0.5, 0.3])
    theirs = RegionProposalNetwork(None, None, 0.7, 0.3, 256, 0.5, {}, {}, 0.7)
    x, d = (torch.tensor(v.reshape(n * a, -1), requires_grad=True) for v in (logits, deltas))
    one, two = theirs.compute_loss(
        x, d, [torch.tensor(v.astype(dtype)) for v in labels], [torch.tensor(v) for v in encoded]
    )
    (one + 2 * two).backward()
    chosen = [sample(v == 1, v == 0, count=256, fraction=0.5, pick=the_first) for v in labels]
    positives, negatives = (np.concatenate([c[k] + i * a for i, c in enumerate(chosen)]) for k in (0, 1))
    mine_x, mine_d = Tensor(logits.reshape(-1), requires_grad=True), Tensor(deltas.reshape(-1, 4), requires_grad=True)
    got = rpn_loss(mine_x, mine_d, positives=positives, negatives=negatives, encoded=encoded.reshape(-1, 4)[positives])
    close(got["objectness"].numpy(), one.detach(), bound)
    close(got["rpn_box"].numpy(), two.detach(), bound)
    (got["objectness"] + got["rpn_box"] * dtype(2)).backward()
    close(mine_x.grad, x.grad.reshape(-1), bound)
    close(mine_d.grad, d.grad, bound)


@pytest.mark.parametrize(("dtype", "bound"), DTYPES)
def test_box_head(torch, dtype, bound):
    from torchvision.models.detection.roi_heads import fastrcnn_loss

    rng, k, classes = np.random.default_rng(2), 60, 5
    logits, deltas = (rng.normal(size=s).astype(dtype) for s in ((k, classes), (k, 4 * classes)))
    labels = rng.integers(0, classes, k)
    encoded = rng.normal(0, 0.5, (k, 4)).astype(dtype)
    x, d = (torch.tensor(v, requires_grad=True) for v in (logits, deltas))
    one, two = fastrcnn_loss(x, d, list(torch.tensor(labels).split(30)), list(torch.tensor(encoded).split(30)))
    (one + 2 * two).backward()
    mine = [Tensor(v, requires_grad=True) for v in (logits, deltas)]
    got = head_loss(*mine, labels=labels, encoded=encoded[labels > 0])
    close(got["classes"].numpy(), one.detach(), bound)
    close(got["box"].numpy(), two.detach(), bound)
    (got["classes"] + got["box"] * dtype(2)).backward()
    for a, b in zip(mine, (x, d), strict=True):
        close(a.grad, b.grad, bound)


@pytest.mark.parametrize(("dtype", "bound"), DTYPES)
def test_masks(torch, dtype, bound):
    from torchvision.models.detection.roi_heads import maskrcnn_loss, project_masks_on_boxes

    rng, n, classes = np.random.default_rng(3), 2, 4
    dense = rng.random((n, 7, 40, 50)) < 0.4
    truth_labels = rng.integers(1, classes, (n, 7))
    regions = [boxes_of(rng, 9, side=30).astype(dtype) for _ in range(n)]  # some reach over the edge
    which = [rng.integers(0, 7, 9) for _ in range(n)]
    for masks, boxes, at in zip(dense, regions, which, strict=True):
        theirs = project_masks_on_boxes(torch.tensor(masks), torch.tensor(boxes), torch.tensor(at), 28).numpy()
        close(mask_targets(encode(masks), boxes, at, size=28), theirs, bound)
    logits = rng.normal(size=(18, classes, 28, 28)).astype(dtype)
    x = torch.tensor(logits, requires_grad=True)
    loss = maskrcnn_loss(
        x, [torch.tensor(v) for v in regions], [torch.tensor(v) for v in dense],
        [torch.tensor(v) for v in truth_labels], [torch.tensor(v) for v in which],
    )  # fmt: skip
    loss.backward()
    mine = Tensor(logits, requires_grad=True)
    targets = np.concatenate([mask_targets(encode(m), b, w) for m, b, w in zip(dense, regions, which, strict=True)])
    labels = np.concatenate([t[w] for t, w in zip(truth_labels, which, strict=True)])
    got = mask_loss(mine, labels=labels, targets=targets)
    close(got.numpy(), loss.detach(), bound)
    got.backward()
    close(mine.grad, x.grad, bound)


@pytest.mark.parametrize(("dtype", "bound"), DTYPES)
def test_keypoints(torch, dtype, bound):
    from torchvision.models.detection.roi_heads import keypointrcnn_loss, keypoints_to_heatmap

    rng, k = np.random.default_rng(4), 5
    regions = boxes_of(rng, 12, side=40, whole=True).astype(dtype)
    points = np.concatenate([rng.random((12, k, 2)) * 60, rng.integers(0, 3, (12, k, 1))], axis=2).astype(dtype)
    points[0, 0, :2], points[1, 1, :2] = regions[0, 2:], regions[1, :2]  # on corners
    points[:2, :2, 2] = 2
    heat, valid = keypoints_to_heatmap(torch.tensor(points), torch.tensor(regions), 56)
    places, counted = keypoint_targets(points, regions)
    np.testing.assert_array_equal(counted, valid.numpy() > 0)
    np.testing.assert_array_equal(places, heat.numpy())
    assert counted[0, 0]
    logits = rng.normal(size=(12, k, 56, 56)).astype(dtype)
    x = torch.tensor(logits, requires_grad=True)
    loss = keypointrcnn_loss(x, [torch.tensor(regions)], [torch.tensor(points)], [torch.arange(12)])
    loss.backward()
    mine = Tensor(logits, requires_grad=True)
    got = keypoint_loss(mine, places=places, counted=counted)
    close(got.numpy(), loss.detach(), bound)
    got.backward()
    close(mine.grad, x.grad, bound)
