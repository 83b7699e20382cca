"""Convolution by tensor cores: what the cases of ``test_operators`` do not reach, bank conflicts, and opting in."""

from __future__ import annotations

from enum import IntEnum
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minidet_kernels import conv2d, conv2d_fused, conv2d_grad_w, conv2d_grad_x, pin
from minidet_kernels.convolution import cuda_mma, cuda_mma_limits, cuda_wgmma, cuda_wgmma_maps
from minidet_kernels.convolution.geometry import out_sizes
from minidet_kernels.cuda import runs_on
from minidet_kernels.cuda_on_cpu import Module, tensor_maps
from support.cases import CASES, assert_close
from support.cases_convolution import shapes
from support.cuda_launches import OnCpu, module
from support.cuda_sources import ROOMS, needs_compiler

pytestmark = needs_compiler
KINDS = list(cuda_mma.KINDS)


def integers(rng: np.random.Generator, shape: Any) -> np.ndarray:
    """Numbers that every kind holds exactly, whose products float32 sums up exactly."""
    return rng.integers(-8, 9, shape).astype(np.float32)


def run(cupy: Any, op: Any, kind: str, *args: np.ndarray, **options: Any) -> np.ndarray:
    result: np.ndarray = op.using(f"mma_{kind}")(*map(cupy.asarray, args), **options).get()
    return result


@st.composite
def problems(draw: Any) -> Any:
    options, x, w, y = shapes(draw)
    return options, x, w, y, draw(st.integers(0, 2**32 - 1))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(problem=problems())
def test_integers_come_out_exact(kind, cupy, problem):
    options, x, w, y, seed = problem
    a, b, g = (integers(np.random.default_rng([seed, i]), shape) for i, shape in enumerate((x, w, y)))
    calls: Any = ((conv2d, (a, b), {}), (conv2d_grad_x, (g, b), {"shape": x}), (conv2d_grad_w, (a, g), {"shape": w}))
    with runs_on(OnCpu("random", seed=seed)):
        for op, args, shape in calls:
            got = run(cupy, op, kind, *args, **options, **shape)
            np.testing.assert_array_equal(got, op.definition(*args, **options, **shape), err_msg=op.name)


@pytest.mark.parametrize(
    "options", [{"stride": 2, "padding": 1}, {"stride": (3, 2), "dilation": (1, 2)}, {"stride": 4}]
)
def test_phases_of_the_gradient_of_the_input(options, cupy):
    """With stride 4 most pixels are under no tap at all: zeros are written there too."""
    rng = np.random.default_rng(0)
    x, w = (1, 4, 9, 11), integers(rng, (5, 4, 3, 3) if options["stride"] != 4 else (5, 4, 2, 1))
    g = integers(rng, conv2d.definition(np.zeros(x, np.float32), w, **options).shape)
    got = run(cupy, conv2d_grad_x, "f16", g, w, shape=x, **options)
    np.testing.assert_array_equal(got, conv2d_grad_x.definition(g, w, shape=x, **options))


# More rows, columns and terms than a block has, none of them a multiple of anything; more tiles than stages.
BEYOND = ((2, 41, 12, 11), (70, 41, 3, 3), {"padding": 1})


@pytest.mark.parametrize("tile", [cuda_mma.SMALL, cuda_mma.LARGE])
@pytest.mark.parametrize("kind", KINDS)
def test_beyond_one_tile(tile, kind, cupy, monkeypatch):
    monkeypatch.setattr(cuda_mma, "tile_for", lambda *_: tile)
    x, w, options = BEYOND
    rng = np.random.default_rng(1)
    a, b = integers(rng, x), integers(rng, w)
    g = integers(rng, (2, 70, 12, 11))
    with runs_on(OnCpu("random")):
        np.testing.assert_array_equal(run(cupy, conv2d, kind, a, b, **options), conv2d.definition(a, b, **options))
        got = run(cupy, conv2d_grad_x, kind, g, b, shape=x, **options)
        np.testing.assert_array_equal(got, conv2d_grad_x.definition(g, b, shape=x, **options))
        got = run(cupy, conv2d_grad_w, kind, a, g, shape=w, **options)
        np.testing.assert_array_equal(got, conv2d_grad_w.definition(a, g, shape=w, **options))


def test_tiles_of_either_size_give_the_same_bits(cupy, monkeypatch):
    """A sum runs over the same terms in the same order, however large the tile is that it stands in."""
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(1, 33, 9, 9)).astype("f"), rng.normal(size=(66, 33, 3, 3)).astype("f")
    results = []
    for tile in (cuda_mma.SMALL, cuda_mma.LARGE):
        monkeypatch.setattr(cuda_mma, "tile_for", lambda *_, tile=tile: tile)
        results.append(run(cupy, conv2d, "bf16", x, w))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("kind", KINDS)
def test_shares_of_the_gradient_of_the_filters(kind, cupy):
    """800 places are several shares, the last of them not full: within the bound, and exact for integers."""
    rng = np.random.default_rng(3)
    x, g, shape = integers(rng, (2, 5, 20, 20)), integers(rng, (2, 6, 20, 20)), (6, 5, 3, 3)
    got = run(cupy, conv2d_grad_w, kind, x, g, shape=shape, padding=1)
    np.testing.assert_array_equal(got, conv2d_grad_w.definition(x, g, shape=shape, padding=1))
    x, g = rng.normal(size=x.shape).astype("f"), rng.normal(size=g.shape).astype("f")
    options = {"shape": shape, "padding": 1}
    got = run(cupy, conv2d_grad_w, kind, x, g, **options)
    rule = CASES["conv2d_grad_w"].rule(f"mma_{kind}")
    assert_close(got, conv2d_grad_w.definition(x, g, **options), rule, (x, g), options)


def test_the_shares_are_dealt_out_whole():
    launches: list[tuple[str, Any, Any]] = []

    def keep(source: Any, kernel: str, grid: Any, block: Any, args: Any, shared: int) -> None:
        launches.append((kernel, grid, args))

    from support.strict_cupy import strict_cupy

    with strict_cupy(OnCpu()) as cupy, runs_on(keep):
        x, g = cupy.zeros((2, 5, 20, 20), cupy.float32), cupy.zeros((2, 6, 20, 20), cupy.float32)
        cuda_mma.conv2d_grad_w("tf32", x, g, shape=(6, 5, 3, 3), padding=1)
    (_, grid, args), (_, _, last) = launches[-2:]
    each = int(args[3]["tiles_of_share"])
    assert grid == (2, 1, 7)  # 6 x 72 numbers, 50 tiles of 16 places
    assert each * (grid[2] - 1) < 50 <= each * grid[2]
    assert args[2].shape == (7, 6, 9, 8)
    assert int(last[2]) == 7


# ---- shared memory ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_matrices_are_read_without_conflicts(kind, cupy):
    """Every ldmatrix of the kernels takes one turn of the banks for each matrix."""
    rng = np.random.default_rng(4)
    x, w = integers(rng, (1, 9, 9, 9)), integers(rng, (10, 9, 3, 3))
    for source, op, args, shape in (
        (cuda_mma.CONV, conv2d, (x, w), {}),
        (cuda_mma.GRAD_W, conv2d_grad_w, (x, integers(rng, (1, 10, 7, 7))), {"shape": w.shape}),
    ):
        before = module(source, None).turns()
        run(cupy, op, kind, *args, **shape)
        matrices, turns = np.subtract(module(source, None).turns(), before)
        assert turns == matrices
        assert matrices > 0 or (kind.startswith("tf32") and op is conv2d_grad_w)  # which reads floats one by one


PLACES = """
#include "mma.cuh"
extern "C" __global__ void places(int* tile, int* floats, int* halves) {
  for (int i = threadIdx.x; i < 16 * 8; i += 32) tile[i] = mma_place(i / 8, i % 8);
  for (int i = threadIdx.x; i < 16 * 16; i += 32) floats[i] = mma_place_of_term<Tf32, 16>(i / 16, i % 16);
  for (int i = threadIdx.x; i < 16 * 16; i += 32) halves[i] = mma_place_of_term<F16, 16>(i / 16, i % 16);
}
extern "C" __global__ void quotients(const int* n, int* out, Division by, int count) {
  const int i = blockIdx.x * 64 + threadIdx.x;
  if (i < count) out[i] = by(n[i]);
}
"""


@pytest.fixture(scope="module")
def small() -> Module:
    return Module.from_text(PLACES, include=[ROOMS / "convolution"])


def test_chunks_stand_in_different_banks(small):
    tile, floats, halves = np.zeros((16, 8), np.int32), np.zeros((16, 16), np.int32), np.zeros((16, 16), np.int32)
    small.kernel("places")(1, 32, (tile, floats, halves))
    for places in (tile, floats, halves):
        assert sorted(places.ravel()) == list(range(places.size))
        eights = np.sort(places.reshape(-1, 8) % 8, axis=1)  # what 8 threads copy in one turn: a piece of a row
        np.testing.assert_array_equal(eights, np.broadcast_to(np.arange(8), eights.shape))
    for places in (tile, halves):  # what ldmatrix reads in one turn: a column of 8 rows
        for column in (places.reshape(2, 8, -1) % 8).swapaxes(1, 2).reshape(-1, 8):
            assert sorted(column) == list(range(8))
    for row in range(0, 16, 4):  # what a warp reads of floats: 4 rows of 8 columns, each lane another bank
        for column in range(0, 64, 8):
            r, c = np.meshgrid(np.arange(row, row + 4), np.arange(column, column + 8), indexing="ij")
            assert len(np.unique((floats[r, c // 4] * 4 + c % 4) % 32)) == 32


@given(by=st.integers(1, 2**31 - 1) | st.integers(1, 300), n=st.lists(st.integers(0, 2**31 - 1), max_size=50))
def test_quotients_are_exact(small, by, n):
    from minidet_kernels.convolution.cuda_mma_sizes import division, record

    edges = [k * by + d for k in (0, 1, 2, (2**31 - 1) // by) for d in (-1, 0, 1)] + [2**31 - 1]
    values = np.array([v for v in n + edges if 0 <= v < 2**31], np.int32)
    out = np.full(len(values), -1, np.int32)
    fields = division("d", by)
    small.kernel("quotients")(
        -(-len(values) // 64), 64, (values, out, record(" ".join(fields), **fields), np.int32(len(values)))
    )
    np.testing.assert_array_equal(out, values // by)


@pytest.mark.parametrize("sanitize", ["address", "thread"])
def test_clean_under_the_sanitizers(sanitize, cupy):
    rng = np.random.default_rng(5)
    x, w, g = (integers(rng, shape) for shape in ((1, 5, 6, 7), (6, 5, 3, 3), (1, 6, 3, 3)))
    options = {"stride": 2, "padding": (1, 0)}
    with runs_on(OnCpu("forward", sanitize=sanitize)):
        for kind in ("tf32", "f16"):
            np.testing.assert_array_equal(run(cupy, conv2d, kind, x, w, **options), conv2d.definition(x, w, **options))
            run(cupy, conv2d_grad_x, kind, g, w, shape=x.shape, **options)
            run(cupy, conv2d_grad_w, kind, x, g, shape=w.shape, **options)


# ---- Hopper: warpgroups and tensor maps, which the emulation makes --------------------------------------------------


@st.composite
def windows(draw: Any) -> Any:
    """Small maps with one group; sometimes more filters, places or channels than a tile has."""
    N, C, O = draw(st.integers(1, 3)), draw(st.integers(1, 20) | st.just(70)), draw(st.integers(1, 20) | st.just(130))
    stride, padding, dilation = (draw(st.tuples(*[st.integers(low, 3)] * 2)) for low in (1, 0, 1))
    kh, kw = draw(st.tuples(*[st.integers(1, 3)] * 2))
    least = [max(1, (k - 1) * d + 1 - 2 * p) for k, d, p in zip((kh, kw), dilation, padding, strict=True)]
    H, W = (draw(st.integers(n, max(n, 14))) for n in least)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    return (N, C, H, W), (O, C, kh, kw), options, draw(st.integers(0, 2**32 - 1))


@pytest.fixture
def emulated(monkeypatch):
    monkeypatch.setattr(cuda_wgmma, "maps", tensor_maps)


@pytest.mark.parametrize("places", [128, 256])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(problem=windows(), bias=st.booleans(), schedule=st.sampled_from(["forward", "reverse", "random"]))
def test_warpgroups_are_exact_for_integers(places, cupy, emulated, monkeypatch, problem, bias, schedule):
    monkeypatch.setattr(cuda_wgmma, "places_for", lambda *_: places)
    x, w, options, seed = problem
    rng = np.random.default_rng(seed)
    a, b, more = integers(rng, x), integers(rng, w), integers(rng, w[:1]) if bias else None
    there = (cupy.asarray(a), cupy.asarray(b), None if more is None else cupy.asarray(more))
    assert cuda_mma_limits.takes_wgmma(*there, **options) is None
    with runs_on(OnCpu(schedule, seed=seed)):
        got = cuda_wgmma.conv2d(*there, **options).get()
    np.testing.assert_array_equal(got, conv2d.definition(a, b, more, **options))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(problem=windows(), schedule=st.sampled_from(["forward", "reverse", "random"]))
def test_warpgroups_make_the_gradient_of_the_input(cupy, emulated, problem, schedule):
    x, w, options, seed = problem
    options |= {"stride": 1}
    rng = np.random.default_rng(seed)
    b = integers(rng, w)
    g = integers(rng, (x[0], w[0], *out_sizes(x, w, **options)))
    assert cuda_mma_limits.takes_wgmma_grad_x(cupy.asarray(g), cupy.asarray(b), shape=x, **options) is None
    with runs_on(OnCpu(schedule, seed=seed)):
        got = cuda_wgmma.conv2d_grad_x(cupy.asarray(g), cupy.asarray(b), shape=x, **options).get()
    np.testing.assert_array_equal(got, conv2d_grad_x.definition(g, b, shape=x, **options))


@pytest.mark.parametrize("schedule", ["forward", "reverse", "random"])
@pytest.mark.parametrize("places", [128, 256])
def test_warpgroups_beyond_one_tile(places, schedule, cupy, emulated, monkeypatch):
    """Two tiles of filters, three of places, 18 of terms with four stages; normal numbers within the bound."""
    monkeypatch.setattr(cuda_wgmma, "places_for", lambda *_: places)
    rng = np.random.default_rng(6)
    x, w = rng.normal(size=(2, 70, 13, 13)).astype("f"), rng.normal(size=(130, 70, 3, 3)).astype("f")
    with runs_on(OnCpu(schedule)):
        got = cuda_wgmma.conv2d(cupy.asarray(x), cupy.asarray(w), padding=1).get()
    rule = CASES["conv2d"].rule("mma_bf16")
    assert_close(got, conv2d.definition(x, w, padding=1), rule, (x, w), {"padding": 1})


def test_warpgroups_and_what_follows(cupy, emulated):
    rng = np.random.default_rng(7)
    x, w, bias, residual = (integers(rng, shape) for shape in ((1, 9, 6, 6), (10, 9, 3, 3), (10,), (1, 10, 4, 4)))
    options: dict[str, Any] = {"activation": "leaky", "slope": 0.5, "order": "residual_first"}
    got = cuda_wgmma.conv2d_fused(*map(cupy.asarray, (x, w, bias, residual)), **options).get()
    np.testing.assert_array_equal(got, conv2d_fused.definition(x, w, bias, residual, **options))


class Driver:
    """The two functions of the driver as CUDA's reference has them, making the emulation's maps; and no others."""

    cuuint32_t = cuuint64_t = int
    CUtensorMapDataType = SimpleNamespace(CU_TENSOR_MAP_DATA_TYPE_BFLOAT16="bf16")
    CUtensorMapInterleave = SimpleNamespace(CU_TENSOR_MAP_INTERLEAVE_NONE="not interleaved")
    CUtensorMapSwizzle = SimpleNamespace(CU_TENSOR_MAP_SWIZZLE_128B="128")
    CUtensorMapL2promotion = SimpleNamespace(CU_TENSOR_MAP_L2_PROMOTION_L2_256B="256")
    CUtensorMapFloatOOBfill = SimpleNamespace(CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE="zeros")

    @staticmethod
    def kept(made: Any, *rest: str) -> Any:
        assert rest == ("not interleaved", "128", "256", "zeros")
        return 0, SimpleNamespace(getPtr=lambda: made["opaque"].ctypes.data, kept=made)

    def cuTensorMapEncodeTiled(  # noqa: N802
        self, tensorDataType, tensorRank, globalAddress, globalDim, globalStrides, boxDim, elementStrides, *rest
    ):
        assert (tensorDataType, tensorRank, elementStrides) == ("bf16", 3, [1, 1, 1])
        return self.kept(tensor_maps.tiled(globalAddress, 2, globalDim, globalStrides, boxDim), *rest)

    def cuTensorMapEncodeIm2col(  # noqa: N802
        self, tensorDataType, tensorRank, globalAddress, globalDim, globalStrides, pixelBoxLowerCorner,
        pixelBoxUpperCorner, channelsPerPixel, pixelsPerColumn, elementStrides, *rest,
    ):  # fmt: skip
        assert (tensorDataType, tensorRank) == ("bf16", 4)
        assert (elementStrides[0], elementStrides[3]) == (1, 1)
        corners, counts = (pixelBoxLowerCorner, pixelBoxUpperCorner), (channelsPerPixel, pixelsPerColumn)
        made = tensor_maps.windows(globalAddress, 2, globalDim, globalStrides, *corners, *counts, elementStrides[1:3])
        return self.kept(made, *rest)


def test_the_driver_is_told_the_same(cupy, monkeypatch):
    monkeypatch.setattr(cuda_wgmma_maps, "_driver", Driver)
    rng = np.random.default_rng(9)
    x, w = integers(rng, (2, 9, 8, 11)), integers(rng, (5, 9, 3, 2))
    options: dict[str, Any] = {"stride": (2, 3), "padding": (2, 0), "dilation": (1, 2)}
    got = cuda_wgmma.conv2d(cupy.asarray(x), cupy.asarray(w), **options).get()
    np.testing.assert_array_equal(got, conv2d.definition(x, w, **options))


def test_what_the_driver_refuses_is_an_error(cupy, monkeypatch):
    refusing = SimpleNamespace(
        **{name: getattr(Driver, name) for name in vars(Driver) if name.startswith(("CU", "cuu"))}
    )
    error = IntEnum("CUresult", {"CUDA_ERROR_INVALID_VALUE": 1})(1)
    refusing.cuTensorMapEncodeTiled = lambda *_: (error, None)
    monkeypatch.setattr(cuda_wgmma_maps, "_driver", lambda: refusing)
    x, w = cupy.ones((1, 8, 5, 5), cupy.float32), cupy.ones((4, 8, 3, 3), cupy.float32)
    with pytest.raises(RuntimeError, match=r"no tensor map of boxes \(64, 1, 128\): CUDA_ERROR_INVALID_VALUE"):
        cuda_wgmma.conv2d(x, w)


def test_without_a_driver_there_are_no_tensor_maps(cupy):
    """Where launches go to the CPU all else is as if there were a Hopper GPU."""
    x, w = cupy.ones((1, 4, 5, 5), cupy.float32), cupy.ones((4, 4, 3, 3), cupy.float32)
    with mock.patch.dict("sys.modules", {"cuda": None, "cuda.bindings": None}):
        cuda_wgmma.maps.missing.cache_clear()
        why = cuda_mma_limits.takes_wgmma(x, w)
    cuda_wgmma.maps.missing.cache_clear()
    assert str(why).startswith("needs tensor maps, which NVIDIA's driver makes through cuda-bindings: ")


def test_what_warpgroups_refuse(cupy, emulated):
    def why(x: Any, w: Any, **options: Any) -> str | None:
        return cuda_mma_limits.takes_wgmma(cupy.zeros(x, cupy.float32), cupy.zeros(w, cupy.float32), **options)

    assert why((1, 4, 5, 5), (4, 4, 3, 3)) is None
    assert why((1, 4, 5, 5), (4, 2, 3, 3), groups=2) == "takes one group, not 2"
    assert why((0, 4, 5, 5), (4, 4, 3, 3)) == "takes arrays that are not empty"
    assert why((1, 4, 50, 50), (4, 4, 3, 3), stride=9) == "takes strides of at most 8, not (9, 9)"
    assert (
        why((1, 1, 300, 300), (1, 1, 3, 2), dilation=200)
        == "takes filters that span at most 256 pixels, not (401, 201)"
    )
    assert "within 128 pixels" in str(why((1, 1, 5, 5), (1, 1, 1, 1), padding=129))
    g, w = cupy.zeros((1, 4, 3, 3), cupy.float32), cupy.zeros((4, 4, 3, 3), cupy.float32)
    refusal = cuda_mma_limits.takes_wgmma_grad_x
    assert refusal(g, w, shape=(1, 4, 5, 5)) is None
    assert refusal(g, w, shape=(1, 4, 7, 7), stride=2) == "takes stride 1, not (2, 2)"
    x, w = cupy.ones((1, 4, 5, 5), cupy.float32), cupy.ones((4, 4, 3, 3), cupy.float32)
    assert not conv2d.choose(x, w).startswith("wgmma")
    assert "never run on a GPU" in str(conv2d.doubt("wgmma_bf16", x, w))


# ---- what is asked for, and what is refused -------------------------------------------------------------------------


def test_nobody_gets_it_who_has_not_asked(cupy):
    x, w = cupy.ones((1, 4, 5, 5), cupy.float32), cupy.ones((4, 4, 3, 3), cupy.float32)
    g = cupy.ones((1, 4, 3, 3), cupy.float32)
    for op, args, shape in (
        (conv2d, (x, w), {}),
        (conv2d_fused, (x, w), {}),
        (conv2d_grad_x, (g, w), {"shape": x.shape}),
        (conv2d_grad_w, (x, g), {"shape": w.shape}),
    ):
        assert not op.choose(*args, **shape).startswith("mma")
        assert "mma_tf32         would take it, but rounds its inputs to tf32" in op.explain(*args, **shape)
        with pin(**{op.name: "mma_bf16"}):
            assert op.choose(*args, **shape) == "mma_bf16"
    with pin(conv2d="mma_tf32"):
        np.testing.assert_array_equal(conv2d(x, w).get(), np.full((1, 4, 3, 3), 36, np.float32))


def test_refusals_in_words(cupy):
    x, w = cupy.ones((1, 4, 5, 5), cupy.float64), cupy.ones((4, 4, 3, 3), cupy.float64)
    assert conv2d.refusal("mma_tf32", x, w) == "takes float32, not float64"
    x, w = cupy.ones((1, 65536, 1, 1), cupy.float32), cupy.ones((65536, 1, 1, 1), cupy.float32)
    assert conv2d.refusal("mma_f16", x, w, groups=65536) == "takes at most 65535 filters, not 65536"
    x, w = cupy.ones((1, 1, 1, 1), cupy.float32), cupy.ones((1, 1, 1, 1), cupy.float32)
    assert "2^31" in str(conv2d.refusal("mma_f16", x, w, padding=20000))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_finite_shows(kind, cupy):
    x, w = np.zeros((1, 8, 4, 4), np.float32), np.ones((3, 8, 1, 1), np.float32)
    x[0, 3, 1, 2], x[0, 5, 0, 0], x[0, 2, 3, 3] = np.nan, np.inf, 70000.0
    got = run(cupy, conv2d, kind, x, w)
    assert np.isnan(got[0, :, 1, 2]).all()
    assert not np.isfinite(got[0, :, 0, 0]).any()
    assert np.isinf(got[0, :, 0, 0]).all() or kind == "tf32x3"  # infinity times a rest of zero is NaN
    assert np.isfinite(got).sum() == (13 if kind == "f16" else 14) * 3  # 70000 is beyond half precision: infinite
    if kind == "f16":
        assert np.isinf(got[0, :, 3, 3]).all()


def test_three_parts_are_nearly_float32(cupy):
    """Numbers with all 24 bits: every product within 3 parts in 2^22, where tf32 alone is off by 2^-11."""
    rng = np.random.default_rng(8)
    x, w = rng.uniform(1, 2, (1, 1, 1, 500)).astype("f"), rng.uniform(1, 2, (20, 1, 1, 1)).astype("f")
    expected = x.astype(np.float64) * w.astype(np.float64).reshape(1, 20, 1, 1)
    split, plain = (np.abs(run(cupy, conv2d, kind, x, w) / expected - 1).max() for kind in ("tf32x3", "tf32"))
    assert split <= 3.01 * 2.0**-22 + 2 * 2.0**-24  # two roundings of the sum
    assert plain > 2.0**-12


def test_rounding_is_to_the_nearest(cupy):
    """One product of one channel: the factors' own roundings, seen one by one; halves of tf32 go away from zero."""
    x = np.float32([1 + 2**-11, 1 + 2**-12, 1 + 3 * 2**-11, 1 + 2**-8, 1 + 3 * 2**-8]).reshape(1, 1, 1, 5)
    w = np.ones((1, 1, 1, 1), np.float32)
    expected = {
        "tf32": [1 + 2**-10, 1, 1 + 2**-9, 1 + 2**-8, 1 + 3 * 2**-8],
        "f16": [1, 1, 1 + 2**-9, 1 + 2**-8, 1 + 3 * 2**-8],
        "bf16": [1, 1, 1, 1, 1 + 2**-6],
    }
    for kind, values in expected.items():
        np.testing.assert_array_equal(run(cupy, conv2d, kind, x, w).ravel(), np.float32(values))
