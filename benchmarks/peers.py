"""The same operators by other programs, to be checked and timed beside ours.

``PEERS[operator][program]`` takes the operator's own arguments and returns a function without arguments that computes
the result; arrays are handed over before the clock runs.  It returns ``None`` for arguments that the program has no
equal for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Call = Callable[[], Any]
PEERS: dict[str, dict[str, Callable[..., Call | None]]] = {}


def peer(operator: str, program: str) -> Callable[[Callable[..., Call | None]], Callable[..., Call | None]]:
    """Register a peer of an operator."""

    def register(make: Callable[..., Call | None]) -> Callable[..., Call | None]:
        PEERS.setdefault(operator, {})[program] = make
        return make

    return register


def tensors(*arrays: np.ndarray) -> list[Any]:
    """Arrays as torch tensors of the same memory."""
    import torch

    return [torch.from_numpy(np.ascontiguousarray(a)) for a in arrays]


@peer("conv2d", "torch")
def _(x: Any, w: Any, bias: Any = None, **options: Any) -> Call:
    import torch.nn.functional as F

    return partial(F.conv2d, *tensors(x, w), **options)


@peer("conv2d_grad_x", "torch")
def _(g: Any, w: Any, *, shape: Any, **options: Any) -> Call:
    from torch.nn.grad import conv2d_input

    g, w = tensors(g, w)
    return lambda: conv2d_input(shape, w, g, **options)


@peer("conv2d_grad_w", "torch")
def _(x: Any, g: Any, *, shape: Any, **options: Any) -> Call:
    from torch.nn.grad import conv2d_weight

    x, g = tensors(x, g)
    return lambda: conv2d_weight(x, shape, g, **options)


@peer("max_pool2d", "torch")
def _(x: Any, *, size: int, stride: int | None = None, padding: int = 0) -> Call:
    import torch.nn.functional as F

    (x,) = tensors(x)
    return lambda: F.max_pool2d(x, size, stride or size, padding, return_indices=True)


@peer("max_pool2d_grad_x", "torch")
def _(g: Any, index: Any, *, shape: Any) -> Call:
    import torch

    g, index = tensors(g, index)
    x, backward = torch.zeros(shape), torch.ops.aten.max_pool2d_with_indices_backward
    return lambda: backward(g, x, [2, 2], [2, 2], [0, 0], [1, 1], False, index)


@peer("avg_pool2d", "torch")
def _(x: Any, *, size: int) -> Call:
    import torch.nn.functional as F

    (x,) = tensors(x)
    return lambda: F.avg_pool2d(x, size)


@peer("avg_pool2d_grad_x", "torch")
def _(g: Any, *, shape: Any, size: int) -> Call:
    import torch

    (g,) = tensors(g)
    x, sizes, backward = torch.zeros(shape), [size, size], torch.ops.aten.avg_pool2d_backward
    return lambda: backward(g, x, sizes, sizes, [0, 0], False, True, None)


@peer("resize", "torch")
def _(x: Any, *, size: Any, mode: str, coordinates: Any = None, antialias: bool = False, **_: Any) -> Call:
    import torch.nn.functional as F

    (x,), corners = tensors(x), coordinates == "align_corners" if mode == "bilinear" else None
    return lambda: F.interpolate(x, size, mode=mode, antialias=antialias, align_corners=corners)


@peer("resize_grad_x", "torch")
def _(g: Any, *, shape: Any, mode: str, coordinates: Any = None, antialias: bool = False, **_: Any) -> Call:
    import torch

    aten, size, (g,) = torch.ops.aten, g.shape[2:], tensors(g)
    if mode == "nearest":
        return lambda: aten.upsample_nearest2d_backward(g, list(size), list(shape))
    backward = aten._upsample_bilinear2d_aa_backward if antialias else aten.upsample_bilinear2d_backward
    return lambda: backward(g, list(size), list(shape), coordinates == "align_corners")


@peer("iou_matrix", "torch")
def _(a: Any, b: Any) -> Call:
    from torchvision.ops import box_iou

    return partial(box_iou, *tensors(a, b))


@peer("nms", "torch")
def _(boxes: Any, scores: Any, *, threshold: float) -> Call:
    from torchvision.ops import nms

    return partial(nms, *tensors(boxes, scores), threshold)


@peer("nms", "opencv")
def _(boxes: Any, scores: Any, *, threshold: float) -> Call:
    import cv2

    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float64)
    return lambda: np.asarray(cv2.dnn.NMSBoxes(xywh, scores, 0.0, threshold), np.int64)


@peer("batched_nms", "torch")
def _(boxes: Any, scores: Any, classes: Any, *, threshold: float) -> Call:
    from torchvision.ops import batched_nms

    return partial(batched_nms, *tensors(boxes, scores, classes), threshold)


@peer("roi_align", "torch")
def _(x: Any, rois: Any, *, output_size: int, **o: Any) -> Call | None:
    from torchvision.ops import roi_align

    if o.get("mode") == "max":
        return None

    size = (output_size, output_size)
    return partial(roi_align, *tensors(x, rois), size, o["spatial_scale"], o["sampling_ratio"], o["aligned"])


@peer("roi_align_grad_x", "torch")
def _(g: Any, rois: Any, *given: Any, shape: Any, **o: Any) -> Call | None:
    import torch
    import torchvision  # noqa: F401  (registers the operator)

    if o.get("mode") == "max":
        return None
    backward, numbers = torch.ops.torchvision._roi_align_backward, (*g.shape[2:], *shape)
    return partial(backward, *tensors(g, rois), o["spatial_scale"], *numbers, o["sampling_ratio"], o["aligned"])


@peer("roi_pool", "torch")
def _(x: Any, rois: Any, *, output_size: int, spatial_scale: float, **_: Any) -> Call:
    import torch
    import torchvision  # noqa: F401  (registers the operator)

    x, rois = tensors(x, rois)
    return lambda: torch.ops.torchvision.roi_pool(x, rois, spatial_scale, output_size, output_size)


@peer("roi_pool_grad_x", "torch")
def _(g: Any, index: Any, rois: Any, *, shape: Any) -> Call:
    import torch
    import torchvision  # noqa: F401  (registers the operator)

    backward = torch.ops.torchvision._roi_pool_backward
    g, index, rois = tensors(g, index.astype(np.int32), rois)
    return lambda: backward(g, rois, index, 0.25, *g.shape[2:], *shape)
