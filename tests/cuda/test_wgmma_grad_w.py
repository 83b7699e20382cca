"""The gradient of the filters by ``wgmma``: both matrices turned around, shares of the places, their sum in order."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minidet_kernels import conv2d, conv2d_fused, conv2d_grad_w, conv2d_grad_x, pin, table
from minidet_kernels.convolution import cuda_mma_limits, cuda_wgmma, cuda_wgmma_grad_w, cuda_wgmma_maps
from minidet_kernels.convolution.geometry import out_sizes
from minidet_kernels.cuda import Source, compilers, compiling, runs_on
from minidet_kernels.cuda_on_cpu import INCLUDE, tensor_maps
from support.cases import CASES, assert_close
from support.cases_convolution import array
from support.cuda_launches import OnCpu
from support.cuda_sources import needs_compiler
from support.on_device import taken

from .test_mma import Driver, integers, windows

pytestmark = needs_compiler
TILES = (cuda_wgmma_grad_w.FEW, cuda_wgmma_grad_w.NARROW, cuda_wgmma_grad_w.WIDE)
SCHEDULES = ("forward", "reverse", "random")


@pytest.fixture
def emulated(monkeypatch):
    monkeypatch.setattr(cuda_wgmma, "maps", tensor_maps)


@pytest.fixture
def installed():
    """As if cuda-bindings were there, which the emulation's tensor maps do not need."""
    with mock.patch.object(table, "_installed", return_value=True):
        yield


def gradient(cupy: Any, x: np.ndarray, g: np.ndarray, **options: Any) -> np.ndarray:
    there = cupy.asarray(x), cupy.asarray(g)
    assert cuda_mma_limits.takes_wgmma_grad_w(*there, **options) is None
    result: np.ndarray = cuda_wgmma_grad_w.conv2d_grad_w(*there, **options).get()
    return result


def upstream(x: Any, w: Any, options: Any) -> tuple[int, ...]:
    """The shape of the output, whose gradient it is."""
    sizes = [options.get(name, default) for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))]
    return (x[0], w[0], *out_sizes(x, w, *sizes))


@pytest.mark.parametrize("tile", TILES)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(problem=windows(), each=st.integers(1, 3), schedule=st.sampled_from(SCHEDULES))
def test_integers_come_out_exact(tile, cupy, emulated, monkeypatch, problem, each, schedule):
    """Any stride, padding, dilation and size, in any tiles and shares."""
    monkeypatch.setattr(cuda_wgmma_grad_w, "tile_for", lambda *_: tile)
    monkeypatch.setattr(cuda_wgmma_grad_w, "tiles_of_share", lambda *_: each)
    x, w, options, seed = problem
    rng = np.random.default_rng(seed)
    a, g = integers(rng, x), integers(rng, upstream(x, w, options))
    with runs_on(OnCpu(schedule, seed=seed)):
        got = gradient(cupy, a, g, shape=w, **options)
    np.testing.assert_array_equal(got, conv2d_grad_w.definition(a, g, shape=w, **options))


def compare(cupy: Any, data: Any, problem: Any) -> None:
    """Arrays that skip, run backwards, or are swapped; normal numbers within the bound of rounded products."""
    x, w, options, _ = problem
    a, g = (array(data.draw, shape, np.float32) for shape in (x, upstream(x, w, options)))
    options |= {"shape": w}
    got = gradient(cupy, a, g, **options)
    rule = CASES["conv2d_grad_w"].rule("wgmma_bf16")
    assert_close(got, conv2d_grad_w.definition(a, g, **options), rule, (a, g), options)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), problem=windows())
def test_views_are_read_as_they_stand(cupy, emulated, data, problem):
    compare(cupy, data, problem)


@pytest.mark.oracle  # as it takes long
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), problem=windows())
def test_views_are_read_as_they_stand_in_200_examples(cupy, emulated, data, problem):
    compare(cupy, data, problem)


OPS = (conv2d, conv2d_fused, conv2d_grad_x, conv2d_grad_w)


def test_agrees_with_the_definition(cupy, emulated, installed):
    assert taken(cupy, conv2d_grad_w, "wgmma_bf16", 60) > 2


@pytest.mark.oracle  # as it takes long
@pytest.mark.parametrize("op", OPS, ids=[op.name for op in OPS])
def test_agrees_with_the_definition_in_200_examples(op, cupy, emulated, installed):
    """By all of ``wgmma_bf16``, in three schedules, with those cases of ``test_operators`` that it takes: a fifth."""
    assert taken(cupy, op, "wgmma_bf16", 200) > 5


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("tile", TILES)
def test_beyond_one_tile(tile, schedule, cupy, emulated, monkeypatch):
    """Three tiles of filters (of two), columns of three tiles, 8 tiles of terms in shares of 6: stages come round."""
    monkeypatch.setattr(cuda_wgmma_grad_w, "tile_for", lambda *_: tile)
    monkeypatch.setattr(cuda_wgmma_grad_w, "tiles_of_share", lambda *_: 6)
    rng = np.random.default_rng(6)
    x, w = (3, 70, 13, 13), (130, 70, 3, 3)
    a, g = integers(rng, x), integers(rng, (3, 130, 13, 13))
    with runs_on(OnCpu(schedule)):
        got = gradient(cupy, a, g, shape=w, padding=1)
    np.testing.assert_array_equal(got, conv2d_grad_w.definition(a, g, shape=w, padding=1))


class Kept(OnCpu):
    """Keeps what the launches were given, and what was in their arrays after the first."""

    def __call__(self, source: Any, kernel: str, grid: Any, block: Any, args: Any, shared: int) -> None:
        super().__call__(source, kernel, grid, block, args, shared)
        if kernel.startswith("conv2d_grad_w_wgmma"):
            self.grid, self.given, self.parts = grid, args[3], args[2].get().copy()


def test_shares_are_added_in_their_order(cupy, emulated):
    """The same bits as float32 sums of the parts from the first to the last, which in another order are others."""
    rng = np.random.default_rng(3)
    x, g = rng.normal(size=(2, 5, 20, 20)).astype("f"), rng.normal(size=(2, 6, 20, 20)).astype("f")
    with runs_on(kept := Kept("random")):
        got = gradient(cupy, x, g, shape=(6, 5, 3, 3), padding=1)
    assert kept.parts.shape == (kept.grid[1], 6, 9, 8)
    assert int(kept.given["tiles_of_share"]) * (kept.grid[1] - 1) < 13  # tiles of 64 places: none without work
    sums = np.zeros(kept.parts.shape[1:], np.float32)
    other = sums.copy()
    for part in kept.parts:
        sums = sums + part
    for part in kept.parts[::-1]:
        other = other + part
    np.testing.assert_array_equal(got, sums[..., :5].swapaxes(1, 2).reshape(got.shape))
    assert not np.array_equal(sums, other)
    rule = CASES["conv2d_grad_w"].rule("wgmma_bf16")
    options = {"shape": (6, 5, 3, 3), "padding": 1}
    assert_close(got, conv2d_grad_w.definition(x, g, **options), rule, (x, g), options)


def test_what_a_tile_has_too_much_does_no_harm(cupy, emulated):
    """Infinity and NaN stay with their filter and channel, though the last places of a tile are not there."""
    x, g = np.ones((1, 9, 5, 5), np.float32), np.ones((1, 10, 5, 5), np.float32)
    x[0, 3, 4, 4], g[0, 7, 4, 4] = np.inf, np.nan
    got = gradient(cupy, x, g, shape=(10, 9, 1, 1))
    expected = np.full((10, 9, 1, 1), 25, np.float32)
    expected[:, 3], expected[7] = np.inf, np.nan
    np.testing.assert_array_equal(got, expected)


@given(blocks=st.integers(1, 3000), tiles=st.integers(1, 20000))
def test_shares_have_work_and_no_processor_waits_long(blocks, tiles):
    each = cuda_wgmma_grad_w.tiles_of_share(blocks, tiles)
    shares = -(-tiles // each)
    assert 1 <= each <= tiles
    assert each * (shares - 1) < tiles <= each * shares
    assert blocks * shares <= max(blocks, 4 * 132)  # what memory the parts take

    def time(shares: int) -> int:
        return -(-blocks * shares // 132) * (-(-tiles // shares) + cuda_wgmma_grad_w.COST)

    for other in (1, min(tiles, max(1, 132 // blocks)), min(tiles, max(1, 264 // blocks))):
        assert time(shares) <= time(other)


def test_tiles_are_not_mostly_empty():
    assert [cuda_wgmma_grad_w.tile_for(filters, 9) for filters in (1, 64, 65)] == [(64, 256), (64, 256), (128, 128)]
    for pieces in range(1, 100):
        columns = cuda_wgmma_grad_w.tile_for(128, pieces)[1] // 64
        full = -(-pieces // columns) * columns
        assert full <= 1.125 * (-(-pieces // 2) * 2)


# ---- what a GPU is told, and the driver ------------------------------------------------------------------------------


def ptx(source: Source) -> str:
    """What NVRTC makes of a source before it is assembled for Hopper."""
    if isinstance(made := compilers._made("cuda-bindings"), str):
        assert not os.environ.get("CI"), made
        pytest.skip(f"NVRTC through cuda-bindings is not here: {made}")
    compiler = compilers.Bindings()  # one of its own, since it is changed
    nvrtc = compiler._nvrtc
    names = {name: getattr(nvrtc, name) for name in dir(nvrtc) if name.startswith("nvrtc")}
    names |= {"nvrtcGetCUBIN": nvrtc.nvrtcGetPTX, "nvrtcGetCUBINSize": nvrtc.nvrtcGetPTXSize}
    compiler._nvrtc = SimpleNamespace(**names)
    given = [*compiling.flags(source), f"-I{INCLUDE}", f"-I{source.path.parent}"]
    return compiler.compile(source.path, "90a", given, source.instances).cubin.decode()


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("source", "turned", "layout"),
    [
        # 128 byte swizzle; 1024 bytes from 8 rows to the next 8; the leading offset unused, or 64 terms of 128 bytes
        (cuda_wgmma.WGMMA, 0, 1 << 62 | (1024 >> 4) << 32 | 1 << 16),
        (cuda_wgmma_grad_w.WGMMA_GRAD_W, 1, 1 << 62 | (1024 >> 4) << 32 | (64 * 128 >> 4) << 16),
    ],
)
def test_a_gpu_is_told_how_its_matrices_lie(source, turned, layout):
    """The emulation takes another branch than a GPU: here is what that one says, of every product."""
    text = ptx(source)
    products = re.findall(
        r"wgmma\.mma_async\.sync\.aligned\.(\w+)\.f32\.bf16\.bf16 \{[^}]*\}, %\w+, %\w+, ([^;]*);", text
    )
    assert len(products) == 4 * len(source.instances)
    assert {shape for shape, _ in products} == {"m64n128k16", "m64n256k16"}
    assert {" ".join(how.split()) for _, how in products} == {f"1, 1, 1, {turned}, {turned}"}
    layouts = {int(number) for number in re.findall(r"or\.b64\s+%\w+, %\w+, (\d{15,});", text)}
    assert {bits & ~0x3FFF for bits in layouts} == {layout}


# ---- what is said, asked for, and refused ---------------------------------------------------------------------------


def test_the_driver_is_told_the_same(cupy, monkeypatch):
    monkeypatch.setattr(cuda_wgmma_maps, "_driver", Driver)
    rng = np.random.default_rng(9)
    x, w = (2, 9, 8, 11), (5, 9, 3, 2)
    options: dict[str, Any] = {"stride": (2, 3), "padding": (2, 0), "dilation": (1, 2)}
    a, g = integers(rng, x), integers(rng, upstream(x, w, options))
    got = cuda_wgmma_grad_w.conv2d_grad_w(cupy.asarray(a), cupy.asarray(g), shape=w, **options).get()
    np.testing.assert_array_equal(got, conv2d_grad_w.definition(a, g, shape=w, **options))


def test_what_it_refuses(cupy, emulated):
    def why(x: Any, w: Any, dtype: Any = "float32", **options: Any) -> str | None:
        g = cupy.zeros(upstream(x, w, options), dtype)
        return cuda_mma_limits.takes_wgmma_grad_w(cupy.zeros(x, dtype), g, shape=w, **options)

    assert why((1, 4, 5, 5), (4, 4, 3, 3)) is None
    assert why((1, 4, 5, 5), (4, 4, 3, 3), "float64") == "takes float32, not float64"
    assert why((1, 4, 5, 5), (4, 2, 3, 3), groups=2) == "takes one group, not 2"
    for x, w in (((0, 4, 5, 5), (4, 4, 3, 3)), ((1, 0, 5, 5), (4, 0, 3, 3)), ((1, 4, 5, 5), (0, 4, 3, 3))):
        assert why(x, w) == "takes arrays that are not empty"
    assert why((1, 4, 50, 50), (4, 4, 3, 3), stride=9) == "takes strides of at most 8, not (9, 9)"
    assert "span at most 256 pixels" in str(why((1, 1, 300, 300), (1, 1, 2, 2), dilation=256))
    assert "within 128 pixels" in str(why((1, 1, 5, 5), (1, 1, 1, 1), padding=129))


def test_more_than_an_int_counts_is_refused(emulated):
    def of(*shape: int) -> Any:
        return np.broadcast_to(np.float32(0), shape)

    x, g = of(64, 64, 1024, 512), of(64, 64, 1024, 512)
    with runs_on(OnCpu()):
        assert "2^31" in str(cuda_mma_limits.takes_wgmma_grad_w(x, g, shape=(64, 64, 3, 3), padding=1))


def test_nobody_gets_it_who_has_not_asked(cupy, emulated, installed):
    x, g, shape = cupy.ones((1, 4, 5, 5), cupy.float32), cupy.ones((1, 4, 3, 3), cupy.float32), (4, 4, 3, 3)
    said = conv2d_grad_w.explain(x, g, shape=shape)
    assert "wgmma_bf16       would take it, but has never run on a GPU" in said
    assert "wgmma" not in conv2d_grad_w.choose(x, g, shape=shape)
    with pin(conv2d_grad_w="wgmma_bf16"):
        assert conv2d_grad_w.choose(x, g, shape=shape) == "wgmma_bf16"
        got = conv2d_grad_w(x, g, shape=shape).get()
    np.testing.assert_array_equal(got, np.full(shape, 9, np.float32))


def test_the_ladder_of_the_gradient(cupy):
    """From a thread for each number to Hopper's own products, slowest first."""
    rungs = [name for name, impl in conv2d_grad_w.impls.items() if impl.arrays == {"cupy"}]
    ladder = ["naive", "tiled", "registers", "mma_bf16", "wgmma_bf16"]
    assert [name for name in rungs if name in ladder] == ladder
