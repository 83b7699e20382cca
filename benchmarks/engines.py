"""ONNX Runtime and OpenVINO, set for the least time of one run in float32 on so many threads."""

from __future__ import annotations

from typing import Any

from .measure import threads


def onnxruntime_session(model: str | bytes) -> Any:
    """A session of an ONNX model, a file or its bytes: one operator after the other, every optimisation."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads(), 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Its threads wait busily within a run, as they do by default, but not in the next candidate's turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def openvino_request(model: str | bytes) -> Any:
    """What runs a compiled ONNX model, a file or its bytes."""
    import openvino

    # Left to itself it computes in bfloat16 where the processor can, and then it is another computation.
    how = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads()}
    core = openvino.Core()
    return core.compile_model(core.read_model(model), "CPU", how).create_infer_request()
