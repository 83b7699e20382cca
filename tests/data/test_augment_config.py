"""Presets, plain data and back, and what is said of wrong options."""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np
import pytest
from support.drawn_samples import any_sample
from support.every_transform import EVERY

from minidet.data import augment as A
from minidet.data.augment.config import PRESETS, TRANSFORMS
from minidet.errors import InputError


@pytest.mark.parametrize("name", EVERY)
def test_there_and_back(name: str) -> None:
    transform = EVERY[name]
    config = A.to_config(transform)
    again = A.from_config(config)
    assert again == (transform if isinstance(transform, A.Compose) else A.Compose((transform,)))
    assert A.to_config(again) == config
    assert plain(config)


def plain(value: Any) -> bool:
    """Whether TOML can hold it."""
    if isinstance(value, list):
        return all(plain(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(item) for key, item in value.items())
    return isinstance(value, (str, bool, int, float))


def test_every_name_works_with_what_it_needs() -> None:
    flip = {"name": "horizontal_flip"}
    needs: dict[str, dict[str, Any]] = {
        "letterbox": {"size": [8, 9]},
        "one_of": {"transforms": [flip]},
        "resize": {"size": [8, 9]},
        "sometimes": {"p": 0.5, "transform": flip},
    }
    sample = any_sample(np.random.default_rng(0))
    for name in [*TRANSFORMS, *PRESETS]:
        built = A.from_config([{"name": name} | needs.get(name, {})])
        assert built(sample, np.random.default_rng(0), lambda rng: sample).image.size


def test_a_file_of_the_docs() -> None:
    text = """
    [[augment]]
    name = "sometimes"
    p = 0.5
    transform = [{ name = "mosaic", size = [64, 96] }, { name = "jitter" }]

    [[augment]]
    name = "small"
    size = [64, 96]
    vertical = 0
    """
    found = A.from_config(tomllib.loads(text)["augment"])
    assert found == A.Compose(
        (A.Sometimes(0.5, A.Compose((A.Mosaic((64, 96)), A.Jitter()))), A.small((64, 96), vertical=0))
    )


def test_presets() -> None:
    assert A.yolov3() == A.Compose((A.Jitter((416, 416), 0.3, (0.25, 2)), A.HSV(0.1, 1.5, 1.5), A.HorizontalFlip(0.5)))
    sample = any_sample(np.random.default_rng(1))
    rng = np.random.default_rng(0)
    for transform, size in ((A.yolov3((32, 64)), (32, 64)), (A.ssd((30, 20)), (30, 20)), (A.small((32, 64)), (32, 64))):
        for _ in range(5):
            assert transform(sample, rng, lambda rng: sample).image.shape[:2] == size
    assert min(A.mask_rcnn((32,), 999)(sample, rng, lambda rng: sample).image.shape[:2]) == 32
    names = {entry["name"] for entry in A.to_config(A.small())}
    assert names == {"one_of", "hsv", "horizontal_flip", "vertical_flip"}


FLIP = {"name": "horizontal_flip"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "hsv"}, r'augmentation: a list of {"name": ...} was expected, found {'),
        ("hsv", "augmentation: a list of"),
        ([FLIP, {"nam": "hsv"}], r'augmentation\[1\]: an entry {"name": ...} was expected, found {\'nam\': \'hsv\'}'),
        ([{"name": "mosiac"}], r"augmentation\[0\]: transform 'mosiac' is not known; did you mean mosaic\?"),
        ([{"name": "yolo3"}], r"transform 'yolo3' is not known; did you mean yolov3\?"),
        ([{"name": "zzzz"}], "transform 'zzzz' is not known; expected one of blur, brightness"),
        ([{"name": "hsv", "huee": 1}], r"augmentation\[0\]: hsv has no option 'huee'; did you mean hue\?"),
        ([{"name": "channel_order", "p": 1}], "channel_order has no option 'p'; it has none"),
        ([{"name": "resize"}], r"augmentation\[0\]: resize needs the option 'size'"),
        ([{"name": "resize", "size": [0, 4]}], r"resize: size must be \(height, width\) in whole pixels"),
        ([{"name": "resize", "size": 4}], r"resize: size must be \(height, width\) in whole pixels"),
        ([{"name": "hsv", "hue": "a"}], r"hsv: hue must lie in \[0, 1\], found 'a'"),
        ([{"name": "hsv", "hue": True}], r"hsv: hue must lie in \[0, 1\], found True"),
        ([{"name": "hsv", "hue": float("nan")}], r"hsv: hue must lie in \[0, 1\], found nan"),
        ([{"name": "jitter", "scale": 2}], r"jitter: scale must be \(lowest, highest\) in \[1e-06, inf\], found 2"),
        ([{"name": "jitter", "scale": [2, 1]}], r"scale must be \(lowest, highest\) in .*, found \(2, 1\)"),
        ([{"name": "jitter", "fill": [1, 2]}], r"fill must be a whole level 0..255, or one each of red"),
        ([{"name": "jitter", "fill": 1.5}], r"fill must be a whole level 0..255"),
        ([{"name": "jitter", "keep": "center"}], "keep 'center' is not known; expected one of share, centre"),
        ([{"name": "jitter", "resize": "cubic"}], "resize 'cubic' is not known; expected one of half_pixel"),
        ([{"name": "cutout", "count": 1.5}], "count must be a whole number of at least 0, found 1.5"),
        ([{"name": "crop_jitter", "jitter": 0.5}], "crop_jitter: jitter must be below 0.5"),
        ([{"name": "horizontal_flip", "pairs": [[0, 1], [1, 2]]}], "pairs must be of two keypoints each, none of them"),
        ([{"name": "resize_short", "short": []}], "short must be one or several lengths"),
        ([{"name": "sometimes", "p": 1, "transform": 3}], r"augmentation\[0\].transform: an entry"),
        (
            [{"name": "one_of", "transforms": [FLIP, {"name": "flip"}]}],
            r"augmentation\[0\].transforms\[1\]: transform 'flip' is not known; did you mean horizontal_flip or vert",
        ),
        ([{"name": "mosaic", "each": [{"name": "hvs"}]}], r"augmentation\[0\].each\[0\]: transform 'hvs' is not known"),
    ],
)
def test_one_line_that_says_what_and_where(config: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        A.from_config(config)
    assert "\n" not in str(error.value)


def test_only_what_has_a_name_becomes_plain() -> None:
    with pytest.raises(TypeError, match="a transform of this package was expected, found function"):
        A.to_config(A.Compose((lambda sample, rng, draw: sample,)))
