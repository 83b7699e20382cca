"""Launches by CuPy, and the reasons for which there are none: with a fake of the few names of CuPy that they use."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from minidet_kernels import OPS, table
from minidet_kernels.cuda import (
    SOURCES,
    DeviceError,
    Source,
    careful,
    compilers,
    gpu,
    here,
    i4,
    needs_capability,
    needs_shared,
    runs_on,
)
from minidet_kernels.overlap import cuda as overlap
from support.fake_gpu import Fake, fake_gpu, ndarray

TEXT = """
extern "C" __global__ void scale(float* x, int n) { }
template <typename T, int N> __global__ void tile(T* x) { }
"""
POINT = np.dtype([("x", "i4"), ("y", "i4")])


@pytest.fixture
def make(tmp_path: Path) -> Any:
    (tmp_path / "k.cu").write_text(TEXT)
    before = len(SOURCES)
    yield lambda **options: Source(str(tmp_path / "beside.py"), "k.cu", instances=("tile<float, 16>",), **options)
    del SOURCES[before:]


@pytest.fixture
def fake(tmp_path: Path) -> Any:
    with fake_gpu(tmp_path / "cache") as made:
        yield made


def one_line(error: pytest.ExceptionInfo[Any], *words: str) -> None:
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 400
    for word in words:
        assert word in text


# -- launches


def test_a_launch_reaches_cupy(make: Any, fake: Fake) -> None:
    x = ndarray(5)
    make()("scale", (3, 2), 64, (x, i4(5)))
    ((name, grid, block, args, shared),) = fake.launched
    assert (name, grid, block, shared) == ("scale", (3, 2, 1), (64, 1, 1), 0)
    assert args[0] is x
    assert args[1] == 5
    assert args[1].dtype == np.int32


def test_an_instance_is_found_by_the_linkers_name(make: Any, fake: Fake) -> None:
    make()("tile<float, 16>", 1, 16, (ndarray(16),))
    assert fake.launched[0][0] == "_Ztile_float_16_"


def test_nothing_and_structs_are_passed_by_value(make: Any, fake: Fake) -> None:
    point = np.array([(3, 4)], POINT)[0]
    make()("scale", 1, 1, (None, point))
    null, struct = fake.launched[0][3]
    assert null.itemsize == 8
    assert null == 0
    assert isinstance(struct, np.ndarray)
    assert (struct["x"], struct["y"]) == (3, 4)


def test_each_kernel_is_compiled_and_loaded_once_for_each_device(make: Any, fake: Fake) -> None:
    source = make()
    for _ in range(3):
        source("scale", 1, 1, (None, i4(1)))
    source("tile<float, 16>", 1, 1, (None,))
    fake.current = 1
    for _ in range(2):
        source("scale", 1, 1, (None, i4(1)))
    assert fake.compiler.made == 2 * [
        ("k.cu", "90a")
    ]  # an instance apart; another device of the kind takes what is kept
    assert len(fake.loaded) == 3
    assert len(fake.launched) == 6


@pytest.mark.parametrize(("capability", "architecture"), [("75", "75"), ("89", "89"), ("90", "90a"), ("120", "120a")])
def test_what_is_compiled_for_which_gpu(make: Any, tmp_path: Path, capability: str, architecture: str) -> None:
    with fake_gpu(tmp_path, capability=capability) as fake:
        make()("scale", 1, 1, (None, i4(1)))
        assert fake.compiler.made == [("k.cu", architecture)]


def test_much_shared_memory_is_asked_for(make: Any, fake: Fake) -> None:
    source = make()
    for shared in (48 << 10, 100_000, 60_000, 200_000):
        source("scale", 1, 1, (None, i4(1)), shared=shared)
    assert [launched[-1] for launched in fake.launched] == [48 << 10, 100_000, 60_000, 200_000]


def test_too_much_shared_memory_is_an_error(make: Any, fake: Fake) -> None:
    with pytest.raises(DeviceError) as error:
        make()("scale", 1, 1, (None, i4(1)), shared=fake.shared + 1)
    one_line(error, "scale", "232449", "232448", fake.name)
    assert not fake.launched


@pytest.mark.parametrize(
    ("argument", "kind", "words"),
    [
        (3, TypeError, "np.int32"),
        (0.5, TypeError, "np.int32"),
        (np.zeros(3, np.float32), TypeError, "NumPy"),
        (ndarray(3, on=1), ValueError, "GPU 1"),
        (ndarray(2, 3, contiguous=False), ValueError, "not contiguous"),
    ],
)
def test_arguments_that_no_kernel_takes(make: Any, fake: Fake, argument: Any, kind: type, words: str) -> None:
    with pytest.raises(kind) as error:
        make()("scale", 1, 1, (None, argument))
    one_line(error, "scale: argument 1", words)
    assert not fake.launched


def test_a_kernel_that_is_not_there(make: Any, fake: Fake) -> None:
    with pytest.raises(KeyError) as error:
        make()("scales", 1, 1, (None,))
    one_line(error, "scales", "k.cu; there is scale")


def test_too_many_blocks_are_refused_and_none_is_no_launch(make: Any, fake: Fake) -> None:
    with pytest.raises(ValueError, match="at most"):
        make()("scale", (1, 65536), 1, (None, i4(1)))
    make()("scale", (4, 0), 1, (None, i4(1)))
    assert not fake.loaded


ERRORS = [
    ("CUDA_ERROR_OUT_OF_MEMORY: out of memory", MemoryError, "too little memory"),
    ("cudaErrorMemoryAllocation: out of memory", MemoryError, "too little memory"),
    ("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: too many resources requested for launch", DeviceError, "too few registers"),
    ("CUDA_ERROR_INVALID_VALUE: invalid argument", DeviceError, "refuses 3 x 2 blocks of 64 threads with 8 bytes"),
    ("CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered", DeviceError, "careful"),
    ("cudaErrorIllegalAddress: an illegal memory access was encountered", DeviceError, "careful"),
    ("CUDA_ERROR_MISALIGNED_ADDRESS: misaligned address", DeviceError, "a kernel before it"),
    ("CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available for execution on the device", DeviceError, "driver"),
    ("CUDA_ERROR_UNKNOWN: unknown error", DeviceError, "unknown error"),
]


@pytest.mark.parametrize(("said", "kind", "words"), ERRORS, ids=[said.split(":")[0] for said, _, _ in ERRORS])
def test_what_cuda_says_is_put_into_words(make: Any, fake: Fake, said: str, kind: type, words: str) -> None:
    fake.fail = said
    with pytest.raises(kind) as error:
        make()("scale", (3, 2), 64, (None, i4(1)), shared=8)
    one_line(error, "scale", words, said)
    assert error.value.__cause__ is not None


def test_errors_while_a_kernel_is_loaded(make: Any, fake: Fake) -> None:
    fake.fail_load = "CUDA_ERROR_OUT_OF_MEMORY: out of memory"
    source = make()
    with pytest.raises(MemoryError):
        source("scale", 1, 1, (None, i4(1)))
    fake.fail_load = ""
    source("scale", 1, 1, (None, i4(1)))  # memory was freed: the failure is not kept
    assert len(fake.launched) == 1


def test_careful_launches_wait(make: Any, fake: Fake) -> None:
    source = make()
    source("scale", 1, 1, (None, i4(1)))
    assert fake.waited == 0
    with careful():
        source("scale", 1, 1, (None, i4(1)))
    assert fake.waited == 1
    source("scale", 1, 1, (None, i4(1)))
    assert fake.waited == 1


# -- why not


REASONS: list[tuple[dict[str, Any], str]] = [
    ({"driver": 0}, "needs NVIDIA's driver, and there is none on this machine"),
    ({"driver": 12040}, "this one is of CUDA 12.4, CuPy of CUDA 13.2 (update the driver, or install CuPy for CUDA 12)"),
    ({"count": 0}, "needs an NVIDIA GPU, and the driver finds none"),
    ({"refuse": "cudaErrorNoDevice: no CUDA-capable device is detected"}, "the driver finds none"),
    ({"refuse": "cudaErrorInitializationError: initialization error"}, "initialization error"),
    ({"capability": "70", "name": "Tesla V100"}, "needs compute capability 7.5 or newer, and Tesla V100 has 7.0"),
    ({"capability": "61", "name": "GTX 1080"}, "needs compute capability 7.5 or newer, and GTX 1080 has 6.1"),
    ({"capability": "130", "name": "Next"}, "12.1, and Next has 13.0"),
]


@pytest.mark.parametrize(("what", "words"), REASONS)
def test_why_there_is_no_gpu(make: Any, tmp_path: Path, what: dict[str, Any], words: str) -> None:
    with fake_gpu(tmp_path, **what) as fake:
        why = gpu()
        assert isinstance(why, str)
        assert words in why
        assert "\n" not in why
        assert here.missing() == why
        assert needs_capability(8) == why
        with pytest.raises(DeviceError, match=r"^scale ") as error:
            make()("scale", 1, 1, (None, i4(1)))
        one_line(error, words)
        assert not fake.compiler.made


def test_a_newer_driver_and_an_older_one_of_the_same_generation_will_do(tmp_path: Path) -> None:
    for driver in (13000, 13020, 14000):
        with fake_gpu(tmp_path, driver=driver):
            assert here.missing() is None


def test_hidden_devices_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with fake_gpu(tmp_path, count=0):
        assert "(CUDA_VISIBLE_DEVICES is '')" in str(gpu())


def test_without_cupy() -> None:
    here.forget()
    with mock.patch.dict(sys.modules, {"cupy": None}):  # an import raises ModuleNotFoundError
        why = here.missing()
    here.forget()
    assert why is not None
    assert why.startswith("needs cupy, which ")


def test_a_cupy_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cupy.py").write_text("raise ImportError('libfoo.so: cannot open\\nshared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    here.forget()
    why = here.missing()
    here.forget()
    assert why == "needs cupy, which cannot be imported: libfoo.so: cannot open shared object file"


def test_without_a_compiler(tmp_path: Path) -> None:
    def none(by: str | None = None) -> Any:
        raise compilers.NoCompilerError(compilers.NONE)

    with fake_gpu(tmp_path), mock.patch.object(compilers, "compiler", none):
        why = here.missing()
    assert why is not None
    assert why.startswith("cannot be compiled: there is neither NVRTC nor nvcc")
    assert "\n" not in why


def test_the_gpu_is_described(fake: Fake) -> None:
    found = gpu()
    assert isinstance(found, here.Gpu)
    assert (found.name, found.capability, found.architecture) == (fake.name, (9, 0), "90a")
    assert here.missing() is None


def test_too_old_for_a_kernel(tmp_path: Path) -> None:
    with fake_gpu(tmp_path, capability="75", name="Tesla T4", shared=65536):
        assert needs_capability(7, 5) is None
        assert needs_capability(8, what="tensor cores for tf32") == (
            "needs compute capability 8.0 or newer (tensor cores for tf32), and Tesla T4 has 7.5"
        )
        assert needs_shared(65536) is None
        assert needs_shared(65537) == "needs 65537 bytes of shared memory for a block, and Tesla T4 has 65536"


@pytest.mark.parametrize(("capability", "taken"), [("90", True), ("100", False), ("89", False)])
def test_kernels_of_one_generation(tmp_path: Path, capability: str, taken: bool) -> None:
    with fake_gpu(tmp_path, capability=capability, name="It"):
        why = needs_capability(9, exactly=True, what="wgmma")
        assert (why is None) == taken
        assert taken or why == f"needs compute capability 9.0 (wgmma), and It has {capability[:-1]}.{capability[-1]}"


def test_capabilities_are_compared_as_numbers(tmp_path: Path) -> None:
    with fake_gpu(tmp_path, capability="120"):
        assert needs_capability(8) is None
    with fake_gpu(tmp_path, capability="89"):
        assert needs_capability(9) is not None
        assert needs_capability(8, 6) is None


def test_nothing_is_refused_where_launches_go_elsewhere(tmp_path: Path) -> None:
    with fake_gpu(tmp_path, driver=0), runs_on(lambda *_: None):
        assert needs_capability(12) is None
        assert needs_shared(1 << 30) is None
        assert here.missing() is None


# -- and in the table


@pytest.mark.parametrize(("what", "words"), REASONS)
def test_the_table_says_why(tmp_path: Path, what: dict[str, Any], words: str) -> None:
    boxes, installed = ndarray(3, 4), mock.patch.object(table, "_installed", return_value=True)
    with fake_gpu(tmp_path, **what), installed:
        assert words in str(OPS["iou_matrix"].refusal("cuda", boxes, boxes))
    with fake_gpu(tmp_path), installed:
        assert OPS["iou_matrix"].impls["cuda"].missing() is None


def test_a_gpu_without_tensor_cores_takes_the_other_rungs_and_says_why(tmp_path: Path) -> None:
    """What asks for them is refused by name; what is chosen by itself needs none."""
    x, w = ndarray(16, 128, 26, 26), ndarray(256, 128, 3, 3)
    why = "needs compute capability 8.0 or newer (tensor cores for tf32 and bf16, cp.async), and Tesla T4 has 7.5"
    installed = mock.patch.object(table, "_installed", return_value=True)
    with fake_gpu(tmp_path, capability="75", name="Tesla T4"), installed:
        said = OPS["conv2d"].explain(x, w, padding=1).splitlines()
        assert said[0].split()[-1] in ("'registers'", "'winograd_cuda_f4'")
        for kind in ("mma_tf32x3", "mma_tf32", "mma_f16", "mma_bf16"):
            (line,) = [line for line in said if line.split()[0] == kind]
            assert line.endswith(why)
            with table.pin(conv2d=kind), pytest.raises(ValueError, match=f"pinned to '{kind}', which needs") as error:
                OPS["conv2d"].choose(x, w, padding=1)
            one_line(error, "Tesla T4 has 7.5")
    with fake_gpu(tmp_path, capability="80", name="A100"), installed:
        assert OPS["conv2d"].refusal("mma_bf16", x, w, padding=1) is None
        assert "9.0" in str(OPS["conv2d"].refusal("wgmma_bf16", x, w, padding=1))


def test_the_table_says_how_to_install_cupy() -> None:
    with mock.patch.object(table, "_installed", return_value=False):
        why = OPS["iou_matrix"].impls["cuda"].missing()
    assert why == "needs cupy, which is not installed (pip install minidet[cuda13], or minidet[cuda12])"


def test_a_launch_without_cupy() -> None:
    here.forget()
    with (
        mock.patch.dict(sys.modules, {"cupy": None}),
        pytest.raises(DeviceError, match="iou_matrix needs cupy") as error,
    ):
        overlap.IOU("iou_matrix", 1, 1, ())
    here.forget()
    one_line(error)


# -- the fake itself


def test_the_fake_has_names_that_cupy_has() -> None:
    cupy = pytest.importorskip("cupy")
    if not hasattr(cupy, "RawModule"):
        pytest.skip("CuPy's stand-in is here, not CuPy")
    runtime = Fake().module().cuda.runtime
    assert all(hasattr(cupy.cuda.runtime, name) for name in vars(runtime))
    assert issubclass(cupy.cuda.runtime.CUDARuntimeError, RuntimeError)
    assert issubclass(cupy.cuda.driver.CUDADriverError, RuntimeError)
    assert hasattr(cupy.cuda.Device, "compute_capability")
    assert hasattr(cupy.cuda.Device, "attributes")
    assert hasattr(cupy.RawKernel, "max_dynamic_shared_size_bytes")
    assert isinstance(cupy.cuda.runtime.driverGetVersion(), int)


def test_the_real_cupy_without_a_driver() -> None:
    cupy = pytest.importorskip("cupy")
    if not hasattr(cupy, "RawModule") or cupy.cuda.runtime.driverGetVersion():
        pytest.skip("there is a driver")
    here.forget()
    assert here.missing() == "needs NVIDIA's driver, and there is none on this machine"
    with pytest.raises(DeviceError, match="driver"):
        overlap.IOU("iou_matrix", 1, 1, ())
