"""What a kernel is launched with is checked before it runs; what it does to its program is an error, not a crash."""

from __future__ import annotations

import numpy as np
import pytest
from minidet_kernels.cuda_on_cpu import KernelError, Module, empty, toolkit
from support.cuda_sources import KERNELS, module, needs_compiler
from support.tree import ROOT

pytestmark = needs_compiler
f4, i4 = np.float32, np.int32


def features():
    return module(KERNELS / "features.cu")


def ones(n=8, dtype=f4):
    return np.ones(n, dtype)


def read_only():
    y = ones()
    y.flags.writeable = False
    return y


SHARED = np.ones(12, f4)


@pytest.mark.parametrize(
    ("args", "error", "says"),
    [
        ((ones(), ones(), f4(2)), TypeError, "saxpy takes 4 arguments, 3 were given"),
        ((ones(), ones(), 2.0, i4(8)), TypeError, r"argument 2 \(a\) is float32: pass np.float32\(...\), not float"),
        ((ones(), ones(), f4(2), 8), TypeError, r"argument 3 \(n\) is int32: pass np.int32\(...\), not int"),
        ((ones(), ones(), f4(2), np.int64(8)), TypeError, r"argument 3 \(n\) is int32: .* not np.int64"),
        (
            (ones(8, "f8"), ones(), f4(2), i4(8)),
            TypeError,
            r"\(x\) is const float32\*: pass an array of float32, not float64",
        ),
        ((ones(8, ">f4"), ones(), f4(2), i4(8)), TypeError, r"\(x\) is const float32\*"),
        (([1.0], ones(), f4(2), i4(8)), TypeError, "pass a NumPy array .or None., not list"),
        ((ones(16)[::2], ones(), f4(2), i4(8)), ValueError, "is not contiguous: pass np.ascontiguousarray"),
        ((ones(), read_only(), f4(2), i4(8)), ValueError, "which the kernel may write, but the array is read-only"),
        ((SHARED[:8], SHARED[4:], f4(2), i4(8)), ValueError, "overlaps another argument in part"),
    ],
)
def test_arguments_that_do_not_fit(args, error, says):
    with pytest.raises(error, match=says):
        features().kernel("saxpy")(1, 8, args)


def test_pointers_that_are_fine():
    saxpy, y = features().kernel("saxpy"), ones()
    saxpy(1, 8, (read_only(), y, f4(2), i4(8)))
    saxpy(1, 8, (y, y, f4(2), i4(8)))  # one array twice
    saxpy(1, 8, (None, None, f4(2), i4(0)))
    assert (y == 9).all()
    with pytest.raises(ValueError, match=r"x\) is const float32 x 4\*: 12 bytes are no whole number of 16"):
        features().kernel("vectors")(1, 1, (ones(3), ones(2), np.zeros((), "f8,f8"), np.bool_(False)))
    raw = empty(9, f4)
    with pytest.raises(ValueError, match="aligned to 16 bytes, but the array begins in between"):
        features().kernel("vectors")(1, 1, (raw[1:5], ones(2), np.zeros((), "f8,f8"), np.bool_(False)))
    with pytest.raises(TypeError, match=r"\(by\) is a struct of 16 bytes: pass a structured scalar of as many bytes"):
        features().kernel("vectors")(1, 1, (raw[:4], ones(2), f4(1), np.bool_(False)))


@pytest.mark.parametrize(
    ("grid", "block", "options", "says"),
    [
        (1, 1025, {}, r"a block of \(1025, 1, 1\) is out of the limits"),
        (1, (32, 32, 2), {}, "has more than 1024 threads"),
        (1, (1, 1, 65), {}, "out of the limits"),
        (0, 1, {}, r"a grid of \(0, 1, 1\) is out of the limits"),
        ((1, 65536), 1, {}, "out of the limits"),
        ((1, 1, 1, 1), 1, {}, "one to three sizes"),
        (1, 8, {"shared": 48 * 1024 + 1}, r"more than the 49152 that are allowed; .* module.kernel\(name, max_shared"),
        (1, 8, {"shared": 300_000}, "a GPU has 0 to 232448"),
        (1, 8, {"schedule": "sideways"}, "the schedule is one of forward, reverse, random, all, not 'sideways'"),
        (1, 8, {"host_threads": 0}, "host_threads is 1 or more"),
    ],
)
def test_launches_that_no_gpu_would_take(grid, block, options, says):
    with pytest.raises(ValueError, match=says):
        features().kernel("saxpy")(grid, block, (ones(), ones(), f4(2), i4(8)), **options)


def test_the_largest_launch():
    x, y = np.arange(1024, dtype=f4), empty(1024, f4)
    turn = features().kernel("saxpy", max_shared=227 * 1024)
    y[...] = 0
    turn(1, (32, 8, 4), (x, y, f4(1), i4(1024)), shared=227 * 1024)
    kernel = features().kernel("count")
    out = np.zeros(3 * 1024, i4)
    kernel(1, 1024, (np.ones(1024, i4), out), schedule="all")
    assert (out[:1024] == 1024).all()


def test_names_that_are_not_there():
    with pytest.raises(KeyError, match="has no kernel saxpi; it has saxpy, "):
        features().kernel("saxpi")
    with pytest.raises(KeyError, match="block_sum is a template: ask for an instance"):
        features().kernel("block_sum")
    assert "hidden" not in features().kernels
    assert "in_a_comment" not in features().kernels
    assert repr(features().kernel("saxpy")) == "<Kernel saxpy(const float32* x, float32* y, float32 a, int32 n)>"


SOURCE = """
template <class T> __global__ void scale(T* x, T by) { x[threadIdx.x] *= by * MORE; }
__global__ void far_away(float* x, long long i) { x[i] = 1; }
__global__ void loops(volatile int* x) { while (*x == 0) {} }
__global__ void prints(int* x) { printf("thread %d\\n", threadIdx.x); }
"""


def test_a_program_of_its_own():
    apart = Module.from_text(SOURCE, name="apart.cu", defines={"MORE": 3}, apart=True, timeout=2)
    with pytest.raises(KernelError, match="far_away: crash: the program ended with status -11") as caught:
        apart.kernel("far_away")(1, 1, (ones(), np.int64(2**40)))
    assert caught.value.kind == "crash"
    with pytest.raises(KernelError, match="loops: timeout: it did not end within 2 s"):
        apart.kernel("loops")(1, 1, (np.zeros(1, i4),))
    apart.kernel("prints")(1, 2, (np.zeros(1, i4),))
    x = np.arange(4.0)
    apart.kernel("scale<double>")(1, 4, (x, np.float64(2)))  # an instance that is compiled when it is asked for
    np.testing.assert_array_equal(x, np.arange(4) * 6.0)


def test_the_portable_switch_of_contexts():
    """What runs where there is no assembly for the processor."""
    text = (
        "__global__ void turn(int* x) { int v = x[threadIdx.x]; __syncthreads(); x[blockDim.x - 1 - threadIdx.x] = v; }"
    )
    other = Module.from_text(text, name="turn.cu", flags=("-DMINIDET_UCONTEXT",))
    x = np.arange(100, dtype=i4)
    other.kernel("turn")(1, 100, (x,), schedule="all")
    np.testing.assert_array_equal(x, np.arange(100)[::-1])


@pytest.mark.skipif(toolkit.headers() is None, reason="half precision needs the headers of NVIDIA's toolkit")
def test_half_precision_by_nvidias_headers():
    half = module(KERNELS / "half.cu")
    rng = np.random.default_rng(0)
    x, pairs = rng.standard_normal(64).astype("f2"), rng.standard_normal((64, 2)).astype("f2")
    y, wide = empty(64, "f2"), empty(64, f4)
    half.kernel("halves")(2, 32, (x, pairs, y, wide, i4(64)), schedule="all")
    np.testing.assert_array_equal(y, (x * pairs[:, 0]).astype("f2") + pairs[:, 1])
    np.testing.assert_array_equal(wide, x.reshape(-1, 2)[:, ::-1].ravel().astype(f4))
    values, brains = rng.standard_normal(64, f4), empty(64, "u2")
    half.kernel("brains")(2, 32, (values, brains, i4(64)))
    bits = values.view("u4").astype(np.uint64)
    np.testing.assert_array_equal(brains, (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
    with pytest.raises(TypeError, match=r"\(x\) is const float16\*: pass an array of float16, not float32"):
        half.kernel("halves")(2, 32, (values, pairs, y, wide, i4(64)))


def test_the_example_of_the_page_runs(capsys):
    page = (ROOT / "docs" / "cuda_on_cpu.md").read_text("utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    exec(code, {})
    assert capsys.readouterr().out == "[1. 3. 5. 7.]\n"
