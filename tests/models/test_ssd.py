"""SSDs: what the papers say of them, the order of their rows, what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minidet import nn
from minidet.autograd import Tensor
from minidet.boxes.ssd import SsdBoxes, SsdHead
from minidet.cli import main
from minidet.errors import InputError
from minidet.models import build
from minidet.models.normalise import Normalise
from minidet.weights.renaming import renamed

FACTS = {
    ("ssd300", 21): (26285486, 8732, None),
    ("ssd300", 91): (35641826, 8732, 34858153472),
    ("ssd512", 21): (27188676, 24564, None),
}


@pytest.mark.parametrize(("name", "classes"), FACTS)
def test_published_numbers(name, classes, capsys):
    assert main(["facts", name, "--classes", str(classes), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    parameters, boxes, macs = FACTS[name, classes]
    assert (found["parameters.trainable"], found["boxes"], found["classes.with_nothing"]) == (
        parameters,
        boxes,
        classes,
    )
    if macs is not None:
        assert found["macs"] == macs


def test_the_maps_of_ssd300_and_ssd512():
    for name, sides in (("ssd300", [38, 19, 10, 5, 3, 1]), ("ssd512", [64, 32, 16, 8, 4, 2, 1])):
        with nn.init.skipped():
            model = build(name, width=1 / 64)
        maps = model(Tensor(np.zeros((0, 3, *model.size), np.float32)))
        assert [raw.shape[2] for raw in maps] == sides * 2
        assert [raw.shape[1] for raw in maps[: len(sides)]] == [4 * len(head.shapes) for head in model.heads]


def test_rows_of_boxes_follow_the_channels_of_their_cells():
    """A location's channel 4 k + i belongs to box k of the cell, logits likewise; rows go map, row, column, box."""
    model = build("ssd-small", classes=2, size=(64, 128), width=1 / 16, rng=0).eval()
    maps = [np.zeros((1, raw.shape[1], *raw.shape[2:]), np.float32)
            for raw in model(Tensor(np.zeros((0, 3, 64, 128), np.float32)))]  # fmt: skip
    boxes = len(model.heads[0].shapes)
    row, column, box, image_of_map = 3, 5, 2, maps[0].shape[2:]
    maps[0][0, 4 * box + 1, row, column] = 7
    maps[4][0, 3 * box + 2, row, column] = 9
    locations, logits = model.boxes.rows(maps)
    at = (row * image_of_map[1] + column) * boxes + box
    assert locations[0, at].tolist() == [0, 7, 0, 0]
    assert np.count_nonzero(locations) == 1
    assert logits[0, at].tolist() == [0, 0, 9]
    (found,) = model.candidates(maps)
    assert found.scores[at].argmax() == 1  # the second thing: "nothing" is left out
    assert found.scores[at, 1] > 0.99
    prior = model.boxes.priors([raw.shape[2:] for raw in maps[:4]], model.size)[at]
    centre = (found.boxes[at, 1] + found.boxes[at, 3]) / 2
    assert centre == pytest.approx(64 * (prior[1] + 0.1 * 7 * prior[3]), rel=1e-5)


def test_priors_are_made_once_and_cannot_be_changed():
    boxes = SsdBoxes((SsdHead(((4, 4),)),), 1)
    made, again, other = (boxes.priors([(2, 3)], size) for size in ((10, 20), (10, 20), (20, 20)))
    assert made is again
    assert made[0].tolist() == pytest.approx([0.5 / 3, 0.25, 0.2, 0.4])
    assert other[0].tolist() == pytest.approx([0.5 / 3, 0.25, 0.2, 0.2])
    with pytest.raises(ValueError, match="read-only"):
        made[0] = 0


def test_boxes_are_cut_to_the_input_if_asked():
    head = SsdHead(((8, 4),))
    maps = [np.zeros((1, 4, 1, 2), np.float32), np.zeros((1, 2, 1, 2), np.float32)]
    maps[0][0, 0] = 10  # one width to the right
    for inside, right in ((False, 27), (True, 20)):
        (found,) = SsdBoxes((head,), 1, inside=inside).candidates(maps, (10, 20))
        np.testing.assert_allclose(found.boxes, [[9, 3, 17, 7], [19, 3, right, 7]], atol=1e-5)


def test_pixels_are_normalised():
    x = np.random.default_rng(0).random((2, 3, 4, 5), np.float32)
    y = Normalise((123, 117, 104), (58, 57, 56))(Tensor(x)).numpy()
    wanted = (255 * x - np.float32([123, 117, 104]).reshape(1, 3, 1, 1)) / np.float32([58, 57, 56]).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)
    turned = Normalise((123, 117, 104), (58, 57, 56), "bgr")(Tensor(x)).numpy()
    np.testing.assert_array_equal(turned, y[:, ::-1])


def test_a_state_that_does_not_fit_is_listed():
    table = {"a.conv": "first", "scale": "second"}
    assert renamed({"a.conv.weight": 1, "a.conv.bias": 2, "scale": 3}, table) == {
        "first.weight": 1, "first.bias": 2, "second": 3,
    }  # fmt: skip
    with pytest.raises(InputError, match=r"^x.pth does not fit: unknown b.weight; missing scale$"):
        renamed({"a.conv.weight": 1, "b.weight": 2}, table, source="x.pth")
    assert renamed(
        {"a.conv.weight": 1, "scale": 2, "a.n.num_batches_tracked": 3}, table, ignored=("num_batches_tracked",)
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "ssd300", "size": 320}, "expected 300 or 512"),
        ({"name": "ssd300", "size": (300, 512)}, "expected 300 or 512"),
        ({"name": "ssd300", "sizes": (1, 2)}, "one more than maps"),
        ({"name": "ssd300", "classes": 0}, "at least 1"),
        ({"name": "ssd-small", "size": 96}, "multiples of 64"),
        ({"name": "ssd-small", "sizes": (8, 16)}, "expected 5 numbers above 0"),
    ],
)
def test_wrong_options_are_one_line(options, says):
    with pytest.raises(InputError, match=says) as error, nn.init.skipped():
        build(**options)
    assert "\n" not in str(error.value)


def test_images_of_another_size_are_refused():
    with nn.init.skipped():
        models = build("ssd300", width=1 / 64), build("ssd-small", width=1 / 16)
    for model in models:
        with pytest.raises(ValueError, match="images of shape"):
            model(Tensor(np.zeros((1, 3, 299, 300), np.float32)))
