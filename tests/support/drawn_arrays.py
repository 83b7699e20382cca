"""Arrays drawn for the tests of functions: their values, their layouts in memory, and calls of one or two of them."""

from __future__ import annotations

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
