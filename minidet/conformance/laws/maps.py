"""Laws of what takes maps (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..operators import Inputs
from .law import Both, Call, Law, changed, mapped


def doubled(call: Call, inputs: Inputs) -> Both:
    """All values of the map double: so does the answer."""
    two = inputs["x"].dtype.type(2)
    return call(changed(inputs, x=inputs["x"] * two)), mapped(call(inputs), lambda y: 2 * y)


def transposed_map(call: Call, inputs: Inputs) -> Both:
    """Rows and columns of the map change places: so do those of the answer."""
    turned = changed(inputs, x=np.ascontiguousarray(inputs["x"].swapaxes(2, 3)))
    for name in ("size", "output_size"):
        if isinstance(inputs.get(name), tuple):
            turned[name] = inputs[name][::-1]
    if "rois" in inputs:
        turned["rois"] = np.ascontiguousarray(inputs["rois"][:, [0, 2, 1, 4, 3]])
    return mapped(call(turned), lambda y: y.swapaxes(2, 3)), call(inputs)


def one_region_alone(call: Call, inputs: Inputs) -> Both:
    """The last region alone gives what it gives among the others."""
    return call(changed(inputs, rois=inputs["rois"][-1:])), mapped(call(inputs), lambda y: y[-1:])


def one_image_alone(call: Call, inputs: Inputs) -> Both:
    """A second image in the batch, of other values, changes nothing for the first."""
    x = inputs["x"]
    answer, alone = call(changed(inputs, x=np.concatenate([x, 7 - x]))), call(inputs)
    return mapped(answer, lambda y: y if "rois" in inputs else y[: len(x)]), alone


LAWS: Mapping[str, tuple[Law, ...]] = {
    "roi_align": (
        Law("transpose", "rows and columns change places", transposed_map),
        Law("double", "twice the map, twice the answer", doubled),
        Law("region alone", "a region alone gives what it gives among others", one_region_alone),
        Law("image alone", "another image changes nothing", one_image_alone),
    ),
    "max_pool2d": (
        Law("transpose", "rows and columns change places", transposed_map),
        Law("double", "twice the map, twice the answer", doubled),
        Law("image alone", "another image changes nothing", one_image_alone),
    ),
    "resize": (
        Law("transpose", "rows and columns change places", transposed_map),
        Law("double", "twice the map, twice the answer", doubled),
        Law("image alone", "another image changes nothing", one_image_alone),
    ),
}
