"""MobileNet-SSD: its numbers, its options, and beside OpenCV, which runs Caffe's net with the same drawn numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from support.caffe_files import write_caffemodel
from support.realdata import data

from minidet import nn
from minidet.autograd import Tensor, no_grad
from minidet.boxes.convert import cxcywh_to_xyxy
from minidet.cli import main
from minidet.detect import choose
from minidet.errors import InputError
from minidet.models import build
from minidet.weights.caffe_mobilenet_ssd import FOLDED, NORMED
from minidet.weights.foreign import recognised

PROTOTXT = "ssd/mobilenet_ssd_voc/deploy.prototxt"


@pytest.fixture(scope="module")
def caffemodel(tmp_path_factory):
    path = tmp_path_factory.mktemp("caffe") / "x.caffemodel"
    return write_caffemodel(data(PROTOTXT), path, 3, {"mbox_conf": 0.18, "mbox_loc": 0.7})


def test_published_numbers(capsys):
    """1,917 boxes; the parameters are those of the prototxt, less what batch norm keeps."""
    from minidet.weights.caffe_net import read_prototxt

    assert main(["facts", "ssd-mobilenet", "--classes", "21", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    shapes = [
        s for layer in read_prototxt(data(PROTOTXT)).layers if layer.type != "BatchNorm" for s in layer.shapes or ()
    ]
    assert found["parameters.trainable"] == sum(int(np.prod(shape)) for shape in shapes) == 5796089
    assert found["boxes"] == 1917


@pytest.mark.parametrize(
    ("options", "says"),
    [({"size": 31}, "at least 32"), ({"sizes": (60, 105)}, "expected 7 numbers"), ({"classes": 0}, "at least 1")],
)
def test_wrong_options_are_one_line(options, says):
    with pytest.raises(InputError, match=says), nn.init.skipped():
        build("ssd-mobilenet", **options)


def test_images_too_small_are_refused():
    model = build("ssd-mobilenet", width=1 / 32, size=32, rng=0)
    with pytest.raises(ValueError, match="at least 32"):
        model(Tensor(np.zeros((1, 3, 31, 40), np.float32)))


def test_priors_follow_the_shape_of_odd_images():
    """Cells are the image's side over the map's; sizes are whole pixels."""
    model = build("ssd-mobilenet", width=1 / 32, size=(72, 110), rng=0).eval()
    with no_grad():
        maps = model(Tensor(np.zeros((1, 3, 72, 110), np.float32)))
    assert [raw.shape[2:] for raw in maps[:6]] == [(5, 7), (3, 4), (2, 2), (1, 1), (1, 1), (1, 1)]
    assert model.heads[0].shapes[0] == (14, 14)  # 60 of 300 of 72 pixels is 14.4
    made = model.boxes.priors([raw.shape[2:] for raw in maps[:6]], model.size)
    assert made[0, :2].tolist() == [0.5 / 7, 0.5 / 5]
    assert len(made) == 35 * 3 + (12 + 4 + 1 + 1 + 1) * 6


def test_every_number_of_the_file_is_used(caffemodel):
    found = recognised(str(caffemodel), "ssd-mobilenet")
    assert found.told() == {"classes": 20, "options": {}}
    with nn.init.skipped():
        model = build("ssd-mobilenet")
    found.fill(model)
    state = model.state_dict()
    assert len(state) == len(found.state)
    assert set(state) == {
        NORMED.get(k) or f"{NORMED[k.rpartition('.')[0]]}.{k.rpartition('.')[2]}" for k in found.state
    }
    np.testing.assert_array_equal(state["extras.3.conv2.bn.running_var"], found.state["conv17_2/bn.running_var"])


def test_heads_are_of_the_maps_of_their_names():
    assert [FOLDED[f"conv{n}_mbox_loc"] for n in ("11", "13", "14_2", "15_2", "16_2", "17_2")] == [
        f"locations.{k}" for k in range(6)
    ]
    assert FOLDED["conv15_2_mbox_conf"] == "logits.3"


def test_batch_norm_may_be_folded(caffemodel, tmp_path):
    """The same net with its batch norm in its convolutions gives the same maps, and is recognised."""
    from minidet.weights import safetensors

    found = recognised(str(caffemodel), "ssd-mobilenet")
    model = build("ssd-mobilenet", size=64).eval()
    found.fill(model)
    state = dict(found.state)
    for layer in FOLDED:
        if f"{layer}/scale.weight" in state:
            mean, var, scale, shift = (
                np.float64(state.pop(f"{layer}/{part}"))
                for part in ("bn.running_mean", "bn.running_var", "scale.weight", "scale.bias")
            )
            gain = scale / np.sqrt(var + 1e-5)
            state[f"{layer}.weight"] = (state[f"{layer}.weight"] * gain[:, None, None, None]).astype("f4")
            state[f"{layer}.bias"] = (shift - mean * gain).astype("f4")
    safetensors.save(tmp_path / "x.safetensors", state)
    folded = recognised(str(tmp_path / "x.safetensors"), "ssd-mobilenet")
    assert folded.told() == {"classes": 20, "options": {"folded": True}}
    other = build("ssd-mobilenet", size=64, folded=True).eval()
    folded.fill(other)
    x = Tensor(np.random.default_rng(0).random((1, 3, 64, 64), np.float32))
    with no_grad():
        for one, two in zip(model(x), other(x), strict=True):
            assert np.abs(one.data - two.data).max() <= 1e-4 * np.abs(one.data).max()


@pytest.fixture(scope="module")
def both(caffemodel):
    """OpenCV's outputs by layer for a photograph of 300 x 300, our network, and the photograph (RGB)."""
    cv2 = pytest.importorskip("cv2")
    net = cv2.dnn.readNetFromCaffe(str(data(PROTOTXT)), str(caffemodel))
    photo = Image.open(data("ssd/mobilenet_ssd_voc/images/000542.jpg")).convert("RGB").resize((300, 300))
    image = np.array(photo)
    net.setInput(cv2.dnn.blobFromImage(image[..., ::-1].copy(), 0.007843, (300, 300), (127.5,) * 3))
    names = ["mbox_loc", "mbox_conf", "mbox_priorbox", "detection_out"]
    with nn.init.skipped():
        model = build("ssd-mobilenet").eval()
    recognised(str(caffemodel), "ssd-mobilenet").fill(model)
    return dict(zip(names, net.forward(names), strict=True)), model, image


def close(mine, theirs, bound=1e-4):
    assert mine.shape == theirs.shape
    assert np.abs(mine - theirs).max() <= bound * np.abs(theirs).max()


@pytest.mark.oracle
def test_heads_and_priors_are_opencvs(both):
    theirs, model, image = both
    with no_grad():
        maps = [raw.data for raw in model(Tensor((image / np.float32(255)).transpose(2, 0, 1)[None].astype("f4")))]
    locations, logits = model.boxes.rows(maps)
    close(locations.reshape(1, -1), theirs["mbox_loc"])
    close(logits.reshape(1, -1), theirs["mbox_conf"])
    made = cxcywh_to_xyxy(model.boxes.priors([raw.shape[2:] for raw in maps[:6]], model.size))
    priors, variances = theirs["mbox_priorbox"].reshape(2, -1, 4)
    close(made, priors, 1e-6)
    assert np.unique(variances, axis=0).tolist() == np.float32([[0.1, 0.1, 0.2, 0.2]]).tolist()


def rows(theirs: np.ndarray) -> np.ndarray:
    """OpenCV's detections as class, score, x1, y1, x2, y2 in pixels, by class and score, without its rows of 0."""
    found = theirs.reshape(-1, 7)[:, 1:] * [1, 1, 300, 300, 300, 300]
    found = found[found[:, 0] > 0]
    return found[np.lexsort((-found[:, 1], found[:, 0]))]


def same(mine: np.ndarray, wanted: np.ndarray) -> None:
    assert mine[:, 0].tolist() == wanted[:, 0].tolist()
    close(mine[:, 1], wanted[:, 1])
    close(mine[:, 2:], wanted[:, 2:])


@pytest.mark.oracle
def test_detections_are_opencvs(both):
    theirs, model, image = both
    with no_grad():
        maps = [raw.data for raw in model(Tensor((image / np.float32(255)).transpose(2, 0, 1)[None].astype("f4")))]
    (found,) = model.candidates(maps)
    kept, labels = choose(found.boxes, found.scores, score=0.25, nms=0.45)
    mine = np.column_stack([labels + 1, found.scores[kept, labels], found.boxes[kept]])
    mine, wanted = mine[np.lexsort((-mine[:, 1], mine[:, 0]))], rows(theirs["detection_out"])
    assert 10 < len(wanted) < 100, "else their limits of 100 count"
    same(mine, wanted)


@pytest.mark.oracle
def test_the_command_line_detects_what_opencv_does(both, caffemodel, tmp_path, capsys):
    theirs, _, image = both
    Image.fromarray(image).save(tmp_path / "a.png")
    assert (
        main(["detect", str(tmp_path / "a.png"), "--model", "ssd-mobilenet", "--weights", str(caffemodel), "--json"])
        == 0
    )
    (found,) = json.loads(capsys.readouterr().out)["images"]
    wanted = rows(theirs["detection_out"])
    wanted[:, 2:] = wanted[:, 2:].clip(0, 300)
    mine = np.array([[one["label"] + 1, one["score"], *one["box"]] for one in found["detections"]])
    same(mine[np.lexsort((-mine[:, 1], mine[:, 0]))], wanted)
