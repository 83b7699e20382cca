"""What is emulated of CUDA, each against NumPy; the random schedule and the two others must agree everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minidet_kernels.cuda_on_cpu import KernelError, Module, empty
from support.cuda_sources import KERNELS, module, needs_compiler

pytestmark = needs_compiler
POISON = np.uint32(0xFFFFFFFF)
seeds = st.integers(0, 2**32 - 1)
masks = st.one_of(st.just(0xFFFFFFFF), st.integers(1, 0xFFFFFFFF))
words = st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1)), min_size=32, max_size=32)


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    module(KERNELS / "features.cu")  # once, before Hypothesis: a source that does not compile fails for every example


def kernel(name: str):
    return module(KERNELS / "features.cu").kernel(name)


@given(n=st.integers(1, 300), threads=st.integers(1, 96), host_threads=st.integers(1, 3), seed=seeds)
def test_threads_make_an_array(n, threads, host_threads, seed):
    x, y = np.random.default_rng(seed).standard_normal((2, n), np.float32)
    expected = np.float32(2.5) * x + y
    options = {"schedule": "all", "seed": seed, "host_threads": host_threads}
    kernel("saxpy")(-(-n // threads), threads, (x, y, np.float32(2.5), np.int32(n)), **options)
    np.testing.assert_array_equal(y, expected)


@given(grid=st.tuples(*[st.integers(1, 3)] * 3), block=st.tuples(*[st.integers(1, 4)] * 3))
def test_indices_and_sizes(grid, block):
    n = int(np.prod(grid) * np.prod(block))
    thread, of_block, sizes = np.zeros((n, 3), "u4"), np.zeros((n, 3), "u4"), np.zeros((n, 2, 3), "u4")
    kernel("indices")(grid, block, (thread, of_block, sizes))
    every = np.stack(np.unravel_index(np.arange(n), (*grid[::-1], *block[::-1])), axis=1)[:, ::-1]
    np.testing.assert_array_equal(thread, every[:, :3])
    np.testing.assert_array_equal(of_block, every[:, 3:])
    assert (sizes == [block, grid]).all()


@pytest.mark.parametrize("schedule", ["forward", "reverse", "random", "all"])
@pytest.mark.parametrize("host_threads", [1, 3])
def test_shared_memory_static_and_dynamic(schedule, host_threads):
    x = np.arange(7 * 64, dtype=np.float32)
    y = empty(x.shape, x.dtype)
    kernel("turn")(7, 64, (x, y), shared=2 * 64 * 4, schedule=schedule, host_threads=host_threads)
    np.testing.assert_array_equal(y.reshape(7, 64), x.reshape(7, 64)[:, ::-1])


def test_shared_memory_is_poisoned_before_each_block():
    out = np.zeros(32, np.uint32)
    kernel("untouched")(3, 32, (out,))
    assert (out == POISON).all()


@given(values=st.lists(st.integers(0, 1), min_size=1, max_size=150))
def test_barriers_that_count(values):
    n, out = len(values), np.zeros(3 * len(values), np.int32)
    kernel("count")(1, n, (np.array(values, np.int32), out), schedule="all")
    np.testing.assert_array_equal(out.reshape(3, n).T, [[sum(values), all(values), any(values)]] * n)


@given(
    by=st.lists(st.integers(-40, 40), min_size=32, max_size=32),
    first=st.integers(0, 31),
    mask=masks,
    width=st.sampled_from([1, 2, 4, 8, 16, 32]),
    seed=seeds,
)
def test_shuffles(by, first, mask, width, seed):
    by = np.array([first, *by[1:]], np.int32)
    v, out = np.arange(100, 132, dtype=np.int32), np.full(128, -5, np.int32)
    kernel("shuffles")(1, 32, (v, by, out, np.uint32(mask), np.int32(width)), schedule="random", seed=seed)
    lane = np.arange(32)
    begin, end = lane // width * width, lane // width * width + width - 1
    sources = [begin + by % width, lane - first, lane + first, lane ^ first]
    sources[1] = np.where(sources[1] < begin, lane, sources[1])
    sources[2:] = [np.where(source > end, lane, source) for source in sources[2:]]
    named = mask >> np.arange(32) & 1
    for source, got in zip(sources, out.reshape(4, 32), strict=True):
        expected = np.where(named, np.where(named[source], v[source], -1), -5)  # of a lane not named: poison
        np.testing.assert_array_equal(got, expected)


@given(v=words, n=st.sampled_from([1, 7, 32]), mask=masks, seed=seeds)
def test_votes_matches_and_reductions(v, n, mask, seed):
    mask = mask & (2**n - 1) or 1
    values, out = np.array(v[:n], np.uint32), np.full((12, n), 12345, np.uint32)
    kernel("votes")(1, n, (values, out, np.uint32(mask)), schedule="random", seed=seed)
    named = (mask >> np.arange(n) & 1).astype(bool)
    bits, of = np.left_shift(1, np.arange(n)), values[named]
    same = len(np.unique(of)) == 1
    expected = [
        [bits[named & (values != 0)].sum()] * n,
        [of.any()] * n,
        [of.all()] * n,
        [bits[named & (values == value)].sum() for value in values],
        [mask if same else 0] * n,
        [same] * n,
        [of.sum(dtype=np.uint32)] * n,
        [of.min()] * n,
        [of.view(np.int32).max().view(np.uint32)] * n,
        [np.bitwise_and.reduce(of)] * n,
        [np.bitwise_or.reduce(of)] * n,
        [np.bitwise_xor.reduce(of)] * n,
    ]
    np.testing.assert_array_equal(out[:, named], np.array(expected, np.uint64).astype(np.uint32)[:, named])
    assert (out[:, ~named] == 12345).all()


@pytest.mark.parametrize(("kind", "dtype"), [("float", "f4"), ("double", "f8"), ("int", "i4")])
def test_templates_are_instantiated_by_name(kind, dtype):
    x = np.random.default_rng(0).integers(-99, 99, (5, 96)).astype(dtype)
    out = empty(5, dtype)
    kernel(f"block_sum<{kind}>")(5, 96, (x, out), schedule="all")
    np.testing.assert_array_equal(out, x.sum(axis=1))


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("int", "i4"), ("unsigned", "u4"), ("unsigned long long", "u8"), ("float", "f4"), ("double", "f8")],
)
@settings(max_examples=10)
@given(data=st.data())
def test_atomic_add(kind, dtype, data):
    blocks, threads = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 70))
    x = np.array(data.draw(st.lists(st.integers(0, 1000), min_size=blocks * threads, max_size=blocks * threads)), dtype)
    out = np.zeros(1, dtype)
    kernel(f"add_all<{kind}>")(blocks, threads, (x, out), schedule="all", host_threads=data.draw(st.integers(1, 2)))
    assert out[0] == x.sum()


@given(x=st.lists(st.integers(0, 2**20), min_size=12, max_size=12), host_threads=st.integers(1, 2), seed=seeds)
def test_atomics(x, host_threads, seed):
    x = np.array(x, np.uint32)
    out = np.array([0, 9**6, 3, 2**20 - 1, 0, 0, 0, 0, 0, 0, 0], np.uint32)
    wide, lock = np.zeros(2, np.uint64), np.zeros(1, np.int32)
    start = out.copy()
    kernel("atomics")(3, 4, (x, out, wide, lock), schedule="random", seed=seed, host_threads=host_threads)
    assert int(out[0]) == -int(x.sum()) % 2**32
    assert out[1] == min(start[1], x.min())
    assert out[2] == max(3, x.max())
    assert out[3] == np.bitwise_and.reduce([start[3], *x])
    assert out[4] == np.bitwise_or.reduce(x)
    assert out[5] == np.bitwise_xor.reduce(x)
    assert out[6] == 12 % 6
    assert out[7] == 0
    assert out[8] in x
    assert out[9] == out[10] == x.sum()
    np.testing.assert_array_equal(wide, np.array([x.max(), x.sum()], np.uint64) << np.uint64(20))


def test_vector_types_and_a_struct_by_value():
    x = empty((8, 4), np.float32)
    x[...] = np.arange(32).reshape(8, 4)
    pair = np.array((2.0, 3), np.dtype([("scale", "f8"), ("shift", "i4")], align=True))
    for swap in (False, True):
        y = empty((8, 2), np.float32)
        kernel("vectors")(1, 8, (x, y, pair, np.bool_(swap)))
        sums = x.reshape(8, 2, 2).sum(axis=2)[:, :: -1 if swap else 1]
        np.testing.assert_array_equal(y, sums * [2, 1] + [3, 0])


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=3, max_size=20))
def test_floats_are_rounded_once(values):
    x = np.array(values, np.float32)
    n, out = len(x), empty((12, len(x)), np.float32)
    kernel("floats")(1, n, (x, out, np.int32(n)))
    with np.errstate(all="ignore"):
        a, b, c = x, np.roll(x, -1), np.roll(x, -2)
        np.testing.assert_array_equal(out[1:12], [
            a + b, a - b, a * b, a / b, np.sqrt(np.abs(a)), np.fmin(a, b), np.fmax(a, b), np.fmin(np.fmax(a, 0), 1),
            a, a, a * b + c,
        ])  # fmt: skip
        exact = a.astype(np.longdouble) * b + c  # not exact where a b and c are far apart: within an ulp
        near = np.abs(exact) < 3.4e38
        assert (np.abs(out[0] - exact)[near] <= np.maximum(np.abs(exact) * 2.0**-24, 1e-45)[near] * 1.01).all()


@given(words)
def test_integers(values):
    x = np.array(values, np.uint32).view(np.int32)
    out = empty((12, 32), np.int32)
    kernel("integers")(1, 32, (x, out, np.int32(32)))
    for i in range(32):
        a, b = int(x[i]), int(x[(i + 1) % 32])
        u, v = a % 2**32, b % 2**32
        text = f"{u:032b}"
        quarters = (a % 2**32).to_bytes(4, "little") + (b % 2**32).to_bytes(4, "little")
        signed = [np.frombuffer(k.to_bytes(4, "little"), np.int8).astype(int) for k in (u, v)]
        expected = [
            text.count("1"), 32 - u.bit_length(), (u & -u).bit_length(), int(text[::-1], 2), a * b >> 32, u * v >> 32,
            int.from_bytes(bytes(quarters[k] for k in (5, 1, 7, 3)), "little"), (v << 32 | u) << 7 >> 32,
            int(np.rint(np.float32(a) * np.float32(0.5))), max(a, b), min(u, v), signed[0] @ signed[1] + 1,
        ]  # fmt: skip
        np.testing.assert_array_equal(
            out[:, i].view(np.uint32), np.array([int(e) % 2**32 for e in expected], np.uint32)
        )


def tf32(x: np.ndarray) -> np.ndarray:
    bits = np.abs(x).view(np.uint32)
    return np.copysign(((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32), x)


@settings(max_examples=20)
@given(seed=seeds)
def test_tensor_cores_tf32(seed):
    rng = np.random.default_rng(seed)
    a, b, c = (rng.standard_normal(shape, np.float32) for shape in ((16, 8), (8, 8), (16, 8)))
    d = empty((16, 8), np.float32)
    kernel("tensor_tf32")(1, 32, (a, b, c, d), schedule="random", seed=seed)
    expected = tf32(a).astype(np.float64) @ tf32(b) + c
    np.testing.assert_allclose(d, expected, rtol=2.0**-24, atol=0)  # summed in float64, rounded once


@pytest.mark.parametrize("k", [8, 16])
@pytest.mark.parametrize("brain", [False, True])
@settings(max_examples=10)
@given(seed=seeds)
def test_tensor_cores_of_16_bits(k, brain, seed):
    rng = np.random.default_rng(seed)
    a, b, c = (rng.standard_normal(shape, np.float32) for shape in ((16, k), (8, k), (16, 8)))
    if brain:
        a, b = ((x.view(np.uint32) & 0xFFFF0000).view(np.float32) for x in (a, b))
        halves = [(x.view(np.uint32) >> 16).astype(np.uint16) for x in (a, b)]
    else:
        a[0], b[0] = a[0] * np.float32(1e-6), 0  # subnormal in half precision
        a, b = (x.astype(np.float16) for x in (a, b))
        halves = [x.view(np.uint16) for x in (a, b)]
    d = empty((16, 8), np.float32)
    kernel(f"tensor_16<{k}, {str(brain).lower()}>")(1, 32, (*halves, c, d), schedule="random", seed=seed)
    expected = a.astype(np.float64) @ b.astype(np.float64).T + c
    # float64 sums in any order, rounded once; where a sum cancels, what float64 leaves of terms below 100
    np.testing.assert_allclose(d, expected, rtol=2.0**-24, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("transposed", [False, True])
def test_matrices_of_shared_memory(count, transposed):
    """PTX ISA, ldmatrix: lane 4 r + c holds elements 2 c and 2 c + 1 of row r, or of column r."""
    rows, out = np.arange(256, dtype=np.uint16).reshape(32, 8), np.zeros((32, count), np.uint32)
    run = kernel(f"matrices<{count}, {str(transposed).lower()}>")
    for pitch in (16, 144, 128):
        before = module(KERNELS / "features.cu").turns()
        run(1, 32, (rows.view(np.uint8), out, np.int32(pitch)), schedule="random", seed=pitch)
        each = rows.reshape(4, 8, 8)[:count]
        expected = (each.swapaxes(1, 2) if transposed else each).reshape(count, 32, 2)
        np.testing.assert_array_equal(out.view(np.uint16).reshape(32, count, 2), expected.swapaxes(0, 1))
        read, turns = np.subtract(module(KERNELS / "features.cu").turns(), before)
        assert (read, turns) == (count, count * (8 if pitch == 128 else 1))  # 128 bytes apart: all in one bank


@settings(max_examples=10)
@given(seed=seeds)
def test_tensor_cores_fed_by_matrices(seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal(shape).astype(np.float16) for shape in ((16, 16), (16, 8)))
    c, d = rng.standard_normal((16, 8), np.float32), empty((16, 8), np.float32)
    args = (a.view(np.uint16), b.view(np.uint16), c, d)
    kernel("tensor_by_matrices")(1, 32, args, schedule="random", seed=seed)
    np.testing.assert_allclose(d, a.astype(np.float64) @ b.astype(np.float64) + c, rtol=2.0**-24, atol=1e-12)


@given(bits=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=200), seed=seeds)
def test_conversions_to_16_bits(bits, seed):
    rng = np.random.default_rng(seed)
    near = (rng.integers(0, 1 << 16, 100) << 16 | rng.choice([0x7FFF, 0x8000, 0x8001, 0x1000, 0x3000], 100)).tolist()
    powers = (rng.choice([-1, 1], 100) * rng.uniform(1, 2, 100) * 2.0 ** rng.integers(-30, 20, 100)).astype(np.float32)
    ends = np.array([65520, 65519, 2**-25, 6e-8], np.float32)
    x = np.concatenate([np.array([*bits, *near], np.uint32).view(np.float32), powers, ends])
    half, brain = np.zeros(len(x), np.uint16), np.zeros(len(x), np.uint16)
    kernel("to_16_bits")(-(-len(x) // 64), 64, (x, half, brain, np.int32(len(x))))
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_array_equal(half.view(np.float16), x.astype(np.float16))  # NaN equal to NaN
    wide = (brain.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(np.isnan(wide), np.isnan(x))
    fine = np.isfinite(wide) & (x != 0)  # within half of the last of 8 bits, and even where it is a half
    with np.errstate(invalid="ignore"):  # signalling NaN
        low = (x.view(np.uint32) & 0xFFFF0000).view(np.float32).astype(np.float64)
        high = ((x.view(np.uint32) & 0xFFFF0000) + 0x10000).view(np.float32).astype(np.float64)
        down, up = np.abs(x - low), np.abs(high - x)
    even = x.view(np.uint32) >> 16 & 1 == 0
    expected = np.where((down < up) | ((down == up) & even), low, high)
    np.testing.assert_array_equal(wide[fine], expected[fine].astype(np.float32))


@given(tiles=st.integers(1, 6), lost=st.integers(0, 63))
def test_copies_under_way(tiles, lost):
    n = tiles * 64 - lost
    x = np.zeros((tiles * 64, 4), np.float32)
    x[...] = np.arange(tiles * 256).reshape(-1, 4)
    x4, y = empty((n, 4), np.float32), empty((64, 4), np.float32)
    x4[...], x[n:] = x[:n], 0
    kernel("pipeline")(1, 64, (x4, y, np.int32(tiles), np.int32(n)), schedule="all")
    np.testing.assert_array_equal(y, x.reshape(tiles, 64, 4)[:, ::-1].sum(axis=0))


def test_variables_of_the_module_last_from_launch_to_launch():
    fresh = Module.from_file(KERNELS / "features.cu", apart=True)
    for first in (0, 6):
        out, order = empty(6, np.float32), np.zeros(6, np.uint32)
        fresh.kernel("globals")(1, 6, (out, order))
        np.testing.assert_array_equal(out, [1, 10, 100] * 2)
        np.testing.assert_array_equal(order, np.arange(first, first + 6))


@pytest.mark.parametrize(
    ("how", "kind", "says"),
    [
        (0, "trap", "thread 0 called __trap at"),
        (1, "assertion failed", "assert(x[0] == 5) at"),
        (2, "wrong mask", "lane 0 (thread 0) calls __shfl_sync with mask 0x00000002, which does not name it, at"),
    ],
)
def test_a_thread_that_stops(how, kind, says):
    with pytest.raises(KernelError) as caught:
        kernel("traps")(1, 32, (np.zeros(32, np.int32), np.int32(how)))
    assert caught.value.kind == kind
    assert says in str(caught.value)
    assert "features.cu:" in str(caught.value)


@pytest.mark.parametrize("sanitize", ["address", "thread"])
def test_right_kernels_are_clean_under_the_sanitizers(sanitize):
    features = module(KERNELS / "features.cu", sanitize)
    run = {"schedule": "all", "seed": 3}
    x = np.arange(3 * 64, dtype=np.float32)
    y = empty(x.shape, x.dtype)
    features.kernel("turn")(3, 64, (x, y), shared=512, **run)
    np.testing.assert_array_equal(y.reshape(3, 64), x.reshape(3, 64)[:, ::-1])
    sums = empty(3, np.float32)
    features.kernel("block_sum<float>")(3, 64, (x, sums), **run)
    np.testing.assert_array_equal(sums, x.reshape(3, 64).sum(axis=1))
    total = np.zeros(1, np.float32)
    features.kernel("add_all<float>")(3, 64, (x, total), **run)
    assert total == x.sum()
    x4, y4 = x.reshape(-1, 4)[:40].copy(), empty((64, 4), np.float32)
    features.kernel("pipeline")(1, 64, (x4, y4, np.int32(1), np.int32(40)), **run)
    np.testing.assert_array_equal(y4[::-1][:40], x4)
    v, out = np.arange(32, dtype=np.uint32), empty((12, 32), np.uint32)
    features.kernel("votes")(1, 32, (v, out, np.uint32(0xFFFFFFFF)), **run)
    assert (out[6] == v.sum()).all()
    lock, wide, some = np.zeros(1, np.int32), np.zeros(2, np.uint64), np.zeros(11, np.uint32)
    features.kernel("atomics")(2, 16, (v, some, wide, lock), schedule="random", seed=1)
    assert some[10] == v.sum()
    d = empty((16, 8), np.float32)
    features.kernel("tensor_tf32")(1, 32, (x[:128].copy(), x[:64].copy(), x[:128].copy(), d), schedule="random")
    assert np.isfinite(d).all()
    with pytest.raises(KernelError, match="__trap"):
        features.kernel("traps")(1, 32, (v.view(np.int32), np.int32(0)))
