"""`minidet detect`, `eval` and `train` with `--device cuda`: on the stand-in, and one line for what is not here."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from minidet_kernels import cuda_on_cpu
from minidet_kernels.cuda import DeviceError, here
from PIL import Image
from support.cuda_launches import OnCpu
from support.moved_by_bounds import assert_within_bounds
from support.strict_cupy import strict_cupy
from support.tiny_darknet import CFG, tiny
from support.tiny_run import settings

from minidet.cli import main
from minidet.darknet import DarknetNetwork
from minidet.train import config, logs
from minidet.train.trainer import LAST
from minidet.weights import darknet, safetensors

needs_compiler = pytest.mark.skipif(not cuda_on_cpu.available(), reason="needs g++, which is not here")


@pytest.fixture
def place(tmp_path: Path) -> Any:
    """A folder with a network and two pictures, and the arguments that name them.

    Pixels are 0 or 1 and weights multiples of 1/32, so that float32 holds every sum, in whatever order it is made: maps
    have the same bits here and there, and so has all that NumPy, and its stand-in, compute of them.
    """
    cfg, weights = tiny(tmp_path, text=CFG.replace("batch_normalize=1\n", "").replace("leaky", "relu"))
    network = DarknetNetwork(cfg)
    darknet.load(network, weights)
    for p in network.parameters():
        p.data = np.round(p.data * 32) / np.float32(32)
    darknet.save(network, weights)
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed, name in enumerate(("a.png", "b.png")):
        pixels = 255 * np.random.default_rng(seed).integers(0, 2, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / name)
    arguments = ["--cfg", str(cfg), "--weights", str(weights), "--score", "0.2"]
    return SimpleNamespace(folder=tmp_path, photos=str(photos), network=arguments)


def ran(capsys: Any, *arguments: object) -> str:
    capsys.readouterr()
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert status == 0, err
    return out


@needs_compiler
def test_detect_there_finds_what_it_finds_here(place: Any, capsys: Any) -> None:
    command = ["detect", place.photos, *place.network, "--json"]
    expected = json.loads(ran(capsys, *command, "--layers"))
    gpu = OnCpu()
    with strict_cupy(gpu):
        got = json.loads(ran(capsys, *command, "--device", "cuda"))
    assert got["network"].pop("device") == "cuda"
    assert expected["network"].pop("device") == "cpu"
    assert got["network"] == expected["network"]
    for there, host in zip(got["images"], expected["images"], strict=True):
        assert there["detections"] == host["detections"]
        assert len(host["detections"]) > 3
    assert gpu.launches, "nothing was computed by a kernel of ours"


@needs_compiler
def test_eval_there_scores_what_it_scores_here(place: Any, capsys: Any) -> None:
    document = {
        "images": [{"id": n, "file_name": f"{name}.png", "width": 32, "height": 32} for n, name in enumerate("ab", 1)],
        "categories": [{"id": 7, "name": "thing"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 7, "bbox": [2.0, 3.0, 20.0, 15.0], "area": 300.0, "iscrowd": 0}
            for n in (1, 2)
        ],
    }
    (place.folder / "truths.json").write_text(json.dumps(document))
    data = ["--data", place.folder / "truths.json", "--images", place.photos]
    command = ["eval", *data, *place.network, "--json", "--set", "thresholds=0.1"]
    expected = json.loads(ran(capsys, *command, "--layers"))
    with strict_cupy(OnCpu(schedule="random")):
        got = json.loads(ran(capsys, *command, "--device", "cuda"))
    assert (got["source"]["device"], expected["source"]["device"]) == ("cuda", "cpu")
    assert 0 < expected["numbers"]["AP"] < 1
    assert got["numbers"] == expected["numbers"]


@needs_compiler
def test_train_there_learns_what_it_learns_here(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config.write("run.toml", settings(run__steps=2, optimiser__lr=1e-3, data__path="shapes:4:2"))
    gpu = OnCpu(schedule="random")
    with strict_cupy(gpu):
        ran(capsys, "train", "run.toml", "--out", "there", "--device", "cuda")

    def learned(out: str) -> dict[str, np.ndarray]:
        losses = [row["loss"] for row in logs.read(tmp_path / out / "log.jsonl") if row["kind"] == "step"]
        return {"losses": np.array(losses), **safetensors.load(tmp_path / out / LAST)}

    def here() -> dict[str, np.ndarray]:
        shutil.rmtree("here", ignore_errors=True)
        ran(capsys, "train", "run.toml", "--out", "here")
        return learned("here")

    assert_within_bounds(learned("there"), here)
    assert gpu.launches, "nothing was computed by a kernel of ours"
    assert config.read(tmp_path / "there/config.toml").run.device == "cuda"
    versions = [json.loads((tmp_path / name / "versions.json").read_text()) for name in ("here", "there")]
    assert versions[1].keys() - versions[0].keys() == {"cupy-cuda13x", "cupy-cuda12x", "cupy"}


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""

    __module__ = "cupy_backends.cuda.api.runtime"


class OutOfMemoryError(MemoryError):
    """As CuPy's."""

    __module__ = "cupy.cuda.memory"


def broken(driver: int, error: str) -> ModuleType:
    """A CuPy that finds no GPU."""

    def count() -> int:
        raise CUDARuntimeError(error)

    module: Any = ModuleType("cupy")
    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        driverGetVersion=lambda: driver,
        runtimeGetVersion=lambda: 13000,
        getDeviceCount=count,
    )
    module.cuda = SimpleNamespace(runtime=runtime)
    return module


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Put another module in CuPy's place, and let the answers about it be asked for anew."""

    def put(module: ModuleType | None) -> None:
        monkeypatch.setitem(sys.modules, "cupy", module)
        here.forget()

    yield put
    monkeypatch.undo()
    here.forget()


def refused(capsys: Any, folder: Path, *arguments: object) -> str:
    """One line on standard error, status 2, nothing written; the line."""
    before = sorted(folder.rglob("*"))
    capsys.readouterr()
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert sorted(folder.rglob("*")) == before
    return err


NOT_HERE = [
    (None, "needs cupy, which is not installed"),
    (broken(0, "cudaErrorInsufficientDriver: old"), "needs NVIDIA's driver, and there is none"),
    (broken(12040, "cudaErrorInsufficientDriver: old"), "needs a newer driver: this one is of CUDA 12.4, CuPy of"),
    (broken(13000, "cudaErrorNoDevice: none"), "needs an NVIDIA GPU, and the driver finds none"),
    (broken(13000, "cudaErrorUnknown: odd"), "cudaErrorUnknown: odd"),
]


@pytest.mark.parametrize(("cupy", "words"), NOT_HERE, ids=[words for _, words in NOT_HERE])
def test_what_is_not_here_is_said_in_one_line(cupy: Any, words: str, place: Any, capsys: Any, without: Any) -> None:
    without(cupy)
    line = refused(capsys, place.folder, "detect", place.photos, *place.network, "--device", "cuda")
    assert line.startswith("minidet: --device cuda: the device 'cuda' ")
    assert words in line
    out = place.folder / "run"
    line = refused(capsys, place.folder, "train", "--data", "shapes:6:4", "--device", "cuda", "--out", out)
    assert line.startswith("minidet: run.device: the device 'cuda' ")
    assert words in line


def test_it_is_said_before_anything_is_read(capsys: Any, tmp_path: Path, without: Any) -> None:
    without(None)
    network = ["--cfg", tmp_path / "none.cfg", "--weights", tmp_path / "none.weights"]
    photo = tmp_path / "a.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(photo)
    assert "needs cupy" in refused(capsys, tmp_path, "detect", photo, *network, "--device", "cuda")
    assert "needs cupy" in refused(capsys, tmp_path, "train", "--data", tmp_path / "none", "--device", "cuda")


def test_recorded_results_need_no_device(capsys: Any, tmp_path: Path) -> None:
    line = refused(capsys, tmp_path, "eval", "--data", "x", "--detections", "y", "--device", "cuda")
    assert "leave out --device" in line


def test_too_little_memory_there(place: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with strict_cupy() as cupy:

        def full(*_: Any, **__: Any) -> Any:
            raise OutOfMemoryError("Out of memory allocating 512 bytes (allocated so far: 1,024 bytes).")

        monkeypatch.setattr(cupy, "matmul", full)
        monkeypatch.setattr(cupy, "empty", full)
        line = refused(capsys, place.folder, "detect", place.photos, *place.network, "--device", "cuda")
    assert line == (
        "minidet: the GPU ran out of memory: Out of memory allocating 512 bytes (allocated so far: 1,024 bytes).; take "
        "a smaller --size or batch, or --device cpu\n"
    )


@pytest.mark.parametrize("error", [DeviceError("k: too few registers"), CUDARuntimeError("cudaErrorLaunchFailure: x")])
def test_a_kernel_that_goes_wrong_is_one_line(error: Exception, place: Any, capsys: Any) -> None:
    def fails(*_: Any) -> None:
        raise error

    with strict_cupy(fails):
        line = refused(capsys, place.folder, "detect", place.photos, *place.network, "--device", "cuda")
    assert line == f"minidet: the GPU cannot go on: {error}\n"


def test_a_fault_of_the_program_keeps_its_traceback(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a fault")

    monkeypatch.setattr("minidet.detect.detect", fault)
    with pytest.raises(RuntimeError, match="a fault"):
        main(["detect", place.photos, *place.network])
