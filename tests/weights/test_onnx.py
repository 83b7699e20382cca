"""The initializers of ONNX files: written byte by byte here, and real ones beside the same weights from PyTorch."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.realdata import data
from support.wire import each, packed, some, whole

from minidet.errors import InputError
from minidet.weights import npz, onnx, pth

pytest.importorskip("google.protobuf")

#: TensorProto.DataType's number of each type, and the field that may hold its numbers instead of raw_data (9).
TYPES = {
    "f4": (1, 4, "f"), "u1": (2, 5, "v"), "i1": (3, 5, "v"), "u2": (4, 5, "v"), "i2": (5, 5, "v"), "i4": (6, 5, "v"),
    "i8": (7, 7, "v"), "?": (9, 5, "v"), "f8": (11, 10, "d"), "u4": (12, 11, "v"), "u8": (13, 11, "v"),
}  # fmt: skip


def tensor(name, kind, shape, more) -> bytes:
    """TensorProto: dims 1, data_type 2, name 8."""
    return packed(1, "v", list(shape)) + whole(2, kind) + some(8, name) + more


def model(*tensors, more=b"") -> bytes:
    """ModelProto with ir_version 1 and graph 7, whose initializers are its field 5."""
    return whole(1, 8) + some(7, b"".join(some(5, t) for t in tensors) + more)


def load(folder, raw):
    (folder / "x.onnx").write_bytes(raw)
    return onnx.load(folder / "x.onnx")


@given(st.data(), st.sampled_from(sorted(TYPES)), st.sampled_from(["raw", "packed", "each"]))
@settings(max_examples=80)
def test_numbers_of_every_type_come_back(tmp_path_factory, draw, word, form):
    kind, field, wire = TYPES[word]
    shape = tuple(draw.draw(st.lists(st.integers(0, 3), max_size=3)))
    dtype = np.dtype(word)
    if dtype.kind == "f":
        numbers = st.floats(width=8 * dtype.itemsize)
    elif dtype.kind == "b":
        numbers = st.booleans()
    else:
        numbers = st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    size = int(np.prod(shape))
    array = np.array(draw.draw(st.lists(numbers, min_size=size, max_size=size)), dtype).reshape(shape)
    values = array.ravel().tolist()
    written = {"packed": packed, "each": each}.get(form)
    held = some(9, array.astype(dtype.newbyteorder("<")).tobytes()) if form == "raw" else written(field, wire, values)
    found = load(tmp_path_factory.mktemp("x"), model(tensor("a.b", kind, shape, held)))
    assert list(found) == ["a.b"]
    assert found["a.b"].dtype == dtype
    assert found["a.b"].shape == shape
    np.testing.assert_array_equal(found["a.b"], array)
    assert found["a.b"].flags.writeable


@given(st.lists(st.floats(width=16), min_size=1, max_size=5), st.booleans())
def test_half_floats_are_raw_or_their_bits_as_integers(tmp_path_factory, values, raw):
    array = np.array(values, "f2")
    held = some(9, array.tobytes()) if raw else packed(5, "v", array.view("u2").tolist())
    found = load(tmp_path_factory.mktemp("x"), model(tensor("a", 10, array.shape, held)))["a"]
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("raw", [True, False])
def test_bfloat16_becomes_float32(tmp_path, raw):
    bits = np.array([0x3F80, 0xC040, 0x7F80, 0x0001], "u2")  # 1, -3, infinity, the smallest
    held = some(9, bits.tobytes()) if raw else packed(5, "v", bits.tolist())
    found = load(tmp_path, model(tensor("a", 16, (2, 2), held)))["a"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.ravel(), np.float32([1, -3, np.inf, 2.0**-133]))


ONE = tensor("w", 1, (2,), packed(4, "f", [1, 2]))
ELSEWHERE = some(13, some(1, "location") + some(2, "x.bin")) + whole(14, 1)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "there is no graph in it"),
        (b"<html>", "cut short, or not an .onnx file"),
        (b"\x80\x02}q\x00.", "cut short, or not an .onnx file|no graph"),
        (model(more=some(1, some(4, "Constant"))), "no initializers; weights that are constants"),
        (
            model(tensor("w", 1, (2,), ELSEWHERE)),
            "initializer 'w' lies in 'x.bin': save the model with its weights inside",
        ),
        (model(tensor("w", 1, (2,), whole(14, 1))), "initializer 'w' lies in 'another file'"),
        (model(ONE, ONE), "two initializers are named 'w'"),
        (model(tensor("w", 8, (1,), b"")), "initializer 'w' has the type 8 of TensorProto.DataType"),
        (model(tensor("w", 1, (3,), packed(4, "f", [1, 2]))), r"'w' has 2 numbers for the shape \(3,\)"),
        (model(tensor("w", 1, (-1, -2), packed(4, "f", [1, 2]))), r"'w' has 2 numbers for the shape \(-1, -2\)"),
        (model(tensor("w", 1, (2,), some(9, b"12345"))), "'w' has 5 bytes, which are no whole numbers of float32"),
        (model(ONE, more=some(15, some(1, some(8, "s")))), "initializer 's' is sparse"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, raw, says):
    with pytest.raises(InputError, match=says) as error:
        load(tmp_path, raw)
    assert str(error.value).startswith(f"{tmp_path / 'x.onnx'}: ")
    assert "\n" not in str(error.value)


def test_a_missing_file_and_one_that_is_cut_short(tmp_path):
    with pytest.raises(InputError, match=r"none: No such file"):
        onnx.load(tmp_path / "none")
    raw = model(ONE, tensor("v", 1, (3,), packed(4, "f", [1, 2, 3])))
    for end in range(len(raw)):
        with pytest.raises(InputError):
            load(tmp_path, raw[:end])


@given(st.data())
@settings(max_examples=100)
def test_damaged_files_are_read_or_refused(tmp_path_factory, draw):
    raw = bytearray(model(ONE, tensor("v", 10, (2,), some(9, bytes(4)))))
    for _ in range(draw.draw(st.integers(1, 3))):
        raw[draw.draw(st.integers(0, len(raw) - 1))] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        load(tmp_path_factory.mktemp("x"), bytes(raw))


@pytest.mark.parametrize(
    ("name", "count"), [("RFB-320", 244), ("slim-320", 184)]
)  # fmt: skip
def test_ultraface_is_the_same_in_three_forms(name, count):
    folder = data("ssd/ultraface")
    end = "" if name == "RFB-320" else "_without_postprocessing"
    found = onnx.load(folder / f"version-{name}{end}.onnx")
    assert len(found) == count
    for other in (pth.load(folder / f"version-{name}.pth"), npz.load(folder / f"version-{name}.npz")):
        assert found.keys() == other.keys()
        for key, array in found.items():
            assert array.dtype == other[key].dtype
            np.testing.assert_array_equal(array, other[key])


def test_npz_files_hold_arrays_by_name_and_no_pickles(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, **{"a.b": np.arange(6, dtype="f4").reshape(2, 3), "c": np.int64(3)})
    found = npz.load(path)
    assert list(found) == ["a.b", "c"]
    np.testing.assert_array_equal(found["a.b"], np.arange(6).reshape(2, 3))
    whole_file = path.read_bytes()
    path.write_bytes(whole_file[: len(whole_file) // 2])
    with pytest.raises(InputError, match=r"x.npz: not a readable .npz file"):
        npz.load(path)
    np.savez(path, a=np.array([{}], object))
    with pytest.raises(InputError, match=r"x.npz: not a readable .npz file: Object arrays"):
        npz.load(path)
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(InputError, match="one array without a name"):
        npz.load(tmp_path / "x.npy")
    with pytest.raises(InputError, match="there is no such file"):
        npz.load(tmp_path / "none.npz")
