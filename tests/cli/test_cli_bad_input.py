"""What is wrong with the input is said in one line, with status 2, and nothing is written."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from support.realdata import data
from support.tiny_darknet import CFG

from minidet.commands.load import DIALECTS

HTML = b"<!DOCTYPE html>\n<html><head><title>404</title></head><body>Not found</body></html>\n" * 40


@pytest.fixture
def detect(place, refused):
    """`minidet detect photos/a.png` with tiny's network and `--out`, changed by the arguments; the one line."""

    def run(*more: object, cfg: Path | None = None, weights: Path | None = None, image: Path | None = None) -> str:
        return refused(
            "detect", image or place / "photos/a.png", "--cfg", cfg or place / "tiny.cfg",
            "--weights", weights or place / "tiny.weights", "--score", "0.2", "--out", place.out, *more,
        )  # fmt: skip

    return run


# Weights.


def test_missing_weights(place, detect) -> None:
    assert "none.weights: " in detect(weights=place / "none.weights")
    assert str(place.folder) in detect(weights=place.folder)


@pytest.mark.parametrize("cut", [0, 5, 19, 20, 21, -4, -1])
def test_truncated_weights(place, detect, cut: int) -> None:
    whole = (place / "tiny.weights").read_bytes()
    (place / "short.weights").write_bytes(whole[:cut])
    line = detect(weights=place / "short.weights")
    assert "short.weights: " in line
    if cut == -4:
        assert "layer 1 [convolutional] (line 14)" in line
        found = (len(whole) - 20) // 4
        assert str(found) in line
        assert str(found - 1) in line


@pytest.mark.parametrize("extra", [1, 4, 400])
def test_over_long_weights(place, detect, extra: int) -> None:
    (place / "long.weights").write_bytes((place / "tiny.weights").read_bytes() + bytes(extra))
    line = detect(weights=place / "long.weights")
    assert "long.weights: " in line
    assert "the network has" in line


def test_weights_that_are_a_web_page_or_text(place, detect) -> None:
    for name, content in (("page.weights", HTML), ("text.weights", b"version https://git-lfs.github.com/spec/v1\n")):
        (place / name).write_bytes(content)
        line = detect(weights=place / name)
        assert f"{name}: " in line
        assert "text" in line


def test_weights_that_are_not_finite(place, detect) -> None:
    whole = bytearray((place / "tiny.weights").read_bytes())
    whole[-4:] = struct.pack("<f", float("nan"))
    (place / "nan.weights").write_bytes(whole)
    assert "not finite" in detect(weights=place / "nan.weights")


def test_weights_of_another_network(place, detect) -> None:
    other = data("weights/mobilenet-yolo/yoloface-50k/yoloface-50k.weights")
    assert "yoloface-50k.weights: " in detect(weights=other)


def test_safetensors_that_do_not_fit(place, detect) -> None:
    from minidet.weights import safetensors

    safetensors.save(place / "x.safetensors", {"a": np.zeros(3, np.float32)})
    assert "x.safetensors: " in detect(weights=place / "x.safetensors")
    (place / "page.safetensors").write_bytes(HTML)
    assert "page.safetensors: " in detect(weights=place / "page.safetensors")
    assert "none.safetensors: " in detect(weights=place / "none.safetensors")


# Cfgs. The line in the file is named.


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("[yolo]", "[transformer]", 21, "transformer"),
        ("stride=4", "stride=four", 10, "four"),
        ("filters=8", "filters=-8", 8, "-8"),
        ("filters=18", "filters=17", 21, "18"),
        ("activation=leaky", "activation=lucky", 12, "lucky"),
        ("mask=0,1,2", "mask=0,1,3", 22, "3"),
        ("pad=1\nactivation=linear", "pad=1\nactivation=linear\nxnor=1", 20, "xnor"),
        ("channels=3", "channels=", 4, "channels"),
        ("[convolutional]\nfilters", "convolutional\nfilters", 14, "convolutional"),
        ("[net]", "", 2, "width"),
    ],
)
def test_cfgs_that_are_wrong(place, detect, old: str, new: str, line: int, said: str) -> None:
    assert old in CFG
    (place / "bad.cfg").write_text(CFG.replace(old, new, 1))
    message = detect(cfg=place / "bad.cfg")
    assert f"bad.cfg:{line}:" in message
    assert said in message


def test_cfgs_that_are_no_cfgs(place, detect) -> None:
    (place / "page.cfg").write_bytes(HTML)
    assert "page.cfg:1: " in detect(cfg=place / "page.cfg")
    (place / "empty.cfg").write_bytes(b"")
    assert "empty.cfg: " in detect(cfg=place / "empty.cfg")
    assert "none.cfg: " in detect(cfg=place / "none.cfg")
    detect(cfg=place / "tiny.weights")
    detect(cfg=place.folder)


def test_networks_that_find_no_boxes_or_take_no_colour(place, detect) -> None:
    (place / "classifier.cfg").write_text(CFG[: CFG.index("[yolo]")])
    assert "found a classifier" in detect(cfg=place / "classifier.cfg")
    (place / "gray.cfg").write_text(CFG.replace("channels=3", "channels=1"))
    assert "gray.cfg: expected a network for colour images, found one for 1 channels" in detect(cfg=place / "gray.cfg")


# Images.


def test_images_that_cannot_be_read(place, detect) -> None:
    (place / "page.jpg").write_bytes(HTML)
    (place / "empty.png").touch()
    (place / "cut.png").write_bytes((place / "photos/a.png").read_bytes()[:200])
    (place / "none").mkdir()
    for name, said in (
        ("page.jpg", "found an HTML page"),
        ("empty.png", "found an empty file"),
        ("cut.png", "expected a whole picture"),
        ("missing.jpg", "no such file"),
        ("none", "found none"),
        ("*.gif", "found no file that matches"),
    ):
        line = detect(image=place / name)
        assert f"{name}: " in line
        assert said in line


def test_one_unreadable_image_among_many_and_nothing_is_written(place, detect) -> None:
    (place / "photos/c.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "c.png: " in detect(image=place / "photos")
    assert "c.png: " in detect("--json", image=place / "photos")
    assert not place.out.exists()


# Options.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--score", "2"], "argument --score: expected a number from 0 to 1, found '2'"),
        (["--nms", "nan"], "argument --nms: expected a number from 0 to 1, found 'nan'"),
        (["--nms", "high"], "argument --nms: expected a number from 0 to 1, found 'high'"),
        (["--size", "0"], "argument --size: expected N or HxW in pixels, found '0'"),
        (["--size", "32 x 32"], "argument --size: expected N or HxW in pixels, found '32 x 32'"),
        (["--resize", "cubic"], "argument --resize: invalid choice: 'cubic'"),
        (["--epsilon", "torch"], "argument --epsilon: invalid choice: 'torch'"),
        (["--letterbox", "--stretch"], "argument --stretch: not allowed with argument --letterbox"),
        (["--model", "yolov3"], "argument --model: not allowed with argument --cfg"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_options_that_are_wrong(detect, options: list[str], said: str) -> None:
    line = detect(*options)
    assert said in line
    assert "(see minidet" in line


def test_names_that_do_not_fit(place, detect) -> None:
    (place / "two.names").write_text("a\nb\n")
    line = detect("--names", place / "two.names")
    assert "two.names: expected 1 names, one for each class of " in line
    assert "tiny.cfg, found 2" in line
    assert "none.names: " in detect("--names", place / "none.names")
    (place / "binary.names").write_bytes(bytes(range(256)))
    assert "binary.names: " in detect("--names", place / "binary.names")


def test_models_that_are_not_known(place, refused) -> None:
    arguments = ["detect", place / "photos/a.png", "--weights", place / "tiny.weights", "--out", place.out]
    assert "did you mean 'yolov3-tiny'?" in refused(*arguments, "--model", "yolov3-tny")
    assert "yolov3, yolov3-tiny, yolov3-spp" in refused(*arguments, "--model", "resnet")
    assert "multiples of 32" in refused(*arguments, "--model", "yolov3-tiny", "--size", "100")
    assert "one of the arguments --cfg --model is required" in refused(*arguments)


def test_arguments_that_are_missing(refused) -> None:
    assert "the following arguments are required: IMAGE" in refused("detect")
    assert "--weights FILE is needed for yolov3" in refused("detect", "a.png", "--model", "yolov3")
    assert "invalid choice: 'detct'" in refused("detct")


def test_folders_that_cannot_be_written_to(place, detect, refused) -> None:
    arguments = ["detect", place / "photos/a.png", *place.network, "--out"]
    assert "expected a folder, found a file" in refused(*arguments, place / "tiny.cfg")
    assert "tiny.cfg cannot be written to" in refused(*arguments, place / "tiny.cfg/deeper")
    (place / "in/detections.json").mkdir(parents=True)
    assert "detections.json is a folder" in refused(*arguments, place / "in")


def test_an_image_that_is_read_is_not_overwritten(place, refused) -> None:
    place.photo("photos/a-detected.png")
    line = refused("detect", place / "photos", *place.network, "--out", place / "photos")
    assert "would overwrite the image" in line
    assert "a-detected.png" in line


def test_facts_of_what_is_not_known(place, refused) -> None:
    refused("facts", "yolov33")
    refused("facts", place / "none.cfg")
    refused("facts", "yolov3", "--size", "100")
    refused("facts", "yolov3", "--classes", "0")
    refused("facts")


def test_the_dialects_on_offer_are_those_that_exist() -> None:
    from minidet.models.dialect import EPSILONS

    assert tuple(EPSILONS) == DIALECTS
