"""Torchvision's, OpenCV's and OpenVINO's coders, anchors, priors and matchers, called as the suite calls."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np


def _tensors(*arrays: np.ndarray) -> Any:
    torch = import_module("torch")
    return [torch.from_numpy(np.ascontiguousarray(one)) for one in arrays]


def _coder(weights: np.ndarray) -> Any:
    return import_module("torchvision.models.detection._utils").BoxCoder(tuple(weights.tolist()))


def encode(boxes: np.ndarray, anchors: np.ndarray, weights: np.ndarray) -> Any:
    """By ``BoxCoder``."""
    return _coder(weights).encode_single(*_tensors(boxes, anchors))


def decode(deltas: np.ndarray, anchors: np.ndarray, weights: np.ndarray, size: Any) -> Any:
    """By ``BoxCoder``; its models clip afterwards."""
    return _coder(weights).decode_single(*_tensors(deltas, anchors))


def ssd_encode(boxes: np.ndarray, priors: np.ndarray, variances: np.ndarray) -> Any:
    """By ``BoxCoder``, whose weights are the inverses of variances."""
    return encode(boxes, priors, np.repeat(1 / variances, 2))


def ssd_decode(deltas: np.ndarray, priors: np.ndarray, variances: np.ndarray) -> Any:
    """As `ssd_encode`."""
    return decode(deltas, priors, np.repeat(1 / variances, 2), None)


def anchors(sizes: np.ndarray, ratios: np.ndarray, cells: tuple[int, int], stride: int) -> Any:
    """By ``AnchorGenerator``."""
    torch = import_module("torch")
    detection = import_module("torchvision.models.detection.anchor_utils")
    height, width = (stride * n for n in cells)
    images = detection.ImageList(torch.zeros(1, 3, height, width), [(height, width)])
    generator = detection.AnchorGenerator((tuple(sizes.tolist()),), (tuple(ratios.tolist()),))
    return generator(images, [torch.zeros(1, 1, *cells)])[0]


def ssd_priors(
    small: float, large: float, ratios: np.ndarray, cells: Any, size: Any, step: float, *, steps: bool = True,
    clip: bool = True,
) -> Any:  # fmt: skip
    """By ``DefaultBoxGenerator``; scales are fractions of the height."""
    torch = import_module("torch")
    detection = import_module("torchvision.models.detection.anchor_utils")
    scales = [small / size[0], large / size[0]]
    generator = detection.DefaultBoxGenerator(
        [ratios.tolist()], scales=scales, steps=[step] if steps else None, clip=clip
    )
    images = detection.ImageList(torch.zeros(1, 3, *size), [tuple(size)])
    pixels = generator(images, [torch.zeros(1, 1, *cells)])[0]
    return pixels / torch.tensor([size[1], size[0]] * 2)


def match(anchors: np.ndarray, truths: np.ndarray, high: float, low: float, *, low_quality: bool = True) -> Any:
    """By ``Matcher`` of ``box_iou``."""
    overlaps = import_module("torchvision.ops").box_iou(*_tensors(truths, anchors))
    return import_module("torchvision.models.detection._utils").Matcher(high, low, low_quality)(overlaps)


def ssd_match(priors: np.ndarray, truths: np.ndarray, threshold: float) -> Any:
    """By ``SSDMatcher`` of ``box_iou``."""
    overlaps = import_module("torchvision.ops").box_iou(*_tensors(truths, priors))
    return import_module("torchvision.models.detection._utils").SSDMatcher(threshold)(overlaps)


def fpn_level(boxes: np.ndarray, lowest: int, highest: int) -> Any:
    """By ``LevelMapper``."""
    return import_module("torchvision.ops.poolers").LevelMapper(lowest, highest)(_tensors(boxes))


def _caffe(layers: str, inputs: dict[str, np.ndarray], output: str) -> np.ndarray:
    """What OpenCV's network of Caffe's ``layers`` gives for ``inputs``."""
    import cv2

    shapes = [
        f'layer {{ name: "{name}" type: "Input" top: "{name}" '
        f"input_param {{ shape {{ {' '.join(f'dim: {n}' for n in value.shape)} }} }} }}"
        for name, value in inputs.items()
    ]
    text = "\n".join([*shapes, layers])
    net = cv2.dnn.readNetFromCaffe(np.frombuffer(text.encode(), np.uint8))
    for name, value in inputs.items():
        net.setInput(value.astype(np.float32), name)
    return net.forward(output)


def opencv_priors(
    small: float, large: float, ratios: np.ndarray, cells: Any, size: Any, step: float, *, clip: bool = False,
    steps: bool = True,
) -> Any:  # fmt: skip
    """OpenCV's layer ``PriorBox``."""
    options = [f"min_size: {small}", f"max_size: {large}", *(f"aspect_ratio: {r}" for r in ratios)]
    options += ["flip: true", f"clip: {str(clip).lower()}", "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"]
    options += [f"step: {step}"] if steps else []
    layer = (
        'layer { name: "priors" type: "PriorBox" bottom: "map" bottom: "image" top: "priors" '
        f"prior_box_param {{ {' '.join(options)} }} }}"
    )
    maps = {"map": np.zeros((1, 1, *cells)), "image": np.zeros((1, 3, *size))}
    return _caffe(layer, maps, "priors")[0, 0].reshape(-1, 4)


def opencv_decode(
    deltas: np.ndarray, priors: np.ndarray, variances: np.ndarray, *, code: str = "CENTER_SIZE", encoded: bool = False,
    clip: bool = False,
) -> Any:  # fmt: skip
    """OpenCV's layer ``DetectionOutput``, of falling confidences, without suppression."""
    count = len(priors)
    falling, spread = np.linspace(0.9, 0.5, count), np.tile(np.repeat(variances, 2), (count, 1))
    inputs = {
        "loc": deltas.reshape(1, -1),
        "conf": np.stack([1 - falling, falling], axis=1).reshape(1, -1),
        "prior": np.stack([priors, *([] if encoded else [spread])]).reshape(1, 2 - encoded, -1),
    }
    options = (
        f"num_classes: 2 share_location: true background_label_id: 0 code_type: {code} keep_top_k: {count} "
        f"confidence_threshold: 0.01 variance_encoded_in_target: {str(encoded).lower()} clip: {str(clip).lower()} "
        f"nms_param {{ nms_threshold: 1.0 top_k: {count} }}"
    )
    layer = (
        'layer { name: "out" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "prior" top: "out" '
        f"detection_output_param {{ {options} }} }}"
    )
    return _caffe(layer, inputs, "out").reshape(-1, 7)[:, 3:]


def openvino_priors(
    small: float, large: float, ratios: np.ndarray, cells: Any, size: Any, step: float, *, clip: bool = False,
    steps: bool = True, order: bool = True,
) -> Any:  # fmt: skip
    """OpenVINO's operator ``PriorBox``."""
    openvino = import_module("openvino")
    operators = import_module("openvino.opset8")
    attributes = {
        "min_size": [small], "max_size": [large], "aspect_ratio": ratios.tolist(), "flip": True, "clip": clip,
        "step": step if steps else 0.0, "offset": 0.5, "variance": [0.1, 0.1, 0.2, 0.2], "scale_all_sizes": True,
        "min_max_aspect_ratios_order": order,
    }  # fmt: skip
    node = operators.prior_box(*(operators.constant(np.array(v, np.int64)) for v in (cells, size)), attributes)
    compiled = openvino.Core().compile_model(openvino.Model([node], []), "CPU")
    return compiled([])[0][0].reshape(-1, 4)
