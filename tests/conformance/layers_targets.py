"""Layers of torch, ONNX (by ONNX Runtime or by ONNX's reference), OpenCV and Pillow, called as the suite calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

ELEMENTS = {"float32": 1, "float64": 11, "int64": 7}


@cache
def model(kind: str, names: tuple[str, ...], kinds: tuple[str, ...], outputs: int, by: str, **attributes: Any) -> Any:
    """A model of one node, whose inputs are named; an empty name leaves an input out.  ``by`` is "ort" or "ref"."""
    from onnx import helper

    given = {name: list(value) if isinstance(value, tuple) else value for name, value in attributes.items()}
    results = [f"y{at}" for at in range(outputs)]
    node = helper.make_node(kind, names, results, **given)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(n, ELEMENTS[k], None) for n, k in zip(names, kinds, strict=True) if n],
        [helper.make_tensor_value_info(name, ELEMENTS[kinds[0]], None) for name in results],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    if by == "ref":
        from onnx.reference import ReferenceEvaluator

        return ReferenceEvaluator(made)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(kind: str, arrays: dict[str, np.ndarray], outputs: int, by: str, **attributes: Any) -> Any:
    names, kinds = tuple(arrays), tuple(str(value.dtype) for value in arrays.values())
    found = model(kind, names, kinds, outputs, by, **attributes).run(None, {n: v for n, v in arrays.items() if n})
    return found[0] if outputs == 1 else tuple(found)


def onnx_conv2d(
    x: Any, w: Any, bias: Any, stride: int, padding: int, dilation: int, groups: int, *, by: str = "ort",
    auto_pad: str = "NOTSET",
) -> Any:  # fmt: skip
    sizes = {"strides": (stride,) * 2, "dilations": (dilation,) * 2, "group": groups, "auto_pad": auto_pad}
    pads = {"pads": (padding,) * 4} if auto_pad == "NOTSET" else {}
    return run("Conv", {"x": x, "w": w, "b": bias}, 1, by, **sizes, **pads)


def onnx_conv_transpose2d(
    x: Any, w: Any, bias: Any, stride: int, padding: int, output_padding: int, groups: int, dilation: int, *,
    by: str = "ort", auto_pad: str = "NOTSET",
) -> Any:  # fmt: skip
    sizes = {"strides": (stride,) * 2, "dilations": (dilation,) * 2, "group": groups, "auto_pad": auto_pad}
    pads = {"pads": (padding,) * 4, "output_padding": (output_padding,) * 2} if auto_pad == "NOTSET" else {}
    return run("ConvTranspose", {"x": x, "w": w, "b": bias}, 1, by, **sizes, **pads)


def onnx_batch_norm(x: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, *, by: str = "ort") -> Any:
    arrays = {"x": x, "scale": weight, "b": bias, "mean": running_mean, "var": running_var}
    return run("BatchNormalization", arrays, 1, by)


def onnx_batch_norm_train(
    x: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, momentum: float, *, by: str = "ort"
) -> Any:
    arrays = {"x": x, "scale": weight, "b": bias, "mean": running_mean, "var": running_var}
    return run("BatchNormalization", arrays, 3, by, training_mode=1, momentum=momentum)


def onnx_pointwise(x: Any, *, kind: str, by: str = "ort", **attributes: Any) -> Any:
    return run(kind, {"x": x}, 1, by, **attributes)


def onnx_max_roi_pool(x: Any, rois: Any, output_size: Any, spatial_scale: float) -> Any:
    return run(
        "MaxRoiPool", {"x": x, "rois": rois}, 1, "ort", pooled_shape=tuple(output_size), spatial_scale=spatial_scale
    )


def onnx_resize(x: Any, size: Any, *, by: str = "ort", **attributes: Any) -> Any:
    arrays = {"x": x, "": np.zeros(0, np.float32), "sizes": np.array([*x.shape[:2], *size], np.int64)}
    kinds = (str(x.dtype), "float32", "float32", "int64")
    made = model("Resize", ("x", "", "", "sizes"), kinds, 1, by, **attributes)
    return made.run(None, {"x": arrays["x"], "sizes": arrays["sizes"]})[0]


def torch_conv2d_grad_x(g: Any, w: Any, shape: Any, stride: int, padding: int, dilation: int, groups: int) -> Any:
    import torch

    given = (torch.from_numpy(w), torch.from_numpy(g))
    return torch.nn.grad.conv2d_input(tuple(shape), *given, stride, padding, dilation, groups)


def torch_conv2d_grad_w(x: Any, g: Any, shape: Any, stride: int, padding: int, dilation: int, groups: int) -> Any:
    import torch

    return torch.nn.grad.conv2d_weight(
        torch.from_numpy(x), tuple(shape), torch.from_numpy(g), stride, padding, dilation, groups
    )


def torch_batch_norm_train(
    x: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, momentum: float
) -> tuple[Any, Any, Any]:
    """The statistics are changed in place, and are returned beside the result."""
    import torch

    x, mean, var, weight, bias = map(torch.from_numpy, (x, running_mean.copy(), running_var.copy(), weight, bias))
    y = torch.nn.functional.batch_norm(x, mean, var, weight, bias, training=True, momentum=momentum)
    return y, mean, var


def torch_gradient(g: Any, x: Any, *, function: str) -> Any:
    """Of a function of ``torch.nn.functional``, or of one of three forms of max(x, 0)."""
    import torch

    forms: dict[str, Callable[..., Any]] = {
        "clamp": lambda leaf: leaf.clamp(min=0),
        "maximum": lambda leaf: torch.maximum(leaf, torch.zeros_like(leaf)),
    }
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    y = forms[function](leaf) if function in forms else getattr(torch.nn.functional, function)(leaf)
    y.backward(torch.from_numpy(g))
    return leaf.grad


def torch_naive(x: Any, *, function: str) -> Any:
    """By the formula, as it is written in papers."""
    import torch

    x = torch.from_numpy(x)
    if function == "mish":
        return x * torch.tanh(torch.log(1 + torch.exp(x)))
    return torch.log(1 + torch.exp(x)) if function == "softplus" else x / (1 + torch.exp(-x))


def opencv_letterbox(image: Any, size: Any, *, mode: str = "LETTERBOX", floats: bool = True) -> Any:
    """By ``cv2.dnn``'s own padding; the border is 114, as it takes the caller's."""
    import cv2

    wanted = cv2.dnn.Image2BlobParams()
    wanted.size, wanted.borderValue = size[::-1], (114, 114, 114)
    wanted.paddingmode = getattr(cv2.dnn, f"DNN_PMODE_{mode}")
    return cv2.dnn.blobFromImageWithParams(image.astype(np.float32) if floats else image, wanted)[0] / np.float32(255)


def opencv_resize(x: Any, size: Any, *, mode: str) -> Any:
    import cv2

    return cv2.resize(x[0, 0], tuple(size)[::-1], interpolation=getattr(cv2, f"INTER_{mode}")).reshape(1, 1, *size)


def pillow_resize(x: Any, size: Any, *, mode: str) -> Any:
    from PIL import Image

    image = Image.fromarray(x[0, 0].astype(np.float32), mode="F")
    return np.asarray(image.resize(tuple(size)[::-1], getattr(Image.Resampling, mode)))[None, None]
