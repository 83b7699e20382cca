"""A Darknet network written as an ONNX model, for the programs that read such files.

Batch norm is folded into the convolutions, as any exporter does; everything else is one node for one section: Conv and
its activation (LeakyRelu, Relu, Mish), MaxPool, Add, Concat, Resize.  A head is an output of the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from minidet.darknet.heads import HeadLayer
from minidet.darknet.layers import Convolutional, MaxPool, Route, Shortcut, Upsample

from .sections import arriving, folded, pair, pool_edges

OPSET = 18  # the first that has Mish
#: Old enough for the programs that read it.
IR_VERSION = 9

ACTIVATIONS: dict[str, tuple[str, dict[str, float]]] = {
    "leaky": ("LeakyRelu", {"alpha": 0.1}),
    "relu": ("Relu", {}),
    "mish": ("Mish", {}),
}


class Writer:
    """The nodes and the initialisers of a model that is being put together."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initialisers: list[Any] = []

    def array(self, name: str, values: Any) -> str:
        """An initialiser; returns its name."""
        self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """A node with one output, of its own name; returns that."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def convolution(self, layer: Any, x: str, name: str) -> str:
        """Conv, and the activation after it."""
        conv = layer.conv
        weight, bias = folded(layer)
        stride, padding, dilation = (pair(n) for n in (conv.stride, conv.padding, conv.dilation))
        inputs = [x, self.array(f"{name}_weight", weight), self.array(f"{name}_bias", bias)]
        y = self.node(
            "Conv", inputs, f"{name}_conv", kernel_shape=weight.shape[2:], strides=stride, pads=padding * 2,
            dilations=dilation, group=conv.groups,
        )  # fmt: skip
        activation = layer.section.text("activation", "logistic")
        if activation == "linear":
            return y
        if activation not in ACTIVATIONS:
            raise ValueError(f"{layer.section.where()}: the ONNX twin has no activation {activation!r}")
        kind, attributes = ACTIVATIONS[activation]
        return self.node(kind, [y], name, **attributes)

    def layer(self, layer: Any, xs: list[str], shape: tuple[int, ...], name: str) -> str:
        """The node or nodes of one section, to which maps of ``shape`` (c, h, w) come; returns the output's name."""
        if isinstance(layer, Convolutional):
            return self.convolution(layer, xs[0], name)
        if isinstance(layer, MaxPool):
            size, stride, before, behind = pool_edges(layer, shape)
            pads = [*before, *behind]
            return self.node("MaxPool", xs, name, kernel_shape=[size, size], strides=[stride, stride], pads=pads)
        if isinstance(layer, Shortcut):
            return self.node("Add", xs, name)
        if isinstance(layer, Route):
            return self.node("Concat", xs, name, axis=1) if len(xs) > 1 else xs[0]
        if isinstance(layer, Upsample):
            scale = layer.section.integer("stride", 2)
            scales = self.array(f"{name}_scales", np.array([1, 1, scale, scale], np.float32))
            how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            return self.node("Resize", [xs[0], "", scales], name, **how)
        if isinstance(layer, HeadLayer):
            return xs[0]
        raise ValueError(f"{layer.section.where()}: the ONNX twin has no such section")


def onnx_model(net: Any) -> Any:
    """The model of a Darknet network, for one image of the network's own size.

    Raises ``ValueError``, with file and line, for a section that it has no node for.
    """
    writer, names, outputs = Writer(), {-1: "image"}, []
    for i, layer in enumerate(net.layers):
        xs = [names[source] for source in layer.sources]
        names[i] = writer.layer(layer, xs, arriving(net, layer), f"layer_{i}")
        if isinstance(layer, HeadLayer) or (net.classifier and i == len(net.layers) - 1):
            outputs.append(helper.make_tensor_value_info(names[i], TensorProto.FLOAT, [1, *layer.shape]))
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, net.channels, *net.size])]
    graph = helper.make_graph(writer.nodes, "darknet", inputs, outputs, writer.initialisers)
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="minidet")


def save(net: Any, path: Path) -> None:
    """Write the model of a network to a file."""
    onnx.save(onnx_model(net), str(path))
