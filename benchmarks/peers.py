"""The same operators by other programs, to be checked and timed beside ours.

``PEERS[operator][program]`` takes the operator's own arguments and returns a function without arguments that computes
the result; arrays are handed over before the clock runs.  It returns ``None`` for arguments that the program has no
equal for.  A program in a setting of its own is registered after a comma: ``"torch, channels last"``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .sections import pair

Call = Callable[[], Any]
PEERS: dict[str, dict[str, Callable[..., Call | None]]] = {}


def peer(operator: str, program: str) -> Callable[[Callable[..., Call | None]], Callable[..., Call | None]]:
    """Register a peer of an operator."""

    def register(make: Callable[..., Call | None]) -> Callable[..., Call | None]:
        PEERS.setdefault(operator, {})[program] = make
        return make

    return register


def family(program: str) -> str:
    """Whose program it is: the word before the comma."""
    return program.split(",")[0]


def tensors(*arrays: np.ndarray) -> list[Any]:
    """Arrays as torch tensors of the same memory, on the host or on a GPU."""
    import torch

    on_host = [isinstance(a, np.ndarray) for a in arrays]
    return [
        torch.from_numpy(np.ascontiguousarray(a)) if here else torch.from_dlpack(a)
        for a, here in zip(arrays, on_host, strict=True)
    ]


@peer("conv2d", "torch")
def _(x: Any, w: Any, bias: Any = None, **options: Any) -> Call:
    import torch.nn.functional as F

    return partial(F.conv2d, *tensors(x, w), **options)


@peer("conv2d", "torch, channels last")
def _(x: Any, w: Any, bias: Any = None, **options: Any) -> Call:
    import torch
    import torch.nn.functional as F

    x, w = (t.contiguous(memory_format=torch.channels_last) for t in tensors(x, w))
    return partial(F.conv2d, x, w, **options)


@peer("conv2d", "torch, prepacked")
def _(x: Any, w: Any, bias: Any = None, *, stride: Any = 1, padding: Any = 0, groups: int = 1) -> Call:
    import torch

    shape = list(x.shape)
    x, w = (t.contiguous(memory_format=torch.channels_last) for t in tensors(x, w))
    sizes = pair(padding), pair(stride), [1, 1], groups
    packed = torch.ops.mkldnn._reorder_convolution_weight(w, *sizes, shape)
    return partial(torch.ops.mkldnn._convolution_pointwise, x, packed, None, *sizes, "none", [], "")


def _convolution_model(x: Any, w: Any, stride: Any, padding: Any, groups: int) -> bytes:
    """An ONNX model of one node."""
    from onnx import helper, numpy_helper

    how = {"strides": pair(stride), "pads": pair(padding) * 2, "group": groups}
    node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=w.shape[2:], **how)
    maps = helper.make_tensor_value_info("x", 1, x.shape), helper.make_tensor_value_info("y", 1, [None] * 4)
    graph = helper.make_graph([node], "convolution", [maps[0]], [maps[1]], [numpy_helper.from_array(w, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()


@peer("conv2d", "onnxruntime")
def _(x: Any, w: Any, bias: Any = None, *, stride: Any = 1, padding: Any = 0, groups: int = 1) -> Call:
    from .engines import onnxruntime_session

    session = onnxruntime_session(_convolution_model(x, w, stride, padding, groups))
    return lambda: session.run(None, {"x": x})[0]


@peer("conv2d", "openvino")
def _(x: Any, w: Any, bias: Any = None, *, stride: Any = 1, padding: Any = 0, groups: int = 1) -> Call:
    from .engines import openvino_request

    request = openvino_request(_convolution_model(x, w, stride, padding, groups))

    def call() -> Any:
        request.infer([x], share_inputs=True)
        return request.get_output_tensor(0).data

    return call


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


@peer("iou_matrix", "torchvision")
def _(a: Any, b: Any) -> Call:
    from torchvision.ops import box_iou

    return partial(box_iou, *tensors(a, b))


@peer("match", "torchvision")
def _(anchors: Any, truths: Any) -> Call:
    from torchvision.ops import box_iou

    anchors, truths = tensors(anchors, truths)

    def call() -> Any:
        overlaps = box_iou(truths, anchors)
        (best, anchor), (iou, truth) = overlaps.max(dim=1), overlaps.max(dim=0)
        return truth, iou, anchor, best

    return call


@peer("crowd_iou_matrix", "pycocotools")
def _(a: Any, b: Any, crowd: Any) -> Call:
    from pycocotools.mask import iou

    xywh = [np.concatenate([x[:, :2], x[:, 2:] - x[:, :2]], axis=1).astype(np.float64) for x in (a, b)]
    return partial(iou, *xywh, crowd.astype(np.uint8).tolist())


@peer("nms", "torchvision")
def _(boxes: Any, scores: Any, *, threshold: float) -> Call:
    from torchvision.ops import nms

    return partial(nms, *tensors(boxes, scores), threshold)


@peer("nms", "opencv")
def _(boxes: Any, scores: Any, *, threshold: float) -> Call:
    import cv2

    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float64)
    return lambda: np.asarray(cv2.dnn.NMSBoxes(xywh, scores, 0.0, threshold), np.int64)


@peer("batched_nms", "torchvision")
def _(boxes: Any, scores: Any, classes: Any, *, threshold: float) -> Call:
    from torchvision.ops import batched_nms

    return partial(batched_nms, *tensors(boxes, scores, classes), threshold)


@peer("mask_iou", "pycocotools")
def _(a: Any, a_splits: Any, b: Any, b_splits: Any, crowd: Any, *, size: Any) -> Call:
    from minidet_kernels.masks import Runs, to_coco
    from pycocotools.mask import iou

    objects = [to_coco(Runs(counts, splits, size)) for counts, splits in ((a, a_splits), (b, b_splits))]
    return partial(iou, *objects, crowd.astype(np.uint8).tolist())


@peer("roi_align", "torchvision")
def _(x: Any, rois: Any, *, output_size: int, **o: Any) -> Call | None:
    from torchvision.ops import roi_align

    if o.get("mode") == "max":
        return None

    size = (output_size, output_size)
    return partial(roi_align, *tensors(x, rois), size, o["spatial_scale"], o["sampling_ratio"], o["aligned"])


@peer("roi_align_grad_x", "torchvision")
def _(g: Any, rois: Any, *given: Any, shape: Any, **o: Any) -> Call | None:
    import torch
    import torchvision  # noqa: F401  (registers the operator)

    if o.get("mode") == "max":
        return None
    backward, numbers = torch.ops.torchvision._roi_align_backward, (*g.shape[2:], *shape)
    return partial(backward, *tensors(g, rois), o["spatial_scale"], *numbers, o["sampling_ratio"], o["aligned"])


@peer("roi_pool", "torchvision")
def _(x: Any, rois: Any, *, output_size: int, spatial_scale: float, **_: Any) -> Call:
    import torch
    import torchvision  # noqa: F401  (registers the operator)

    x, rois = tensors(x, rois)
    return lambda: torch.ops.torchvision.roi_pool(x, rois, spatial_scale, output_size, output_size)


@peer("roi_pool_grad_x", "torchvision")
def _(g: Any, index: Any, rois: Any, *, shape: Any) -> Call:
    import torch
    import torchvision  # noqa: F401  (registers the operator)

    backward = torch.ops.torchvision._roi_pool_backward
    g, index, rois = tensors(g, index.astype(np.int32), rois)
    return lambda: backward(g, rois, index, 0.25, *g.shape[2:], *shape)


@peer("leaky_relu", "torch")
def _(x: Any, *, slope: float) -> Call:
    import torch.nn.functional as F

    return partial(F.leaky_relu, *tensors(x), slope)


@peer("leaky_relu_grad", "torch")
def _(g: Any, x: Any, *, slope: float) -> Call:
    import torch

    return partial(torch.ops.aten.leaky_relu_backward, *tensors(g, x), slope, False)


@peer("silu", "torch")
def _(x: Any) -> Call:
    import torch.nn.functional as F

    return partial(F.silu, *tensors(x))


@peer("silu_grad", "torch")
def _(g: Any, x: Any) -> Call:
    import torch

    return partial(torch.ops.aten.silu_backward, *tensors(g, x))


@peer("mish", "torch")
def _(x: Any) -> Call:
    import torch.nn.functional as F

    return partial(F.mish, *tensors(x))


@peer("mish_grad", "torch")
def _(g: Any, x: Any) -> Call:
    import torch

    return partial(torch.ops.aten.mish_backward, *tensors(g, x))


@peer("batch_norm_train", "torch")
def _(x: Any, weight: Any, bias: Any, *, eps: float) -> Call:
    import torch

    run, arrays = torch.ops.aten.native_batch_norm, tensors(x, weight, bias)

    def call() -> Any:
        y, mean, inverse = run(*arrays, None, None, True, 0.1, eps)
        return y, mean, inverse**-2 - eps

    return call


@peer("batch_norm_grad", "torch")
def _(g: Any, x: Any, weight: Any, mean: Any, var: Any, *, eps: float) -> Call:
    import torch

    run, arrays = torch.ops.aten.native_batch_norm_backward, tensors(g, x, weight)
    mean, inverse = tensors(mean.astype(np.float32), (1 / np.sqrt(var + eps)).astype(np.float32))
    return lambda: run(*arrays, None, None, mean, inverse, True, eps, [True, True, True])
