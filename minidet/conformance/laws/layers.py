"""Laws of layers: of what is linear, of what is done to each number by itself, of pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..operators import Answer, Inputs
from .law import Both, Call, Law, changed, mapped
from .maps import doubled, one_image_alone, one_region_alone, transposed_map


def twice(*names: str) -> Callable[[Call, Inputs], Both]:
    """These inputs double, in which the operator is linear together: so does the answer."""

    def ask(call: Call, inputs: Inputs) -> Both:
        more = {name: inputs[name] * inputs[name].dtype.type(2) for name in names}
        return call(changed(inputs, **more)), mapped(call(inputs), lambda y: 2 * y)

    return ask


def turned(value: Any) -> Any:
    """A map or filters with rows and columns exchanged, or the four sizes of some."""
    if isinstance(value, tuple):
        return (*value[:2], *value[2:][::-1])
    return np.ascontiguousarray(value.swapaxes(2, 3))


def transposed(*names: str) -> Callable[[Call, Inputs], Both]:
    """Rows and columns of these inputs change places: so do those of the answer."""

    def ask(call: Call, inputs: Inputs) -> Both:
        other = changed(inputs, **{name: turned(inputs[name]) for name in names})
        return mapped(call(other), lambda y: y.swapaxes(2, 3)), call(inputs)

    return ask


def _within_groups(value: np.ndarray, groups: int) -> np.ndarray:
    """Channels in reverse within each group, of (N, C, ...)."""
    n, c = value.shape[:2]
    return value.reshape(n, groups, c // groups, *value.shape[2:])[:, :, ::-1].reshape(value.shape).copy()


def _groups_reversed(value: np.ndarray, groups: int, axis: int) -> np.ndarray:
    """The groups in reverse along an axis, each as it was."""
    moved = np.moveaxis(value, axis, 0)
    parts = moved.reshape(groups, len(moved) // groups, *moved.shape[1:])[::-1].reshape(moved.shape)
    return np.ascontiguousarray(np.moveaxis(parts, 0, axis))


def channels_reversed(call: Call, inputs: Inputs) -> Both:
    """The channels of maps and filters are counted from behind, within each group: the same answer."""
    x = _within_groups(inputs["x"], inputs["groups"])
    return call(changed(inputs, x=x, w=inputs["w"][:, ::-1].copy())), call(inputs)


def groups_reversed(**axes: int) -> Callable[[Call, Inputs], Both]:
    """The groups change places in all inputs: so they do in the answer; ``axes`` is which axis has them."""

    def ask(call: Call, inputs: Inputs) -> Both:
        groups, given = inputs["groups"], dict(axes)
        back = given.pop("answer")
        other = {name: _groups_reversed(inputs[name], groups, axis) for name, axis in given.items()}
        return call(changed(inputs, **other)), mapped(call(inputs), lambda y: _groups_reversed(y, groups, back))

    return ask


def another_image(call: Call, inputs: Inputs) -> Both:
    """Of a gradient by the maps: a second image in the batch changes nothing for the first."""
    g, shape = inputs["g"], inputs["shape"]
    more = changed(inputs, g=np.concatenate([g, 7 - g]), shape=(2 * shape[0], *shape[1:]))
    return mapped(call(more), lambda y: y[: shape[0]]), call(inputs)


def images_add_up(call: Call, inputs: Inputs) -> Both:
    """Of a gradient by the filters: that of the batch twice, the second time from behind, is twice that of it."""
    both = {name: np.concatenate([inputs[name], inputs[name][::-1]]) for name in ("x", "g")}
    return call(changed(inputs, **both)), mapped(call(inputs), lambda y: 2 * y)


def channel_alone(call: Call, inputs: Inputs) -> Both:
    """The last channel alone gives what it gives among the others."""
    names = ("running_mean", "running_var", "weight", "bias")
    one = changed(inputs, x=inputs["x"][:, -1:].copy(), **{name: inputs[name][-1:] for name in names})

    def last(answer: Any) -> Any:
        if isinstance(answer, tuple):
            return answer[0][:, -1:], *(part[-1:] for part in answer[1:])
        return answer[:, -1:]

    return _wide(call(one), inputs), _wide(mapped(call(inputs), last), inputs)


def _wide(answer: Answer, inputs: Inputs) -> Answer:
    """The last channel's answer in its place, and 0 for the others: the bound is one for each."""
    before = inputs["x"].shape[1] - 1

    def padded(y: np.ndarray, axis: int) -> np.ndarray:
        return np.pad(y, [(before if at == axis else 0, 0) for at in range(y.ndim)])

    def all_of(y: Any) -> Any:
        return (padded(y[0], 1), *(padded(part, 0) for part in y[1:])) if isinstance(y, tuple) else padded(y, 1)

    return mapped(answer, all_of)


def first_doubled(answer: Answer) -> Answer:
    """Twice the result; the statistics as they are."""
    return mapped(answer, lambda y: (2 * y[0], *y[1:]))


def weights_doubled(call: Call, inputs: Inputs) -> Both:
    """Weight and bias double: so does the result, and nothing else."""
    more = {name: inputs[name] * inputs[name].dtype.type(2) for name in ("weight", "bias")}
    return call(changed(inputs, **more)), first_doubled(call(inputs))


def values_reversed(call: Call, inputs: Inputs) -> Both:
    """Images, rows and columns from behind: so the result, and the same statistics."""
    back = changed(inputs, x=inputs["x"][::-1, :, ::-1, ::-1].copy())
    return call(back), mapped(call(inputs), lambda y: (y[0][::-1, :, ::-1, ::-1], *y[1:]))


def one_by_one(call: Call, inputs: Inputs) -> Both:
    """Each number alone gives what it gives among the others."""
    given = {name: value.ravel() for name, value in inputs.items()}
    alone = [np.asarray(call({n: v[i : i + 1] for n, v in given.items()})) for i in range(inputs["x"].size)]
    return np.concatenate(alone).reshape(inputs["x"].shape), call(inputs)


def numbers_reversed(call: Call, inputs: Inputs) -> Both:
    """The numbers from behind, in one row: so the answers."""
    back = {name: value.ravel()[::-1].copy() for name, value in inputs.items()}
    shape = inputs["x"].shape
    return mapped(call(back), lambda y: y[::-1].reshape(shape)), call(inputs)


def odd_part(call: Call, inputs: Inputs) -> Both:
    """f(x) - f(-x) = x."""
    other = call(changed(inputs, x=-inputs["x"]))
    return mapped(call(inputs), lambda y: y - np.asarray(other)), np.asarray(inputs["x"], np.float64)


def even_part_of_gradient(call: Call, inputs: Inputs) -> Both:
    """f'(x) + f'(-x) = 1, times g."""
    other = call(changed(inputs, x=-inputs["x"]))
    return mapped(call(inputs), lambda y: y + np.asarray(other)), np.asarray(inputs["g"], np.float64)


def far_above(call: Call, inputs: Inputs) -> Both:
    """Of x + 64 it is x + 64."""
    more = inputs["x"] + inputs["x"].dtype.type(64)
    return call(changed(inputs, x=more)), np.asarray(more, np.float64)


def same_slope(call: Call, inputs: Inputs) -> Both:
    """Of what is straight on each side of 0: x doubles, and the gradient stays."""
    return call(changed(inputs, x=inputs["x"] * inputs["x"].dtype.type(2))), call(inputs)


def picture_transposed(call: Call, inputs: Inputs) -> Both:
    """Rows and columns of picture and input change places: so they do in the answer."""
    other = {"image": inputs["image"].swapaxes(0, 1).copy(), "size": inputs["size"][::-1]}
    return mapped(call(other), lambda y: y.swapaxes(1, 2)), call(inputs)


def colours_reversed(call: Call, inputs: Inputs) -> Both:
    """The colours from behind: so the planes."""
    return mapped(call(changed(inputs, image=inputs["image"][:, :, ::-1].copy())), lambda y: y[::-1]), call(inputs)


def black_and_white(call: Call, inputs: Inputs) -> Both:
    """A white picture less a black one is 1 where the picture is, and 0 around it; both somewhere, or 1 everywhere."""
    white, black = (call(changed(inputs, image=np.full_like(inputs["image"], v))) for v in (255, 0))
    less = mapped(white, lambda y: y - np.asarray(black))
    return less, mapped(less, lambda y: (y > 0.5).astype(np.float64))


def axes_exchanged(call: Call, inputs: Inputs) -> Both:
    """The axes change places in boxes and sizes: so they do in the answer."""
    other = {
        "boxes": np.ascontiguousarray(inputs["boxes"][:, [1, 0, 3, 2]]),
        "image": inputs["image"][::-1],
        "network": inputs["network"][::-1],
    }
    return mapped(call(other), lambda y: y[:, [1, 0, 3, 2]]), call(inputs)


def picture_doubled(call: Call, inputs: Inputs) -> Both:
    """A picture of twice the size: boxes on it are twice as large."""
    other = changed(inputs, image=tuple(2 * n for n in inputs["image"]))
    return mapped(call(other), lambda y: y / 2), call(inputs)


def box_alone(call: Call, inputs: Inputs) -> Both:
    """Each box alone gives what it gives among the others."""
    rows = inputs["boxes"]
    alone = [np.asarray(call(changed(inputs, boxes=rows[i : i + 1].copy()))) for i in range(len(rows))]
    return np.concatenate(alone), call(inputs)


TRANSPOSE = "rows and columns change places"
ONE = Law("one by one", "a number alone gives what it gives among others", one_by_one)
REVERSED = Law("reverse", "the numbers from behind, in one row, give the answers from behind", numbers_reversed)
ACTIVATION = (ONE, REVERSED, Law("far above", "far above zero it is the number itself", far_above))
GRADIENT = (ONE, REVERSED, Law("double", "twice the gradient of the result, twice that of the input", twice("g")))
IMAGE = Law("image alone", "another image changes nothing", one_image_alone)

LAWS: Mapping[str, tuple[Law, ...]] = {
    "roi_pool": (
        Law("transpose", TRANSPOSE, transposed_map),
        Law("double", "twice the map, twice the answer", doubled),
        Law("region alone", "a region alone gives what it gives among others", one_region_alone),
        IMAGE,
    ),
    "conv2d": (
        Law("transpose", TRANSPOSE, transposed("x", "w")),
        Law("double", "twice the map and the bias, twice the answer", twice("x", "bias")),
        Law("double filters", "twice the filters and the bias, twice the answer", twice("w", "bias")),
        Law("channels", "channels may come in any order within a group", channels_reversed),
        Law("groups", "groups change places", groups_reversed(x=1, w=0, bias=0, answer=1)),
        IMAGE,
    ),
    "conv2d_grad_x": (
        Law("transpose", TRANSPOSE, transposed("g", "w", "shape")),
        Law("double", "twice the gradient, twice the answer", twice("g")),
        Law("groups", "groups change places", groups_reversed(g=1, w=0, answer=1)),
        Law("image alone", "another image changes nothing", another_image),
    ),
    "conv2d_grad_w": (
        Law("transpose", TRANSPOSE, transposed("x", "g", "shape")),
        Law("double", "twice the gradient, twice the answer", twice("g")),
        Law("groups", "groups change places", groups_reversed(x=1, g=1, answer=0)),
        Law("images add up", "the batch and the batch from behind give twice the answer", images_add_up),
    ),
    "conv_transpose2d": (
        Law("transpose", TRANSPOSE, transposed("x", "w")),
        Law("double", "twice the map and the bias, twice the answer", twice("x", "bias")),
        Law("groups", "groups change places", groups_reversed(x=1, w=0, bias=0, answer=1)),
        IMAGE,
    ),
    "batch_norm": (
        Law("double", "twice the weight and the bias, twice the answer", twice("weight", "bias")),
        Law("channel alone", "a channel alone gives what it gives among others", channel_alone),
        Law("transpose", TRANSPOSE, transposed("x")),
        IMAGE,
    ),
    "batch_norm_train": (
        Law("double", "twice the weight and the bias, twice the result, the same statistics", weights_doubled),
        Law("channel alone", "a channel alone gives what it gives among others", channel_alone),
        Law("reverse", "the values from behind: so the result, the same statistics", values_reversed),
    ),
    "leaky_relu": (*ACTIVATION, Law("double", "twice the number, twice the answer", doubled)),
    "leaky_relu_grad": (*GRADIENT, Law("same slope", "twice the number, the same gradient", same_slope)),
    "relu_grad": (*GRADIENT, Law("same slope", "twice the number, the same gradient", same_slope)),
    "mish": ACTIVATION,
    "mish_grad": GRADIENT,
    "silu": (*ACTIVATION, Law("odd part", "f(x) - f(-x) = x", odd_part)),
    "silu_grad": (*GRADIENT, Law("even part", "f'(x) + f'(-x) = 1, times g", even_part_of_gradient)),
    "gelu": (*ACTIVATION, Law("odd part", "f(x) - f(-x) = x", odd_part)),
    "softplus": (*ACTIVATION, Law("odd part", "f(x) - f(-x) = x", odd_part)),
    "letterbox": (
        Law("transpose", TRANSPOSE, picture_transposed, {"interpolation": ("pillow",)}),
        Law("colours", "the colours from behind give the planes from behind", colours_reversed),
        Law("black and white", "white less black is 1 on the picture and 0 around it", black_and_white),
    ),
    "letterbox_boxes": (
        Law("transpose", "x and y change places", axes_exchanged),
        Law("double", "a picture of twice the size, boxes of twice the size", picture_doubled),
        Law("box alone", "a box alone gives what it gives among others", box_alone),
    ),
}
