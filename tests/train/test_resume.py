"""Whole processes: killed at a random moment and resumed, they end with the same weights, bit for bit."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support.tiny_run import TINY, settings
from support.tree import ROOT

from minidet.train import checkpoint, config
from minidet.train.trainer import BEST, CHECKPOINT, LAST

STEPS = 8


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with the settings `run.toml`."""
    folder = tmp_path_factory.mktemp("runs")
    assert TINY["keep"]["checkpoint"] == 0.0, "a checkpoint at every step, so that there is one to be killed at"
    config.write(folder / "run.toml", settings(run__steps=STEPS, data__workers=1))
    return folder


def start(place: Path, *arguments: str, **more) -> subprocess.Popen:
    """`minidet train` as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}"}
    return subprocess.Popen(
        [sys.executable, "-m", "minidet", "train", *arguments], cwd=place, env=environment, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def left_alone(place) -> Path:
    """A run that nobody disturbed."""
    process = start(place, "run.toml", "--out", "alone")
    assert process.communicate()[1] is not None
    assert process.returncode == 0
    return place / "alone"


def assert_same_end(a: Path, b: Path) -> None:
    """Weights, averages, moments: bit for bit; the files of weights byte for byte."""
    one, two = (checkpoint.load(folder / CHECKPOINT) for folder in (a, b))
    assert one.arrays.keys() == two.arrays.keys()
    for name, array in one.arrays.items():
        assert array.tobytes() == two.arrays[name].tobytes(), name
    assert one.document == two.document
    for name in (BEST, LAST):
        assert (a / name).read_bytes() == (b / name).read_bytes()


def step_of(folder: Path) -> int:
    try:
        return checkpoint.load(folder / CHECKPOINT).document["state"]["step"]
    except ValueError:
        return 0


@pytest.mark.parametrize("round_", [0, *(pytest.param(n, marks=pytest.mark.oracle) for n in range(1, 4))])
def test_killed_at_a_random_moment_and_resumed(place, left_alone, round_):
    """Killed with signal 9 twice, once before and once after some step; nothing that was half written is left."""
    rng = np.random.default_rng()  # another moment each time: whichever it is, it must not matter
    folder = place / f"killed{round_}"
    arguments = ["run.toml", "--out", folder.name]
    for _ in range(2):
        process = start(place, *arguments)
        wanted = step_of(folder) + 1
        while step_of(folder) < wanted and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert folder.joinpath(CHECKPOINT).exists()
        checkpoint.load(folder / CHECKPOINT)  # whole
        arguments = ["--resume", folder.name]
    process = start(place, *arguments)
    assert process.communicate()[1].count("Traceback") == 0
    assert process.returncode == 0
    assert_same_end(left_alone, folder)


@pytest.mark.oracle
def test_killed_before_the_first_checkpoint(place, left_alone):
    folder = place / "early"
    folder.mkdir()
    (folder / "config.toml").write_bytes((left_alone / "config.toml").read_bytes())
    process = start(place, "--resume", "early")
    process.communicate()
    assert process.returncode == 0
    assert_same_end(left_alone, folder)


def test_a_disk_that_is_full(place, left_alone):
    """Files may grow to half of a checkpoint: one line, and the checkpoint that was there is whole."""
    folder = place / "full"
    folder.mkdir()
    (folder / "config.toml").write_bytes((left_alone / "config.toml").read_bytes())
    process = start(place, "--resume", "full", "--set", "keep.checkpoint=0.0")
    while not (folder / CHECKPOINT).exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = (folder / CHECKPOINT).read_bytes()
    most = len(before) // 2

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    process = start(place, "--resume", "full", preexec_fn=limit)
    lines = process.communicate()[1].splitlines()
    assert process.returncode == 2
    assert [line for line in lines if "cannot be written: File too large; the one before is still there" in line]
    assert not [line for line in lines if "Traceback" in line]
    assert (folder / CHECKPOINT).read_bytes() == before
    assert sorted(p.name for p in folder.iterdir() if p.name.startswith(".")) == []
