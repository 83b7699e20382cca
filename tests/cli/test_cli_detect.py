"""`minidet detect` on good input: tables, JSON, pictures, and which images it reads."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.pretrained import files, photograph
from support.tiny_darknet import CFG, tiny

from minidet.cli import main
from minidet.commands.inputs import image_files
from minidet.commands.outputs import all_or_nothing, picture_names
from minidet.data.image import load_image
from minidet.detect import detect
from minidet.errors import InputError
from minidet.plan import Plan


def ran(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[str, str]:
    """Standard output and error of a run that must succeed."""
    capsys.readouterr()
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert status == 0, err
    return out, err


def network(place: Any) -> Any:
    """The network that `place` holds."""
    from minidet.darknet.network import DarknetNetwork
    from minidet.weights import darknet

    model = DarknetNetwork(place / "tiny.cfg")
    darknet.load(model, place / "tiny.weights")
    return model.eval()


def test_json_is_the_only_thing_on_standard_output(place, capsys) -> None:
    out, err = ran(capsys, "detect", place / "photos", *place.network, "--json")
    document = json.loads(out)
    assert err == ""
    assert [Path(image["path"]).name for image in document["images"]] == ["a.png", "b.jpg"]
    assert [(image["width"], image["height"]) for image in document["images"]] == [(60, 40), (20, 30)]
    expected = detect(model := network(place), str(place / "photos/a.png"), score=0.2, plan=Plan(model))
    assert len(expected) > 3
    assert document["images"][0] == expected.to_dict()
    assert document["names"] == ["class 0"]
    assert {entry["name"] for entry in document["images"][0]["detections"]} == {"class 0"}
    assert document["network"]["height"] == document["network"]["width"] == 32
    assert document["settings"]["placement"] == "stretch"
    assert document["settings"]["score"] == 0.2


def test_tables_without_json(place, capsys) -> None:
    out, err = ran(capsys, "detect", place / "photos/a.png", *place.network)
    assert err == ""
    assert f"{place / 'photos/a.png'}  60x40  " in out  # in one line, however long
    assert "class 0" in out
    assert "score" in out
    out, _ = ran(capsys, "detect", place / "photos/a.png", *place.network, "--score", 1)
    assert out.strip().endswith("0 objects")


def test_out_holds_pictures_and_the_same_json(place, capsys) -> None:
    out, err = ran(capsys, "detect", place / "photos", *place.network, "--json", "--out", place.out)
    assert err == f"minidet: wrote 2 pictures and detections.json to {place.out}\n"
    assert sorted(path.name for path in place.out.iterdir()) == ["a-detected.png", "b-detected.jpg", "detections.json"]
    assert json.loads((place.out / "detections.json").read_text()) == json.loads(out)
    drawn = load_image(place.out / "a-detected.png")
    image = load_image(place / "photos/a.png")
    found = detect(model := network(place), image, score=0.2, plan=Plan(model))
    np.testing.assert_array_equal(drawn, found.draw(image))
    assert Image.open(place.out / "b-detected.jpg").format == "JPEG"
    mode = (place.out / "a-detected.png").stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    assert mode == 0o666 & ~umask


def test_out_is_made_with_its_parents_and_used_again(place, capsys) -> None:
    folder = place / "x/y/z"
    for _ in range(2):
        ran(capsys, "detect", place / "photos/a.png", *place.network, "--out", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["a-detected.png", "detections.json"]


def test_two_images_of_one_name_make_two_pictures(place, capsys) -> None:
    images = [place.photo(f"{folder}/dog.jpg", seed) for seed, folder in enumerate(("one", "two", "Three"))]
    images.append(place.photo("one/DOG.png", 7))
    ran(capsys, "detect", *images, *place.network, "--out", place.out)
    pictures = sorted(path.name for path in place.out.glob("*.*g"))
    assert pictures == ["DOG-detected.png", "dog-detected-2.jpg", "dog-detected-3.jpg", "dog-detected.jpg"]


def test_picture_names_never_collide() -> None:
    images = [Path(name) for name in ("a.jpg", "A.JPG", "a.jpeg", "a-detected.jpg", "a.png", "x/a.gif", "a")]
    names = picture_names(images)
    assert len({name.lower() for name in names}) == len(images)
    assert names[0] == "a-detected.jpg"
    assert names[3] == "a-detected-detected.jpg"


def test_options_reach_the_detector(place, capsys) -> None:
    options = ["--letterbox", "--resize", "darknet", "--rounding", "yolov5", "--inverse", "darknet", "--nms", "0.1"]
    options += ["--per-class", "8", "--most", "4"]
    out, _ = ran(capsys, "detect", place / "photos/a.png", *place.network, "--json", *options, "--size", "64x32")
    document = json.loads(out)
    expected = detect(
        model := network(place), str(place / "photos/a.png"), score=0.2, nms=0.1, placement="letterbox",
        resize="darknet", rounding="yolov5", inverse="darknet", size=(64, 32), plan=Plan(model),
        per_class=8, most=4,
    )  # fmt: skip
    assert document["images"][0] == expected.to_dict()
    assert len(expected) == 2, "of 4, two of which lie beside the image; 5 with the first limit alone, 20 without any"
    assert (document["network"]["height"], document["network"]["width"]) == (64, 32)
    assert document["settings"] == {
        "score": 0.2, "nms": 0.1, "placement": "letterbox", "resize": "darknet", "rounding": "yolov5",
        "inverse": "darknet", "labels": "multi", "nms_kind": "iou", "per_class": 8, "most": 4,
    }  # fmt: skip


def test_the_cfg_may_name_the_kind_of_suppression(place, capsys) -> None:
    tiny(place.folder, text=CFG.replace("[yolo]", "[yolo]\nnms_kind=greedynms"))
    call = ["detect", place / "photos/a.png", *place.network, "--json", "--nms", "0.2", "--nms-kind"]
    outs, errs = zip(*(ran(capsys, *call, kind) for kind in ("iou", "greedynms", "cfg")), strict=True)
    plain, named, told = (json.loads(out)["images"] for out in outs)
    assert told == named
    assert len(named[0]["detections"]) > len(plain[0]["detections"])
    assert "nms_kind is not followed; boxes are suppressed by plain IoU" in errs[0].replace(":", "")
    assert errs[1:] == ("", "")


def test_the_cfg_may_ask_for_letterbox(place, capsys) -> None:
    cfg, _ = tiny(place.folder, text=CFG.replace("channels=3", "channels=3\nletter_box=1"))
    for given, expected in (([], "letterbox"), (["--stretch"], "stretch")):
        out, _ = ran(capsys, "detect", place / "photos/a.png", *place.network, "--json", *given)
        assert json.loads(out)["settings"]["placement"] == expected, cfg


def test_a_names_file_names_the_labels(place, capsys) -> None:
    (place / "x.names").write_text("cell\n")
    out, _ = ran(capsys, "detect", place / "photos/a.png", *place.network, "--json", "--names", place / "x.names")
    assert {entry["name"] for entry in json.loads(out)["images"][0]["detections"]} == {"cell"}


def test_unknown_options_of_a_cfg_are_warned_of_once(place, capsys) -> None:
    tiny(place.folder, text=CFG.replace("channels=3", "channels=3\ncolour_of_the_box=7"))
    out, err = ran(capsys, "detect", place / "photos", *place.network, "--json")
    json.loads(out)
    assert err.count("\n") == 1
    assert err.startswith("minidet: warning: ")
    assert "colour_of_the_box" in err
    assert "tiny.cfg:5" in err


def test_which_images(place) -> None:
    (place / "photos/notes.txt").write_text("no picture")
    (place / "photos/sub.png").mkdir()
    place.photo("photos/deep/c.PNG")
    photos = place / "photos"

    def names(*arguments: object) -> list[str]:
        return [str(path.relative_to(photos)) for path in image_files(map(str, arguments))]

    assert names(photos) == ["a.png", "b.jpg"]
    assert names(photos / "b.jpg", photos, photos / "../photos/a.png") == ["b.jpg", "a.png"]  # each once
    assert names(photos / "*.png") == ["a.png"]
    assert names(photos / "**/*.[pP][nN]*") == ["a.png", "deep/c.PNG"]
    assert names(photos / "missing.png") == ["missing.png"]  # whoever opens it will say so
    place.photo("photos/[x]*.png")
    assert names(photos / "[x]*.png") == ["[x]*.png"]  # a file of that name is no pattern
    for nothing in (photos / "*.gif", photos / "sub.png"):
        with pytest.raises(InputError, match="found no"):
            names(nothing)


def test_a_file_name_that_is_no_text(place, capsys) -> None:
    odd = os.fsdecode(b"photos/\xff.png")
    try:
        (place / "photos/a.png").rename(place / odd)
    except OSError:
        pytest.skip("the file system wants names in UTF-8")
    out, _ = ran(capsys, "detect", place / odd, *place.network, "--json")
    assert json.loads(out)["images"][0]["path"].endswith("\udcff.png")


def interrupted(target: Path) -> None:
    """Half of the work of filling a folder."""
    with all_or_nothing(target) as stage:
        (stage / "x").write_text("half")
        raise KeyboardInterrupt


def test_a_folder_is_filled_wholly_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new/deep"
    with pytest.raises(KeyboardInterrupt):
        interrupted(target)
    assert list(tmp_path.iterdir()) == []
    target.mkdir(parents=True)
    (target / "x").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        interrupted(target)
    assert [path.name for path in target.iterdir()] == ["x"]
    assert (target / "x").read_text() == "old"
    with all_or_nothing(target) as stage:
        (stage / "x").write_text("new")
    assert (target / "x").read_text() == "new"
    assert [path.name for path in target.iterdir()] == ["x"]


def test_weights_may_be_safetensors(place, capsys) -> None:
    from minidet.weights import safetensors

    path = place / "tiny.safetensors"
    safetensors.save(path, network(place))
    arguments = ["detect", place / "photos/a.png", "--cfg", place / "tiny.cfg", "--score", 0.2, "--json"]
    by_name, _ = ran(capsys, *arguments, "--weights", path)
    by_order, _ = ran(capsys, *arguments, "--weights", place / "tiny.weights")
    assert json.loads(by_name)["images"] == json.loads(by_order)["images"]


def test_a_network_by_name(place, capsys) -> None:
    from minidet import models
    from minidet.weights import darknet

    (place / "x.names").write_text("a\nb\n")
    darknet.save(models.build("yolov3-tiny", classes=2, size=64, rng=0), place / "t.weights")
    arguments = ["detect", place / "photos/a.png", "--model", "yolov3-tiny", "--weights", place / "t.weights"]
    out, _ = ran(capsys, *arguments, "--names", place / "x.names", "--size", 64, "--score", 0.2, "--json")
    document = json.loads(out)
    assert document["network"]["model"] == "yolov3-tiny"
    assert document["names"] == ["a", "b"]
    assert document["network"]["height"] == 64


def test_the_dog_the_bicycle_and_the_car(capsys, tmp_path: Path) -> None:
    cfg, weights = files("yolo-fastest-1.1")
    arguments = ["detect", photograph("dog"), "--cfg", cfg, "--weights", weights]
    out, _ = ran(capsys, *arguments, "--json", "--out", tmp_path / "out")
    names = {entry["name"] for entry in json.loads(out)["images"][0]["detections"]}
    assert {"dog", "bicycle"} <= names
    assert names & {"car", "truck"}
    assert load_image(tmp_path / "out/dog-detected.jpg").shape == (576, 768, 3)
