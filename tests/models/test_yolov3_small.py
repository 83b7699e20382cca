"""The YOLOv3 for a few hundred pictures."""

from __future__ import annotations

import numpy as np
import pytest

from minidet import Tensor, no_grad
from minidet.errors import InputError
from minidet.facts import facts
from minidet.models import build
from minidet.models.yolov3 import COARSE, FINE, MEDIUM

THREE = [[(30, 40)], [(8, 9), (10, 20)], [(4, 4), (5, 5), (6, 3)]]


@pytest.mark.parametrize(("size", "classes"), [((32, 64), 3), ((96, 32), 1)])
def test_shapes_of_its_maps_and_candidates(size, classes):
    model = build("yolov3-small", classes=classes, size=size, width=0.25, anchors=THREE, rng=0).eval()
    with no_grad():
        heads = model(Tensor(np.zeros((2, 3, *size), np.float32)))
    expected = [(2, a * (5 + classes), size[0] // s, size[1] // s) for a, s in ((1, 32), (2, 16), (3, 8))]
    assert [h.shape for h in heads] == expected
    found = model.candidates([h.data for h in heads])
    count = sum(len(pairs) * h.shape[2] * h.shape[3] for pairs, h in zip(THREE, heads, strict=True))
    assert [(c.boxes.shape, c.scores.shape) for c in found] == [((count, 4), (count, classes))] * 2


def test_anchors_by_default_are_those_of_yolov3_in_proportion():
    model = build("yolov3-small", classes=2, size=(416, 832), width=0.1)
    for head, pairs in zip(model.heads, (COARSE, MEDIUM, FINE), strict=True):
        assert head.anchors == tuple((2.0 * w, float(h)) for w, h in pairs)


def test_anchors_given_are_taken_in_their_order():
    model = build("yolov3-small", classes=2, size=64, width=0.1, anchors=THREE)
    assert [list(head.anchors) for head in model.heads] == THREE


@pytest.mark.parametrize(
    "anchors", [THREE[:2], [THREE[0], [], THREE[2]], [[(0, 4)], [(4, 4)], [(4, 4)]], [[(4, -1)], [(4, 4)], [(4, 4)]]]
)
def test_anchors_that_cannot_be_are_refused(anchors):
    with pytest.raises(InputError, match="for each of 3 heads"):
        build("yolov3-small", size=64, anchors=anchors)


def test_it_begins_by_doubting_that_there_is_anything():
    model = build("yolov3-small", classes=3, width=0.5, size=96, rng=0)
    with no_grad():
        heads = model(Tensor(np.random.default_rng(0).random((4, 3, 96, 96), dtype=np.float32)))
    for head in heads:
        objectness = head.data.reshape(4, 3, 8, -1)[:, :, 4]
        assert np.median(objectness) == pytest.approx(-4, abs=0.7)


def test_every_parameter_has_a_gradient():
    model = build("yolov3-small", classes=2, width=0.25, size=64, rng=0)
    rng = np.random.default_rng(1)
    heads = model(Tensor(rng.random((4, 3, 64, 64), dtype=np.float32)))
    for head in heads:
        head.backward(rng.normal(size=head.shape).astype(np.float32), retain_graph=True)
    without = [name for name, p in model.named_parameters() if p.grad is None or not np.abs(p.grad).max() > 1e-6]
    assert not without


def test_the_seed_decides_everything():
    first, again, other = (build("yolov3-small", classes=1, width=0.1, rng=n).state_dict() for n in (3, 3, 4))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["coarse_head.raw.weight"], other["coarse_head.raw.weight"])


def test_width_scales_the_channels_and_facts_counts_them():
    whole, half = (build("yolov3-small", classes=3, width=w, size=64) for w in (1.0, 0.5))
    assert whole.stem.conv.weight.shape[0] == 2 * half.stem.conv.weight.shape[0] == 16
    assert whole.stage32.down.conv.weight.shape[:2] == (256, 128)
    assert sum(p.size for p in whole.parameters()) == 1_828_728
    known = facts(whole)
    assert (known.trainable, known.boxes) == (1_828_728, 3 * (2 * 2 + 4 * 4 + 8 * 8))


@pytest.mark.parametrize(("options", "says"), [({"size": 100}, "multiples of 32"), ({"classes": 0}, "at least 1")])
def test_what_cannot_be_is_refused(options, says):
    with pytest.raises(InputError, match=says):
        build("yolov3-small", **options)
