"""The R-CNNs beside torchvision's with one set of random weights: each stage given what torchvision's was given.

Both heads of Mask and of Keypoint R-CNN are on one network, so that the pyramid is computed once.  End to end the two
are compared in float64, where no rounding decides which of two proposals is the better.
"""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from minidet_kernels.masks import decode, from_coco
from PIL import Image

from minidet import nn
from minidet.autograd import Tensor, no_grad
from minidet.boxes.keypoints import keypoints_of
from minidet.boxes.paste import paste
from minidet.boxes.rcnn import select
from minidet.boxes.yolo import sigmoid
from minidet.cli import main
from minidet.models import build
from minidet.models.rcnn import Batch, Instances
from minidet.models.rcnn.pool import levels_of, rois_of
from minidet.weights.renaming import renamed
from minidet.weights.torchvision_rcnn import LAYOUT, RCNN

pytestmark = pytest.mark.oracle
CLASSES, POINTS, SHORTEST, LONGEST = 6, 5, 128, 160
MOST, BEFORE, AFTER = 6, 150, 200  # few, so that the heads take no minutes
COUNTS = {"rpn_pre_nms_top_n_test": BEFORE, "rpn_post_nms_top_n_test": AFTER}
SURE = 0.99
HEADS = ("box", "mask", "keypoint")


def close(mine, theirs, bound=1e-4):
    mine, theirs = (np.asarray(x.data if isinstance(x, Tensor) else x) for x in (mine, theirs))
    assert mine.shape == theirs.shape
    scale, worst = np.abs(theirs).max(initial=0), np.abs(mine - theirs).max(initial=0)
    assert worst <= bound * scale, (worst, scale)


def tensors(*xs):
    return [Tensor(x.numpy()) for x in xs]


def network(torch, classes=CLASSES, **options):
    """Mask R-CNN of torchvision with frozen batch norm, and the keypoint head of its Keypoint R-CNN."""
    detection = pytest.importorskip("torchvision").models.detection
    backbone = detection.backbone_utils.resnet_fpn_backbone(
        backbone_name="resnet50",
        weights=None,
        norm_layer=pytest.importorskip("torchvision").ops.FrozenBatchNorm2d,
        trainable_layers=5,
    )
    theirs = detection.MaskRCNN(backbone, num_classes=1 + classes, **options)
    theirs.roi_heads.keypoint_roi_pool = theirs.roi_heads.mask_roi_pool
    theirs.roi_heads.keypoint_head = detection.keypoint_rcnn.KeypointRCNNHeads(256, (512,) * 8)
    theirs.roi_heads.keypoint_predictor = detection.keypoint_rcnn.KeypointRCNNPredictor(512, POINTS)
    return theirs.eval()


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return torch


def calibrate(torch, theirs, images):
    """Box predictions that differ from box to box: with random weights most of them is the same for all."""
    batch, _ = theirs.transform([torch.from_numpy(image) for image in images])
    heads, features = theirs.roi_heads, theirs.backbone(batch.tensors)
    proposals, _ = theirs.rpn(batch, features)
    hidden = heads.box_head(heads.box_roi_pool(features, proposals, batch.image_sizes))
    for linear, spread in ((heads.box_predictor.cls_score, 2.0), (heads.box_predictor.bbox_pred, 0.5)):
        made = linear(hidden)
        linear.weight *= spread / made.std(0)[:, None]
        linear.bias -= linear(hidden).mean(0)


@pytest.fixture(scope="module")
def both(torch, images):
    theirs = network(torch, min_size=SHORTEST, max_size=LONGEST, box_detections_per_img=MOST, **COUNTS)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, buffer in theirs.named_buffers():  # statistics as they are after training: none of them 0 or 1
            if "running_mean" in name or name.endswith("bias"):
                buffer.normal_(0, 0.2, generator=draw)
            else:
                buffer.uniform_(0.5, 1.0, generator=draw)
        for name, p in theirs.named_parameters():
            if name.endswith("bias"):
                p.normal_(0, 0.1, generator=draw)
        theirs.rpn.head.bbox_pred.weight /= 8
        theirs.roi_heads.mask_predictor.mask_fcn_logits.weight /= 8
        calibrate(torch, theirs, images)
    with nn.init.skipped():
        size = (SHORTEST, LONGEST)
        options = {"before": (BEFORE, BEFORE), "after": (AFTER, AFTER), "most": MOST}
        mine = build("mask-rcnn-r50-fpn", classes=CLASSES, keypoints=POINTS, size=size, **options).eval()
    state = {name: array.numpy() for name, array in theirs.state_dict().items()}
    mine.load_state_dict(renamed(state, RCNN, wanted=mine.state_dict()))
    return theirs, mine


@pytest.fixture(scope="module")
def images(torch):
    """Pictures with shapes in them, of two sizes: the first becomes larger, the second smaller and padded."""
    draw = np.random.default_rng(2)
    made = []
    for h, w in ((97, 122), (211, 203)):
        image = draw.random((3, h // 8 + 1, w // 8 + 1)).repeat(8, axis=1).repeat(8, axis=2)[:, :h, :w]
        made.append((0.8 * image + 0.2 * draw.random((3, h, w))).astype("f4"))
    return made


@pytest.fixture(scope="module")
def stages(torch, both, images):
    """All that torchvision's computes, stage by stage."""
    theirs, _ = both
    detection = pytest.importorskip("torchvision").models.detection
    heads, rpn, made = theirs.roi_heads, theirs.rpn, {}
    with torch.no_grad():
        batch, _ = theirs.transform([torch.from_numpy(image) for image in images])
        body = theirs.backbone.body(batch.tensors)
        features = theirs.backbone.fpn(body)
        logits, deltas = rpn.head(list(features.values()))
        anchors = rpn.anchor_generator(batch, list(features.values()))
        rows = detection.rpn.concat_box_prediction_layers(list(logits), list(deltas))
        decoded = rpn.box_coder.decode(rows[1], anchors).view(len(images), -1, 4)
        counts = [x[0].numel() for x in logits]
        proposals, scores = rpn.filter_proposals(decoded, rows[0], batch.image_sizes, counts)
        pooled = heads.box_roi_pool(features, proposals, batch.image_sizes)
        class_logits, box_deltas = heads.box_predictor(heads.box_head(pooled))
        found = heads.postprocess_detections(class_logits, box_deltas, proposals, batch.image_sizes)
        results, _ = heads(features, proposals, batch.image_sizes)
        boxes = [one["boxes"] for one in results]
        made["mask_pooled"] = heads.mask_roi_pool(features, boxes, batch.image_sizes)
        made["mask_logits"] = heads.mask_predictor(heads.mask_head(made["mask_pooled"]))
        made["keypoint_pooled"] = heads.keypoint_roi_pool(features, boxes, batch.image_sizes)
        made["keypoint_logits"] = heads.keypoint_predictor(heads.keypoint_head(made["keypoint_pooled"]))
        last = theirs.transform.postprocess(
            copy.deepcopy(results), batch.image_sizes, [image.shape[1:] for image in images]
        )
    made |= {"batch": batch, "body": list(body.values()), "features": list(features.values())}
    made |= {"logits": logits, "deltas": deltas, "anchors": anchors, "proposals": proposals, "scores": scores}
    made |= {"pooled": pooled, "class_logits": class_logits, "box_deltas": box_deltas, "found": found}
    return made | {"results": results, "last": last}


def batch_of(stages, images):
    batch = stages["batch"]
    return Batch(
        Tensor(batch.tensors.numpy()),
        tuple(batch.image_sizes),
        tuple(image.shape[1:] for image in images),
    )


def test_the_network_says_something(stages):
    """What is compared below is neither empty nor the same for every box, and some of it was suppressed."""
    for proposals, result in zip(stages["proposals"], stages["results"], strict=True):
        assert len(result["boxes"]) == MOST
        assert len(set(result["labels"].tolist())) > 2
        assert 100 < len(proposals) <= AFTER < sum(min(BEFORE, x[0].numel()) for x in stages["logits"])
    assert len(np.unique(levels_of(np.concatenate([p.numpy() for p in stages["proposals"]])))) > 1


def test_transform(stages, both, images):
    batch = both[1].transform(images)
    assert batch.sizes == tuple(tuple(size) for size in stages["batch"].image_sizes)
    close(batch.x, stages["batch"].tensors)


@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (400, 3), (480, 640), (427, 640), (800, 1333), (801, 1334)])
def test_sizes_are_theirs(torch, shape):
    detection = pytest.importorskip("torchvision").models.detection
    theirs = detection.transform.GeneralizedRCNNTransform(80, 133, [0.0] * 3, [1.0] * 3)
    mine = build("mask-rcnn-r18-fpn-small", width=1 / 64, size=(80, 133)).transform
    if min(shape) == 3:
        assert mine.size(shape) == tuple(max(int(133 / 400 * side), 1) for side in shape)  # theirs has no pixel
    else:
        assert mine.size(shape) == tuple(theirs([torch.zeros(3, *shape)])[0].image_sizes[0])


def test_levels_of_the_backbone_and_the_pyramid(stages, both):
    backbone = both[1].backbone
    with no_grad():
        body = backbone.body(Tensor(stages["batch"].tensors.numpy()))
        pyramid = backbone.fpn(tensors(*stages["body"]))
    assert len(pyramid) == len(stages["features"]) == 5
    for mine, theirs in zip((*body, *pyramid), stages["body"] + stages["features"], strict=True):
        close(mine, theirs)


def test_objectness_deltas_and_anchors(stages, both):
    rpn = both[1].rpn
    features = tensors(*stages["features"])
    with no_grad():
        logits, deltas = rpn.head(features)
    for mine, theirs in zip((*logits, *deltas), stages["logits"] + stages["deltas"], strict=True):
        close(mine, theirs)
    anchors = np.concatenate(rpn.anchors(features, stages["batch"].tensors.shape[2:]))
    np.testing.assert_array_equal(anchors, stages["anchors"][0].numpy())


def test_proposals(stages, both, images):
    rpn, batch = both[1].rpn, batch_of(stages, images)
    rows = rpn.rows(tensors(*stages["logits"]), tensors(*stages["deltas"]))
    made = rpn.propose(*rows, rpn.anchors(tensors(*stages["features"]), batch.padded), batch.sizes)
    for mine, boxes, scores in zip(made, stages["proposals"], stages["scores"], strict=True):
        close(mine.boxes, boxes)
        close(mine.scores, scores)


@pytest.mark.parametrize("which", HEADS)
def test_pooled_features(stages, both, which):
    boxes = stages["proposals"] if which == "box" else [one["boxes"] for one in stages["results"]]
    theirs = stages["pooled" if which == "box" else f"{which}_pooled"]
    pooled = both[1].roi_heads.pool(tensors(*stages["features"]), [b.numpy() for b in boxes], theirs.shape[-1])
    close(pooled, theirs)


def test_heads(stages, both):
    heads = both[1].roi_heads
    with no_grad():
        logits, deltas = heads.box_predictor(heads.box_head(*tensors(stages["pooled"])))
        masks = heads.mask_predictor(heads.mask_head(*tensors(stages["mask_pooled"])))
        points = heads.keypoint_predictor(heads.keypoint_head(*tensors(stages["keypoint_pooled"])))
    close(logits, stages["class_logits"])
    close(deltas, stages["box_deltas"])
    close(masks, stages["mask_logits"])
    close(points, stages["keypoint_logits"])


def test_boxes(stages):
    ends = np.cumsum([len(p) for p in stages["proposals"]])[:-1]
    parts = (np.split(stages[name].numpy(), ends) for name in ("class_logits", "box_deltas"))
    for logits, deltas, proposals, size, boxes, scores, labels in zip(
        *parts, stages["proposals"], stages["batch"].image_sizes, *stages["found"], strict=True
    ):
        mine = select(logits, deltas, proposals.numpy(), size, most=MOST)
        assert mine.labels.tolist() == (labels - 1).tolist()
        close(mine.boxes, boxes)
        close(mine.scores, scores)


def test_masks_pasted_masks_and_keypoints(stages, both, images):
    start = 0
    batch = batch_of(stages, images)
    for i, (one, last) in enumerate(zip(stages["results"], stages["last"], strict=True)):
        end = start + len(one["boxes"])
        logits = stages["mask_logits"][start:end].numpy()
        masks = sigmoid(logits[np.arange(end - start), one["labels"].numpy()])
        close(masks, one["masks"][:, 0])
        points, scores = keypoints_of(stages["keypoint_logits"][start:end].numpy(), one["boxes"].numpy())
        close(points, one["keypoints"])
        close(scores, one["keypoints_scores"])
        pasted = paste(one["masks"][:, 0].numpy(), last["boxes"].numpy(), images[i].shape[1:])
        close(pasted, last["masks"][:, 0])
        close(batch.to_image(i, one["boxes"].numpy()), last["boxes"])
        mine = both[1].transform.to_images([some(one)] * len(images), batch)[i]
        close(mine.keypoints, last["keypoints"])
        start = end


def some(one):
    """Their result as ours."""
    boxes, scores, labels, points = (one[name].numpy() for name in ("boxes", "scores", "labels", "keypoints"))
    return Instances(boxes, scores, labels - 1, np.arange(len(boxes)), keypoints=points)


def test_end_to_end_in_float64(torch, both, images):
    """Everything from the pixels on, in doubles."""
    theirs, mine = (copy.deepcopy(model) for model in both)
    theirs.roi_heads.detections_per_img = mine.roi_heads.most = 3
    image = images[0].astype("f8")
    with torch.no_grad():
        (wanted,) = theirs.double()([torch.from_numpy(image)])
    with no_grad():
        (found,) = mine.astype("f8")([image])
    assert len(found) == len(wanted["scores"]) == 3
    assert found.labels.tolist() == (wanted["labels"] - 1).tolist()
    for name in ("boxes", "scores", "keypoints"):
        close(getattr(found, name), wanted[name], 1e-6)
    close(found.keypoint_scores, wanted["keypoints_scores"], 1e-6)
    close(found.masks, wanted["masks"][:, 0], 1e-6)


def test_the_command_line_finds_what_theirs_does(torch, both, images, tmp_path, capsys):
    """Their file, an image file, and both thresholds as they come; in float32, so a pixel of a mask may differ."""
    theirs = copy.deepcopy(both[0])
    torch.save(theirs.state_dict(), tmp_path / "x.pth")
    image = np.rint(images[0] * 255).astype("u1").transpose(1, 2, 0)
    Image.fromarray(image).save(tmp_path / "a.png")
    theirs.rpn._pre_nms_top_n = theirs.rpn._post_nms_top_n = {"testing": 1000}
    theirs.roi_heads.detections_per_img, theirs.roi_heads.score_thresh = 100, SURE
    with torch.no_grad():
        (wanted,) = theirs([torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255))])
    command = ["detect", str(tmp_path / "a.png"), "--model", "mask-rcnn-r50-fpn", "--weights", str(tmp_path / "x.pth")]
    assert main([*command, "--size", f"{SHORTEST}x{LONGEST}", "--score", str(SURE), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["images"]
    found = found["detections"]
    assert 2 < len(found) == len(wanted["scores"]) < 20
    assert [one["label"] for one in found] == (wanted["labels"] - 1).tolist()
    close(np.array([one["box"] for one in found]), wanted["boxes"], 1e-3)
    close(np.array([one["score"] for one in found]), wanted["scores"])
    close(np.array([one["keypoints"] for one in found]), wanted["keypoints"][..., :2], 1e-3)
    masks = decode(from_coco([one["mask"] for one in found]))
    assert (masks != (wanted["masks"][:, 0] > 0.5).numpy()).mean() < 1e-3


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("fasterrcnn_resnet50_fpn", "faster-rcnn-r50-fpn"),
        ("maskrcnn_resnet50_fpn", "mask-rcnn-r50-fpn"),
        ("keypointrcnn_resnet50_fpn", "keypoint-rcnn-r50-fpn"),
    ],
)
def test_names_and_shapes_of_each_network(torch, theirs, ours):
    """Their networks as they are built, with 91 classes or 2, of which nothing but the shapes is made."""
    detection = pytest.importorskip("torchvision").models.detection
    with torch.device("meta"):
        state = getattr(detection, theirs)(weights=None, weights_backbone=None).state_dict()
    shapes = {name: np.broadcast_to(np.float32(0), tuple(one.shape)) for name, one in state.items()}
    with nn.init.skipped():
        mine = build(ours)
    made = renamed(shapes, RCNN, wanted=mine.state_dict(), ignored=LAYOUT.ignored)
    assert set(made) == set(mine.state_dict())


def test_rois_are_theirs(torch):
    boxes = [np.arange(8.0).reshape(2, 4), np.zeros((0, 4)), np.ones((1, 4))]
    theirs = pytest.importorskip("torchvision").ops._utils.convert_boxes_to_roi_format
    np.testing.assert_array_equal(rois_of(boxes), theirs([torch.from_numpy(b) for b in boxes]).numpy())


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet101"])
def test_other_depths_have_the_same_names_and_maps(torch, name):
    torchvision = pytest.importorskip("torchvision")
    from minidet.models.resnet import ResNet

    theirs = torchvision.models.get_model(name, weights=None).eval()
    mine = ResNet(int(name[6:]), norm="batch").eval()
    state = {k: v.numpy() for k, v in theirs.state_dict().items() if "num_batches" not in k and not k.startswith("fc")}
    assert set(state) == set(mine.state_dict())
    mine.load_state_dict(state)
    x = torch.rand(1, 3, 45, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), no_grad():
        y, made = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x)))), mine(Tensor(x.numpy()))
        for layer, one in zip((theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4), made, strict=True):
            y = layer(y)
            close(one, y)
