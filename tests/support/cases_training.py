"""Arguments for the rooms that training adds: activations, and batch norm by the statistics of the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from minidet_kernels import batch_norm_grad, batch_norm_train
from minidet_kernels.normalization import deviation, values
from support.cases_convolution import array, dtypes
from support.cases_maps import tied
from support.cases_registry import EXACT, case

SLOPES = st.sampled_from([0.1, 0.01, 0.0, -0.0, 1.0, 2.0, -0.5, 1e-50])
SIDE = st.integers(0, 5) | st.sampled_from([17, 40])


def rank(draw: Any) -> tuple[int, ...]:
    """A shape of two to four axes, perhaps without elements."""
    return tuple(draw(SIDE) for _ in range(draw(st.integers(2, 4))))


@case("leaky_relu", compare=EXACT)
def _leaky_relu(draw: Any) -> Any:
    return (tied(draw, rank(draw), dtypes(draw)),), {"slope": draw(SLOPES)}


@case("leaky_relu_grad", compare=EXACT)
def _leaky_relu_grad(draw: Any) -> Any:
    shape, dtype = rank(draw), dtypes(draw)
    return (array(draw, shape, dtype), tied(draw, shape, dtype)), {"slope": draw(SLOPES)}


def reaching(draw: Any, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Numbers from where a function is curved to far into its tails, in one array; sometimes ties or special ones."""
    x = tied(draw, shape, dtype)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x *= rng.choice(np.array([1, 1, 1, 8, 30, 100, 1e4, 1e30], dtype), shape)
    return x


def roundings(x: np.ndarray, count: float, defined: float = 1) -> float:
    """``count`` roundings in the dtype of ``x``, and those of the definition, which is computed in float64."""
    return float(np.finfo(x.dtype).eps) / 2 * (count + (1 if x.dtype.char == "f" else defined))


def finely(x: np.ndarray) -> Any:
    """An exponential off by 4 of the smallest numbers there are, times ``x`` where it is not 0 yet."""
    tiny = float(np.finfo(x.dtype).smallest_subnormal)
    return tiny * (1 + 4 * np.minimum(np.abs(x), 1024))


def smooth_value(y: Any, x: np.ndarray) -> Any:
    """Relative: an exponential (2 or 3 units in the last place), sums of positive numbers, a division (2 units)."""
    return np.where(np.isfinite(y), roundings(x, 16, 16) * np.abs(y) + finely(x), 0)


def smooth_slope(terms: Any, count: float, difference: float = 0) -> Any:
    """Of ``g (a + b)``: roundings of a and of b, which may cancel; ``difference``: 1 - t^2 as a difference times x."""

    def bound(out: Any, g: np.ndarray, x: np.ndarray) -> Any:
        with np.errstate(invalid="ignore", over="ignore"):
            x64, g64 = x.astype(np.float64), np.abs(g.astype(np.float64))
            near = difference * roundings(x, 1) * np.clip(x64, 0, 32)
            of_terms = roundings(x, count, count) * sum(map(np.abs, terms(np.clip(x64, -1e300, 1e300)))) + near
            return np.where(np.isfinite(out), g64 * (of_terms + finely(x)) + finely(0 * x), 0)

    return bound


def _silu_terms(x: Any) -> Any:
    s, left = (1 / (1 + np.exp(np.clip(t, -700, 700))) for t in (-x, x))
    return s, x * s * left


def _mish_terms(x: Any) -> Any:
    s = np.logaddexp(0, x)
    return np.tanh(s), x / np.cosh(s) / np.cosh(s) / (1 + np.exp(np.clip(-x, -700, 700)))


@case("silu", compare=smooth_value)
def _silu(draw: Any) -> Any:
    return (reaching(draw, rank(draw), dtypes(draw)),), {}


@case("mish", compare=smooth_value)
def _mish(draw: Any) -> Any:
    return (reaching(draw, rank(draw), dtypes(draw)),), {}


@case("silu_grad", compare=smooth_slope(_silu_terms, 26))
def _silu_grad(draw: Any) -> Any:
    shape, dtype = rank(draw), dtypes(draw)
    return (array(draw, shape, dtype), reaching(draw, shape, dtype)), {}


@case(
    "mish_grad",
    compare=smooth_slope(_mish_terms, 50, difference=8),
    implementations={"cuda": smooth_slope(_mish_terms, 50)},
)
def _mish_grad(draw: Any) -> Any:
    shape, dtype = rank(draw), dtypes(draw)
    return (array(draw, shape, dtype), reaching(draw, shape, dtype)), {}


# --- updates of parameters --------------------------------------------------------------------------------------------


def _parameter(draw: Any, moments: int) -> list[np.ndarray]:
    """A parameter, its gradient and its moments, the last of which is never negative."""
    shape, dtype = rank(draw), dtypes(draw)
    scale = np.array(draw(st.sampled_from([1, 1, 1e-3, 1e-30, 1e25])), dtype)
    given = [array(draw, shape, dtype), tied(draw, shape, dtype) * scale]
    return given + [array(draw, shape, dtype) * scale for _ in range(moments - 1)] + [abs(array(draw, shape, dtype))]


RATES = st.sampled_from([0.1, 1e-3, 0.0, 3e-8])
DECAYS = st.sampled_from([0.0, 5e-4, 0.1, 1e-60])


@case("sgd_update", compare=EXACT)
def _sgd_update(draw: Any) -> Any:
    p, g, v = _parameter(draw, 1)
    options = {"lr": draw(RATES), "weight_decay": draw(DECAYS)}
    if draw(st.integers(0, 3)) == 0:
        return (p, g), options
    more = {
        "momentum": draw(st.sampled_from([0.9, 0.99])),
        "nesterov": draw(st.booleans()),
        "first": draw(st.booleans()),
    }
    return (p, g, v), options | more


@case("adam_update", compare=EXACT)
def _adam_update(draw: Any) -> Any:
    options = {"lr": draw(RATES), "weight_decay": draw(DECAYS), "step": draw(st.sampled_from([1, 2, 10, 3000, 10**7]))}
    options |= {
        "decoupled": draw(st.booleans()),
        "betas": draw(st.sampled_from([(0.9, 0.999), (0.0, 0.5), (0.8, 0.9)])),
    }
    return tuple(_parameter(draw, 2)), options | {"eps": draw(st.sampled_from([1e-8, 1e-3]))}


# --- batch norm -------------------------------------------------------------------------------------------------------


def channels(draw: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """``x`` with at least two values per channel, and the options: large means, constant channels, tiny values."""
    shape = (draw(st.integers(1, 5)), draw(st.integers(0, 4)))
    shape += draw(st.sampled_from([(), (1,), (7,), (3, 5), (1, 1), (9, 9), (2, 3, 4)]))
    if np.prod(shape[2:]) * shape[0] < 2:
        shape = (2, *shape[1:])
    x = array(draw, shape, dtypes(draw))
    kind = draw(st.sampled_from(["plain", "plain", "shifted", "tiny", "constant"]))
    if kind == "shifted":
        x = x + x.dtype.type(300)
    if kind == "tiny":
        x = x * x.dtype.type(1e-12)
    if kind == "constant" and shape[1]:
        x = x.copy()
        x[:, 0] = 0.1
    options = {
        "eps": draw(st.sampled_from([1e-5, 1e-3, 1e-6])),
        "epsilon": draw(st.sampled_from(["inside", "outside"])),
        "variance": draw(st.sampled_from(["biased", "unbiased"])),
    }
    return x, options


def per_channel(draw: Any, x: np.ndarray) -> np.ndarray | None:
    """One number per channel, or nothing."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return draw(st.sampled_from([None, rng.normal(size=x.shape[1]).astype(draw(st.sampled_from(["f4", "f8"])))]))


def about(x: np.ndarray) -> tuple[Any, ...]:
    """In float64: the axes summed over, the shape of a column, n, x less its mean, and the largest sizes there."""
    others, column = (0, *range(2, x.ndim)), (-1, *(1,) * (x.ndim - 2))
    x64 = x.astype(np.float64)
    left = x64 - x64.mean(axis=others, keepdims=True)
    return others, column, values(x), left, np.abs(x64).max(axis=others, initial=0)


def statistics(x: np.ndarray) -> tuple[Any, Any]:
    """How far mean and var may be off: ``u (n + 2)`` of the mean size, of the squares, and the mean's error squared.

    ``u`` is that of the arithmetic.  The sums of `numba` and of the definition are in float64; `whole` sums the rows in
    the dtype of ``x``, its mean is made good for by that of the differences, and its squares are of differences that
    are rounded, and are off by the rounded mean.
    """
    others, _, n, left, size = about(x)
    u = float(np.finfo(x.dtype).eps)
    exact = 4 * np.finfo(np.float64).eps * (n + 4) * size
    mean = u * (n + 4) * np.abs(left).mean(axis=others) + exact + u * u * n * size
    off = u * size  # the mean, rounded to the dtype of x
    var = 2 * u * (n + 8) * ((left**2).mean(axis=others) + 2 * off * np.abs(left).mean(axis=others) + off**2)
    return mean, var + mean**2


def sigmas(
    x: np.ndarray, var_off: Any, eps: float, epsilon: str = "inside", variance: str = "biased"
) -> tuple[Any, Any]:
    """sigma, and how far it may be off relative to itself: that of the variance through the root."""
    others, _, n, left, _ = about(x)
    var = (left**2).mean(axis=others)
    ends = [deviation(np.maximum(var + s * var_off, 0), n, eps, epsilon, variance) for s in (-1, 0, 1)]
    return ends[1], np.maximum(ends[2] - ends[1], ends[1] - ends[0]) / ends[0]


def normalised(y: Any, x: np.ndarray, weight: Any = None, bias: Any = None, **options: Any) -> Any:
    """Of y = a (x - m) + b: three roundings of its terms, the mean's error times a, and a's own."""
    _, column, _, left, size = about(x)
    mean_off, var_off = statistics(x)
    sigma, off = sigmas(x, var_off, **options)
    a = np.abs(1 if weight is None else weight) / sigma
    u = np.finfo(x.dtype).eps
    rounded = u * size  # x less the rounded mean, which b makes good for
    own = (8 * u + 2 * off).reshape(column) * (np.abs(left) + (rounded + mean_off).reshape(column)) * a.reshape(column)
    b = 4 * u * np.abs(0 * sigma if bias is None else bias)
    return own + (a * mean_off + b).reshape(column)


def back(dx: Any, g: np.ndarray, x: np.ndarray, weight: Any, mean: Any, var: Any, **options: Any) -> Any:
    """Of dx = s (g - G / n - z Z r / d): a few roundings of each term, and the sums' own, of n terms."""
    others, column, n, left, size = about(x)
    sigma = deviation(var, n, **options).reshape(column)
    u = np.finfo(x.dtype).eps
    g64, rounded = np.abs(g).astype(np.float64), u * size.reshape(column)
    scale = np.abs(1.0 if weight is None else weight.reshape(column)) / sigma
    sums = g64.sum(axis=others, keepdims=True), (g64 * (np.abs(left) + rounded)).sum(axis=others, keepdims=True)
    root = np.sqrt(var.reshape(column) * (n / (n - 1) if options["variance"] == "unbiased" else 1))
    r = 1 if options["epsilon"] == "inside" else np.where(root > 0, sigma / np.where(root > 0, root, 1), 0)
    squared = (np.abs(left) + rounded) * sums[1] / sigma**2 * r / (n - 1)
    return u * (n + 12) * scale * (g64 + sums[0] / n + squared)


def of_weight(Z: Any, g: np.ndarray, x: np.ndarray, weight: Any, mean: Any, var: Any, **options: Any) -> Any:
    """Z, a sum of n products by two roundings each."""
    others, column, n, left, size = about(x)
    u, sigma = np.finfo(x.dtype).eps, deviation(var, n, **options)
    terms = np.abs(g).astype(np.float64) * (np.abs(left) + u * size.reshape(column))
    return u * (n + 8) * terms.sum(axis=others) / sigma


def of_bias(G: Any, g: np.ndarray, *others: Any, **options: Any) -> Any:
    """G, a sum of n terms."""
    axes = (0, *range(2, g.ndim))
    return np.finfo(g.dtype).eps * (values(g) + 4) * np.abs(g).astype(np.float64).sum(axis=axes)


@case(
    "batch_norm_train",
    compare=(normalised, lambda _, x, *a, **kw: statistics(x)[0], lambda _, x, *a, **kw: statistics(x)[1]),
)
def _batch_norm_train(draw: Any) -> Any:
    x, options = channels(draw)
    assert batch_norm_train.check is not None
    return (x, per_channel(draw, x), per_channel(draw, x)), options


@case("batch_norm_grad", compare=(back, of_weight, of_bias))
def _batch_norm_grad(draw: Any) -> Any:
    x, options = channels(draw)
    assert batch_norm_grad.check is not None
    _, mean, var = batch_norm_train.definition(x, **options)
    return (array(draw, x.shape, x.dtype), x, per_channel(draw, x), mean, var), options


# --- batch norm and an activation -------------------------------------------------------------------------------------


def _activation(draw: Any) -> dict[str, Any]:
    kind = draw(st.sampled_from(["leaky", "silu", "mish"]))
    return (
        {"activation": kind, "slope": draw(st.sampled_from([0.1, 0.0, 2.0]))}
        if kind == "leaky"
        else {"activation": kind}
    )


def _inner(x: np.ndarray, weight: Any, bias: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    """What the activation is given, in float64, and how far it may be off."""
    rest = {name: value for name, value in options.items() if name not in ("activation", "slope")}
    u, _, _ = batch_norm_train.definition(x.astype(np.float64), weight, bias, **rest)
    return u, normalised(u, x, weight, bias, **rest)


def activated(y: Any, x: np.ndarray, weight: Any = None, bias: Any = None, **options: Any) -> Any:
    """The error of what the activation is given, times its steepest slope, and the activation's own."""
    u, off = _inner(x, weight, bias, options)
    if options["activation"] == "leaky":
        return max(1, options["slope"]) * off + roundings(x, 2) * np.abs(y)
    return 1.2 * off + roundings(x, 16, 16) * np.abs(y) + finely(np.asarray(u, x.dtype))


def _sent(g: np.ndarray, x: np.ndarray, weight: Any, bias: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    """The gradient behind the activation, in float64, and how far it may be off.

    A leaky ReLU may be on the other side of its corner where what it is given may be; the others' slopes change by no
    more than what they are given does, and are off by 50 roundings of two terms up to 1 and of a difference times 32.
    """
    u, off = _inner(x, weight, bias, options)
    g64 = g.astype(np.float64)
    with np.errstate(invalid="ignore"):
        if options["activation"] == "leaky":
            h = np.where(u > 0, g64, g64 * options["slope"])
            return h, np.abs(g64) * (abs(1 - options["slope"]) * (np.abs(u) <= off) + roundings(x, 2))
        terms = (_silu_terms if options["activation"] == "silu" else _mish_terms)(np.clip(u, -1e300, 1e300))
        return g64 * sum(terms), np.abs(g64) * (off + roundings(x, 356, 100)) + finely(0 * x)


def _both_back(of_x: bool) -> Any:
    def bound(out: Any, g: np.ndarray, x: np.ndarray, weight: Any, bias: Any, *of: Any, **options: Any) -> Any:
        """As of batch norm alone, of the gradient behind the activation; and its error, as batch norm sends it on."""
        (h, off), (mean, var) = _sent(g, x, weight, bias, options), of
        rest = {name: value for name, value in options.items() if name not in ("activation", "slope")}
        others, column, n, left, size = about(x)
        sigma, u = deviation(var, n, **rest).reshape(column), np.finfo(x.dtype).eps
        around = np.abs(left) + u * size.reshape(column)
        if not of_x:
            return of_weight(out, h, x, weight, mean, var, **rest) + ((off * around).sum(axis=others) / sigma.ravel())
        scale = np.abs(1.0 if weight is None else weight.reshape(column)) / sigma
        root = np.sqrt(var.reshape(column) * (n / (n - 1) if rest["variance"] == "unbiased" else 1))
        r = 1 if rest["epsilon"] == "inside" else np.where(root > 0, sigma / np.where(root > 0, root, 1), 0)
        sums = off.sum(axis=others, keepdims=True), (off * around).sum(axis=others, keepdims=True)
        sent_on = scale * (off + sums[0] / n + around * sums[1] / sigma**2 * r / (n - 1))
        return back(out, h, x, weight, mean, var, **rest) + sent_on

    return bound


def _of_bias(out: Any, g: np.ndarray, x: np.ndarray, weight: Any, bias: Any, *_: Any, **options: Any) -> Any:
    h, off = _sent(g, x, weight, bias, options)
    axes = (0, *range(2, x.ndim))
    return np.finfo(x.dtype).eps * (values(x) + 4) * np.abs(h).sum(axis=axes) + off.sum(axis=axes)


@case(
    "batch_norm_act_train",
    compare=(activated, lambda _, x, *a, **kw: statistics(x)[0], lambda _, x, *a, **kw: statistics(x)[1]),
)
def _batch_norm_act_train(draw: Any) -> Any:
    x, options = channels(draw)
    return (x, per_channel(draw, x), per_channel(draw, x)), options | _activation(draw)


@case("batch_norm_act_grad", compare=(_both_back(True), _both_back(False), _of_bias))
def _batch_norm_act_grad(draw: Any) -> Any:
    x, options = channels(draw)
    _, mean, var = batch_norm_train.definition(x, **options)
    g = array(draw, x.shape, x.dtype)
    return (g, x, per_channel(draw, x), per_channel(draw, x), mean, var), options | _activation(draw)
