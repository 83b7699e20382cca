"""Operators of ONNX, by ONNX Runtime, called as the suite calls."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np


@cache
def session(kind: str, inputs: tuple[tuple[str, int], ...], output: int, **attributes: Any) -> Any:
    """A model of one node; ``inputs`` are names and ONNX's numbers of element types."""
    import onnxruntime
    from onnx import helper

    node = helper.make_node(kind, [name for name, _ in inputs], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(name, number, None) for name, number in inputs],
        [helper.make_tensor_value_info("y", output, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def nms(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """One image and one class; any number of boxes may stay, of any score."""
    run = session("NonMaxSuppression", (("boxes", 1), ("scores", 1), ("most", 7), ("iou", 1)), 7)
    yxyx = boxes[:, [1, 0, 3, 2]]
    given = {
        "boxes": yxyx[None],
        "scores": scores[None, None],
        "most": np.array([len(boxes)], np.int64),
        "iou": np.array([threshold], np.float32),
    }
    return run.run(None, given)[0][:, 2]


def roi_align(
    x: np.ndarray,
    rois: np.ndarray,
    output_size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    *,
    mode: str = "avg",
) -> np.ndarray:
    """Of opset 16, aligned at half pixels by default."""
    run = session(
        "RoiAlign",
        (("x", 1), ("rois", 1), ("batch", 7)),
        1,
        mode=mode,
        output_height=output_size[0],
        output_width=output_size[1],
        spatial_scale=spatial_scale,
        sampling_ratio=sampling_ratio,
    )
    return run.run(None, {"x": x, "rois": rois[:, 1:], "batch": rois[:, 0].astype(np.int64)})[0]
