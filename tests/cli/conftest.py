"""A network and pictures for the command line to work on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from minidet_kernels import compiling
from PIL import Image
from support.tiny_darknet import tiny

from minidet.cli import main


@dataclass
class Place:
    """A folder with `tiny.cfg`, `tiny.weights`, two pictures `photos/a.png` and `photos/b.jpg`, and nothing else."""

    folder: Path
    network: list[str]
    out: Path

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def photo(self, name: str, seed: int = 0, size: tuple[int, int] = (40, 60)) -> str:
        """A noisy picture `name` of (H, W); its path as text."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return str(path)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The folder, made anew."""
    cfg, weights = tiny(tmp_path)
    made = Place(tmp_path, ["--cfg", str(cfg), "--weights", str(weights), "--score", "0.2"], tmp_path / "found")
    made.photo("photos/a.png")
    made.photo("photos/b.jpg", 1, (30, 20))
    return made


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Run `minidet` with arguments that are wrong: status 2, one line on standard error, nothing written; the line."""

    def run(*arguments: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert status == 2, err
        assert out == ""
        assert err.startswith("minidet: ")
        assert err.count("\n") == 1
        assert err.endswith("\n")
        assert "Traceback" not in err
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return run


@pytest.fixture(autouse=True)
def nothing_said_of_compilations() -> Iterator[None]:
    """Whether a kernel has been compiled before is not what the commands' standard error is tested for."""
    logger = logging.getLogger(compiling.LOGGER)
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)
