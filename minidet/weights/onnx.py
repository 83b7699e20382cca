"""The arrays of an ``.onnx`` file that are named in it: the initializers of its graph.

The fields are those of ``onnx/onnx.proto`` (https://github.com/onnx/onnx); `TensorProto` says there where the numbers
of each type are.  They are read with the library ``protobuf`` alone, as Caffe's files are: the package ``onnx`` is ten
times as large, and nothing else of it would be of use here.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .protobuf import Messages, classes, text

MESSAGES: Messages = {
    "ModelProto": {"ir_version": (1, "int64"), "graph": (7, "GraphProto")},
    "GraphProto": {
        "node": (1, "repeated NodeProto"),
        "name": (2, "string"),
        "initializer": (5, "repeated TensorProto"),
        "sparse_initializer": (15, "repeated SparseTensorProto"),
    },
    "NodeProto": {"op_type": (4, "string")},
    "TensorProto": {
        "dims": (1, "repeated int64"),
        "data_type": (2, "int32"),
        "float_data": (4, "repeated float"),
        "int32_data": (5, "repeated int32"),
        "int64_data": (7, "repeated int64"),
        "name": (8, "string"),
        "raw_data": (9, "bytes"),
        "double_data": (10, "repeated double"),
        "uint64_data": (11, "repeated uint64"),
        "external_data": (13, "repeated StringStringEntryProto"),
        "data_location": (14, "int32"),
    },
    "SparseTensorProto": {"values": (1, "TensorProto")},
    "StringStringEntryProto": {"key": (1, "string"), "value": (2, "string")},
}

#: `TensorProto.DataType`: the number to the type in ``raw_data``, and to the field that may be used instead.
_TYPES = {
    1: ("f4", "float_data"), 2: ("u1", "int32_data"), 3: ("i1", "int32_data"), 4: ("u2", "int32_data"),
    5: ("i2", "int32_data"), 6: ("i4", "int32_data"), 7: ("i8", "int64_data"), 9: ("?", "int32_data"),
    10: ("f2", "int32_data"), 11: ("f8", "double_data"), 12: ("u4", "uint64_data"), 13: ("u8", "uint64_data"),
    16: ("u2", "int32_data"),
}  # fmt: skip
_FLOAT16, _BFLOAT16, _EXTERNAL = 10, 16, 1


@cache
def _model_class() -> Any:
    return classes("onnx", MESSAGES, {}, extra="onnx")["ModelProto"]


def load(path: str | Path) -> dict[str, np.ndarray]:
    """The initializers of ``path`` by name, in their own types; bfloat16, which NumPy lacks, becomes float32.

    Raises `InputError` (one line): for a missing file, one that is cut short or of another kind, one without
    initializers, an initializer whose numbers lie in another file, are sparse, of a type that is not known or not as
    many as its shape has, and where the library ``protobuf`` is missing (the extra ``onnx`` brings it).
    """
    made = _model_class()()
    try:
        made.ParseFromString(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except Exception:  # protobuf's DecodeError, whose text depends on how the library was built
        raise InputError(f"{path}: cut short, or not an .onnx file") from None
    graph = made.graph
    if not made.HasField("graph") or not (graph.node or graph.initializer):
        raise InputError(f"{path}: there is no graph in it; expected an .onnx file")
    if graph.sparse_initializer:
        name = text(graph.sparse_initializer[0].values.name)
        raise InputError(f"{path}: the initializer {name!r} is sparse; only dense ones are read")
    arrays: dict[str, np.ndarray] = {}
    for tensor in graph.initializer:
        name = text(tensor.name)
        if name in arrays:
            raise InputError(f"{path}: two initializers are named {name!r}")
        arrays[name] = _array(tensor, f"{path}: the initializer {name!r}")
    if not arrays:
        raise InputError(f"{path}: no initializers; weights that are constants of the graph are not read")
    return arrays


def _array(tensor: Any, where: str) -> np.ndarray:
    """The numbers of one tensor: little-endian bytes, or a list; `where` begins what is said of a wrong one."""
    if tensor.data_location == _EXTERNAL or tensor.external_data:
        file = next((text(entry.value) for entry in tensor.external_data if entry.key == "location"), "another file")
        raise InputError(f"{where} lies in {file!r}: save the model with its weights inside")
    if tensor.data_type not in _TYPES:
        raise InputError(f"{where} has the type {tensor.data_type} of TensorProto.DataType, which is not read")
    word, field = _TYPES[tensor.data_type]
    dtype, shape = np.dtype(word), tuple(tensor.dims)
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) % dtype.itemsize:
            raise InputError(f"{where} has {len(tensor.raw_data)} bytes, which are no whole numbers of {dtype}")
        flat = np.frombuffer(tensor.raw_data, dtype.newbyteorder("<")).astype(dtype)
    elif tensor.data_type == _FLOAT16:  # its bits, as integers
        flat = np.array(tensor.int32_data, np.int64).astype("u2").view("f2")
    else:
        flat = np.array(getattr(tensor, field)).astype(dtype)
    if min(shape, default=1) < 0 or math.prod(shape) != flat.size:
        raise InputError(f"{where} has {flat.size} numbers for the shape {shape}")
    if tensor.data_type == _BFLOAT16:  # the upper half of float32's bits
        flat = (flat.astype("u4") << 16).view("f4")
    return flat.reshape(shape)
