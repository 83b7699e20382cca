"""The cfg texts of the benchmarked networks, put together here so that no file is needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ANCHORS = "10,13, 16,30, 33,23, 30,61, 62,45, 59,119, 116,90, 156,198, 373,326"
TINY_ANCHORS = "10,14, 23,27, 37,58, 81,82, 135,169, 344,319"


def _section(name: str, **options: object) -> str:
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in options.items())


def _conv(filters: int, size: int, stride: int = 1) -> str:
    return _section(
        "convolutional", batch_normalize=1, filters=filters, size=size, stride=stride, pad=1, activation="leaky"
    )


def _head(filters: int, anchors: str, mask: Sequence[int], classes: int) -> list[str]:
    """A 3x3 convolution, the raw map, and the section that says what it means."""
    raw = _section("convolutional", filters=len(mask) * (5 + classes), size=1, stride=1, pad=1, activation="linear")
    numbers = ",".join(map(str, mask))
    yolo = _section("yolo", mask=numbers, anchors=anchors, classes=classes, num=anchors.count(",") // 2 + 1)
    return [_conv(filters, 3), raw, yolo]


def _residual_stage(filters: int, blocks: int) -> Iterable[str]:
    yield _conv(filters, 3, 2)
    for _ in range(blocks):
        yield from (
            _conv(filters // 2, 1),
            _conv(filters, 3),
            _section("shortcut", **{"from": -3, "activation": "linear"}),
        )


def _neck(filters: int, pairs: int) -> list[str]:
    return [_conv(filters, 1), _conv(2 * filters, 3)] * pairs


def _route(*layers: int) -> str:
    return _section("route", layers=",".join(map(str, layers)))


def _up_and_join(filters: int, other: int) -> list[str]:
    return [_route(-4), _conv(filters, 1), _section("upsample", stride=2), _route(-1, other)]


def _pyramid() -> list[str]:
    """Spatial pyramid pooling: windows of 5, 9 and 13 beside the map itself."""
    pools = [_section("maxpool", stride=1, size=size) for size in (5, 9, 13)]
    return [pools[0], _route(-2), pools[1], _route(-4), pools[2], _route(-1, -3, -5, -6)]


def _yolov3(classes: int, *, spp: bool) -> list[str]:
    layers = [_conv(32, 3)]
    for filters, blocks in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        layers += _residual_stage(filters, blocks)
    if spp:
        layers += [*_neck(512, 1), _conv(512, 1), *_pyramid(), _conv(512, 1), _conv(1024, 3), _conv(512, 1)]
    else:
        layers += [*_neck(512, 2), _conv(512, 1)]
    layers += _head(1024, ANCHORS, (6, 7, 8), classes)
    layers += [*_up_and_join(256, 61), *_neck(256, 2), _conv(256, 1), *_head(512, ANCHORS, (3, 4, 5), classes)]
    layers += [*_up_and_join(128, 36), *_neck(128, 2), _conv(128, 1), *_head(256, ANCHORS, (0, 1, 2), classes)]
    return layers


def _tiny(classes: int) -> list[str]:
    layers = []
    for filters in (16, 32, 64, 128, 256):
        layers += [_conv(filters, 3), _section("maxpool", size=2, stride=2)]
    layers += [_conv(512, 3), _section("maxpool", size=2, stride=1), _conv(1024, 3), _conv(256, 1)]
    layers += _head(512, TINY_ANCHORS, (3, 4, 5), classes)
    return [*layers, *_up_and_join(128, 8), *_head(256, TINY_ANCHORS, (0, 1, 2), classes)]


def cfg_text(name: str, size: tuple[int, int], *, classes: int = 80) -> str:
    """The cfg of ``yolov3``, ``yolov3-spp`` or ``yolov3-tiny`` for images of ``size`` (height, width)."""
    layers = _tiny(classes) if name == "yolov3-tiny" else _yolov3(classes, spp=name == "yolov3-spp")
    return "\n".join([_section("net", width=size[1], height=size[0], channels=3), *layers])
