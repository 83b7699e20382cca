"""A whole step of training beside torchvision's: every loss, and the gradient of every parameter, sampling fixed."""

from __future__ import annotations

import re

import numpy as np
import pytest
from minidet_kernels.masks import decode, encode

from minidet import nn
from minidet.autograd import Tensor
from minidet.models.fpn import FPN
from minidet.models.rcnn import RCNN
from minidet.models.resnet import ResNet
from minidet.train.rcnn import RcnnLoss
from minidet.train.region_truths import RegionTruths

pytestmark = pytest.mark.oracle
CLASSES, SIZE, POINTS, THIN = 3, (96, 128), 4, 16
NAMES = {"objectness": "loss_objectness", "rpn_box": "loss_rpn_box_reg", "classes": "loss_classifier",
         "box": "loss_box_reg", "mask": "loss_mask", "keypoint": "loss_keypoint"}  # fmt: skip
LESS = {"rpn_pre_nms_top_n_train": 150, "rpn_post_nms_top_n_train": 60, "box_batch_size_per_image": 32,
        "rpn_batch_size_per_image": 48, "min_size": SIZE[0], "max_size": SIZE[1]}  # fmt: skip
ANCHORS = (12.0, 24.0, 48.0, 96.0, 128.0)


def close(mine, theirs, bound, what):
    mine, theirs = np.asarray(mine), np.asarray(theirs)
    assert mine.shape == theirs.shape, what
    scale, worst = np.abs(theirs).max(initial=0), np.abs(mine - theirs).max(initial=0)
    assert worst <= bound * scale or (scale == 0 and worst == 0), (what, worst, scale)


def ours(name):
    """Their name of a parameter as ours."""
    name = re.sub(r"(fpn\.\w+\.\d)\.0\.", r"\1.", name).replace("head.conv.0.0", "head.conv")
    return re.sub(r"mask_head\.(\d)\.0", lambda m: f"mask_head.mask_fcn{int(m[1]) + 1}", name)


def scenes(rng, keypoints):
    """Two images with 4 and 3 objects, the last image's on its edge; masks that overlap."""
    images, truths = rng.random((2, 3, *SIZE)), []
    for n in (4, 3):
        low = rng.integers(0, 60, (n, 2))
        boxes = np.concatenate([low, np.minimum(low + rng.integers(8, 60, (n, 2)), SIZE[::-1])], axis=1)
        masks = np.zeros((n, *SIZE), bool)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
            mask[y1:y2, x1:x2] = rng.random((y2 - y1, x2 - x1)) < 0.7
        points = None
        if keypoints:
            xy = rng.integers(0, 60, (n, POINTS, 2)) + np.minimum(low, 40)[:, None]
            points = np.concatenate([xy, rng.integers(0, 3, (n, POINTS, 1))], axis=2).astype(float)
        labels = rng.integers(0, 1 if keypoints else CLASSES, n)
        truths.append(RegionTruths(boxes.astype(float), labels, encode(masks), points))
    return images, truths


def their_model(masks):
    """Thin heads on ResNet-18: a whole one takes minutes in float64."""
    from torchvision.models import resnet18
    from torchvision.models.detection import KeypointRCNN, MaskRCNN
    from torchvision.models.detection.backbone_utils import BackboneWithFPN
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
    from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
    from torchvision.models.detection.rpn import AnchorGenerator
    from torchvision.ops import FrozenBatchNorm2d

    body = resnet18(weights=None, norm_layer=FrozenBatchNorm2d)
    backbone = BackboneWithFPN(body, {f"layer{i + 1}": str(i) for i in range(4)}, [64, 128, 256, 512], THIN)
    classes = CLASSES if masks else 1
    options = {
        "rpn_anchor_generator": AnchorGenerator(tuple((int(s),) for s in ANCHORS), ((0.5, 1.0, 2.0),) * 5),
        "box_head": TwoMLPHead(THIN * 49, 4 * THIN),
        "box_predictor": FastRCNNPredictor(4 * THIN, 1 + classes),
    }
    if masks:
        heads = {"mask_head": MaskRCNNHeads(THIN, (THIN,) * 4, 1),
                 "mask_predictor": MaskRCNNPredictor(THIN, THIN, 1 + classes)}  # fmt: skip
        return MaskRCNN(backbone, **options, **heads, **LESS)
    heads = {"keypoint_head": KeypointRCNNHeads(THIN, (2 * THIN,) * 8),
             "keypoint_predictor": KeypointRCNNPredictor(2 * THIN, POINTS)}  # fmt: skip
    return KeypointRCNN(backbone, **options, **heads, **LESS)


def our_model(masks):
    with nn.init.skipped():
        mine = RCNN(CLASSES if masks else 1, masks=masks, keypoints=0 if masks else POINTS, size=SIZE,
                    anchors=ANCHORS, before=(150, 150), after=(60, 60), depth=18, width=THIN / 256)  # fmt: skip
        mine.backbone.body, mine.backbone.fpn = ResNet(18), FPN((64, 128, 256, 512), THIN)
    return mine


@pytest.fixture(scope="module", params=["mask", "keypoint"])
def both(request):
    """Their model and ours with the same weights, in float64, and a batch."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchvision")
    torch.manual_seed(0)
    theirs = their_model(request.param == "mask")
    with torch.no_grad():
        for name, p in theirs.named_parameters():  # every sum of about one, so that all logits differ
            if p.ndim > 1:
                fan = p.shape[0] if "kps" in name or "conv5" in name else p[0].numel()
                p.normal_(0, (0.7 / fan) ** 0.5)
    theirs = theirs.double().train()
    mine = our_model(request.param == "mask")
    mine.astype(np.float64)
    mine.load_state_dict({ours(k): v.numpy().copy() for k, v in theirs.state_dict().items()})
    rng = np.random.default_rng(7)
    images, truths = scenes(rng, request.param == "keypoint")
    targets = []
    for one in truths:
        target = {"boxes": torch.tensor(one.boxes), "labels": torch.tensor(one.labels + 1),
                  "masks": torch.tensor(decode(one.masks).astype(np.uint8))}  # fmt: skip
        if one.keypoints is not None:
            target["keypoints"] = torch.tensor(one.keypoints, dtype=torch.float32)
        targets.append(target)
    return torch, theirs, mine, images, truths, targets


@pytest.fixture
def fixed(both, monkeypatch):
    torch = both[0]
    monkeypatch.setattr(torch, "randperm", lambda n, **_: torch.tensor(shuffled(n)))
    return both


def shuffled(n, k=None):
    """An order of n things that both programs know; from all levels of the pyramid come some."""
    return np.random.default_rng(n).permutation(n)[:k]


def loss_of(mine, **options):
    return RcnnLoss(mine, pick=shuffled, untouched="all", anchors=48, boxes=32, **options)


def test_every_loss_and_the_gradient_of_every_parameter(fixed):
    torch, theirs, mine, images, truths, targets = fixed
    theirs.zero_grad()
    wanted = theirs([torch.tensor(x) for x in images], targets)
    sum(wanted.values()).backward()
    mine.train()
    mine.zero_grad()
    step = loss_of(mine).step(Tensor(images), truths)
    assert {NAMES[name] for name in step.terms} == set(wanted)
    for name, term in step.terms.items():
        assert wanted[NAMES[name]].item() > 1e-3, name
        close(term.numpy(), wanted[NAMES[name]].detach(), 1e-6, name)
    sum(step.terms.values(), start=Tensor(np.zeros(()))).backward()
    named = dict(mine.named_parameters())
    assert {ours(name) for name, _ in theirs.named_parameters()} == set(named)
    for name, p in theirs.named_parameters():
        if name.endswith("kps_score_lowres.bias"):  # the same number on every place: no gradient but for rounding
            assert max(np.abs(named[name].grad).max(), p.grad.abs().max()) < 1e-13
            continue
        assert p.grad.abs().max() > 1e-9, name
        close(named[ours(name)].grad, p.grad, 1e-6, name)
    for one in step.proposals:  # both kinds are learned from
        assert len(one.positives) >= 3
        assert len(one.negatives) >= 3


def test_each_stage_in_float32_on_their_inputs(fixed):
    """The RPN on their maps, the heads on their maps and proposals: losses, and gradients of the maps."""
    torch, theirs, mine, images, truths, targets = fixed
    theirs.float()
    mine.astype(np.float32)
    try:
        batch, known = loss_of(mine).inputs(Tensor(images.astype(np.float32)), truths)
        small = [{k: v.float() if k == "boxes" else v for k, v in t.items()} for t in targets]
        listed, resized = theirs.transform([torch.tensor(x.astype(np.float32)) for x in images], small)
        close(batch.x.numpy(), listed.tensors, 1e-4, "transform")
        maps = {k: v.detach().requires_grad_() for k, v in theirs.backbone(listed.tensors).items()}
        features = [Tensor(v.detach().numpy().copy(), requires_grad=True) for v in maps.values()]
        proposed, rpn = theirs.rpn(listed, maps, resized)
        sum(rpn.values()).backward()
        terms, *_ = loss_of(mine).first(features, batch, known)
        sum(terms.values(), start=Tensor(np.zeros((), np.float32))).backward()
        compare(terms, rpn, features, maps)

        maps = {k: v.detach().requires_grad_() for k, v in maps.items()}
        features = [Tensor(v.detach().numpy().copy(), requires_grad=True) for v in maps.values()]
        _, heads = theirs.roi_heads(maps, proposed, listed.image_sizes, resized)
        sum(heads.values()).backward()
        terms, _ = loss_of(mine).second(features, [p.detach().numpy() for p in proposed], known)
        sum(terms.values(), start=Tensor(np.zeros((), np.float32))).backward()
        compare(terms, heads, features, maps)
    finally:
        theirs.double()
        mine.astype(np.float64)
        mine.load_state_dict({ours(k): v.numpy().copy() for k, v in theirs.state_dict().items()})


def compare(terms, wanted, features, maps):
    assert {NAMES[name] for name in terms} == set(wanted)
    for name, term in terms.items():
        close(term.numpy(), wanted[NAMES[name]].detach(), 1e-4, name)
    for mine, theirs in zip(features, maps.values(), strict=True):
        got, want = (np.zeros(mine.shape) if g is None else g for g in (mine.grad, theirs.grad))
        close(got, want, 1e-4, "the gradient of a map")


def test_an_image_without_truths(fixed):
    """All its anchors and proposals say that there is nothing (masks and keypoints are the other image's)."""
    torch, theirs, mine, images, truths, targets = fixed
    empty = {k: v[:0] for k, v in targets[0].items()}
    wanted = theirs([torch.tensor(x) for x in images], [empty, targets[1]])
    bare = RegionTruths(np.zeros((0, 4)), np.zeros(0, np.int64), None, None)
    mine.train()
    step = loss_of(mine).step(Tensor(images), [bare, truths[1]])
    assert len(step.proposals[0].positives) == 0
    for name, term in step.terms.items():
        close(term.numpy(), wanted[NAMES[name]].detach(), 1e-6, name)
