"""PyTorch's files are read as PyTorch reads them, and nothing of them is run."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.realdata import data

from minidet.errors import InputError
from minidet.weights import pth


class Evil:
    """What pickles itself as a call."""

    def __init__(self, what, *arguments):
        self.what, self.arguments = what, arguments

    def __reduce__(self):
        return self.what, self.arguments


def zipped(program: bytes, **more: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("net/data.pkl", program)
        for name, content in more.items():
            archive.writestr(f"net/{name}", content)
    return file.getvalue()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_program_that_wants_to_call_is_refused_by_name_and_not_run(tmp_path, protocol):
    trap = tmp_path / "trap"
    for what, arguments, name in (
        (os.system, (f"touch {trap}",), f"{os.system.__module__}.system"),
        (eval, (f"open({str(trap)!r}, 'w')",), "builtins.eval"),
        (OrderedDict.fromkeys, (str(trap),), "builtins.getattr"),
    ):
        program = pickle.dumps({"weight": Evil(what, *arguments)}, protocol=protocol)
        for raw in (zipped(program), words(program)):
            (tmp_path / "evil.pth").write_bytes(raw)
            with pytest.raises(InputError) as error:
                pth.load(tmp_path / "evil.pth")
            said = str(error.value)
            assert said.startswith(f"{tmp_path / 'evil.pth'}: it ")
            assert said.endswith("; nothing of the file was run")
            assert "\n" not in said
            if protocol > 2:  # protocol 2 calls modules by older names
                assert name.split(".")[-1] in said or "instruction" in said
            assert not trap.exists()


def words(program: bytes, keys: tuple = (), storages: bytes = b"") -> bytes:
    """The form before zip archives."""
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}]
    parts = [pickle.dumps(x, protocol=2) for x in head]
    return b"".join([*parts, program, pickle.dumps(list(keys), protocol=2), storages])


@pytest.mark.parametrize("cut", [0, 1, 5, 40, 300, 2000, -3])
@pytest.mark.parametrize("name", ["RFB-320", "slim-320"])
def test_a_file_cut_short_is_one_line(name, cut, tmp_path):
    (tmp_path / "cut.pth").write_bytes(data(f"ssd/ultraface/version-{name}.pth").read_bytes()[:cut])
    with pytest.raises(InputError) as error:
        pth.load(tmp_path / "cut.pth")
    assert str(error.value).startswith(f"{tmp_path / 'cut.pth'}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["RFB-320", "slim-320"])
def test_real_files(name):
    found = pth.load(data(f"ssd/ultraface/version-{name}.pth"))
    wanted = np.load(data(f"ssd/ultraface/version-{name}.npz"))
    assert set(found) == set(wanted.files)
    for key, array in found.items():
        np.testing.assert_array_equal(array, wanted[key], strict=True)


def test_a_checkpoint_gives_its_state():
    found = pth.load(data("resnet_cifar/resnet20-12fca82f.th"))
    assert found["module.conv1.weight"].shape == (16, 3, 3, 3)
    assert sum(a.size for name, a in found.items() if name.endswith(("weight", "bias"))) == 269722


@given(
    raw=st.binary(max_size=60),
    head=st.sampled_from([b"", b"PK", b"\x80\x02", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."]),
)
def test_noise_is_one_line(raw, head, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "noise.pth"
    path.write_bytes(head + raw)
    with pytest.raises(InputError) as error:
        pth.load(path)
    assert "\n" not in str(error.value)


def test_other_files_are_named_for_what_they_are(tmp_path):
    for content, says in ((b"<!DOCTYPE html>", "a page of a web site"), (b"version https://git", "begins with")):
        (tmp_path / "x.pth").write_bytes(content)
        with pytest.raises(InputError, match=says):
            pth.load(tmp_path / "x.pth")
    with pytest.raises(InputError, match="No such file"):
        pth.load(tmp_path / "none.pth")


@pytest.mark.oracle
@pytest.mark.parametrize("old", [False, True])
def test_what_torch_writes(old, tmp_path):
    torch = pytest.importorskip("torch")
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    state = OrderedDict(
        plain=base, turned=base.T, part=base[1:3, 2:4], empty=torch.zeros(0, 3), one=torch.tensor(7),
        parameter=torch.nn.Parameter(base.clone()), half=base.half(), brain=base.bfloat16(), whole=base.int(),
        yes=base > 3, double=base.double(), words="not a tensor",
    )  # fmt: skip
    torch.save(state, tmp_path / "x.pth", _use_new_zipfile_serialization=not old)
    found = pth.load(tmp_path / "x.pth")
    assert set(found) == set(state) - {"words"}
    for name, array in found.items():
        wanted = state[name].detach()
        wanted = (wanted.float() if name == "brain" else wanted).numpy()
        np.testing.assert_array_equal(array, wanted, strict=True)
        assert array.flags.c_contiguous
        assert array.flags.writeable
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "x.pth", _use_new_zipfile_serialization=not old)
    assert set(pth.load(tmp_path / "x.pth")) == set(found)


@pytest.mark.oracle
def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.arange(4.0)}, tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "x.pth") as archive:
        program = archive.read("x/data.pkl")
        content = archive.read("x/data/0")
    changed = program.replace(b"K\x04\x85", b"K\x05\x85")  # a size of 5 for 4
    assert changed != program
    (tmp_path / "y.pth").write_bytes(zipped(changed, **{"data/0": content}))
    with pytest.raises(InputError, match=r"a has shape \(5,\), and its storage only 4 numbers"):
        pth.load(tmp_path / "y.pth")
    (tmp_path / "y.pth").write_bytes(zipped(program, **{"data/0": content[:-1]}))
    with pytest.raises(InputError, match="has 15 bytes of 16"):
        pth.load(tmp_path / "y.pth")
