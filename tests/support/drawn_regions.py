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


@st.composite
def crop_calls(draw: Any, method: str = "bilinear") -> Call:
    """A map and boxes by position, some partly outside, some turned over; for what has no gradient by them, by name."""
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(2, 6)), draw(st.integers(2, 6)))
    rng, K = np.random.default_rng(draw(seeds)), draw(st.integers(0, 3))
    boxes = rng.uniform(-0.4, 1.4, (K, 4))
    p = {
        "index": rng.integers(0, shape[0], K),
        "size": (draw(st.integers(1, 4)), draw(st.integers(1, 4))),
        "method": method,
        "extrapolation": draw(st.sampled_from([0.0, -0.5])),
    }
    x = draw(arrays(shape, distinct))
    return Call((x, boxes), p) if method == "bilinear" else Call((x,), p | {"boxes": boxes})


def torch_crop(torch: Any, x: Any, boxes: Any, *, index: Any, size: Any, method: str, extrapolation: float) -> Any:
    """By ``grid_sample``, whose aligned corners are -1 and 1; what lies outside is set apart."""
    places = []
    for axis, m in enumerate(size):
        first, second = boxes[:, axis, None], boxes[:, axis + 2, None]
        share = torch.arange(m, dtype=x.dtype) / (m - 1) if m > 1 else torch.full((1,), 0.5, dtype=x.dtype)
        places.append(first + share * (second - first))
    y, across = places[0][:, :, None].expand(-1, -1, size[1]), places[1][:, None, :].expand(-1, size[0], -1)
    grid = torch.stack([across, y], dim=3) * 2 - 1
    crops = torch.nn.functional.grid_sample(
        x[torch.as_tensor(index)], grid, mode=method, padding_mode="border", align_corners=True
    )
    inside = ((y >= 0) & (y <= 1) & (across >= 0) & (across <= 1))[:, None]
    return torch.where(inside, crops, torch.full((), extrapolation, dtype=x.dtype))
