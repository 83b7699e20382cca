"""The sections that mark an output of a network: ``[yolo]``, ``[region]``, ``[detection]``."""

from __future__ import annotations

from .. import nn
from ..autograd import Tensor
from ..boxes.yolo import DetectionHead, Head, Pairs, RegionHead, YoloHead
from .cfg import Section
from .layer import Layer
from .options import Shape


class HeadLayer(Layer):
    """Hands its input on as it came; ``head`` says what the numbers mean."""

    head: Head

    def geometry(self, *shapes: Shape) -> Shape:
        """The shape that arrives."""
        found = shapes[0][0] if not isinstance(self.head, DetectionHead) else shapes[0][0] * shapes[0][1] * shapes[0][2]
        if found != self.head.channels:
            raise self.section.error(
                f"expected {self.head.channels} channels for its classes and anchors, found {found}; set filters= of "
                f"the convolution before to {self.head.channels}"
            )
        return shapes[0]

    def forward(self, x: Tensor) -> Tensor:
        """``x``."""
        return x


def _classes(section: Section, default: int) -> int:
    return section.integer("classes", default, at_least=1)


def _anchors(section: Section, expected: int) -> Pairs:
    values = section.numbers("anchors")
    if len(values) != 2 * expected:
        raise section.error(f"expected {2 * expected} numbers (num={expected} pairs), found {len(values)}", "anchors")
    if min(values) <= 0:
        raise section.error(f"expected widths and heights above 0, found {min(values):g}", "anchors")
    return tuple(zip(values[::2], values[1::2], strict=True))


class Yolo(HeadLayer):
    """A YOLOv3 or YOLOv4 head: the anchors that ``mask`` picks, ``scale_x_y``, ``new_coords``."""

    def __init__(
        self, section: Section, sources: tuple[int, ...], shape: Shape, *, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        anchors = _anchors(section, section.integer("num", 1, at_least=1))
        mask = section.integers("mask") if "mask" in section else tuple(range(len(anchors)))
        wrong = [m for m in mask if not 0 <= m < len(anchors)]
        if wrong:
            raise section.error(f"{wrong[0]} is none of the {len(anchors)} anchors (from 0)", "mask")
        if section.integer("new_coords", 0) not in (0, 1):
            raise section.error(f"expected 0 or 1, found {section.text('new_coords')}", "new_coords")
        self.head = YoloHead(
            anchors=tuple(anchors[m] for m in mask),
            classes=_classes(section, 20),
            scale_x_y=section.number("scale_x_y", 1.0),
            new_coords=section.flag("new_coords"),
            nms_kind=section.text("nms_kind", "default"),
            beta_nms=section.number("beta_nms", 0.6),
        )


class Region(HeadLayer):
    """A YOLOv2 head."""

    def __init__(
        self, section: Section, sources: tuple[int, ...], shape: Shape, *, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        if section.integer("coords", 4) != 4:
            raise section.error(f"expected 4, found {section.text('coords')}; masks are not implemented", "coords")
        anchors = _anchors(section, section.integer("num", 1, at_least=1))
        self.head = RegionHead(anchors, _classes(section, 20), softmax=section.flag("softmax"))


class Detection(HeadLayer):
    """A YOLOv1 head."""

    def __init__(
        self, section: Section, sources: tuple[int, ...], shape: Shape, *, dialect: str, rng: nn.init.Rng
    ) -> None:
        super().__init__(section, sources)
        if section.integer("coords", 1) != 4:
            raise section.error(f"expected coords=4, found {section.text('coords', '1')}", "coords")
        self.head = DetectionHead(
            side=section.integer("side", 7, at_least=1),
            boxes=section.integer("num", 1, at_least=1),
            classes=_classes(section, 1),
            square=section.flag("sqrt"),
            softmax=section.flag("softmax"),
        )


HEADS: dict[str, type[HeadLayer]] = {"yolo": Yolo, "region": Region, "detection": Detection}
