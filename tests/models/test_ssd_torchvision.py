"""SSD300 beside torchvision's, with one set of random weights: priors, heads, boxes, detections, losses, gradients."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from PIL import Image
from support.realdata import data

from minidet import nn
from minidet.autograd import Tensor
from minidet.boxes.convert import cxcywh_to_xyxy
from minidet.cli import main
from minidet.detect import choose
from minidet.models import build
from minidet.train.multibox import MultiboxLoss
from minidet.train.truths import Truths
from minidet.weights.renaming import renamed
from minidet.weights.torchvision_ssd import OPTIONS, SSD300

pytestmark = pytest.mark.oracle
CLASSES, SCORE = 5, 0.85


def close(mine, theirs, bound=1e-4):
    theirs = np.asarray(theirs)
    assert np.asarray(mine).shape == theirs.shape
    scale, worst = np.abs(theirs).max(initial=0), np.abs(mine - theirs).max(initial=0)
    assert worst <= (bound * scale or 1e-12), (worst, scale)


@pytest.fixture(scope="module")
def both():
    torch, torchvision = pytest.importorskip("torch"), pytest.importorskip("torchvision")
    torch.manual_seed(0)
    theirs = torchvision.models.detection.ssd300_vgg16(
        weights=None, weights_backbone=None, num_classes=CLASSES + 1, topk_candidates=400, score_thresh=0.01
    )
    images = torch.rand(2, 3, 300, 300, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for name, p in theirs.named_parameters():  # calibrated: maps of about one, logits that differ
            if p.ndim == 4:
                gain = 1.0 if "head" in name else 2.0
                p.normal_(0, (gain / p[0].numel()) ** 0.5)
            elif "bias" in name:
                p.normal_(0, 0.1)
        theirs.backbone.features[0].weight /= 64  # of pixels that are multiplied by 255
    with nn.init.skipped():
        mine = build("ssd300", classes=CLASSES, **{k: v for k, v in OPTIONS.items() if k != "size"})
    mine.load_state_dict(from_theirs({k: v.numpy() for k, v in theirs.state_dict().items()}))
    return torch, theirs, mine, images


def from_theirs(state):
    return renamed(state, SSD300, source="state")


def theirs_of(theirs, images):
    """Their transformed images, priors and head outputs."""
    transformed, _ = theirs.transform(list(images))
    features = list(theirs.backbone(transformed.tensors).values())
    return transformed, theirs.anchor_generator(transformed, features), theirs.head(features)


def test_every_entry_of_their_state_has_a_name_of_ours(both):
    _, theirs, mine, _ = both
    assert len(SSD300) * 2 - 1 == len(theirs.state_dict())
    assert set(from_theirs(theirs.state_dict())) == set(mine.state_dict())


def test_priors_heads_boxes(both):
    torch, theirs, mine, images = both
    with torch.no_grad():
        _, anchors, head = theirs_of(theirs, images)
    maps = [raw.numpy() for raw in mine(Tensor(images.numpy()))]
    locations, logits = mine.boxes.rows(maps)
    close(locations, head["bbox_regression"].numpy())
    close(logits, head["cls_logits"].numpy())
    made = mine.boxes.priors([raw.shape[2:] for raw in maps[:6]], (300, 300))
    close(cxcywh_to_xyxy(made) * 300, anchors[0].numpy(), 1e-6)
    found = mine.candidates(maps)
    with torch.no_grad():
        decoded = theirs.box_coder.decode_single(head["bbox_regression"][1], anchors[1]).numpy()
        scores = torch.softmax(head["cls_logits"][1], -1).numpy()[:, 1:]
    close(found[1].boxes, decoded.clip(0, 300))  # they cut boxes to the image just before suppression
    close(found[1].scores, scores)


def test_detections_are_theirs(both):
    """Clip, then per class the 400 best above the threshold, suppression by class, the 200 best."""
    torch, theirs, mine, images = both
    theirs.eval()
    with torch.no_grad():
        wanted = theirs(list(images))
    for candidates, one in zip(mine.candidates([r.data for r in mine(Tensor(images.numpy()))]), wanted, strict=True):
        kept, labels = choose(candidates.boxes, candidates.scores, score=0.01, nms=0.45, per_class=400, most=200)
        boxes, scores = candidates.boxes[kept], candidates.scores[kept, labels]
        assert len(kept) == 200
        order = np.lexsort((-scores, labels))
        theirs_order = np.lexsort((-one["scores"].numpy(), one["labels"].numpy()))
        assert (labels + 1)[order].tolist() == one["labels"].numpy()[theirs_order].tolist()
        close(scores[order], one["scores"].numpy()[theirs_order])
        for box, label in zip(one["boxes"].numpy(), one["labels"].numpy(), strict=True):  # equal scores change places
            mine_of_it = boxes[labels + 1 == label]
            assert np.abs(mine_of_it - box).max(axis=1).min() <= 300e-4


def test_the_command_line_detects_what_theirs_does(both, tmp_path, capsys):
    """Their file, and a photograph that is decoded, brought to 300 x 300 and back."""
    torch, theirs, _, _ = both
    torch.save(theirs.state_dict(), tmp_path / "x.pth")
    picture = data("ssd/mobilenet_ssd_voc/images/000542.jpg")
    image = np.array(Image.open(picture).convert("RGB"))
    theirs = copy.deepcopy(theirs).eval()
    theirs.score_thresh = SCORE
    with torch.no_grad():
        (wanted,) = theirs([torch.from_numpy(image).permute(2, 0, 1) / 255])
    status = main(["detect", str(picture), "--model", "ssd300", "--weights", str(tmp_path / "x.pth"), "--json",
                   "--score", str(SCORE)])  # fmt: skip
    assert status == 0
    (found,) = json.loads(capsys.readouterr().out)["images"]
    found = found["detections"]
    assert len(found) == len(wanted["scores"]) > 10
    close(np.array([one["score"] for one in found]), wanted["scores"].numpy())
    labels, boxes = wanted["labels"].numpy() - 1, wanted["boxes"].numpy()
    for one in found:  # equal scores change places
        same = labels == one["label"]
        assert np.abs(boxes[same] - one["box"]).max(axis=1).min() <= max(image.shape) * 1e-4


TRUTHS = [  # of sizes for every map
    Truths(
        np.array(
            [
                [0.3, 0.4, 0.4, 0.3],
                [0.7, 0.6, 0.2, 0.5],
                [0.31, 0.41, 0.4, 0.3],
                [0.1, 0.1, 0.07, 0.08],
                [0.8, 0.2, 0.15, 0.14],
                [0.5, 0.5, 0.6, 0.5],
                [0.5, 0.5, 0.75, 0.7],
                [0.5, 0.5, 0.95, 0.95],
            ]
        ),
        np.array([0, 3, 1, 2, 2, 4, 1, 0]),
    ),
    Truths(np.array([[0.5, 0.5, 0.9, 0.9]]), np.array([4])),
]


def targets_of(torch, dtype):
    return [
        {"boxes": torch.tensor(cxcywh_to_xyxy(boxes) * 300, dtype=dtype), "labels": torch.tensor(labels + 1)}
        for boxes, labels in TRUTHS
    ]


def test_matching_mining_and_losses(both):
    torch, theirs, mine, images = both
    theirs.train()
    targets = targets_of(torch, torch.float32)
    with torch.no_grad():
        wanted = theirs(list(images), targets)
    loss = MultiboxLoss(mine.boxes, mine.size, shortage="twice")
    maps = mine(Tensor(images.numpy()))
    terms = loss.terms(maps, TRUTHS)
    close(terms["locations"].numpy(), wanted["bbox_regression"].numpy())
    close(terms["classes"].numpy(), wanted["classification"].numpy())

    with torch.no_grad():
        _, anchors, head = theirs_of(theirs, images)
    chosen = loss.targets([raw.data for raw in maps], TRUTHS)
    for k, target in enumerate(targets):
        matrix = pytest.importorskip("torchvision").ops.box_iou(target["boxes"], anchors[k])
        matched = theirs.proposal_matcher(matrix).numpy()
        np.testing.assert_array_equal(np.where(matched >= 0, matched, -1), chosen.matches[k].truth)
        logits, classes = head["cls_logits"][k], torch.tensor(chosen.classes[k])
        losses = torch.nn.functional.cross_entropy(logits, classes, reduction="none")
        losses[classes > 0] = -float("inf")
        hardest = losses.argsort(descending=True)[: 3 * int((classes > 0).sum())].numpy()
        assert set(hardest) == set(np.flatnonzero(chosen.mined[k]))


def test_every_gradient_of_the_network(both):
    """In float64: in float32 the sign of a pre-activation near 0 differs now and then, and with it a whole path."""
    torch, theirs, mine, images = both
    theirs, images = copy.deepcopy(theirs).double().train(), images[:1].double()
    priors = theirs.anchor_generator
    priors._wh_pairs = priors._generate_wh_pairs(6, dtype=torch.float64)  # which are made in float32 otherwise
    mine = copy.deepcopy(mine).astype(np.float64)
    torch.set_default_dtype(torch.float64)  # or the centres of their priors are made in float32
    try:
        wanted = theirs(list(images), targets_of(torch, torch.float64)[:1])
    finally:
        torch.set_default_dtype(torch.float32)
    (wanted["bbox_regression"] + wanted["classification"]).backward()
    loss = MultiboxLoss(mine.boxes, mine.size, shortage="twice")
    loss(mine(Tensor(images.numpy())), TRUTHS[:1]).backward()
    gradients = from_theirs({k: p.grad.numpy() for k, p in theirs.named_parameters()})
    for name, parameter in mine.named_parameters():
        close(parameter.grad, gradients[name], 1e-9)
