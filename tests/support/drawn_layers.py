"""Calls drawn of convolutions, batch norm, pooling and resizing, and the same calls in torch where it differs."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from support.drawn_arrays import Call, arrays, distinct, positive


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
