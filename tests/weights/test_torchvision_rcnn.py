"""torchvision's R-CNN states: every layer under either name, and what they do not say."""

from __future__ import annotations

import numpy as np
import pytest

from minidet import nn
from minidet.errors import InputError
from minidet.models import build
from minidet.weights import safetensors
from minidet.weights.foreign import recognised
from minidet.weights.torchvision_rcnn import LAYOUT, RCNN

WIDTH = 1 / 64


def thin(name, **options):
    return build(name, width=WIDTH, rng=0, **options)


def named(model, *, new):
    """The model's state under torchvision's names, those before 0.14 or after."""
    back = {ours: theirs for theirs, ours in RCNN.items() if (theirs != ours) == new or theirs == ours}
    back |= {ours: theirs for theirs, ours in RCNN.items() if new and theirs != ours}
    state = {}
    for name, array in model.state_dict().items():
        layer, _, last = name.rpartition(".")
        state[f"{back[layer]}.{last}"] = array
    return state


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("faster-rcnn-r50-fpn", {"classes": 2, "options": {}}),
        ("mask-rcnn-r50-fpn", {"classes": 2, "options": {}}),
        ("keypoint-rcnn-r50-fpn", {"classes": 2, "options": {"keypoints": 17}}),
    ],
)
def test_every_number_is_used_under_either_name(name, told, new, tmp_path):
    model = thin(name, classes=2)
    state = named(model, new=new)
    assert ("rpn.head.conv.0.0.weight" in state) == new
    assert ("backbone.fpn.inner_blocks.3.0.bias" in state) == new
    state["backbone.body.bn1.num_batches_tracked"] = np.zeros(1, "f4")  # of a state that was trained with batch norm
    path = str(tmp_path / "x.safetensors")
    safetensors.save(path, state)
    found = recognised(path, name)
    assert found.layout is LAYOUT
    expected = {**told, "options": told["options"] | ({} if new else {"eps": 0.0})}
    assert found.told() == expected
    with nn.init.skipped():
        other = build(name, width=WIDTH, **{"classes": told["classes"], **expected["options"]})
    assert other.backbone.body.bn1.eps == (1e-5 if new else 0)
    found.fill(other)
    for key, array in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[key], array)


def test_another_head_is_listed(tmp_path):
    path = str(tmp_path / "x.safetensors")
    safetensors.save(path, named(thin("mask-rcnn-r50-fpn", classes=2), new=True))
    with pytest.raises(InputError, match=r"unknown roi_heads.mask_head.0.0.bias, .* and 4 more") as error:
        recognised(path, "faster-rcnn-r50-fpn").fill(thin("faster-rcnn-r50-fpn", classes=2))
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"missing roi_heads.keypoint_head.0.bias"):
        recognised(path, "keypoint-rcnn-r50-fpn").fill(thin("keypoint-rcnn-r50-fpn", classes=2))


def test_other_networks_are_refused(tmp_path):
    path = str(tmp_path / "x.safetensors")
    safetensors.save(path, named(thin("mask-rcnn-r50-fpn", classes=2), new=True))
    with pytest.raises(InputError, match="weights of torchvision's R-CNNs"):
        recognised(path, "ssd300")
