"""Weights in float16 for shipping."""

from __future__ import annotations

import numpy as np
import pytest

from minidet.errors import InputError
from minidet.models import build
from minidet.weights import pack, safetensors


def test_filters_are_rounded_and_vectors_kept():
    rng = np.random.default_rng(0)
    state = {"w": rng.normal(size=(3, 4)).astype(np.float32), "b": rng.normal(size=5).astype(np.float32) * 1e-7}
    state["steps"] = np.array([[3, 4]], np.int64)
    packed = pack.packed(state)
    assert {name: a.dtype.name for name, a in packed.items()} == {"w": "float16", "b": "float32", "steps": "int64"}
    assert np.array_equal(packed["w"], state["w"].astype(np.float16)), "to nearest"
    assert np.array_equal(packed["b"], state["b"])


@pytest.mark.parametrize(("value", "says"), [(np.nan, "not finite"), (np.inf, "not finite"), (7e4, "reaches 7e.04")])
def test_what_float16_cannot_hold_is_refused(value, says):
    with pytest.raises(InputError, match=f"layer.weight {says}" if value == 7e4 else says):
        pack.packed({"layer.weight": np.array([[1, value]], np.float32)})


def test_a_network_through_a_packed_file(tmp_path):
    first, second = (build("yolov3-shapes", classes=2, width=4, rng=n) for n in (0, 1))
    safetensors.save(tmp_path / "a.safetensors", first, metadata={"model": "yolov3-shapes", "names": "old"})
    assert pack.main([str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors"), 'names=["a=b", "c"]']) == 0
    assert safetensors.metadata(tmp_path / "b.safetensors") == {
        "model": "yolov3-shapes", "names": '["a=b", "c"]', "storage": "filters float16"
    }  # fmt: skip
    assert (tmp_path / "b.safetensors").stat().st_size < 0.65 * (tmp_path / "a.safetensors").stat().st_size
    safetensors.load(tmp_path / "b.safetensors", second)
    for name, a in first.state_dict().items():
        b = second.state_dict()[name]
        assert b.dtype == np.float32
        assert np.abs(a - b).max() <= (2.0**-11 * np.abs(a).max() if a.ndim > 1 else 0)


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    assert pack.main(["one"]) == 2
    assert "usage: python -m minidet.weights.pack SOURCE TARGET" in capsys.readouterr().err
    assert pack.main([str(tmp_path / "none.safetensors"), "b"]) == 2
    assert "there is no such file" in capsys.readouterr().err
