"""Arguments for the fused convolution: every activation, with and without a residual, for each packed kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from minidet_kernels import conv2d
from minidet_kernels.convolution.fused import ACTIVATIONS, ORDERS
from minidet_kernels.convolution.geometry import out_sizes
from minidet_kernels.convolution.toom_cook import F4
from support.cases_convolution import ROUNDED, array, dtypes, rounded, shapes, sums, three_by_three, winograd
from support.cases_registry import case

#: The steepest slope of each activation; leaky has its own.
STEEPEST = {"linear": 1.0, "relu": 1.0, "sigmoid": 0.25, "silu": 1.1, "mish": 1.09, "tanh": 1.0}
#: Roundings of an activation's own arithmetic, in float32: an exponential good to 4 of them, and at most 8 operations.
OWN = 16
#: Where an exponential is below the least normal number, it may be taken as 0; silu and mish multiply that by 104.
TINY = 104 * float(np.finfo(np.float32).tiny)


def fused(convolution: Any) -> Any:
    """The bound of the whole from that of the convolution: carried through the slope, plus what comes after it."""

    def bound(
        y: Any, x: Any, w: Any, bias: Any = None, residual: Any = None, *, activation: str = "linear",
        slope: float = 0.1, order: str = "activation_first", **options: Any,
    ) -> Any:  # fmt: skip
        eps = np.finfo(x.dtype).eps
        more = 0.0 if residual is None else np.abs(residual.astype(np.float64))
        size = np.abs(y.astype(np.float64))
        steepest = max(1.0, abs(slope)) if activation == "leaky" else STEEPEST[activation]
        error = convolution(y, x, w, bias, **options)
        if order == "residual_first":
            total = np.abs(conv2d.definition(*(np.abs(a) for a in (x, w)), **options)).astype(np.float64)
            error = error + eps * (total + more + (0 if bias is None else np.abs(bias)[:, None, None]))
        return 1.01 * steepest * error + OWN * eps * (size + more) + TINY

    return bound


def direct(_: Any, x: Any, w: Any, bias: Any, **options: Any) -> Any:
    """The bound of a convolution by sums of products in any order."""
    return sums(conv2d, w[:1].size, x, w, *([] if bias is None else [bias]), **options)


def either_way(y: Any, x: Any, w: Any, bias: Any, **options: Any) -> Any:
    """The bound of whatever ``conv2d`` chooses: of sums, or of Winograd's where that may be chosen."""
    plain = direct(y, x, w, bias, **options)
    simple = all(options.get(k, 1) in (1, (1, 1)) for k in ("stride", "dilation", "groups"))
    if w.shape[2:] != (3, 3) or not simple:
        return plain
    return np.maximum(plain, winograd(F4)(y, x, w, bias, padding=options.get("padding", 0)))


def by_tensor_cores(kind: str) -> Any:
    """The bound of the implementation of that name, which rounds its inputs."""

    def bound(_: Any, x: Any, w: Any, bias: Any, **options: Any) -> Any:
        return rounded(conv2d, kind, w[:1].size, x, w, *([] if bias is None else [bias]), **options)

    return bound


def by_f4(y: Any, x: Any, w: Any, bias: Any, *, padding: Any = 0, **options: Any) -> Any:
    """The bound of Winograd's F(4 x 4, 3 x 3)."""
    return winograd(F4)(y, x, w, bias, padding=padding)


def tiled(y: Any, x: Any, w: Any, bias: Any, *, padding: Any = 0, stride: Any = 1, **options: Any) -> Any:
    """The bound of the packed Winograd schemes, derived as in ``minidet_kernels.convolution.winograd``.

    The sums of the sizes of all terms, by the same scheme with the sizes of its matrices' entries; as many roundings as
    a sum has terms (up to four phases of each channel), plus those of the three transforms and of the ends.
    """
    from minidet_kernels.convolution.packed import KINDS, Epilogue, Geometry

    kind = KINDS["winograd" if stride in (1, (1, 1)) else "polyphase"]
    s = kind(w, None, Geometry((3, 3)), Epilogue()).scheme(y.shape[2:])
    inputs = np.zeros((len(s.phases), s.reach))
    for e, point in enumerate(s.phases):
        inner = s.stride == 2 and s.values[e] == s.n
        row = np.abs(s.Bt[point])[: s.n - inner]
        inputs[e, inner : inner + s.stride * (len(row) - 1) + 1 : s.stride] = row
    filters, outputs = np.abs(s.taps)[s.values], np.abs(s.At)[:, s.phases]
    (ph, pw), (oh, ow) = (padding, padding) if isinstance(padding, int) else padding, y.shape[2:]
    rows, columns, step = -(-oh // s.m), -(-ow // s.m), s.stride * s.m
    wide = np.zeros((*x.shape[:2], *(max(n, p + m) for n, p, m in zip(
        (step * rows + s.reach, step * columns + s.reach), (ph, pw), x.shape[2:], strict=True))))  # fmt: skip
    wide[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]] = np.abs(x)
    U = np.einsum("ea,ocab,fb->efoc", filters, np.abs(w.astype(np.float64)), filters, optimize=True)
    total = np.zeros((*y.shape[:2], s.m * rows, s.m * columns))
    for r, c in np.ndindex(rows, columns):
        tile = wide[:, :, step * r : step * r + s.reach, step * c : step * c + s.reach]
        V = np.einsum("ei,ncij,fj->efnc", inputs, tile, inputs, optimize=True)
        sums = np.einsum("efnc,efoc->efno", V, U)
        total[:, :, s.m * r : s.m * (r + 1), s.m * c : s.m * (c + 1)] = np.einsum(
            "ie,efno,jf->noij", outputs, sums, outputs
        )
    total = total[:, :, :oh, :ow] + (0 if bias is None else np.abs(bias)[:, None, None])
    roundings = s.stride**2 * w.shape[1] + 4
    roundings += sum(np.count_nonzero(matrix, axis=1).max() ** 2 + 1 for matrix in (s.Bt, s.G, s.At))
    return 1.01 * np.finfo(x.dtype).eps / 2 * roundings * total


@case(
    "conv2d_fused",
    compare=fused(direct),
    implementations={
        "layers": fused(either_way),
        "winograd_cuda_f4": fused(by_f4),
        "winograd": fused(tiled),
        "polyphase": fused(tiled),
        **{kind: fused(by_tensor_cores(kind)) for kind in ROUNDED},
    },
)
def _conv2d_fused(draw: Any) -> Any:
    kinds = ["any", "any", "any", "tiles", "filters", "depthwise", "phases", "phases"]
    kinds += ["1 x 1", "1 x 1", "1 x 1", "3 x 3", "3 x 3"]
    kind = draw(st.sampled_from(kinds))
    if kind == "any":
        options, x, w, _ = shapes(draw)
    elif kind == "depthwise":
        options, x, w, _ = shapes(draw)
        C, k = draw(st.integers(1, 40)), w[2:]
        options, x, w = options | {"groups": C}, (x[0], C, *x[2:]), (C, 1, *k)
    elif kind == "3 x 3":
        options, x, w = three_by_three(draw)
    elif kind == "1 x 1":
        options, x, w = three_by_three(draw)
        channels = draw(st.integers(1, 8))
        options, x, w = {}, (x[0], channels, *x[2:]), (w[0], channels, 1, 1)
    else:
        options, x, w = three_by_three(draw)
        if kind == "phases":
            options, kind = (
                options | {"stride": draw(st.sampled_from([2, (2, 2)]))},
                draw(st.sampled_from(["tiles", "filters"])),
            )
        C, O = (16 * draw(st.integers(1, 3)), draw(st.integers(17, 70))) if kind == "tiles" else (
            draw(st.sampled_from([(144, 120), (128, 136), (288, 66)]))
        )  # fmt: skip
        N = x[0] if kind == "tiles" else min(x[0], 1)
        x, w = (N, C, *x[2:]), (O, C, 3, 3)
    dtype = dtypes(draw) if kind == "any" else np.float32
    args: list[Any] = [array(draw, x, dtype), array(draw, w, dtype)]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    args.append(rng.normal(size=w[0]).astype(dtype) if draw(st.booleans()) else None)
    geometry = (options.get(name, default) for name, default in (("stride", 1), ("padding", 0), ("dilation", 1)))
    y = (x[0], w[0], *out_sizes(x, w, *geometry))
    args.append(array(draw, y, dtype) if draw(st.booleans()) else None)
    return tuple(args), options | {
        "activation": draw(st.sampled_from(ACTIVATIONS)),
        "order": draw(st.sampled_from(ORDERS)),
        "slope": draw(st.sampled_from([0.1, 0.0, 1.5, -0.5])),
    }
