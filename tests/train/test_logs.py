"""What a run writes down: lines, events, pictures."""

from __future__ import annotations

import builtins
import errno

import numpy as np
import pytest

from minidet.data.image import load_image
from minidet.errors import InputError
from minidet.train import logs, plots


def rows():
    for step in range(1, 40):
        yield {"kind": "step", "step": step, "loss": 50 / step if step != 7 else None, "lr": 0.1, "gradient": 1.0}
        if step % 10 == 0:
            yield {
                "kind": "evaluation",
                "step": step,
                "ap50": step / 50,
                "ap": None,
                "by_class": [0.5, None],
                "best": 0.1,
            }


def test_pictures_of_a_log(tmp_path):
    assert plots.draw(tmp_path, list(rows()), ["cell", "other"]) == ["loss.png", "ap.png"]
    for name in plots.FILES:
        image = load_image(tmp_path / name)
        assert image.std() > 5, "something is drawn"
    assert plots.draw(tmp_path, [], ["cell"]) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ap.png", "loss.png"]


def test_the_pictures_of_a_full_disk(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(InputError, match=r"loss.png: cannot be written: No space left"):
        plots.draw(tmp_path, list(rows()), ["cell"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("library", ["matplotlib", "tensorboardX"])
def test_without_a_library(tmp_path, monkeypatch, library):
    real = builtins.__import__

    def refuse(name, *rest, **more):
        if name.split(".")[0] == library:
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    if library == "matplotlib":
        assert plots.draw(tmp_path, list(rows()), ["cell"]) == []
    else:
        with pytest.raises(InputError, match=r"needs tensorboardX: pip install 'minidet\[tensorboard\]'"):
            logs.TensorBoard(tmp_path)


def test_events_for_tensorboard(tmp_path):
    pytest.importorskip("tensorboardX")
    log = logs.TensorBoard(tmp_path / "events")
    log.row("step", 3, loss=1.5, name="no number", flag=True)
    log.row("evaluation", 3, ap50=0.25)
    log.close()
    (file,) = (tmp_path / "events").iterdir()
    content = file.read_bytes()
    for tag in (b"step/loss", b"evaluation/ap50", np.float32(1.5).tobytes(), np.float32(0.25).tobytes()):
        assert tag in content
    for tag in (b"step/name", b"step/flag"):
        assert tag not in content


def test_a_smoothed_curve():
    assert plots.smooth([4.0, 2.0, None, 2.0], 0.5) == [4.0, 3.0, 3.0, 2.5]
    assert plots.smooth([None, 2.0]) == [None, 2.0]
    assert plots.smooth([]) == []
