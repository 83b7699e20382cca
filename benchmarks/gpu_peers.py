"""The programs of others on a GPU: torch's cuDNN in the precision that ours is held against, torchvision's operators.

``peers(operator)`` gives makers as in ``peers.PEERS``: they take the operator's arguments, as CuPy's arrays, and return
a function without arguments.  cuDNN computes float32 in tf32 unless it is told not to, so each setting is named.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .peers import PEERS, Call, tensors

#: Settings of torch's convolution: the name after "torch, ", whether cuDNN may use tf32, the dtype, channels last.
SETTINGS = [
    (f"{kind}{', channels last' if last else ''}", kind == "tf32", dtype, last)
    for kind, dtype in (("float32", "float32"), ("tf32", "float32"), ("f16", "float16"), ("bf16", "bfloat16"))
    for last in (False, True)
]


def peers(operator: str) -> dict[str, Callable[..., Call | None]]:
    """Name of program and setting -> what makes a call of it."""
    if operator in ("conv2d", "conv2d_grad_x", "conv2d_grad_w"):
        return {f"torch, {name}": partial(_convolution, operator, *how) for name, *how in SETTINGS}
    if operator == "batched_nms":
        return {"torchvision": _batched_nms}
    if operator == "iou_matrix":
        return {"torchvision": _box_iou}
    return {name: make for name, make in PEERS.get(operator, {}).items() if name in ("torch", "torchvision")}


def _convolution(operator: str, tf32: bool, dtype: str, last: bool, *arrays: Any, **options: Any) -> Call:
    import torch

    cudnn, layout = torch.backends.cudnn, torch.channels_last if last else torch.contiguous_format
    cudnn.benchmark = True  # it tries its algorithms, and keeps the fastest
    a, b = (t.to(getattr(torch, dtype)).contiguous(memory_format=layout) for t in tensors(*arrays[:2]))
    shape = options.pop("shape", None)
    function: Callable[..., Any] = {
        "conv2d": lambda: torch.nn.functional.conv2d(a, b, **options),
        "conv2d_grad_x": lambda: torch.nn.grad.conv2d_input(shape, b, a, **options),
        "conv2d_grad_w": lambda: torch.nn.grad.conv2d_weight(a, shape, b, **options),
    }[operator]

    def call() -> Any:
        before, cudnn.allow_tf32 = cudnn.allow_tf32, tf32
        try:
            return function()
        finally:
            cudnn.allow_tf32 = before

    return call


def _box_iou(a: Any, b: Any) -> Call:
    from torchvision.ops import box_iou

    return partial(box_iou, *tensors(a, b))


def _batched_nms(boxes: Any, scores: Any, classes: Any, *, threshold: float) -> Call:
    from torchvision.ops import batched_nms

    return partial(batched_nms, *tensors(boxes, scores, classes), threshold)
