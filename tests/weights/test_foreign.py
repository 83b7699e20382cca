"""Weights of other programs: recognised by names, every number used, what does not fit listed in a line."""

from __future__ import annotations

import numpy as np
import pytest

from minidet import nn
from minidet.errors import InputError
from minidet.models import build
from minidet.weights import safetensors
from minidet.weights.foreign import recognised
from minidet.weights.renaming import renamed
from minidet.weights.torchvision_ssd import OPTIONS, SSD300


def theirs(classes: int = 2) -> dict[str, np.ndarray]:
    """A state under torchvision's names: of each layer a weight and a bias of one number, and the logits' true one."""
    state = {f"{name}.{part}": np.ones(1, "f4") for name in SSD300 for part in ("weight", "bias")}
    state["backbone.scale_weight"] = state.pop("backbone.scale_weight.weight")
    del state["backbone.scale_weight.bias"]
    state["head.classification_head.module_list.0.bias"] = np.ones(4 * (1 + classes), "f4")
    return state


def test_all_that_does_not_fit_is_listed_by_their_names():
    table, wanted = {"a.conv": "first", "scale": "second"}, {"first.weight": np.zeros((2, 3)), "second": np.zeros(2)}
    good = {"a.conv.weight": np.zeros((2, 3)), "scale": np.zeros(2)}
    assert set(renamed(good, table, wanted=wanted)) == set(wanted)
    bad = {"a.conv.bias": np.zeros(1), "scale": np.zeros(3), "b.weight": np.zeros(1)}
    with pytest.raises(InputError) as error:
        renamed(bad, table, source="x.pth", wanted=wanted)
    assert str(error.value) == (
        "x.pth does not fit: unknown a.conv.bias, b.weight; missing a.conv.weight; of another shape scale (3 for 2)"
    )


def test_torchvision_is_recognised_and_says_what_it_is(tmp_path):
    path = str(tmp_path / "x.safetensors")
    safetensors.save(path, theirs(classes=6))
    found = recognised(path, "ssd300")
    assert found.told() == {"classes": 6, "options": dict(OPTIONS)}
    assert found.layout.program == "torchvision's ssd300_vgg16"
    with pytest.raises(InputError, match=r"x.safetensors: weights of torchvision's ssd300_vgg16; give --model ssd300$"):
        recognised(path, "ssd-small")


def test_what_is_missing_unknown_or_misshapen_is_one_line(tmp_path):
    state = theirs()
    del state["backbone.features.0.weight"]
    state["backbone.features.1.weight"] = np.ones(1, "f4")
    path = str(tmp_path / "x.safetensors")
    safetensors.save(path, state)
    found = recognised(path, "ssd300")
    with nn.init.skipped():
        model = build("ssd300", width=1 / 64, **{"classes": 2, **OPTIONS})
    with pytest.raises(InputError) as error:
        found.fill(model)
    said = str(error.value)
    assert said.startswith(
        f"{path} does not fit: unknown backbone.features.1.weight; missing backbone.features.0.weight; "
        "of another shape "
    )
    assert said.endswith(" more")
    assert "\n" not in said


def test_every_number_is_used(tmp_path):
    """A narrow network's own state under their names comes back as it was."""
    model = build("ssd300", width=1 / 64, classes=1, rng=0)
    back = {ours: name for name, ours in SSD300.items()}
    state = {}
    for name, array in model.state_dict().items():
        layer, _, last = name.rpartition(".")
        state[back.get(name) or f"{back[layer]}.{last}"] = array
    path = str(tmp_path / "x.safetensors")
    safetensors.save(path, state)
    other = build("ssd300", width=1 / 64, classes=1, rng=1)
    recognised(path, "ssd300").fill(other)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array)


def test_files_of_our_own_are_left_alone(tmp_path):
    model = build("ssd-small", width=1 / 16, rng=0)
    path = str(tmp_path / "x.safetensors")
    for about in (None, {"model": "ssd-small"}):
        safetensors.save(path, model, metadata=about)
        assert recognised(path, "ssd-small") is None
    assert recognised("yolov3.weights", "yolov3") is None
