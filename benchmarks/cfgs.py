"""The cfg texts of the benchmarked networks, put together here so that no file is needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec

ANCHORS = "10,13, 16,30, 33,23, 30,61, 62,45, 59,119, 116,90, 156,198, 373,326"
TINY_ANCHORS = "10,14, 23,27, 37,58, 81,82, 135,169, 344,319"
ANCHORS_4 = "12,16, 19,36, 40,28, 36,75, 76,55, 72,146, 142,110, 192,243, 459,401"
#: The networks that are benchmarked, each with the side of the square images that it is timed at unless told otherwise.
NETWORKS = {"yolov3": 416, "yolov3-tiny": 416, "yolov3-spp": 416, "yolov4": 416, "vgg16": 300}
#: Training steps of these networks, where `benchmarks.training` measures them.
STEPS = ("yolov3-tiny-step", "yolov3-step") if find_spec("benchmarks.training") else ()


def _section(name: str, **options: object) -> str:
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in options.items())


def _conv(filters: int, size: int, stride: int = 1, activation: str = "leaky") -> str:
    return _section(
        "convolutional", batch_normalize=1, filters=filters, size=size, stride=stride, pad=1, activation=activation
    )


def _head(filters: int, anchors: str, mask: Sequence[int], classes: int, **options: object) -> list[str]:
    """A 3x3 convolution, the raw map, and the section that says what it means."""
    raw = _section("convolutional", filters=len(mask) * (5 + classes), size=1, stride=1, pad=1, activation="linear")
    numbers = ",".join(map(str, mask))
    yolo = _section("yolo", mask=numbers, anchors=anchors, classes=classes, num=anchors.count(",") // 2 + 1, **options)
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


def _split_stage(filters: int, blocks: int) -> list[str]:
    """A stage of CSPDarknet53: half of the channels go past the residual blocks, and both halves are joined."""
    half, inner = (filters, filters // 2) if blocks == 1 else (filters // 2, filters // 2)
    layers = [_conv(filters, 3, 2, "mish"), _conv(half, 1, 1, "mish"), _route(-2), _conv(half, 1, 1, "mish")]
    for _ in range(blocks):
        shortcut = _section("shortcut", **{"from": -3, "activation": "linear"})
        layers += [_conv(inner, 1, 1, "mish"), _conv(half, 3, 1, "mish"), shortcut]
    return [*layers, _conv(half, 1, 1, "mish"), _route(-1, -3 * blocks - 4), _conv(filters, 1, 1, "mish")]


def _yolov4(classes: int) -> list[str]:
    """CSPDarknet53, a spatial pyramid, paths up and down again (Bochkovskiy et al. 2020, section 3.4)."""
    layers = [_conv(32, 3, 1, "mish")]
    for filters, blocks in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        layers += _split_stage(filters, blocks)
    layers += [*_neck(512, 1), _conv(512, 1), *_pyramid(), *_neck(512, 1), _conv(512, 1)]
    for filters, backbone in ((256, 85), (128, 54)):
        layers += [_conv(filters, 1), _section("upsample", stride=2), _route(backbone), _conv(filters, 1)]
        layers += [_route(-1, -3), *_neck(filters, 2), _conv(filters, 1)]
    layers += _head(256, ANCHORS_4, (0, 1, 2), classes, scale_x_y=1.2)
    for filters, other, mask, scale in ((256, -16, (3, 4, 5), 1.1), (512, -37, (6, 7, 8), 1.05)):
        layers += [_route(-4), _conv(filters, 3, 2), _route(-1, other), *_neck(filters, 2), _conv(filters, 1)]
        layers += _head(2 * filters, ANCHORS_4, mask, classes, scale_x_y=scale)
    return layers


def _vgg16() -> list[str]:
    """Configuration D of Simonyan & Zisserman (2015) without its fully connected layers: what SSD300 starts from.

    Darknet's pooling counts a window that hangs over the edge, as SSD's does: 75 x 75 becomes 38 x 38.
    """
    layers = []
    for filters, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        plain = _section("convolutional", filters=filters, size=3, stride=1, pad=1, activation="relu")
        layers += [*[plain] * convolutions, _section("maxpool", size=2, stride=2)]
    return layers


def cfg_text(name: str, size: tuple[int, int], *, classes: int = 80) -> str:
    """The cfg of one of ``NETWORKS`` for images of ``size`` (height, width)."""
    layers = {
        "yolov3": lambda: _yolov3(classes, spp=False),
        "yolov3-spp": lambda: _yolov3(classes, spp=True),
        "yolov3-tiny": lambda: _tiny(classes),
        "yolov4": lambda: _yolov4(classes),
        "vgg16": _vgg16,
    }[name]()
    return "\n".join([_section("net", width=size[1], height=size[0], channels=3), *layers])
