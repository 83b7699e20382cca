"""Hopper's machinery, emulated: boxes and windows against NumPy, products, barriers; and what bugs there look like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minidet_kernels.cuda_on_cpu import KernelError, Module, empty, tensor_maps
from support.cuda_sources import KERNELS, module, needs_compiler

pytestmark = needs_compiler
NAMES = (
    *("box<{}>", "windows<{}>", "hand_over<{}>", "multiply<{}, 128>", "multiply<{}, 256>"),
    *(f"by_layout<{{}}, {columns}, {turned}>" for columns in (128, 256) for turned in (0, 1)),
)
SHARED = 2 * 16384 + 64


def kernel(name: str, right: bool = True) -> Any:
    instances = tuple(each.format(r) for each in NAMES for r in ("true", "false"))
    wanted = next(each for each in NAMES if each.startswith(name)).format(str(right).lower())
    return module(KERNELS / "hopper.cu", None, instances).kernel(wanted, max_shared=64 << 10)


def swizzled(rows: np.ndarray) -> np.ndarray:
    """Where the bytes of rows of 128 bytes stand: chunk c of row r in place c ^ r % 8."""
    chunks = rows.reshape(len(rows), 8, -1)
    return np.stack([chunks[r, np.arange(8) ^ r % 8] for r in range(len(rows))]).reshape(rows.shape)


def words(shape: tuple[int, ...], seed: int) -> np.ndarray:
    x = empty(shape, np.uint16)
    x[...] = np.random.default_rng(seed).integers(1, 2**16, shape)
    return x


@given(
    sizes=st.tuples(st.integers(1, 10), st.integers(1, 4), st.integers(1, 20)),
    at=st.tuples(st.integers(-70, 90), st.integers(-2, 5), st.integers(-20, 25)),
    box=st.tuples(st.just(64), st.integers(1, 2), st.integers(1, 32)),
    schedule=st.sampled_from(["forward", "reverse", "random"]),
    seed=st.integers(0, 99),
)
def test_boxes(sizes, at, box, schedule, seed):
    inner = 8 * sizes[0]
    x = words((sizes[2], sizes[1], inner), seed)
    map = tensor_maps.tiled(x.ctypes.data, 2, (inner, *sizes[1:]), (2 * inner, 2 * inner * sizes[1]), box)
    out = np.zeros((box[2] * box[1], 64), np.uint16)
    args = (map, out.view(np.uint8).reshape(-1), *map_i4(at), np.int32(out.nbytes))
    kernel("box")(1, 32, args, shared=SHARED, schedule=schedule, seed=seed)
    wide = np.zeros((150, 150, 300), np.uint16)
    wide[50 : 50 + sizes[2], 50 : 50 + sizes[1], 100 : 100 + inner] = x
    c, b, a = 50 + at[2], 50 + at[1], 100 + at[0]
    expected = wide[c : c + box[2], b : b + box[1], a : a + 64].reshape(-1, 64)
    np.testing.assert_array_equal(out, swizzled(expected))


def map_i4(values: Any) -> list[np.int32]:
    return [np.int32(value) for value in values]


@st.composite
def pictures(draw: Any) -> Any:
    n, h, w = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    stride, dilation = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    padding, taps = (draw(st.tuples(st.integers(low, 3), st.integers(low, 3))) for low in (0, 1))
    spans = [(k - 1) * d + 1 for k, d in zip(taps, dilation, strict=True)]
    out = [(size + 2 * p - span) // s + 1 for size, p, span, s in zip((h, w), padding, spans, stride, strict=True)]
    if min(out) < 1 or any(size + 2 * p < span for size, p, span in zip((h, w), padding, spans, strict=True)):
        return draw(pictures())
    first = draw(st.integers(0, n * out[0] * out[1] - 1))
    return (n, h, w), stride, padding, dilation, taps, out, first, draw(st.integers(0, 99))


@settings(max_examples=50)
@given(picture=pictures(), channels=st.integers(1, 10), c=st.sampled_from([0, 64]))
def test_windows_are_what_a_convolution_reads(picture, channels, c):
    """Rows of the matrix that a convolution multiplies, for a tap: from any output on, over rows and pictures' ends."""
    (n, h, w), (sh, sw), (ph, pw), (dh, dw), (kh, kw), (oh, ow), first, seed = picture
    C = 8 * channels
    x = words((n, h, w, C), seed)
    low, high = (-pw, -ph), ((ow - 1) * sw - pw - (w - 1), (oh - 1) * sh - ph - (h - 1))
    strides = (2 * C, 2 * C * w, 2 * C * w * h)
    map = tensor_maps.windows(x.ctypes.data, 2, (C, w, h, n), strides, low, high, 64, 32, (sw, sh))
    padded = np.zeros((n + 40, h + 40, w + 40, C + 128), np.uint16)
    padded[:n, ph : ph + h, pw : pw + w, :C] = x
    i, j = first // ow % oh, first % ow
    for u, v in ((0, 0), (kh - 1, kw - 1)):
        out = np.zeros((32, 64), np.uint16)
        at = map_i4((c, j * sw - pw, i * sh - ph, first // (oh * ow), v * dw, u * dh, out.nbytes))
        kernel("windows")(1, 32, (map, out.view(np.uint8).reshape(-1), *at), shared=SHARED)
        q = np.arange(first, first + 32)
        image, row, column = q // (oh * ow), q // ow % oh, q % ow
        expected = padded[np.minimum(image, n + 39), row * sh + u * dh, column * sw + v * dw, c : c + 64]
        np.testing.assert_array_equal(out, swizzled(expected))


@pytest.mark.parametrize("columns", [128, 256])
@settings(max_examples=10)
@given(schedule=st.sampled_from(["forward", "reverse", "random"]), seed=st.integers(0, 99))
def test_products(columns, schedule, seed):
    rng = np.random.default_rng(seed)
    a, b = (
        (rng.standard_normal(shape, np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
        for shape in ((64, 64), (columns, 64))
    )
    d = rng.standard_normal((64, columns), np.float32)
    expected = a.astype(np.float64) @ b.astype(np.float64).T + d
    bits = [(x.view(np.uint32) >> 16).astype(np.uint16) for x in (a, b)]
    kernel(f"multiply<{{}}, {columns}")(1, 128, (*bits, d), shared=SHARED + 16384, schedule=schedule, seed=seed)
    # four roundings of sums, each by 2^-24 of at most the sum of the sizes
    bound = 4 * 2.0**-24 * (np.abs(a).astype(np.float64) @ np.abs(b).T + np.abs(expected) + 3)
    assert (np.abs(d - expected) <= bound).all()


def canonical(turned: int, rows: int, leading: int, stride: int) -> np.ndarray:
    """The byte where word (row, k) of a matrix stands, in the PTX ISA's canonical layouts for 128 byte swizzling.

    "Canonical Layouts" of wgmma, in words, 16 bytes being T = 8: K-major ((8, m), (T, 2k)) : ((8T, SBO), (1, T)),
    MN-major ((T, 8, m), (8, k)) : ((1, T, LBO), (8T, SBO)); then Swizzle<3, 4, 3> of bytes.
    """
    T, row, k = 8, np.arange(rows)[:, None], np.arange(16)
    if turned:
        words = (
            row % T + T * (row // T % 8) + leading // 2 * (row // (8 * T)) + 8 * T * (k % 8) + stride // 2 * (k // 8)
        )
    else:
        words = 8 * T * (row % 8) + stride // 2 * (row // 8) + k % T + T * (k // T)
    return 2 * words


def swizzle_343(at: np.ndarray) -> np.ndarray:
    """Bits 7 to 9 of an address, exclusive or, on its bits 4 to 6."""
    return at ^ (at >> 7 & 7) << 4


def descriptor(start: int, leading: int, stride: int, swizzle: int = 1, base: int = 0) -> np.uint64:
    return np.uint64(start >> 4 | (leading >> 4) << 16 | (stride >> 4) << 32 | base << 49 | swizzle << 62)


@st.composite
def laid_out(draw: Any) -> Any:
    """Strides in 1024 bytes at which pieces of 1024 bytes of b do not overlap; where a and b begin, in 32 bytes."""
    columns, turned = draw(st.sampled_from([128, 256])), draw(st.sampled_from([0, 1]))
    pieces = (columns // 64, 2) if turned else (1, columns // 8)
    apart = draw(
        st.tuples(st.integers(1, 9), st.integers(1, 9 if turned else 1)).filter(
            lambda at: (
                len({at[0] * i + at[1] * j for i in range(pieces[0]) for j in range(pieces[1])}) == np.prod(pieces)
            )
        )
    )
    further = (0, 0) if turned else draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    return columns, turned, apart, further, draw(st.integers(0, 99))


@settings(max_examples=40)
@given(case=laid_out(), schedule=st.sampled_from(["forward", "reverse"]))
def test_products_of_the_canonical_layouts(case, schedule):
    """Integers in the layouts that the PTX ISA writes down, whatever the strides; all else in shared memory is NaN."""
    columns, turned, (leading, stride), further, seed = case
    rng = np.random.default_rng(seed)
    image, starts = np.full(64 << 10, 0xFF, np.uint8), (32 * further[0], 16384 + 32 * further[1])
    matrices = []
    for start, rows in zip(starts, (64, columns), strict=True):
        x = rng.integers(-8, 9, (rows, 16)).astype(np.float32)
        at = swizzle_343(start + canonical(turned, rows, 1024 * leading, 1024 * stride))
        bits = (x.view(np.uint32) >> 16).astype(np.uint16)
        image[at], image[at + 1] = bits & 0xFF, bits >> 8
        matrices.append(x)
    d = np.zeros((64, columns), np.float32)
    both = [descriptor(start, 1024 * leading, 1024 * stride) for start in starts]
    run = kernel(f"by_layout<{{}}, {columns}, {turned}>")
    run(1, 128, (image, np.int32(len(image)), *both, d), shared=len(image), schedule=schedule)
    np.testing.assert_array_equal(d, matrices[0] @ matrices[1].T)


@pytest.mark.parametrize("threads", [2, 64, 200])
def test_barriers_hand_over(threads):
    x = np.arange(9 * threads // 2, dtype=np.float32)
    y = empty(x.shape, x.dtype)
    kernel("hand_over")(1, threads, (x, y, np.int32(9)), shared=SHARED, schedule="all")
    np.testing.assert_array_equal(y.reshape(9, -1), x.reshape(9, -1)[:, ::-1])


# ---- bugs -----------------------------------------------------------------------------------------------------------


def tile() -> tuple[np.ndarray, Any, np.ndarray]:
    x = words((8, 1, 64), 0)
    return x, tensor_maps.tiled(x.ctypes.data, 2, (64, 1, 8), (128, 128), (64, 1, 8)), np.zeros(1024, np.uint8)


def test_a_box_that_nobody_waits_for():
    _kept, map, out = tile()
    with pytest.raises(KernelError, match="ended before all boxes had come: nobody waited for them"):
        kernel("box", False)(1, 32, (map, out, *map_i4((0, 0, 0, 1024))), shared=SHARED)
    assert (out == 255).all()  # shared memory as it was


def test_bytes_that_never_come():
    x = words((1, 4, 4, 64), 0)
    map = tensor_maps.windows(x.ctypes.data, 2, (64, 4, 4, 1), (128, 512, 2048), (0, 0), (0, 0), 64, 16, (1, 1))
    args = (map, np.zeros(2048, np.uint8), *map_i4((0, 0, 0, 0, 0, 0, 2048)))
    with pytest.raises(KernelError, match=r"endless wait.*barrier_wait"):
        kernel("windows", False)(1, 32, args, shared=SHARED)


def test_a_wait_for_the_wrong_phase():
    x = np.arange(9 * 32, dtype=np.float32)
    y = empty(x.shape, x.dtype)
    with pytest.raises(KernelError, match=r"endless wait|more arrivals"):
        kernel("hand_over", False)(1, 64, (x, y, np.int32(9)), shared=SHARED)


def test_products_that_nobody_waits_for():
    a, b = np.full((64, 64), 0x3F80, np.uint16), np.full((128, 64), 0x3F80, np.uint16)  # ones
    d = np.zeros((64, 128), np.float32)
    kernel("multiply", False)(1, 128, (a, b, d), shared=SHARED)
    assert not (d == 64).any()
    kernel("multiply")(1, 128, (a, b, d), shared=SHARED)
    assert (d == 64).all()


@pytest.mark.parametrize(
    ("turned", "b", "says"),
    [
        (1, descriptor(0, 1024, 2048, swizzle=0), "not of rows of 128 bytes"),
        (1, descriptor(32, 1024, 2048), "does not begin at a multiple of 1024 bytes"),
        (0, descriptor(128, 16, 1024), "does not begin at a multiple of 1024 bytes"),
        (1, descriptor(0, 1024, 2048, base=1), "does not begin at a multiple of 1024 bytes"),
        (1, descriptor(0, 1024, 128), "offsets are no multiples of 1024 bytes"),
        (1, descriptor(0, 16, 1024), "offsets are no multiples of 1024 bytes"),
        (0, descriptor(0, 16, 512), "offsets are no multiples of 1024 bytes"),
        (1, descriptor(16384, 15360, 2048), "beyond the dynamic shared memory"),
        (0, descriptor(17408, 16, 1024), "beyond the dynamic shared memory"),
    ],
)
def test_descriptors_of_nothing(turned, b, says):
    image, d = np.zeros(1024, np.uint8), np.zeros((64, 128), np.float32)
    args = (image, np.int32(1024), descriptor(0, 1024, 1024), b, d)
    with pytest.raises(KernelError, match=f"{says}.*products"):
        kernel(f"by_layout<{{}}, 128, {turned}>")(1, 128, args, shared=32768)


def test_a_descriptor_is_that_of_the_whole_warpgroup():
    image, one, d = np.zeros(1024, np.uint8), descriptor(0, 1024, 1024), np.zeros((64, 128), np.float32)
    with pytest.raises(KernelError, match="not the same in all threads of the warpgroup"):
        kernel("by_layout<{}, 128, 1>", False)(1, 128, (image, np.int32(1024), one, one, d), shared=32768)


@pytest.mark.parametrize(
    ("at", "says"),
    [((0, -1, 0, 0, 0, 0), "outside of the bounding box"), ((0, 0, 0, 0, 256, 0), "an offset of more than 8 bits")],
)
def test_coordinates_that_no_copy_takes(at, says):
    x = words((1, 4, 4, 64), 0)
    map = tensor_maps.windows(x.ctypes.data, 2, (64, 4, 4, 1), (128, 512, 2048), (0, 0), (0, 0), 64, 16, (1, 1))
    with pytest.raises(KernelError, match=says):
        kernel("windows")(1, 32, (map, np.zeros(2048, np.uint8), *map_i4((*at, 2048))), shared=SHARED)


def test_maps_that_no_driver_makes():
    with pytest.raises(ValueError, match="multiples of 16 bytes"):
        tensor_maps.tiled(1 << 20, 2, (4, 4, 4), (8, 32), (4, 4, 4))
    with pytest.raises(ValueError, match="at most 128 bytes"):
        tensor_maps.tiled(1 << 20, 2, (128, 4, 4), (256, 1024), (128, 1, 1))
    with pytest.raises(ValueError, match="corners lie in -128 to 127"):
        tensor_maps.windows(1 << 20, 2, (64, 4, 4, 1), (128, 512, 2048), (-129, 0), (0, 0), 64, 16, (1, 1))


def test_a_map_of_another_kind():
    _kept, map, out = tile()
    args = (map, out, *map_i4((0, 0, 0, 0, 0, 0, 1024)))
    with pytest.raises(KernelError, match="a tensor map of another kind"):
        kernel("windows")(1, 32, args, shared=SHARED)


def test_barriers_stand_in_dynamic_shared_memory():
    text = (
        '#include "minidet_hopper.cuh"\nextern "C" __global__ void k() { __shared__ Barrier b; barrier_init(&b, 1); }'
    )
    with pytest.raises(KernelError, match="a barrier that is not in dynamic shared memory"):
        Module.from_text(text).kernel("k")(1, 1, (), shared=64)
