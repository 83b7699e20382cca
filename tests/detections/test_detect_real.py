"""Real networks on real photographs find what is in them."""

from __future__ import annotations

import numpy as np
import pytest
from support.pretrained import photograph, pretrained

from minidet.data.letterbox import ROUNDINGS
from minidet.data.resize import METHODS
from minidet.detect import detect
from minidet.detections import Detections

# What a person sees, and where: the box of each object in pixels, read off the photograph.
SEEN = {
    "dog": {"dog": [(130, 222, 312, 544)], "bicycle": [(120, 125, 570, 425)], "car|truck": [(464, 78, 688, 172)]},
    "eagle": {"bird": [(115, 85, 640, 440)]},
    "person": {"person": [(190, 97, 273, 374)], "dog": [(64, 264, 205, 355)]},
}


def found(detections: Detections, names: str, box: tuple[int, ...], at_least: float) -> bool:
    """Whether one of the classes `names` is detected with an IoU of at least `at_least` with `box`."""
    for (x1, y1, x2, y2), _, _, name in detections:
        width = max(0.0, min(x2, box[2]) - max(x1, box[0]))
        height = max(0.0, min(y2, box[3]) - max(y1, box[1]))
        union = (x2 - x1) * (y2 - y1) + (box[2] - box[0]) * (box[3] - box[1]) - width * height
        if name in names.split("|") and width * height / union >= at_least:
            return True
    return False


@pytest.mark.parametrize("picture", SEEN)
def test_yolo_fastest_finds_what_is_there(picture: str) -> None:
    detections = detect(pretrained("yolo-fastest-1.1"), photograph(picture))
    for names, boxes in SEEN[picture].items():
        for box in boxes:
            # The small network's bicycle is loose.
            assert found(detections, names, box, 0.4 if names == "bicycle" else 0.6), (names, detections)


def test_the_dog_the_bicycle_and_the_car_whatever_the_preprocessing() -> None:
    model = pretrained("yolo-fastest-1.1")
    for resize in METHODS:
        for options in ({"placement": "stretch"}, *({"placement": "letterbox", "rounding": r} for r in ROUNDINGS)):
            names = {name for *_, name in detect(model, photograph("dog"), resize=resize, **options)}
            assert {"dog", "bicycle"} <= names, options
            assert names & {"car", "truck"}, options


@pytest.mark.parametrize(
    ("network", "picture", "expected"),
    [
        ("yolo-fastest-1.1", "giraffe", {"giraffe", "zebra"}),
        ("yolo-fastest-1.1", "horses", {"horse"}),
        ("yolo-fastest-1.1", "kite", {"kite", "person"}),
        ("yolo-fastest-1.0", "dog", {"dog", "bicycle"}),
        ("nano-voc", "dog", {"dog", "car"}),
        ("nano-voc", "eagle", {"bird"}),
        ("nano-voc", "person", {"person", "horse", "dog"}),
    ],
)
def test_classes_that_are_found(network: str, picture: str, expected: set[str]) -> None:
    detections = detect(pretrained(network), photograph(picture))
    assert expected <= {name for *_, name in detections}, detections


def test_the_face_of_the_scream() -> None:
    detections = detect(pretrained("yoloface-50k"), photograph("scream"), score=0.5, names=["face"])
    height, width = detections.size
    (x1, y1, x2, y2), *_ = detections.boxes
    assert 0.3 * width < (x1 + x2) / 2 < 0.75 * width
    assert 0.3 * height < (y1 + y2) / 2 < 0.75 * height


def test_boxes_lie_in_the_image_best_first() -> None:
    detections = detect(pretrained("yolo-fastest-1.1"), photograph("kite"), score=0.01)
    height, width = detections.size
    assert len(detections) > 50
    assert (np.diff(detections.scores) <= 0).all()
    assert (detections.boxes >= 0).all()
    assert (detections.boxes <= [width, height, width, height]).all()


def test_a_picture_of_any_shape_goes_through() -> None:
    model = pretrained("yolo-fastest-1.1")
    for shape in ((1, 1), (1, 1000), (1000, 2)):
        for placement in ("stretch", "letterbox"):
            image = np.full((*shape, 3), 127, np.uint8)
            assert detect(model, image, placement=placement).size == shape
