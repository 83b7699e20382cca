"""Convolutions with packed filters, on maps with their channels last; and each of them as ``conv2d_fused``.

Where to begin: ``tiles`` (the product in registers), then ``windows`` (a convolution as that product), ``winograd``,
``depthwise``, ``epilogue`` (what follows the sums), ``maps`` and ``layout``.

A packed convolution is made once from its filters.  ``border`` says how many zeros it reads around its input, ``bind``
gives it the maps to read and write, and what that returns are steps of a program::

    conv = PackedWindows(w, bias, Geometry((3, 3), padding=(1, 1)), Epilogue("leaky", 0.1))
    x = Map.empty((1, 52, 52, 128), conv.border((52, 52), (52, 52)))
    y = Map.empty((1, 52, 52, 256))
    Program(conv.bind(x, y)).run()
"""

from __future__ import annotations

from . import ready as _ready  # noqa: F401  before the others
from .ceiling import multiply_add_rate
from .depthwise import PackedDepthwise
from .greatest import bind_greatest
from .layout import bind_enlarge, from_map, to_map
from .maps import NONE, Border, Map
from .pack import Epilogue, Geometry, Step
from .program import Program
from .tiles import COLUMNS, whole
from .unchanged import Unchanged
from .windows import PackedWindows
from .winograd import PackedPolyphase, PackedWinograd

__all__ = [
    "COLUMNS", "KINDS", "NONE", "Border", "Epilogue", "Geometry", "Map", "Packed", "Program", "Step", "Unchanged",
    "bind_enlarge", "bind_greatest", "from_map", "multiply_add_rate", "to_map", "whole",
]  # fmt: skip

Packed = PackedWindows | PackedDepthwise | PackedWinograd | PackedPolyphase

#: The packed convolutions by the names that ``conv2d_fused`` knows them by.
KINDS: dict[str, type[Packed]] = {
    kind.name: kind for kind in (PackedWindows, PackedDepthwise, PackedWinograd, PackedPolyphase)
}
