"""Checkpoints: whole or not there, and nothing else is taken for one."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.errors import InputError
from minidet.train import checkpoint
from minidet.train.checkpoint import Checkpoint, load, save
from minidet.weights import safetensors

DTYPES = [np.float32, np.float64, np.float16, np.int64, np.uint8, np.bool_]


def example(value=1.0):
    return Checkpoint({"model/a.b": np.full((2, 3), value, np.float32), "ema/a": np.zeros((0, 2))}, {"step": 3})


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 3), max_size=3), st.integers(0, 2**32 - 1)),
        max_size=4,
    ),
    st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))),
)
def test_what_was_saved_is_what_is_loaded(tmp_path_factory, drawn, document):
    path = tmp_path_factory.mktemp("c") / "c.safetensors"
    arrays = {
        name: np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
        for name, (dtype, shape, seed) in drawn.items()
    }
    document.pop("form", None)
    save(path, Checkpoint(arrays, document))
    found = load(path)
    assert found.arrays.keys() == arrays.keys()
    for name, a in arrays.items():
        assert found.arrays[name].dtype == a.dtype
        assert np.array_equal(found.arrays[name], a)
        assert found.arrays[name].shape == a.shape
    assert {key: value for key, value in found.document.items() if key != "form"} == document


def test_parts_by_their_prefix():
    assert list(example().part("model")) == ["a.b"]
    assert list(example().part("mod")) == []


def test_a_checkpoint_is_not_taken_by_its_name_alone(tmp_path):
    path = tmp_path / "x.safetensors"
    for content in (b"", b"not safetensors", b"\x08\0\0\0\0\0\0\0{}      "):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"x\.safetensors: ") as caught:
            load(path)
        assert "\n" not in str(caught.value)
    safetensors.save(path, {"a": np.zeros(3)})
    with pytest.raises(InputError, match="no checkpoint of minidet's"):
        load(path)
    with pytest.raises(InputError, match="there is no checkpoint"):
        load(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="there is no checkpoint"):
        load(tmp_path)


@given(st.data())
def test_one_that_is_cut_short_or_changed_anywhere_is_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("c") / "c.safetensors"
    save(path, example())
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
    try:
        found = load(path)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    # a bit of the white space that pads the header may change without harm
    assert np.array_equal(found.arrays["model/a.b"], example().arrays["model/a.b"])
    assert found.document["step"] == 3


def test_one_of_another_form(tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    monkeypatch.setattr(checkpoint, "FORM", 99)
    save(path, example())
    monkeypatch.undo()
    with pytest.raises(InputError, match="of form 99; this version reads form 1"):
        load(path)


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_full_disk_leaves_the_one_before(tmp_path, monkeypatch, where):
    path = tmp_path / "c.safetensors"
    save(path, example(1))
    before = path.read_bytes()

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, where, fail)
    with pytest.raises(InputError, match=r"c\.safetensors: cannot be written: No space left on device; the one before"):
        save(path, example(2))
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"], "nothing is left beside it"
    assert load(path).arrays["model/a.b"][0, 0] == 1


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    happened = []
    replace, fsync = os.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (happened.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (happened.append("replace"), replace(a, b)))
    save(tmp_path / "c.safetensors", example())
    assert happened[:2] == ["fsync", "replace"]


@given(st.integers(0, 2**32 - 1), st.sampled_from(["PCG64", "MT19937", "Philox", "SFC64"]))
def test_random_states_through_json(seed, kind):
    g = np.random.Generator(getattr(np.random, kind)(seed))
    g.random(3)
    g.integers(0, 5, dtype=np.int32)  # half of a 64-bit number is kept for the next one
    kept = json.loads(json.dumps(checkpoint.random_states({"g": g})))
    expected = [g.integers(0, 2**31, dtype=np.int32) for _ in range(3)]
    checkpoint.restore_random({"g": g}, kept)
    assert [g.integers(0, 2**31, dtype=np.int32) for _ in range(3)] == expected


def test_the_same_content_is_the_same_file_and_readable_to_the_library(tmp_path):
    arrays = {"b": np.arange(3, dtype=np.uint8), "a": np.ones((2, 2), np.float64), "c": np.float32(3).reshape(())}
    words = {"z": "1", "a": 'ß "quoted"'}
    content = checkpoint.encode(arrays, words)
    assert content == checkpoint.encode(dict(reversed(arrays.items())), dict(reversed(words.items())))
    (tmp_path / "x.safetensors").write_bytes(content)
    found = safetensors.load(tmp_path / "x.safetensors")
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], a) and found[name].dtype == a.dtype for name, a in arrays.items())
    assert safetensors.metadata(tmp_path / "x.safetensors") == words


def test_every_byte_of_the_arrays_counts(tmp_path):
    path = tmp_path / "c.safetensors"
    save(path, example())
    whole = path.read_bytes()
    for at in range(1, 1 + example().arrays["model/a.b"].nbytes):
        path.write_bytes(whole[:-at] + bytes([whole[-at] ^ 1]) + whole[len(whole) - at + 1 :])
        with pytest.raises(InputError, match="damaged"):
            load(path)
