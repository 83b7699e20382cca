"""The Numba CUDA kernels against the definitions, in Numba's simulator; and what they compile to, where NVVM is.

The simulator is switched on for a whole process before Numba is imported, so this file runs itself in another one.
It makes a Python thread of each CUDA thread: small shapes, few examples.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from minidet_kernels import OPS, cuda_on_cpu
from minidet_kernels.arrays import library
from minidet_kernels.cuda import twins
from minidet_kernels.table import pin
from support.cases import CASES, assert_close
from support.strict_cupy import strict_cupy
from support.tree import ROOT

TWINS = ["conv2d", "iou_matrix", "nms", "resize"]
IN_SIMULATOR = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
simulated = pytest.mark.skipif(not IN_SIMULATOR, reason="runs in the process that test_in_the_simulator starts")


def elsewhere(*command: str, **environment: str) -> str:
    """Run Python in a process of its own; what it prints."""
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "kernels")))
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PYTHONPATH": paths} | dict(os.environ) | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    return done.stdout


@pytest.mark.skipif(IN_SIMULATOR, reason="is in the simulator")
@pytest.mark.parametrize(("which", "count"), [("twin", len(TWINS)), ("boxes", 1), ("nothing", 1)])
def test_in_the_simulator(which: str, count: int) -> None:
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", f"test_simulated_{which}"]
    assert f"{count} passed" in elsewhere(*command, NUMBA_ENABLE_CUDASIM="1")


@pytest.fixture(scope="module")
def cupy() -> Iterator[Any]:
    """Arrays of the stand-in for CuPy, which the simulator takes without a copy."""
    with strict_cupy() as module:
        from minidet_kernels.cuda import numba_cuda
        from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

        taken, numba_cuda.given = numba_cuda.given, lambda x: FakeCUDAArray(x._host) if library(x) == "cupy" else x
        yield module
        numba_cuda.given = taken


def call_twin(name: str, cupy: Any, args: Any, kwargs: Any) -> np.ndarray:
    there = [cupy.asarray(x) if isinstance(x, np.ndarray) else x for x in args]
    named = {key: cupy.asarray(x) if isinstance(x, np.ndarray) else x for key, x in kwargs.items()}
    got = OPS[name].impls["numba_cuda"].load()(*there, **named)
    assert library(got) == "cupy"
    return got.get()


def small(name: str) -> st.SearchStrategy[Any]:
    """The operator's own cases that the twin takes, cut to what the simulator is done with in a moment."""
    cases = CASES[name].strategy
    if name == "iou_matrix":
        return cases.map(
            lambda call: (
                tuple(x[:12].astype(np.float32) for x in call[0]),
                {key: x[:12, :12].astype(np.float32) if key == "out" else x for key, x in call[1].items()},
            )
        )
    if name == "nms":
        return cases.map(lambda call: ((call[0][0][:66].astype(np.float32), call[0][1][:66]), call[1]))
    if name == "resize":
        return cases.map(lambda call: ((call[0][0][:2, :2],), {"size": call[1]["size"], "mode": "nearest"}))
    return cases.filter(lambda call: max(x.size for x in call[0]) <= 600)


@simulated
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
@pytest.mark.parametrize("name", TWINS)
def test_simulated_twin_agrees_with_the_definition(name: str, cupy: Any) -> None:
    @settings(max_examples=20, phases=[Phase.generate])
    @given(small(name))
    def check(call: Any) -> None:
        args, kwargs = call
        expected = OPS[name].definition(*args, **kwargs)
        got = call_twin(name, cupy, args, kwargs)
        assert_close(got, expected, CASES[name].rule("numba_cuda"), args, kwargs)

    check()


@simulated
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_simulated_boxes_of_any_size(cupy: Any) -> None:
    """Infinite, inverted, tiny and huge ones, and NaN: what 20 drawn examples may lack."""
    inf, nan = np.inf, np.nan
    some = [(0, 0, inf, 2), (inf, 0, 0, 2), (-inf, -inf, inf, inf), (nan, 0, 1, 1), (0, 0, 2e19, 2e19), (3, 3, 1, 4)]
    some += [(0, 0, 1e-23, 1e-23), (0, 0, 0.1, 0.7)]
    x = np.array(some, np.float32)
    for options in ({}, {"width": "inclusive", "empty": "one"}):
        got = call_twin("iou_matrix", cupy, (x, x), options)
        np.testing.assert_array_equal(got, OPS["iou_matrix"].definition(x, x, **options))


@simulated
def test_simulated_nothing_is_launched_for_nothing(cupy: Any) -> None:
    none = cupy.asarray(np.zeros((0, 4), np.float32))
    assert OPS["nms"].impls["numba_cuda"].load()(none, none[:, 0], threshold=0.5).get().shape == (0,)
    assert OPS["iou_matrix"].impls["numba_cuda"].load()(none, none).shape == (0, 0)


def test_a_twin_is_pinned_and_never_chosen() -> None:
    boxes, map_ = np.zeros((3, 4), np.float32), np.zeros((1, 1, 2, 2), np.float32)
    calls: dict[str, Any] = {
        "iou_matrix": ((boxes, boxes), {}),
        "nms": ((boxes, boxes[:, 0]), {"threshold": 0.5}),
        "resize": ((map_,), {"size": (4, 4)}),
        "conv2d": ((map_, map_), {}),
    }
    with strict_cupy(lambda *_: None) as cupy:
        for name, (args, kwargs) in calls.items():
            op, there = OPS[name], [cupy.asarray(x) for x in args]
            assert op.refusal("numba_cuda", *there, **kwargs) is None, name
            assert "readable twin" in (op.doubt("numba_cuda", *there, **kwargs) or ""), name
            assert op.choose(*there, **kwargs) != "numba_cuda", name
            with pin(**{name: "numba_cuda"}):
                assert op.choose(*there, **kwargs) == "numba_cuda"


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("iou_matrix", {"dtype": "f8"}, "takes float32 boxes, not float64"),
        ("nms", {"dtype": "f8"}, "takes float32 boxes, not float64"),
        ("nms", {"shape": (393217, 4)}, "takes up to 393216 boxes, not 393217"),
        ("resize", {"mode": "bilinear"}, "takes mode 'nearest', not 'bilinear'"),
        ("resize", {"coordinates": "half_pixel"}, "takes coordinates 'asymmetric' rounded by 'floor'"),
    ],
)
def test_what_a_twin_does_not_take(name: str, change: dict[str, Any], why: str) -> None:
    x = np.zeros(change.pop("shape", (2, 4)), change.pop("dtype", "f4"))
    rule = getattr(twins, f"takes_{name.partition('_')[0]}")
    assert rule(x, **(change | {"size": (2, 2)} if name == "resize" else {})).startswith(why)


PTX = """
from types import SimpleNamespace
from numba import cuda, float32, int64, types, uint64
from numba.cuda import dispatcher
dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=(8, 0))  # asked for by device functions
from minidet_kernels.convolution.numba_cuda import _naive
from minidet_kernels.overlap.numba_cuda import _matrix
from minidet_kernels.resampling.numba_cuda import _nearest
from minidet_kernels.suppression.numba_cuda import _mask, _settle
pair = types.UniTuple(int64, 2)
for kernel, given in (
    (_matrix, (float32[:, ::1], float32[:, ::1], float32[:, ::1], float32, float32)),
    (_mask, (float32[:, ::1], uint64[:, ::1], float32, types.int32, float32, float32)),
    (_settle, (uint64[:, ::1], types.boolean[::1])),
    (_nearest, (float32[:, :, ::1], float32[:, :, ::1])),
    (_naive, (float32[:, :, :, ::1],) * 2 + (float32[::1], float32[:, :, :, ::1], pair, pair, pair, int64)),
):
    text, _ = cuda.compile_ptx(kernel.py_func, given, cc=(8, 0))
    print(kernel.__name__, *map(text.count, ("fma.rn.f32", ".f64", "bar.sync", "div.rn.f32")))
"""


@pytest.mark.nvcc
@pytest.mark.skipif(cuda_on_cpu.nvcc() is None, reason="nvcc is not here: no twin was compiled for a GPU")
def test_boxes_are_compared_without_fused_products_and_in_float32() -> None:
    """The simulator cannot show what Numba makes of an untyped zero, nor where it fuses."""
    headers = cuda_on_cpu.toolkit.headers()
    printed = elsewhere("-c", PTX, CUDA_HOME=str(headers.parent) if headers else "")
    found = {name: list(map(int, counts)) for name, *counts in map(str.split, printed.splitlines())}
    assert found["_matrix"] == [0, 0, 1, 1]  # fused products, float64, barriers, divisions rounded to nearest
    assert found["_mask"][:3] == [0, 0, 1]  # its loop is unrolled
    assert found["_settle"][1:3] == [0, 3]
    assert found["_naive"][0] > 0
    assert found["_naive"][1] == found["_nearest"][1] == 0
