"""`minidet cuda`: the list of kernels, and a compiler's word on a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from minidet_kernels import OPS
from minidet_kernels.cuda import compilers
from support.fake_gpu import Compiler, fake_gpu

from minidet.cli import main

TEXT = """
extern "C" __global__ void scale(float* x) { x[threadIdx.x] *= FACTOR; }
template <int N> __global__ void put(int* x) { *x = N; }
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "k.cu").write_text(TEXT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "k.cu"


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    made = Compiler()
    monkeypatch.setattr(compilers, "compiler", lambda by=None: made)
    return made


# -- list


def test_every_implementation_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cuda", "list"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    rows = [tuple(line.split()[:2]) for line in out.splitlines()]
    for op in OPS.values():
        for impl in op.impls.values():
            if impl.needs == ("cupy",):
                assert (op.name, impl.name) in rows


def test_one_operator_and_its_kernels(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cuda", "list", "iou_matrix", "--kernels", "--arch", "sm_80"]) == 0
    out = capsys.readouterr().out
    assert "overlap/iou_matrix.cu" in out
    assert "nms" not in out
    assert "(sm_80)" in out


def test_the_list_as_json_says_why(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with fake_gpu(tmp_path, driver=0):
        assert main(["cuda", "list", "iou_matrix", "--json", "--kernels"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "driver" in found["GPU"]
    assert {row["operator"] for row in found["implementations"]} == {"iou_matrix"}
    assert all(row["refused"] for row in found["implementations"])
    assert all(row["registers"] > 0 for row in found["kernels"])
    assert found["kernels"]


def test_the_list_where_there_is_a_gpu(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with fake_gpu(tmp_path, name="Some GPU", capability="80"):
        assert main(["cuda", "list"]) == 0
    out = capsys.readouterr().out
    assert "Some GPU, compiled for sm_80" in out
    assert "a compiler 1.0" in out
    assert str(tmp_path) in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nmss"], "no operator is named 'nmss'; there are "),
        (["--kernels", "--arch", "70"], "--arch 70: the table of kernels is for sm_100a"),
    ],
)
def test_lists_that_there_are_not(refused: Callable[..., str], arguments: list[str], words: str) -> None:
    assert words in refused("cuda", "list", *arguments)


# -- check


def test_what_a_file_takes(file: Path, compiler: Compiler, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cuda", "check", str(file), "--arch", "sm_80,90a", "--instance", "put<3>", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["compiler"] == compiler.name
    rows: list[dict[str, Any]] = found["kernels"]
    assert [(row["kernel"], row["architecture"]) for row in rows] == [
        ("put<3>", "sm_80"), ("put<3>", "sm_90a"), ("scale", "sm_80"), ("scale", "sm_90a"),
    ]  # fmt: skip
    assert rows[0]["registers"] == 32
    assert compiler.made == [("k.cu", "80"), ("k.cu", "90a")]
    assert main(["cuda", "check", str(file), "--arch", "80"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["kernel", "architecture", "registers", "shared", "stack", "spilled"]
    assert lines[1].split() == ["scale", "sm_80", "32", "320", "0", "0"]
    assert lines[2] == "compiled by a compiler 1.0"


def test_macros_and_fused_products_reach_the_compiler(file: Path, compiler: Compiler) -> None:
    given: list[Any] = []
    plain = compiler.compile
    compiler.compile = lambda path, arch, flags, inst: given.append(flags) or plain(path, arch, flags, inst)  # type: ignore
    assert main(["cuda", "check", str(file), "--arch", "75", "-D", "FACTOR=2", "-DFAST", "--fused"]) == 0
    assert {"-DFACTOR=2", "-DFAST=1", "-fmad=true"} <= set(given[0])


def test_spills_are_the_status(file: Path, compiler: Compiler, capsys: pytest.CaptureFixture[str]) -> None:
    plain = compiler.compile

    def spilling(*given: Any) -> Any:
        made = plain(*given)
        return made._replace(log=made.log.replace("0 bytes spill loads", "8 bytes spill loads"))

    compiler.compile = spilling  # type: ignore[method-assign]
    assert main(["cuda", "check", str(file), "--arch", "90a"]) == 1
    assert capsys.readouterr().out.splitlines()[1].split()[-1] == "8"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.cu"], "absent.cu: no such file"),
        (["k.cu", "--arch", "hopper"], "expected architectures such as 80 or 90a, found 'hopper'"),
        (["k.cu", "--arch", ""], "expected architectures"),
        (["k.cu", "-D", "2=3"], "-D 2=3: expected NAME or NAME=VALUE"),
        (["k.cu", "-D", "fused=3"], "-D fused=3"),
        ([], "required: FILE"),
    ],
)
def test_what_is_wrong_is_one_line(
    refused: Callable[..., str],
    file: Path,
    compiler: Compiler,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(file.parent)
    assert words in refused("cuda", "check", *arguments)


def test_without_a_compiler(refused: Callable[..., str], file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilers, "_made", lambda kind: "not here")
    assert "there is neither NVRTC nor nvcc" in refused("cuda", "check", file)


@pytest.mark.skipif(compilers.missing() is not None, reason="there is neither NVRTC nor nvcc")
def test_by_a_compiler(refused: Callable[..., str], file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cuda", "check", str(file), "--arch", "90a", "-D", "FACTOR=2", "--instance", "put<3>"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:3]] == ["put<3>", "scale"]
    assert main(["cuda", "check", str(file), "--arch", "90a"]) == 2
    assert capsys.readouterr().err == f'minidet: {file}:2: identifier "FACTOR" is undefined (sm_90a)\n'
    assert main(["cuda", "check", str(file), "--arch", "30", "-DFACTOR=2"]) == 2
    assert "does not compile for sm_30, only for" in capsys.readouterr().err
