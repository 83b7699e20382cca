"""State goes to a safetensors file and back; what does not fit is refused in one line."""

import os

import numpy as np
import pytest

from minidet import nn
from minidet.errors import InputError
from minidet.weights import safetensors


def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3, rng=0), nn.BatchNorm2d(4))


def one_line(caught):
    assert "\n" not in str(caught.value)
    return True


def test_round_trip_of_a_module(tmp_path):
    a, b = net(), net()
    a[1].running_var.data[:] = [1, 2, 3, 6e-45]
    path = tmp_path / "net.safetensors"
    safetensors.save(path, a, metadata={"classes": "shapes", "names": "ellipse\nbox"})
    state = safetensors.load(path, b)
    assert state.keys() == a.state_dict().keys()
    for name, array in a.state_dict().items():
        np.testing.assert_array_equal(b.state_dict()[name], array)
        assert state[name].dtype == array.dtype
    assert safetensors.metadata(path) == {"classes": "shapes", "names": "ellipse\nbox"}
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]


def test_arrays_of_any_layout_and_type(tmp_path):
    arrays = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "strided": np.arange(10, dtype=np.int64)[::3],
        "bool": np.array([True, False]),
        "empty": np.zeros((0, 3), np.float32),
        "scalar": np.array(2.5, np.float16),
        "big": np.array([1.0, 2.0], ">f4"),
    }
    safetensors.save(tmp_path / "a", arrays)
    loaded = safetensors.load(tmp_path / "a")
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].shape == array.shape
    assert safetensors.metadata(tmp_path / "a") == {}


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html>\n<html></html>", b"\0" * 100, (2**60).to_bytes(8, "little") + b"{}"]
)
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "page.safetensors"
    path.write_bytes(content)
    for read in (safetensors.load, safetensors.metadata):
        with pytest.raises(InputError, match=r"page\.safetensors: not a readable safetensors file") as caught:
            read(path)
        assert one_line(caught)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "short"
    safetensors.save(path, net())
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match="short: not a readable"):
        safetensors.load(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        safetensors.load(tmp_path / "none")
    with pytest.raises(InputError, match="there is no such file"):
        safetensors.metadata(tmp_path / "none")


def test_names_and_shapes_that_do_not_fit_leave_the_module_alone(tmp_path):
    path, module = tmp_path / "f", net()
    before = {name: a.copy() for name, a in module.state_dict().items()}
    state = {name: a + 1 for name, a in before.items()}

    safetensors.save(path, {**state, "extra": np.zeros(1)})
    with pytest.raises(InputError, match="does not fit Sequential: has unknown extra") as caught:
        safetensors.load(path, module)
    assert one_line(caught)

    safetensors.save(path, {k: v for k, v in state.items() if k != "0.bias"})
    with pytest.raises(InputError, match=r"misses 0\.bias"):
        safetensors.load(path, module)

    safetensors.save(path, {**state, "0.bias": np.zeros(5, np.float32)})
    with pytest.raises(InputError, match=r"0\.bias has shape \(5,\); Sequential expects \(4,\)"):
        safetensors.load(path, module)
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[name])

    safetensors.save(path, {k: v for k, v in state.items() if k != "0.bias"})
    safetensors.load(path, module, strict=False)
    np.testing.assert_array_equal(module[0].weight.data, state["0.weight"])
    np.testing.assert_array_equal(module[0].bias.data, before["0.bias"])


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "f"
    safetensors.save(path, {"a": np.ones(3)})
    old = path.read_bytes()
    with pytest.raises(TypeError, match="b is of complex128"):
        safetensors.save(path, {"b": np.ones(3, complex)})
    with pytest.raises(TypeError, match="metadata are strings by name"):
        safetensors.save(path, {"a": np.ones(3)}, metadata={"epoch": 3})
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_save_that_fails_midway_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="the disk is full"):
        safetensors.save(tmp_path / "f", {"a": np.ones(3)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_the_file_is_as_readable_as_any_other(tmp_path):
    safetensors.save(tmp_path / "a", {"a": np.ones(1)})
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.oracle
def test_torch_reads_the_file(tmp_path):
    pytest.importorskip("torch")
    from safetensors.torch import load_file

    module = net()
    safetensors.save(tmp_path / "f", module)
    for name, tensor in load_file(tmp_path / "f").items():
        np.testing.assert_array_equal(tensor.numpy(), module.state_dict()[name])
