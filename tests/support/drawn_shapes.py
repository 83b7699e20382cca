"""Calls drawn of the functions that multiply, move or select elements."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes
from support.drawn_arrays import Call, arrays, away, positive, seeds, shapes


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
