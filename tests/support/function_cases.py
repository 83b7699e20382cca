"""The table of differentiable functions: how each one's arguments are drawn, and what it is called in torch.

Every public name of ``minidet.functions`` has at least one ``Case``; the tests of values, gradients, dtypes and inputs
left unchanged all run over this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes


@dataclass
class Call:
    """One call: the inputs by position, in float64 where they are numbers, and the parameters by keyword."""

    inputs: tuple[Any, ...]
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """How the calls of ``function`` are drawn, and the same in torch: ``torch(module, *tensors, **parameters)``.

    ``why`` is given where torch has no counterpart.
    """

    function: str
    calls: st.SearchStrategy[Call]
    torch: Callable[..., Any] | None = None
    why: str = ""
    label: str = ""

    def __str__(self) -> str:
        return self.function + (f"-{self.label}" if self.label else "")


# ---- arrays ----------------------------------------------------------------------------------------------------------


def away(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Values from -8 to 8 that stay 0.025 away from every multiple of 1/4, where the corners of the functions are."""
    return (rng.integers(-32, 32, shape) + rng.uniform(0.1, 0.9, shape)) / 4


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Values no two of which are close, so that no maximum changes hands within the step of a finite difference."""
    n = int(np.prod(shape))
    return ((rng.permutation(n) + rng.uniform(0.2, 0.8, n) - n / 2) / 4).reshape(shape)


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal values, twice as wide."""
    return 2 * rng.normal(size=shape)


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Values from 0.2 to 3."""
    return rng.uniform(0.2, 3, shape)


def probability(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Values from 0 to 1."""
    return rng.uniform(0, 1, shape)


def laid_out(a: np.ndarray, how: str) -> np.ndarray:
    """The same values, laid out in memory in another way."""
    if a.ndim == 0 or how == "contiguous":
        return a
    if how == "fortran":
        return np.asfortranarray(a)
    if how == "reversed":
        return a[..., ::-1].copy()[..., ::-1]
    wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan)
    wide[..., ::2] = a
    return wide[..., ::2]


layouts = st.sampled_from(["contiguous", "fortran", "reversed", "strided"])
seeds = st.integers(0, 2**32 - 1)


@st.composite
def arrays(draw: Any, shape: Any, values: Any = normal) -> np.ndarray:
    """An array of a shape (or of one drawn), with values by one of the functions above, somehow laid out."""
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    made = np.asarray(values(np.random.default_rng(draw(seeds)), shape), dtype=np.float64)
    return laid_out(made, draw(layouts))


shapes = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
full_shapes = array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


@st.composite
def unary(draw: Any, values: Any = normal, shape: Any = shapes, **parameters: Any) -> Call:
    """One array, and parameters that are drawn."""
    return Call((draw(arrays(shape, values)),), {name: draw(p) for name, p in parameters.items()})


@st.composite
def binary(draw: Any, first: Any = normal, second: Any = None) -> Call:
    """Two arrays that broadcast, with axes of sizes 0 and 1 among them, or one of them a Python number."""
    pair = draw(mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=4, max_dims=4)).input_shapes
    a, b = draw(arrays(pair[0], first)), draw(arrays(pair[1], second or first))
    number = draw(st.sampled_from([None] * 6 + [0, 1]))
    if number == 0 and b.size:
        return Call((float(second(np.random.default_rng(0), ())) if second else 2.125, b))
    return Call((a, -1.625 if first is not positive else 1.5)) if number == 1 else Call((a, b))


@st.composite
def ties(draw: Any) -> Call:
    """Two arrays that broadcast and never come close, except in one array's own elements."""
    pair = draw(mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=4, max_dims=4)).input_shapes
    a, b = draw(arrays(pair[0], away)), draw(arrays(pair[1], away))
    return Call((a, np.asarray(np.floor(b * 4) / 4)))  # on the multiples of 1/4, from which `away` stays away


@st.composite
def reduction(draw: Any, values: Any = normal, shape: Any = full_shapes) -> Call:
    """An array, and an axis, several or all, positive or negative."""
    x = draw(arrays(shape, values))
    some = st.lists(st.integers(0, x.ndim - 1), unique=True, min_size=1).map(
        lambda axes: tuple(a if i % 2 else a - x.ndim for i, a in enumerate(axes))
    )
    axis = draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1), some))
    return Call((x,), {"axis": axis, "keepdims": draw(st.booleans())})


def all_axes(x: Any, axis: Any) -> Any:
    """Every axis for ``None``, which some functions of torch do not take."""
    return tuple(range(x.ndim)) if axis is None else axis


# ---- shapes ----------------------------------------------------------------------------------------------------------


@st.composite
def matmul_calls(draw: Any) -> Call:
    m, k, n = (draw(st.integers(0, 4)) for _ in range(3))
    batch = draw(mutually_broadcastable_shapes(num_shapes=2, min_side=1, max_side=3, max_dims=2)).input_shapes
    a, b = (*batch[0], m, k), (*batch[1], k, n)
    if draw(st.booleans()) and draw(st.booleans()):
        a = (k,)
    if draw(st.booleans()) and draw(st.booleans()):
        b = (k,)
    return Call((draw(arrays(a)), draw(arrays(b))))


@st.composite
def reshape_calls(draw: Any) -> Call:
    x = draw(arrays(shapes))
    sizes = draw(st.permutations(x.shape))
    return Call((x,), {"shape": draw(st.sampled_from([tuple(sizes), (x.size,), (1, *sizes)]))})


@st.composite
def transpose_calls(draw: Any) -> Call:
    x = draw(arrays(shapes))
    axes = tuple(draw(st.permutations(range(x.ndim))))
    return Call((x,), {"axes": draw(st.sampled_from([None, axes, tuple(a - x.ndim for a in axes)]))})


@st.composite
def broadcast_calls(draw: Any) -> Call:
    sizes = draw(mutually_broadcastable_shapes(num_shapes=1, base_shape=(3, 1, 2), max_dims=4))
    return Call((draw(arrays(sizes.input_shapes[0])),), {"shape": sizes.result_shape})


@st.composite
def joined(draw: Any, new_axis: bool) -> Call:
    shape = draw(array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=3))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    if not new_axis:
        many = [tuple(n if i == axis % len(shape) else s for i, s in enumerate(shape)) for n in sizes]
    else:
        many = [shape] * len(sizes)
    return Call(tuple(draw(arrays(s)) for s in many), {"axis": axis})


@st.composite
def getitem_calls(draw: Any) -> Call:
    x = draw(arrays((4, 3, 5)))
    rng = np.random.default_rng(draw(seeds))
    index = draw(
        st.sampled_from(
            [
                2,
                -1,
                slice(1, 3),
                (slice(None), 1),
                (Ellipsis, None, slice(0, 5, 2)),
                rng.integers(-4, 4, (6,)),  # repeated, negative
                (rng.integers(0, 4, (2, 7)), rng.integers(0, 3, (7,))),
                (slice(None), slice(None), rng.integers(0, 5, 9)),
                rng.random((4, 3)) < 0.5,
                (np.array([], np.int64), slice(None)),
                (rng.integers(0, 4, 5), slice(None), 2),
            ]
        )
    )
    return Call((x,), {"index": index})


def torch_getitem(torch: Any, x: Any, index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    return x[tuple(torch.from_numpy(i) if isinstance(i, np.ndarray) else i for i in parts)]


@st.composite
def gather_calls(draw: Any) -> Call:
    shape = draw(array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    sizes = tuple(draw(st.integers(0, 6)) if i == axis % len(shape) else n for i, n in enumerate(shape))
    index = np.random.default_rng(draw(seeds)).integers(0, shape[axis], sizes)
    return Call((draw(arrays(shape)), index), {"axis": axis})


@st.composite
def pad_calls(draw: Any) -> Call:
    x = draw(arrays(array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=3)))
    widths = [draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in x.shape]
    return Call((x,), {"widths": widths, "value": draw(st.sampled_from([0.0, 1.5]))})


@st.composite
def where_calls(draw: Any) -> Call:
    three = draw(mutually_broadcastable_shapes(num_shapes=3, min_side=0, max_side=4, max_dims=3)).input_shapes
    condition = np.random.default_rng(draw(seeds)).random(three[0]) < 0.5
    return Call((np.asarray(condition), draw(arrays(three[1])), draw(arrays(three[2]))))


@st.composite
def power_calls(draw: Any) -> Call:
    if draw(st.booleans()):
        x, exponents = draw(arrays(shapes, away)), [0, 1, 2, 3, -1, -2, 2.0]
    else:
        x, exponents = draw(arrays(shapes, positive)), [0.5, -1.5, 2.75]
    return Call((x, draw(st.sampled_from(exponents))))


# ---- layers ----------------------------------------------------------------------------------------------------------


@st.composite
def pair_of(draw: Any, low: int, high: int) -> Any:
    """One number, or a pair that differs."""
    number = st.integers(low, high)
    return draw(st.one_of(number, st.tuples(number, number)))


def two(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


@st.composite
def conv_calls(draw: Any, transposed: bool = False) -> Call:
    groups = draw(st.integers(1, 3))
    c_in, c_out = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    p = {
        "stride": draw(pair_of(1, 3)),
        "padding": draw(pair_of(0, 2)),
        "dilation": draw(pair_of(1, 2)),
        "groups": groups,
    }
    sizes = []
    for k, pad, d in zip(kernel, two(p["padding"]), two(p["dilation"]), strict=True):
        least = d * (k - 1) + 1 - 2 * pad  # rows that the filter covers
        sizes.append(max(1, least, 2 * pad + 1 if transposed else 1) + draw(st.integers(0, 3)))
    if transposed:
        p["output_padding"] = tuple(draw(st.integers(0, s - 1)) for s in two(p["stride"]))
        shape = (c_in, c_out // groups, *kernel)
    else:
        shape = (c_out, c_in // groups, *kernel)
    x = draw(arrays((draw(st.integers(0, 2)), c_in, *sizes)))
    bias = draw(st.sampled_from([True, False]))
    return Call((x, draw(arrays(shape)), draw(arrays((c_out,))) if bias else None), p)


@st.composite
def linear_calls(draw: Any) -> Call:
    k, o = draw(st.integers(0, 4)), draw(st.integers(1, 4))
    lead = draw(array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    return Call((draw(arrays((*lead, k))), draw(arrays((o, k))), draw(arrays((o,))) if draw(st.booleans()) else None))


@st.composite
def norm_calls(draw: Any, training: bool, torch_only: bool) -> Call:
    n, c = draw(st.integers(2, 3)), draw(st.integers(1, 3))
    rest = draw(st.sampled_from([(3,), (2, 3), (4, 5), (1, 4)]))
    x = draw(arrays((n, c, *rest)))
    affine = draw(st.booleans())
    w, b = (draw(arrays((c,))), draw(arrays((c,)))) if affine else (None, None)
    p: dict[str, Any] = {"training": training, "eps": draw(st.sampled_from([1e-5, 1e-3]))}
    if not training:
        p |= {"running_mean": draw(arrays((c,))), "running_var": draw(arrays((c,), positive))}
    if not torch_only:
        p |= {
            "epsilon": draw(st.sampled_from(["inside", "outside"])),
            "variance": draw(st.sampled_from(["biased", "unbiased"])),
        }
    return Call((x, w, b), p)


def torch_norm(torch: Any, x: Any, w: Any, b: Any, **p: Any) -> Any:
    mean, var = (None if p.get(k) is None else torch.from_numpy(p[k].copy()) for k in ("running_mean", "running_var"))
    return torch.nn.functional.batch_norm(x, mean, var, w, b, p["training"], 0.1, p["eps"])


@st.composite
def pool_calls(draw: Any, average: bool) -> Call:
    size = draw(pair_of(1, 3))
    p = {
        "size": size,
        "stride": draw(st.one_of(st.none(), pair_of(1, 3))),
        "padding": tuple(draw(st.integers(0, k // 2)) for k in two(size)),
        "convention": draw(st.sampled_from(["torch", "caffe"])),
    }
    if average:
        p["count_include_pad"] = draw(st.booleans())
    least = max(two(size))
    shape = (draw(st.integers(1, 2)), 2, least + draw(st.integers(0, 4)), least + draw(st.integers(0, 4)))
    return Call((draw(arrays(shape, distinct)),), p)


def torch_pool(torch: Any, x: Any, **p: Any) -> Any:
    pool = torch.nn.functional.avg_pool2d if "count_include_pad" in p else torch.nn.functional.max_pool2d
    more = {"count_include_pad": p["count_include_pad"]} if "count_include_pad" in p else {}
    return pool(x, p["size"], p["stride"], p["padding"], ceil_mode=p["convention"] == "caffe", **more)


@st.composite
def darknet_pool_calls(draw: Any) -> Call:
    size = draw(st.integers(1, 3))
    shape = (1, 2, size + draw(st.integers(0, 4)), size + draw(st.integers(0, 4)))
    p = {"size": size, "stride": draw(st.integers(1, 3)), "convention": "darknet"}
    return Call((draw(arrays(shape, distinct)),), p)


RESIZES = [  # our options, torch's options
    ({"mode": "nearest"}, {"mode": "nearest"}),
    ({"mode": "nearest", "coordinates": "half_pixel", "rounding": "prefer_ceil"}, {"mode": "nearest-exact"}),
    ({"mode": "bilinear"}, {"mode": "bilinear", "align_corners": False}),
    ({"mode": "bilinear", "coordinates": "align_corners"}, {"mode": "bilinear", "align_corners": True}),
    ({"mode": "bilinear", "antialias": True}, {"mode": "bilinear", "align_corners": False, "antialias": True}),
]


@st.composite
def resize_calls(draw: Any) -> Call:
    side = st.integers(1, 6)
    x = draw(arrays((draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(side), draw(side))))
    return Call((x,), {"size": (draw(side), draw(side)), **draw(st.sampled_from([r[0] for r in RESIZES]))})


def torch_resize(torch: Any, x: Any, *, size: Any, **ours: Any) -> Any:
    theirs = next(t for o, t in RESIZES if o == ours)
    resize = torch.nn.functional.interpolate
    if not ours.get("antialias"):
        return resize(x, size=size, **theirs)
    # torch 2.14, antialiasing: the vertical pass over a map one column wide reads the wrong rows ([a, b] -> [a, a, a]),
    # so here it resizes along the columns only, of the map and then of the turned map
    wide = resize(x, size=(x.shape[2], size[1]), **theirs).transpose(2, 3)
    return resize(wide, size=size[::-1], **theirs).transpose(2, 3)


@st.composite
def upsample_calls(draw: Any) -> Call:
    x = draw(arrays((1, 2, draw(st.integers(1, 4)), draw(st.integers(1, 4)))))
    return Call((x,), {"factor": draw(pair_of(1, 3)), "mode": draw(st.sampled_from(["nearest", "bilinear"]))})


def torch_upsample(torch: Any, x: Any, *, factor: Any, mode: str) -> Any:
    more = {"align_corners": False} if mode == "bilinear" else {}
    return torch.nn.functional.interpolate(
        x, size=tuple(n * f for n, f in zip(x.shape[2:], two(factor), strict=True)), mode=mode, **more
    )


# ---- losses ----------------------------------------------------------------------------------------------------------

reductions = st.sampled_from(["mean", "sum", "none"])
loss_shapes = array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)


@st.composite
def loss_calls(draw: Any, values: Any = normal, target: Any = normal, **parameters: Any) -> Call:
    shape = draw(loss_shapes)
    p = {name: draw(strategy) for name, strategy in parameters.items()}
    return Call((draw(arrays(shape, values)), draw(arrays(shape, target))), p | {"reduction": draw(reductions)})


@st.composite
def smooth_l1_calls(draw: Any) -> Call:
    call = draw(loss_calls(away, away, beta=st.sampled_from([0.0, 0.5, 1.0, 2.0])))
    x, target = call.inputs
    return Call((x, np.floor(target * 4) / 4), call.parameters)  # the difference is off every multiple of 1/4


@st.composite
def bce_calls(draw: Any) -> Call:
    call = draw(loss_calls(normal, probability))
    shape = call.inputs[0].shape
    weights = arrays(draw(st.sampled_from([shape, shape[-1:], (1,)])), positive)
    return Call(
        call.inputs,
        call.parameters
        | {"weight": draw(st.one_of(st.none(), weights)), "pos_weight": draw(st.one_of(st.none(), weights))},
    )


def torch_bce(torch: Any, x: Any, target: Any, *, weight: Any, pos_weight: Any, reduction: str) -> Any:
    w, p = (None if a is None else torch.from_numpy(a.copy()) for a in (weight, pos_weight))
    return torch.nn.functional.binary_cross_entropy_with_logits(x, target, weight=w, pos_weight=p, reduction=reduction)


@st.composite
def focal_calls(draw: Any) -> Call:
    call = draw(loss_calls(normal, probability))
    x, target = call.inputs
    p = {"alpha": draw(st.sampled_from([0.25, 0.5, None])), "gamma": draw(st.sampled_from([0, 0.5, 1, 2.0, 3.5]))}
    return Call((x, (target < 0.5).astype(np.int64)), call.parameters | p)


def torch_focal(torch: Any, x: Any, target: Any, *, alpha: float | None, gamma: float, reduction: str) -> Any:
    from torchvision.ops import sigmoid_focal_loss

    return sigmoid_focal_loss(x, target.to(x.dtype), -1 if alpha is None else alpha, gamma, reduction)


@st.composite
def cross_entropy_calls(draw: Any) -> Call:
    classes = draw(st.integers(1, 5))
    batch = draw(st.sampled_from([None, 1, 3]))
    rest = draw(st.sampled_from([(), (2,), (2, 3)])) if batch else ()
    x = draw(arrays((classes,) if batch is None else (batch, classes, *rest)))
    target = np.asarray(
        np.random.default_rng(draw(seeds)).integers(0, classes, () if batch is None else (batch, *rest))
    )
    ignored = draw(st.sampled_from([-100, 0, 255]))
    if ignored == 255 and target.size > 1:
        target.reshape(-1)[0] = 255
    if (target == ignored).all():
        ignored = -100
    return Call(
        (x, target),
        {
            "weight": draw(st.one_of(st.none(), arrays((classes,), positive))),
            "ignore_index": ignored,
            "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0])),
            "reduction": draw(reductions),
        },
    )


def torch_cross_entropy(torch: Any, x: Any, target: Any, *, weight: Any, **p: Any) -> Any:
    weight = None if weight is None else torch.from_numpy(weight.copy())
    return torch.nn.functional.cross_entropy(x, target, weight=weight, **p)


# ---- the table -------------------------------------------------------------------------------------------------------


def named(name: str) -> Callable[..., Any]:
    """The function of that name in torch."""
    return lambda torch, *inputs, **p: getattr(torch, name)(*inputs, **p)


def functional(name: str) -> Callable[..., Any]:
    """torch.nn.functional's function of that name."""
    return lambda torch, *inputs, **p: getattr(torch.nn.functional, name)(*inputs, **p)


def as_tensors(name: str) -> Callable[..., Any]:
    """The function of that name in torch, which takes no Python numbers."""

    def call(torch: Any, *inputs: Any) -> Any:
        return getattr(torch, name)(*(torch.as_tensor(x, dtype=torch.float64) for x in inputs))

    return call


def _dims(name: str) -> Callable[..., Any]:
    return lambda torch, x, *, axis, keepdims: getattr(torch, name)(x, dim=all_axes(x, axis), keepdim=keepdims)


def _torch_clip(torch: Any, x: Any, *, low: Any, high: Any) -> Any:
    return torch.clamp(x, low, high)


@st.composite
def clip_calls(draw: Any) -> Call:
    low, high = draw(st.sampled_from([(-1.0, 2.5), (None, 0.5), (-0.25, None), (0, 6), (2.0, 1.0)]))
    return Call((draw(arrays(shapes, away)),), {"low": low, "high": high})


@st.composite
def prelu_calls(draw: Any) -> Call:
    x = draw(arrays(array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4), away))
    channels = x.shape[1] if x.ndim > 1 else 1
    return Call((x, draw(arrays((draw(st.sampled_from([1, channels])),)))))


@st.composite
def softmax_calls(draw: Any) -> Call:
    x = draw(arrays(full_shapes))
    return Call((x,), {"axis": draw(st.integers(-x.ndim, x.ndim - 1))})


CASES = [
    Case("add", binary(), named("add")),
    Case("sub", binary(), named("sub")),
    Case("mul", binary(), named("mul")),
    Case("div", binary(normal, positive), named("div")),
    Case("neg", unary(), named("neg")),
    Case("power", power_calls(), named("pow"), label="number"),
    Case("power", binary(positive, positive), named("pow"), label="arrays"),
    Case("matmul", matmul_calls(), named("matmul")),
    Case("exp", unary(), named("exp")),
    Case("log", unary(positive), named("log")),
    Case("sqrt", unary(positive), named("sqrt")),
    Case("abs", unary(away), named("abs")),
    Case("maximum", ties(), as_tensors("maximum")),
    Case("minimum", ties(), as_tensors("minimum")),
    Case("clip", clip_calls(), _torch_clip),
    Case("where", where_calls(), named("where")),
    Case("reshape", reshape_calls(), lambda torch, x, *, shape: x.reshape(shape)),
    Case(
        "transpose",
        transpose_calls(),
        lambda torch, x, *, axes: x.permute(tuple(range(x.ndim))[::-1] if axes is None else axes),
    ),
    Case("broadcast_to", broadcast_calls(), lambda torch, x, *, shape: torch.broadcast_to(x, shape)),
    Case("concatenate", joined(False), lambda torch, *xs, axis: torch.cat(xs, dim=axis)),
    Case("stack", joined(True), lambda torch, *xs, axis: torch.stack(xs, dim=axis)),
    Case("getitem", getitem_calls(), torch_getitem),
    Case("gather", gather_calls(), lambda torch, x, index, *, axis: torch.gather(x, axis, index)),
    Case(
        "pad",
        pad_calls(),
        lambda torch, x, *, widths, value: torch.nn.functional.pad(
            x, [n for pair in widths[::-1] for n in pair], value=value
        ),
    ),
    Case("sum", reduction(shape=array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)), _dims("sum")),
    Case("mean", reduction(), _dims("mean")),
    Case("max", reduction(distinct), _dims("amax")),
    Case("min", reduction(distinct), _dims("amin")),
    Case("logsumexp", reduction(), _dims("logsumexp")),
    Case("relu", unary(away), functional("relu")),
    Case(
        "leaky_relu",
        unary(away, slope=st.sampled_from([0.01, 0.1, 1.0, 1.5, -0.5, 0.0])),
        lambda torch, x, *, slope: torch.nn.functional.leaky_relu(x, slope),
    ),
    Case("relu6", unary(away), functional("relu6")),
    Case("prelu", prelu_calls(), functional("prelu")),
    # torch's own hardsigmoid multiplies its gradient by 1/6 rounded to float32
    Case("hardsigmoid", unary(away), lambda torch, x: torch.nn.functional.relu6(x + 3) / 6),
    Case("hardswish", unary(away), functional("hardswish")),
    Case("sigmoid", unary(), named("sigmoid")),
    Case("tanh", unary(), named("tanh")),
    Case("softplus", unary(), lambda torch, x: torch.nn.functional.softplus(x, threshold=1e9)),
    Case("silu", unary(), functional("silu")),
    Case("mish", unary(), functional("mish")),
    Case("elu", unary(away, alpha=st.sampled_from([1.0, 0.5, 2.0])), functional("elu")),
    Case("selu", unary(away), functional("selu")),
    Case("gelu", unary(approximate=st.sampled_from(["none", "tanh"])), functional("gelu")),
    Case("softmax", softmax_calls(), lambda torch, x, *, axis: torch.softmax(x, axis)),
    Case("log_softmax", softmax_calls(), lambda torch, x, *, axis: torch.log_softmax(x, axis)),
    Case("conv2d", conv_calls(), functional("conv2d")),
    Case("conv_transpose2d", conv_calls(transposed=True), functional("conv_transpose2d")),
    Case("linear", linear_calls(), functional("linear")),
    Case("batch_norm", norm_calls(True, True), torch_norm, label="training"),
    Case("batch_norm", norm_calls(False, True), torch_norm, label="running"),
    Case("batch_norm", norm_calls(True, False), why="the dialects", label="training-dialects"),
    Case("batch_norm", norm_calls(False, False), why="the dialects", label="running-dialects"),
    Case("max_pool2d", pool_calls(False), torch_pool),
    Case("max_pool2d", darknet_pool_calls(), why="Darknet's padding", label="darknet"),
    Case("avg_pool2d", pool_calls(True), torch_pool),
    Case(
        "global_avg_pool2d",
        unary(shape=array_shapes(min_dims=4, max_dims=4, min_side=1, max_side=4)),
        lambda torch, x: torch.nn.functional.adaptive_avg_pool2d(x, 1),
    ),
    Case("resize", resize_calls(), torch_resize),
    Case("upsample", upsample_calls(), torch_upsample),
    Case("dropout", unary(rate=st.sampled_from([0.0, 0.25, 0.9]), rng=seeds), why="other random numbers"),
    Case(
        "drop_block",
        unary(
            shape=array_shapes(min_dims=4, max_dims=4, min_side=1, max_side=6),
            rate=st.sampled_from([0.0, 0.3]),
            block=st.integers(1, 3),
            rng=seeds,
        ),
        why="other random numbers",
    ),
    Case("mse", loss_calls(), functional("mse_loss")),
    Case("smooth_l1", smooth_l1_calls(), functional("smooth_l1_loss")),
    Case("bce_with_logits", bce_calls(), torch_bce),
    Case("focal", focal_calls(), torch_focal),
    Case("cross_entropy", cross_entropy_calls(), torch_cross_entropy),
]
