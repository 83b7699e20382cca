"""A net as Caffe writes it down (``.prototxt``): its layers, and the numbers that each of them is to have.

The text form of https://protobuf.dev/reference/protobuf/textformat-spec; the layers that take part in testing are
read, as Caffe does when it runs a net (`NetStateRule` of ``caffe.proto``: phase ``TEST``, level 0, no stage).  Fields
that are of no use here are skipped, whatever their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, one_line
from .caffe_schema import V1_TYPES, net_class
from .protobuf import text

#: A shape; None is a length that the net does not tell, such as the channels of a picture.
Shape = tuple[int | None, ...]

CONVOLUTIONS = ("Convolution", "DepthwiseConvolution", "ConvolutionDepthwise", "Deconvolution")
#: Layers whose numbers are known, and what these numbers are, in Caffe's order.
PARTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((*CONVOLUTIONS, "InnerProduct", "Scale"), ("weight", "bias")),
    **dict.fromkeys(("PReLU", "Normalize"), ("weight",)),
    "Bias": ("bias",),
    "BatchNorm": ("running_mean", "running_var", "factor"),
}
#: Layers that give as many channels as they are given.
_SAME = frozenset(
    (
        *("ReLU", "ReLU6", "PReLU", "ELU", "Sigmoid", "TanH", "Power", "Clip", "Softmax", "Dropout", "LRN"),
        *("BatchNorm", "Scale", "Bias", "Normalize", "Pooling", "Eltwise", "Split"),
    )
)


@dataclass(frozen=True)
class CaffeLayer:
    """One layer: name, type, the blobs that it takes and makes, the shapes of its numbers, and its settings.

    ``shapes`` is None for a type that may have numbers, but of which this is not known.  ``settings`` has the fields of
    `LayerParameter` in `caffe_schema`, such as ``settings.convolution_param.num_output``.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    shapes: tuple[Shape, ...] | None
    settings: Any


@dataclass(frozen=True)
class CaffeNet:
    """A net: its name, its inputs' shapes by name, and its layers in the order in which they run."""

    name: str
    inputs: Mapping[str, tuple[int, ...]]
    layers: tuple[CaffeLayer, ...]


def read_prototxt(path: str | Path) -> CaffeNet:
    """The net of a ``.prototxt``.

    Raises `InputError` (one line) for a missing file, for text that is no net, with the line where it goes wrong, for
    a layer that takes what none before it makes, and where the library ``protobuf`` is missing.
    """
    made = net_class()()
    from google.protobuf import text_format

    try:
        text_format.Parse(Path(path).read_text(encoding="utf-8"), made, allow_unknown_field=True)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file (the byte at {error.start}): is it the .caffemodel?") from None
    except text_format.ParseError as error:
        place = f"line {error.GetLine()}, column {error.GetColumn()}: " if error.GetLine() else ""
        raise InputError(f"{path}: {place}{_complaint(error)}") from None
    except RecursionError:
        raise InputError(f"{path}: messages in messages, too many to read") from None
    net = net_of(made, str(path))
    if not net.layers:
        raise InputError(f"{path}: it has no layer")
    return net


def _complaint(error: Exception) -> str:
    """What the library says, without the place that begins it."""
    words = one_line(error)
    place, colon, rest = words.partition(" : ")
    return rest if colon and place.replace(":", "").isdigit() else words


def net_of(made: Any, source: str) -> CaffeNet:
    """The net of a message; ``source`` names the file in errors."""
    given = [layer for layer in (*made.layers, *made.layer) if _in_test(layer)]
    names = [text(name) for name in made.input]
    inputs = dict(zip(names, _input_shapes(made), strict=False))
    channels = {name: _second(inputs.get(name, ())) for name in names}
    layers: list[CaffeLayer] = []
    for layer in given:
        kind, name = type_of(layer), text(layer.name)
        bottoms, tops = tuple(map(text, layer.bottom)), tuple(map(text, layer.top))
        for bottom in bottoms:
            if bottom not in channels:
                raise InputError(f"{source}: the layer {name!r} takes {bottom!r}, which no layer before it makes")
        shapes, count = _shapes(layer, kind, [channels[bottom] for bottom in bottoms], f"{source}: the layer {name!r}")
        channels.update(dict.fromkeys(tops, count))
        if kind == "Input":
            own = [tuple(shape.dim) for shape in layer.input_param.shape]
            own = own * len(tops) if len(own) == 1 else own
            inputs.update(zip(tops, own, strict=False))
            channels.update({top: _second(dims) for top, dims in zip(tops, own, strict=False)})
        layers.append(CaffeLayer(name, kind, bottoms, tops, shapes, layer))
    return CaffeNet(text(made.name), inputs, tuple(layers))


def _second(dims: tuple[int, ...]) -> int | None:
    return dims[1] if len(dims) > 1 else None


def type_of(layer: Any) -> str:
    """A layer's type as a word; V1's numbers become today's words."""
    if not isinstance(layer.type, int):
        return text(layer.type)
    words = layer.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number
    return V1_TYPES[words[layer.type].name][1]


def _input_shapes(made: Any) -> list[tuple[int, ...]]:
    """The shapes of the inputs that are no layers: ``input_shape`` each, or ``input_dim``, four for each."""
    if made.input_shape:
        return [tuple(shape.dim) for shape in made.input_shape]
    dims = tuple(made.input_dim)
    return [dims[i : i + 4] for i in range(0, len(dims), 4)]


def _in_test(layer: Any) -> bool:
    """Whether a layer is there when a net is run and not trained."""
    if layer.include:
        return any(map(_meets, layer.include))
    return not any(map(_meets, layer.exclude))


def _meets(rule: Any) -> bool:
    if rule.HasField("phase") and rule.phase != 1:
        return False
    low = rule.min_level if rule.HasField("min_level") else 0
    high = rule.max_level if rule.HasField("max_level") else 0
    return low <= 0 <= high and not rule.stage


def _shapes(
    layer: Any, kind: str, below: Sequence[int | None], where: str
) -> tuple[tuple[Shape, ...] | None, int | None]:
    """The shapes of a layer's numbers, and how many channels it makes, given those that it takes."""
    first = below[0] if below else None
    if kind in CONVOLUTIONS:
        options = layer.convolution_param
        made, groups = options.num_output, options.group if options.HasField("group") else 1
        if not made or not groups:
            raise InputError(f"{where} has no num_output, or group 0")
        for what, count in (("num_output", made), ("channels", first)):
            if count is not None and count % groups:
                raise InputError(f"{where} has {count} {what} in {groups} groups")
        inside, outside = (made, first) if kind == "Deconvolution" else (first, made)
        each = None if inside is None else inside // groups
        return ((outside, each, *_kernel(options, where)), *_bias(options, made)), made
    if kind == "InnerProduct":
        made = layer.inner_product_param.num_output
        return ((made, None), *_bias(layer.inner_product_param, made)), made
    if kind == "BatchNorm":
        return ((first,), (first,), (1,)), first
    if kind == "Scale":
        bias = ((first,),) if layer.scale_param.bias_term else ()
        return ((first,), *bias) if len(below) == 1 else bias, first
    if kind == "Bias":
        return ((first,),) if len(below) == 1 else (), first
    if kind in ("PReLU", "Normalize"):
        options = layer.prelu_param if kind == "PReLU" else layer.norm_param
        shared = options.channel_shared if options.HasField("channel_shared") else kind == "Normalize"
        return ((1 if shared else first,),), first
    if kind == "Concat":
        options = layer.concat_param
        axis = options.axis if options.HasField("axis") else options.concat_dim if options.HasField("concat_dim") else 1
        return (), sum(c for c in below if c is not None) if axis == 1 and None not in below else None
    return (() if kind in _SAME else None), first if kind in _SAME else None


def _kernel(options: Any, where: str) -> tuple[int, int]:
    """A convolution's (height, width): ``kernel_h`` and ``kernel_w``, or ``kernel_size`` once or twice."""
    sizes = tuple(options.kernel_size) or (options.kernel_h, options.kernel_w)
    h, w = sizes * 2 if len(sizes) == 1 else sizes[:2]
    if len(sizes) > 2 or not h or not w:
        raise InputError(f"{where} has no kernel_size, or kernel_h and kernel_w, of two axes")
    return h, w


def _bias(options: Any, made: int) -> tuple[Shape, ...]:
    """The shape of a bias; there is one unless ``bias_term`` says no."""
    return () if options.HasField("bias_term") and not options.bias_term else ((made,),)
