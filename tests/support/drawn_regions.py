"""Calls drawn of the functions of regions, and the same calls in torchvision."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from support.drawn_arrays import Call, arrays, distinct, seeds


@st.composite
def roi_calls(draw: Any, align: bool, mode: str = "avg") -> Call:
    """A map by position, and regions by name, since they have no gradient to be checked."""
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(2, 6)), draw(st.integers(2, 6)))
    rng = np.random.default_rng(draw(seeds))
    scale, K = draw(st.sampled_from([1.0, 0.5])), draw(st.integers(0, 3))
    first, sides = rng.uniform(-1, 5, (K, 2)), rng.uniform(0.2, 5, (K, 2))
    rois = np.concatenate([rng.integers(0, shape[0], (K, 1)), first / scale, (first + sides) / scale], axis=1)
    out = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    p: dict[str, Any] = {"rois": rois, "output_size": out, "spatial_scale": scale}
    if align:
        p |= {"sampling_ratio": draw(st.integers(-1, 2)), "aligned": draw(st.booleans()), "mode": mode}
        if mode == "max":
            p["max_of"] = draw(st.sampled_from(["samples", "corners"]))
    else:
        p["bins"] = "rounded"
    return Call((draw(arrays(shape, distinct)),), p)


def _regions(torch: Any, x: Any, rois: np.ndarray) -> Any:
    return torch.from_numpy(np.ascontiguousarray(rois)).to(x.dtype)


def torch_align(torch: Any, x: Any, *, rois: Any, output_size: Any, mode: str, **p: Any) -> Any:
    import torchvision

    return torchvision.ops.roi_align(x, _regions(torch, x, rois), output_size, **p)


def torch_roi_pool(torch: Any, x: Any, *, rois: Any, output_size: Any, spatial_scale: float, bins: str) -> Any:
    import torchvision

    return torchvision.ops.roi_pool(x, _regions(torch, x, rois), output_size, spatial_scale)
