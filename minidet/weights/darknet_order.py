"""The order of the layers of models written in Python in Darknet's ``.weights`` files, as tables of their names.

A row is the attribute path of a block (``conv`` and ``bn``) or of a convolution with a bias.  The order is that of the
layers in the cfg of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator

from .. import nn
from ..errors import InputError
from ..models.blocks import ConvBlock
from ..models.yolov3 import YOLOv3
from ..models.yolov3_tiny import YOLOv3Tiny
from .slots import Slot, convolution_parts


def _darknet53() -> Iterator[str]:
    yield "backbone.stem"
    for stage, blocks in enumerate((1, 2, 8, 8, 4), 1):
        yield f"backbone.stage{stage}.down"
        for block in range(blocks):
            yield f"backbone.stage{stage}.blocks.{block}.reduce"
            yield f"backbone.stage{stage}.blocks.{block}.expand"


def _head(scale: str, neck: tuple[int, ...]) -> Iterator[str]:
    yield from (f"{scale}_neck.layers.{i}" for i in neck)
    yield f"{scale}_head.spread"
    yield f"{scale}_head.raw"


def _yolov3(coarse_neck: tuple[int, ...]) -> tuple[str, ...]:
    plain = (0, 1, 2, 3, 4)
    return (
        *_darknet53(),
        *_head("coarse", coarse_neck),
        "to_medium",
        *_head("medium", plain),
        "to_fine",
        *_head("fine", plain),
    )


YOLOV3 = _yolov3(coarse_neck=(0, 1, 2, 3, 4))
YOLOV3_SPP = _yolov3(coarse_neck=(0, 1, 2, 4, 5, 6))  # 3 is the pyramid pool
YOLOV3_TINY = (
    *(f"to_stride16.{i}" for i in (0, 2, 4, 6, 8)),
    *(f"to_stride32.{i}" for i in (1, 3)),
    "neck",
    "coarse_head.spread",
    "coarse_head.raw",
    "to_fine",
    "fine_head.spread",
    "fine_head.raw",
)


def table(model: nn.Module) -> tuple[str, ...]:
    """The names of a model's blocks in file order.  Raises `InputError` for a model that has no table."""
    if isinstance(model, YOLOv3):
        return YOLOV3_SPP if model.spp else YOLOV3
    if isinstance(model, YOLOv3Tiny):
        return YOLOV3_TINY
    raise InputError(
        f"{type(model).__name__} has no order of layers in Darknet's weights files, so none can be read into it"
    )


def table_slots(model: nn.Module) -> list[Slot]:
    """The tensors of a model in the order of its table; every parameter and buffer must be among them."""
    modules = dict(model.named_modules())
    found = []
    for name in table(model):
        block = modules[name]
        assert isinstance(block, (ConvBlock, nn.Conv2d)), name
        parts = (
            convolution_parts(block.conv, block.bn) if isinstance(block, ConvBlock) else convolution_parts(block, None)
        )
        found.append(Slot(name, parts))
    covered = {id(tensor) for slot in found for _, tensor in slot.parts}
    left = [name for name, t in (*model.named_parameters(), *model.named_buffers()) if id(t) not in covered]
    assert not left, left
    return found
