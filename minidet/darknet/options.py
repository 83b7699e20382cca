"""How options of a cfg become strides, windows, groups and activations; shared by the layers."""

from __future__ import annotations

from .. import functions as F
from ..autograd import Tensor
from .activations import ACTIVATIONS, Activation
from .cfg import Section

#: (channels, height, width) of one image's map.
Shape = tuple[int, int, int]


def activation(section: Section, default: str) -> Activation:
    """The function that ``activation=`` names.  Raises `CfgError` for a name that is unknown or not implemented."""
    name = section.text("activation", default)
    if name.startswith("normalize_channels"):
        raise section.error(f"activation={name} is not implemented", "activation")
    if name not in ACTIVATIONS:
        raise section.error(f"no activation is named {name!r}; there are {', '.join(ACTIVATIONS)}", "activation")
    return ACTIVATIONS[name]


def pair(section: Section, default: int) -> tuple[int, int]:
    """The strides (vertical, horizontal) from ``stride``, ``stride_y`` and ``stride_x``."""
    stride = section.integer("stride", default, at_least=1)
    return section.integer("stride_y", stride, at_least=1), section.integer("stride_x", stride, at_least=1)


def window(section: Section, shape: Shape, reach: int, padding: int, stride: tuple[int, int]) -> tuple[int, int]:
    """The size of the map that windows of ``reach`` pixels make, with ``padding`` in all along each axis."""
    _, h, w = shape
    if min(h, w) + padding < reach:
        raise section.error(f"its window of {reach} pixels does not fit the map, {h} x {w} (padding {padding} in all)")
    return (h + padding - reach) // stride[0] + 1, (w + padding - reach) // stride[1] + 1


def group(x: Tensor, groups: int, which: int) -> Tensor:
    """The channels of one of ``groups`` equal parts."""
    size = x.shape[1] // groups
    return F.getitem(x, index=(slice(None), slice(which * size, (which + 1) * size)))


#: More than any network in use needs; a layer that has more is taken for a slip in the cfg, before memory runs out.
MOST = {"weights": 2**28, "channels": 2**17, "values of a map": 2**30}


def limit(section: Section, what: str, count: int) -> None:
    """Raise `CfgError` for a layer that has more of something than is plausible."""
    if count > MOST[what]:
        raise section.error(f"would have {count} {what}; expected at most {MOST[what]}")
