"""Transforms as plain data, for a training's TOML file, and back."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from minidet.errors import InputError, one_line

from . import presets
from .blur import Blur
from .compose import Compose, OneOf, Sometimes
from .copy_paste import CopyPaste
from .crop import Crop
from .cutmix import CutMix
from .erase import Cutout, RandomErasing
from .expand import Expand
from .fit import Letterbox, Resize, ResizeShort
from .flip import HorizontalFlip, VerticalFlip
from .hsv import HSV
from .iou_crop import IoUCrop
from .jitter import CropJitter, Jitter
from .mixup import MixUp
from .mosaic import Mosaic
from .photometric import Brightness, ChannelOrder, Contrast, Gamma, Hue, Saturation
from .scale_jitter import ScaleJitter

#: Every transform by the name it has in a file.
TRANSFORMS: dict[str, Callable[..., Any]] = {
    "blur": Blur,
    "brightness": Brightness,
    "channel_order": ChannelOrder,
    "compose": Compose,
    "contrast": Contrast,
    "copy_paste": CopyPaste,
    "crop": Crop,
    "crop_jitter": CropJitter,
    "cutmix": CutMix,
    "cutout": Cutout,
    "expand": Expand,
    "gamma": Gamma,
    "horizontal_flip": HorizontalFlip,
    "hsv": HSV,
    "hue": Hue,
    "iou_crop": IoUCrop,
    "jitter": Jitter,
    "letterbox": Letterbox,
    "mixup": MixUp,
    "mosaic": Mosaic,
    "one_of": OneOf,
    "random_erasing": RandomErasing,
    "resize": Resize,
    "resize_short": ResizeShort,
    "saturation": Saturation,
    "scale_jitter": ScaleJitter,
    "sometimes": Sometimes,
    "vertical_flip": VerticalFlip,
}

#: And every preset.
PRESETS: dict[str, Callable[..., Compose]] = {
    "mask_rcnn": presets.mask_rcnn,
    "small": presets.small,
    "ssd": presets.ssd,
    "yolov3": presets.yolov3,
}

#: Options that are transforms, or a list of them.
NESTED = ("transform", "transforms", "each")


def from_config(config: Sequence[Mapping[str, Any]], where: str = "augmentation") -> Compose:
    """The transforms of a list of ``{"name": ..., option: value, ...}``, one after the other.

    A name is one of ``TRANSFORMS`` or of ``PRESETS``; options left out have their defaults; lists become tuples.  The
    options ``transform``, ``transforms`` and ``each`` hold such an entry or a list of them.  Raises ``InputError``, one
    line that says in which entry of ``where``, for what is not known, missing or refused.
    """
    if isinstance(config, (str, Mapping)) or not isinstance(config, Sequence):
        raise InputError(f'{where}: a list of {{"name": ...}} was expected, found {one_line(repr(config))}')
    return Compose(tuple(_build(entry, f"{where}[{i}]") for i, entry in enumerate(config)))


def _build(entry: Any, where: str) -> Any:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise InputError(f'{where}: an entry {{"name": ...}} was expected, found {one_line(repr(entry))}')
    name = entry["name"]
    make = (TRANSFORMS | PRESETS).get(name)
    if make is None:
        raise InputError(f"{where}: transform {name!r} is not known; {_near(name, [*TRANSFORMS, *PRESETS])}")
    known = inspect.signature(make).parameters
    options = {}
    for key, value in entry.items():
        if key == "name":
            continue
        if key not in known:
            raise InputError(f"{where}: {name} has no option {key!r}; {_near(key, list(known))}")
        inside = f"{where}.{key}"
        if key not in NESTED:
            options[key] = _tuples(value)
        elif key == "transforms":
            options[key] = from_config(value, inside).transforms
        else:
            options[key] = from_config(value, inside) if isinstance(value, list) else _build(value, inside)
    missing = [k for k, p in known.items() if p.default is inspect.Parameter.empty and k not in options]
    if missing:
        raise InputError(f"{where}: {name} needs the option {missing[0]!r}")
    try:
        return make(**options)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {name}: {one_line(error)}") from None


def _near(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, 3, 0.5) or [name for name in known if word and word in name]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"expected one of {', '.join(known)}" if known else "it has none"


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value


def to_config(transform: Any) -> list[dict[str, Any]]:
    """Plain data that ``from_config`` makes ``transform`` of again: every option written out, but those that are None.

    Raises ``TypeError`` for a transform that has no name in a file.
    """
    if type(transform) is Compose:
        return [_plain(item) for item in transform.transforms]
    return [_plain(transform)]


def _plain(transform: Any) -> dict[str, Any]:
    names = [name for name, kind in TRANSFORMS.items() if kind is type(transform)]
    if not names or not is_dataclass(transform):
        raise TypeError(f"a transform of this package was expected, found {type(transform).__name__}")
    out: dict[str, Any] = {"name": names[0]}
    for field in fields(transform):
        value = getattr(transform, field.name)
        if value is None:
            continue
        if field.name == "transforms":
            value = [_plain(item) for item in value]
        elif field.name in NESTED:
            value = _plain(value)
        out[field.name] = _lists(value)
    return out


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, (list, tuple)) else value
