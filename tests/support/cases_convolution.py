"""Arguments for the convolution room, adversarial on purpose: odd sizes, empty axes, views, both memory orders."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from minidet_kernels import conv2d, conv2d_grad_w, conv2d_grad_x
from minidet_kernels.convolution import fft, out_size
from minidet_kernels.convolution.geometry import out_sizes
from minidet_kernels.convolution.toom_cook import F2, F4, Scheme
from minidet_kernels.convolution.winograd import convolve
from support.cases_registry import case

Shape = tuple[int, ...]


def array(draw: Any, shape: Shape, dtype: Any) -> np.ndarray:
    """Normal numbers of this shape: C or Fortran order, or a view that skips, runs backwards or is swapped."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layout = draw(st.sampled_from(["C", "C", "F", "skipping", "backwards", "swapped"]))
    if layout == "skipping":
        return rng.normal(size=(*shape[:-1], 2 * shape[-1] + 1)).astype(dtype)[..., 1::2]
    if layout == "backwards":
        return rng.normal(size=shape).astype(dtype)[..., ::-1, :]
    if layout == "swapped":
        return rng.normal(size=(*shape[:-2], shape[-1], shape[-2])).astype(dtype).swapaxes(-1, -2)
    return np.asarray(rng.normal(size=shape).astype(dtype), order=layout)


def either(value: Any) -> Any:
    """One integer, or a pair that may differ along the two axes."""
    return value | st.tuples(value, value)


def geometry(draw: Any, largest: int = 5) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int], tuple[int, int]]:
    """The options, the taps, the input's size and the output's, for a filter that fits."""
    options = {
        "stride": draw(either(st.integers(1, 3))),
        "padding": draw(either(st.integers(0, 3))),
        "dilation": draw(either(st.sampled_from([1, 1, 2, 3]))),
    }
    pointwise = draw(st.integers(0, 4)) == 0
    taps, size, out = [], [], []
    for axis in range(2):
        s, p, d = (v if isinstance(v, int) else v[axis] for v in options.values())
        k = 1 if pointwise else draw(st.integers(1, largest))
        n = draw(st.integers(max(0 if p else 1, d * (k - 1) + 1 - 2 * p), max(9, d * (k - 1) + 2)))
        taps.append(k)
        size.append(n)
        out.append(out_size(n, k, s, p, d))
    return options, (taps[0], taps[1]), (size[0], size[1]), (out[0], out[1])


def depthwise_three(draw: Any) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Like ``geometry``, of what the vector kernels of the depthwise convolution take, on planes of several strips."""
    stride, padding = draw(st.sampled_from([1, 2])), draw(st.just(1) | either(st.integers(0, 3)))
    pads = (padding, padding) if isinstance(padding, int) else padding
    size = [draw(st.integers(max(0 if p else 1, 3 - 2 * p), 40)) for p in pads]
    out = [out_size(n, 3, stride, p) for n, p in zip(size, pads, strict=True)]
    return {"stride": stride, "padding": padding, "dilation": 1}, (3, 3), (size[0], size[1]), (out[0], out[1])


def shapes(draw: Any) -> tuple[dict[str, Any], Shape, Shape, Shape]:
    """The options and the shapes of x, w and y; sometimes without images, channels or filters."""
    range_of = draw(st.sampled_from(["any", "any", "large", "depthwise", "depthwise", "pointwise"]))
    kind = draw(st.sampled_from(["plain", "plain", "grouped", "depthwise", "multiplier"]))
    if range_of == "depthwise":
        options, taps, size, out = depthwise_three(draw)
        kind = draw(st.sampled_from(["depthwise", "depthwise", "multiplier"]))
    else:
        options, taps, size, out = geometry(draw, largest=17 if range_of == "large" else 5)
    if range_of == "pointwise":
        options |= {"padding": 0}
        size, taps = (max(1, size[0]), max(1, size[1])), (1, 1)
        strides = options["stride"] if isinstance(options["stride"], tuple) else (options["stride"],) * 2
        out = (out_size(size[0], 1, strides[0]), out_size(size[1], 1, strides[1]))
    groups = 1 if kind == "plain" else draw(st.integers(2, 5))
    per = st.integers(1, 4)
    Cg = 1 if kind in ("depthwise", "multiplier") else draw(per)
    Og = 1 if kind == "depthwise" else draw(per)
    N = draw(st.integers(0, 3))
    if draw(st.integers(0, 19)) == 0:
        Cg, Og = draw(st.sampled_from([(0, Og), (Cg, 0), (0, 0)]))
    return options | {"groups": groups}, (N, groups * Cg, *size), (groups * Og, Cg, *taps), (N, groups * Og, *out)


def dtypes(draw: Any) -> Any:
    """float32, which most kernels are for, or float64."""
    return draw(st.sampled_from([np.float32, np.float32, np.float64]))


def sums(op: Any, terms: int, *args: Any, **kwargs: Any) -> Any:
    """The error bound of an inner product of ``terms`` products: ``eps (terms + 4)`` times the sum of their sizes.

    (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1: ``gamma_n = n u / (1 - n u)`` in any order of
    summation, with ``u = eps / 2``; the definition in float64 rounds once more, to the result's dtype, and so does the
    bias.)  Where the definition's arithmetic is no finer than the result's, in float64, its own error doubles it.
    """
    eps = np.finfo(args[0].dtype).eps
    return eps * (terms + 4) * op.definition(*map(np.abs, args), **kwargs).astype(np.float64)


#: The kinds of numbers that tensor cores multiply: the part that rounding to them changes at most, and half of the step
#: that numbers below 2^-14 are rounded to.
ROUNDED = {
    "mma_tf32x3": (2.0**-22, 0.0),
    "mma_tf32": (2.0**-11, 0.0),
    "mma_f16": (2.0**-11, 2.0**-25),
    "mma_bf16": (2.0**-8, 0.0),
    "wgmma_bf16": (2.0**-8, 0.0),
}


def rounded(op: Any, kind: str, terms: int, *args: Any, **kwargs: Any) -> Any:
    """The error bound of sums of products of rounded factors: a product changes by ``2 u + u^2`` of its size.

    On top come the sum's own roundings, of rounded products, and ``s`` for each factor where the step of small numbers
    is larger: ``|x w| (2 u + u^2) + s (|x| + |w|) (1 + u) + s^2``.  In three parts a sum has three times the terms, of
    which two in three are at most 2^-11 of the first; the product of the two rests, each at most 2^-11, is left out.
    """
    (u, s), sizes = ROUNDED[kind], [np.abs(a).astype(np.float64) for a in args[:2]]
    split = kind == "mma_tf32x3"
    own = (1 + (2.0**-9 if split else u)) ** 2 * sums(op, 3 * terms if split else terms, *args, **kwargs)
    bound = own + (2 * u + u * u + (1.01 * 2.0**-22 if split else 0)) * op.definition(*sizes, **kwargs)
    if s:
        ones = [np.ones_like(a) for a in sizes]
        bound += s * (1 + u) * op.definition(sizes[0], ones[1], **kwargs)
        bound += s * (1 + u) * op.definition(ones[0], sizes[1], **kwargs) + s * s * op.definition(*ones, **kwargs)
    return bound


def by_tensor_cores(op: Any, terms: Any) -> dict[str, Any]:
    """The rules of the implementations that round to each kind."""
    return {k: lambda _, *a, k=k, **kw: rounded(op, k, terms(*a, **kw), *a, **kw) for k in ROUNDED}


def winograd(scheme: Scheme) -> Any:
    """The error bound of Winograd's convolution, as ``minidet_kernels.convolution.winograd`` derives it.

    The sums of the sizes of all terms come from the algorithm itself, in float64, with the sizes of the matrices'
    entries.  The definition rounds twice more; where it is no finer than the result, its own bound is added.  One part
    in a hundred is for the products of two roundings.
    """
    sizes = Scheme(scheme.m, *map(np.abs, scheme[1:]))

    def bound(_: Any, x: np.ndarray, w: np.ndarray, *bias: Any, padding: Any = 0, **options: Any) -> Any:
        roundings = w.shape[1] + sum(np.count_nonzero(matrix, axis=1).max() ** 2 + 1 for matrix in scheme[1:]) + 4
        if x.dtype == np.float64:
            roundings += w[:1].size
        x64, w64 = (np.abs(a).astype(np.float64) for a in (x, w))
        b64 = np.abs(bias[0]).astype(np.float64) if bias and bias[0] is not None else None
        return 1.01 * np.finfo(x.dtype).eps / 2 * roundings * convolve(x64, w64, b64, padding, sizes)

    return bound


def fourier(equation: str, a: np.ndarray, b: np.ndarray, plane: Any, terms: int) -> np.ndarray:
    """The error bound of a convolution by Fourier transforms, as ``minidet_kernels.convolution.fft`` derives it.

    ``a`` and ``b`` are given as (..., pixels); the equation says over which of the axes before these they are summed.
    """
    e = sum(r**0.5 * (r + 5) for n in plane for r in fft.factors(n))
    a, b = np.abs(a).astype(np.float64), np.abs(b).astype(np.float64)
    a2, b2, a1 = np.sqrt((a**2).sum(-1)), np.sqrt((b**2).sum(-1)), a.sum(-1)
    mixed = (2 * e + terms + 4) * np.einsum(equation, a2, b2) + (e + 2) * np.einsum(equation, a1, b2)
    return 1.01 * np.finfo(np.float64).eps / 2 * mixed


def fourier_conv2d(y: Any, x: np.ndarray, w: np.ndarray, *bias: Any, **options: Any) -> Any:
    """The bound of ``conv2d`` by ``fft``; and that of the definition, with which it is compared."""
    (N, C, H, W), (O, Cg, kh, kw), groups = x.shape, w.shape, options.get("groups", 1)
    taps, pixels = w.reshape(groups, O // groups, Cg, kh * kw), x.reshape(N, groups, C // groups, H * W)
    bound = fourier("goc,ngc->ngo", taps, pixels, plane_of(x.shape, w.shape, options), Cg).reshape(N, O, 1, 1)
    return in_dtype(x, bound) + definitions(conv2d, w[:1].size, x, w, *bias, **options)


def fourier_grad_x(x: Any, g: np.ndarray, w: np.ndarray, *, shape: Shape, **options: Any) -> Any:
    """The bound of ``conv2d_grad_x`` by ``fft``."""
    (N, C, _, _), (O, Cg, kh, kw), groups = shape, w.shape, options.get("groups", 1)
    taps = w.reshape(groups, O // groups, Cg, kh * kw)
    outputs = g.reshape(N, groups, O // groups, g.shape[2] * g.shape[3])
    bound = fourier("goc,ngo->ngc", taps, outputs, plane_of(shape, w.shape, options), O // groups).reshape(N, C, 1, 1)
    terms = w[:, :1].size // groups
    return in_dtype(g, bound) + definitions(conv2d_grad_x, terms, g, w, shape=shape, **options)


def fourier_grad_w(w: Any, x: np.ndarray, g: np.ndarray, *, shape: Shape, **options: Any) -> Any:
    """The bound of ``conv2d_grad_w`` by ``fft``."""
    (N, _, H, W), (O, Cg, _, _), groups = x.shape, shape, options.get("groups", 1)
    pixels = x.reshape(N, groups, Cg, H * W)
    outputs = g.reshape(N, groups, O // groups, g.shape[2] * g.shape[3])
    bound = fourier("ngo,ngc->goc", outputs, pixels, plane_of(x.shape, shape, options), N).reshape(O, Cg, 1, 1)
    return in_dtype(g, bound) + definitions(conv2d_grad_w, g[:, :1].size, x, g, shape=shape, **options)


def definitions(op: Any, terms: int, *args: Any, **kwargs: Any) -> Any:
    """What the definition itself rounds: its sum where it is no finer than the result, and the result and bias."""
    return sums(op, terms if args[0].dtype == np.float64 else 0, *args, **kwargs)


def plane_of(x: Shape, w: Shape, options: dict[str, Any]) -> Any:
    """The plane that is transformed."""
    return fft.sizes(x, w, *(options.get(name, default) for name, default in GEOMETRY.items()))


GEOMETRY = {"stride": 1, "padding": 0, "dilation": 1}


def in_dtype(like: np.ndarray, bound: np.ndarray) -> np.ndarray:
    """A bound for float64, for this array's dtype."""
    return bound * (np.finfo(like.dtype).eps / np.finfo(np.float64).eps)


def three_by_three(draw: Any) -> tuple[dict[str, Any], Shape, Shape]:
    """The options and the shapes of x and w that Winograd's convolution takes."""
    padding = draw(either(st.integers(0, 4)))
    least = [max(1, 3 - 2 * p) for p in ((padding,) * 2 if isinstance(padding, int) else padding)]
    size = [draw(st.integers(n, 21)) for n in least]
    N, C, O = draw(st.integers(0, 3)), draw(st.integers(0, 35)), draw(st.integers(0, 19))
    return {"padding": padding}, (N, C, *size), (O, C, 3, 3)


def drawn(draw: Any) -> tuple[dict[str, Any], Shape, Shape, Shape]:
    """The options and the shapes of x, w and y: of any filters, or of such as some implementations alone take."""
    kind = draw(st.sampled_from(["any", "any", "depthwise", "3 x 3", "3 x 3", *["1 x 1"] * 4, "long", "vectors"]))
    if kind == "any":
        return shapes(draw)
    if kind == "depthwise":
        options, taps, size, out = geometry(draw)
        N, C, filters = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.sampled_from([1, 1, 3]))
        return options | {"groups": C}, (N, C, *size), (C * filters, 1, *taps), (N, C * filters, *out)
    options, x, w = three_by_three(draw)
    if kind == "long":  # rows of more than a vector
        x = (*x[:3], draw(st.integers(32, 70)))
    if kind == "vectors":  # whole vectors of channels
        channels = 16 * draw(st.integers(1, 4))
        x, w = (min(x[0], 2), channels, *x[2:]), (draw(st.integers(17, 40)), channels, 3, 3)
    if kind == "1 x 1":
        options, w = {}, (*w[:2], 1, 1)
    return options, x, w, (x[0], w[0], *out_sizes(x, w, 1, options.get("padding", 0), 1))


@case(
    "conv2d",
    compare=lambda y, x, w, *b, **kw: sums(conv2d, w[:1].size, x, w, *b, **kw),
    implementations={
        "fft": fourier_conv2d,
        "winograd_f2": winograd(F2),
        "winograd_f4": winograd(F4),
        "winograd_numba": winograd(F4),
        "winograd_maps": winograd(F4),
        "winograd_cuda_f2": winograd(F2),
        "winograd_cuda_f4": winograd(F4),
        **by_tensor_cores(conv2d, lambda x, w, *b, **kw: w[:1].size),
    },
)
def _conv2d(draw: Any) -> Any:
    options, x, w, _ = drawn(draw)
    dtype = dtypes(draw)
    args = (array(draw, x, dtype), array(draw, w, dtype))
    if draw(st.booleans()):
        args += (np.random.default_rng(0).normal(size=w[0]).astype(dtype),)
    return args, options


def winograd_grad_x(_: Any, g: np.ndarray, w: np.ndarray, *, padding: Any = 0, **options: Any) -> Any:
    """The same bound, of the convolution that the gradient is: by the filters turned around, padding 2 - p."""
    ph, pw = (padding, padding) if isinstance(padding, int) else padding
    return winograd(F4)(_, g, w.swapaxes(0, 1)[:, :, ::-1, ::-1], padding=(2 - ph, 2 - pw))


@case(
    "conv2d_grad_x",
    compare=lambda y, g, w, **kw: sums(conv2d_grad_x, w[:, :1].size // kw.get("groups", 1), g, w, **kw),
    implementations={
        "fft": fourier_grad_x,
        "winograd_numba": winograd_grad_x,
        "winograd_cuda_f4": winograd_grad_x,
        **by_tensor_cores(conv2d_grad_x, lambda g, w, **kw: w[:, :1].size // kw.get("groups", 1)),
    },
)
def _conv2d_grad_x(draw: Any) -> Any:
    options, x, w, y = drawn(draw)
    dtype = dtypes(draw)
    return (array(draw, y, dtype), array(draw, w, dtype)), options | {"shape": x}


def winograd_grad_w(_: Any, x: np.ndarray, g: np.ndarray, *, shape: Shape, padding: Any = 0, **options: Any) -> Any:
    """The error bound of Winograd's gradient of the filters, as its file derives it.

    Again the sums of the sizes of all terms: ``|B^T| |x| |B|`` of each tile times ``|A| |g| |A^T|``, carried back by
    ``|G^T|``, in float64.  The definition's own rounding is in the constant.
    """
    Bt, A, Gt = (np.abs(matrix) for matrix in (F4.Bt, F4.At.T, F4.G.T))
    (ph, pw), (oh, ow) = (padding, padding) if isinstance(padding, int) else padding, g.shape[2:]
    rows, columns = -(-oh // 4), -(-ow // 4)
    inputs = np.zeros((*x.shape[:2], 4 * rows + 2, 4 * columns + 2))
    upstream = np.zeros((*g.shape[:2], 4 * rows, 4 * columns))
    inputs[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]] = np.abs(x)
    upstream[:, :, :oh, :ow] = np.abs(g)
    total = np.zeros((6, 6, *shape[:2]))
    for r, c in np.ndindex(rows, columns):
        V = np.einsum("ik,nckl,jl->ijnc", Bt, inputs[:, :, 4 * r : 4 * r + 6, 4 * c : 4 * c + 6], Bt)
        U = np.einsum("ik,nokl,jl->ijno", A, upstream[:, :, 4 * r : 4 * r + 4, 4 * c : 4 * c + 4], A)
        total += np.einsum("ijno,ijnc->ijoc", U, V)
    roundings = len(g) * rows * columns + 4
    roundings += sum(np.count_nonzero(matrix, axis=1).max() ** 2 + 1 for matrix in (Bt, A, Gt))
    return 1.01 * np.finfo(x.dtype).eps / 2 * roundings * np.einsum("ui,ijoc,vj->ocuv", Gt, total, Gt)


@case(
    "conv2d_grad_w",
    compare=lambda y, x, g, **kw: sums(conv2d_grad_w, g[:, :1].size, x, g, **kw),
    implementations={
        "fft": fourier_grad_w,
        "winograd_numba": winograd_grad_w,
        **by_tensor_cores(conv2d_grad_w, lambda x, g, **kw: g[:, :1].size),
    },
)
def _conv2d_grad_w(draw: Any) -> Any:
    options, x, w, y = drawn(draw)
    dtype = dtypes(draw)
    return (array(draw, x, dtype), array(draw, y, dtype)), options | {"shape": w}
