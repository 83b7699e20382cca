"""From a source to a cubin: what is kept and when it is made again, what is said when it fails."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from minidet_kernels.cuda import SOURCES, CompileError, NoCompilerError, Source, compilers, compiling
from minidet_kernels.cuda.compilers import complaint
from minidet_kernels.cuda.compiling import ARCHITECTURES, Compiled, digest, flags, gathered, readable, to_cubin
from minidet_kernels.cuda.resources import Resources, of_log
from support.fake_gpu import Compiler

TEXT = """
#include "scale.cuh"
extern "C" __global__ void scale(float* x, int n) { if (threadIdx.x < n) x[threadIdx.x] = twice(x[threadIdx.x]); }
__global__ void plain(int* x) { *x = LEVEL; }
namespace apart { __global__ void hidden(int* x) { *x = 1; } }
template <typename T, int K> __global__ void tile(T* x) {
  __shared__ T rows[K];
  rows[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = rows[K - 1 - threadIdx.x];
}
"""
HEADER = "__device__ float twice(float x) { return 2 * x; }\n"
INSTANCES = ("tile<float, 16>", "tile<double, 32>", "apart::hidden")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    before = len(SOURCES)
    (tmp_path / "k.cu").write_text(TEXT)
    (tmp_path / "scale.cuh").write_text(HEADER)
    yield tmp_path
    del SOURCES[before:]


@pytest.fixture
def fake() -> Iterator[Compiler]:
    made = Compiler()
    with mock.patch.object(compilers, "compiler", return_value=made):
        yield made


def source(folder: Path, name: str = "k.cu", **options: Any) -> Source:
    return Source(str(folder / "cuda.py"), name, **({"instances": INSTANCES, "LEVEL": 3} | options))


# -- what is kept


def test_it_is_compiled_once(folder: Path, fake: Compiler) -> None:
    first = to_cubin(source(folder), "90a", cache=folder / "cache")
    again = to_cubin(source(folder), "90a", cache=folder / "cache")
    assert first == again
    assert fake.made == [("k.cu", "90a")]
    assert first.path.read_bytes().startswith(b"sm_90a scale")
    assert first.name("tile<float, 16>") == "_Ztile_float_16_"
    assert first.resources["scale"] == Resources(32, 320)


def test_what_it_depends_on(folder: Path, fake: Compiler) -> None:
    def key(architecture: str = "90a", **options: Any) -> str:
        return digest(source(folder, **options), architecture, options.get("instances", INSTANCES), fake)

    keys = [key(), key("80"), key(LEVEL=4), key(M=1), key(fused=True), key(instances=("tile<int, 8>",))]
    (folder / "scale.cuh").write_text(HEADER + "\n")
    keys.append(key())
    (folder / "k.cu").write_text(TEXT + "\n")
    keys.append(key())
    fake.name = "a compiler 1.1"
    keys.append(key())
    assert len(set(keys)) == len(keys)


def test_it_does_not_depend_on_where_the_files_lie(tmp_path: Path, fake: Compiler) -> None:
    keys = []
    for name in ("one", "two"):
        inner = tmp_path / name / "inner"
        inner.mkdir(parents=True)
        (inner / "k.cu").write_text('#include "../h.cuh"\n#include "minidet_ptx.cuh"\n')
        (inner.parent / "h.cuh").write_text(HEADER)
        keys.append(digest(source(inner), "90a", (), fake))
    assert keys[0] == keys[1]


def test_headers_of_headers_are_gathered_once(folder: Path) -> None:
    deep = folder / "deep"
    deep.mkdir()
    (folder / "k.cu").write_text(
        '#include "deep/a.cuh"\n  #  include "scale.cuh"\n#include <cuda_fp16.h>\n#include "none.cuh"\n'
    )
    (deep / "a.cuh").write_text('#pragma once\n#include "b.cuh"\n#include "../scale.cuh"\n#include "minidet_ptx.cuh"\n')
    (deep / "b.cuh").write_text('#include "a.cuh"\n')
    names = [name for name, _ in gathered(folder / "k.cu")]
    assert names[:4] == ["k.cu", "deep/a.cuh", "deep/b.cuh", "scale.cuh"]
    assert [Path(name).name for name in names[4:]] == ["minidet_ptx.cuh"]


@pytest.mark.parametrize("ending", ["json", "cubin"])
@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "gone", "foreign"])
def test_a_damaged_file_is_made_again(folder: Path, fake: Compiler, ending: str, damage: str) -> None:
    made = to_cubin(source(folder), "90a", cache=folder / "cache")
    file = made.path.with_suffix(f".{ending}")
    data = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    else:
        file.write_bytes({"cut": data[:-1], "empty": b"", "foreign": b'{"seal": 3, "names": []}'}[damage])
    again = to_cubin(source(folder), "90a", cache=folder / "cache")
    assert again == made
    assert len(fake.made) == 2
    assert to_cubin(source(folder), "90a", cache=folder / "cache") == made
    assert len(fake.made) == 2


def test_every_byte_of_the_notes_counts(folder: Path, fake: Compiler) -> None:
    made = to_cubin(source(folder), "90a", cache=folder / "cache")
    file = made.path.with_suffix(".json")
    text = file.read_bytes()
    for at in range(0, len(text), 7):
        file.write_bytes(text[:at] + bytes([text[at] ^ 2]) + text[at + 1 :])
        read = compiling._read(made.path.parent, made.path.stem, made.source)
        assert read is None or read == made, at


def test_nothing_half_written_has_a_name(folder: Path, fake: Compiler) -> None:
    with mock.patch.object(os, "replace", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        to_cubin(source(folder), "90a", cache=folder / "cache")
    assert list((folder / "cache").iterdir()) == []


def test_two_at_once(folder: Path, fake: Compiler) -> None:
    made: list[Compiled] = []
    wanted = source(folder)
    work = [
        threading.Thread(target=lambda: made.append(to_cubin(wanted, "90a", cache=folder / "cache"))) for _ in range(8)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert len(made) == 8
    assert all(one == made[0] for one in made)
    assert sorted(path.suffix for path in (folder / "cache").iterdir()) == [".cubin", ".json"]


def test_the_folder_is_the_users(folder: Path, fake: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "mine"))
    assert to_cubin(source(folder), "75").path.parent == folder / "mine" / "minidet" / "cuda"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(folder / "home"))
    assert to_cubin(source(folder), "75").path.parent == folder / "home" / ".cache" / "minidet" / "cuda"


def test_a_folder_that_cannot_be_made_is_no_obstacle(folder: Path, fake: Compiler) -> None:
    (folder / "file").write_text("")
    made = to_cubin(source(folder), "75", cache=folder / "file" / "cache")
    assert made.path.exists()
    assert folder not in made.path.parents


def test_the_flags_leave_nothing_to_defaults(folder: Path) -> None:
    assert flags(source(folder)) == [
        *("-std=c++17", "-fmad=false", "-ftz=false", "-prec-div=true", "-prec-sqrt=true"),
        *("--ptxas-options=-v", "-DLEVEL=3"),
    ]
    assert "-fmad=true" in flags(source(folder, fused=True))


def test_a_source_that_is_not_there(folder: Path, fake: Compiler) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.cu"):
        to_cubin(source(folder, "absent.cu"), "90a", cache=folder / "cache")


def test_a_source_without_kernels(folder: Path, fake: Compiler) -> None:
    (folder / "k.cu").write_text("template <typename T> __global__ void tile(T* x) {}")
    with pytest.raises(CompileError, match=r"k\.cu: there is no kernel in it") as error:
        to_cubin(source(folder, instances=()), "90a", cache=folder / "cache")
    assert "\n" not in str(error.value)
    assert not list((folder / "cache").iterdir())


def test_names_that_are_not_there(folder: Path, fake: Compiler) -> None:
    made = to_cubin(source(folder), "90a", cache=folder / "cache")
    with pytest.raises(KeyError, match=r"no kernel tile in .*k\.cu; there is .*scale.*tile<float, 16>"):
        made.name("tile")


# -- what compilers say


def test_what_ptxas_says_is_read() -> None:
    log = """\
ptxas info    : 24 bytes gmem, 8 bytes cmem[4]
ptxas info    : Compiling entry function '_Z1fPf' for 'sm_90a'
ptxas info    : Function properties for _Z1fPf
    48 bytes stack frame, 16 bytes spill stores, 20 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 48 bytes cumulative stack size, 1024 bytes smem, 400 bytes cmem[0]
ptxas info    : Compile time = 11.925 ms
ptxas info    : Compiling entry function 'g' for 'sm_90a'
ptxas info    : Function properties for g
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers
ptxas info    : Compiling entry function 'h' for 'sm_75'
ptxas info    : Function properties for helper
    8 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads
ptxas info    : Function properties for h
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, 64 bytes smem, 368 bytes cmem[0]
"""
    assert of_log(log) == {
        "_Z1fPf": Resources(255, 1024, 48, 36),
        "g": Resources(8),
        "h": Resources(40, 64, 0, 8),
    }
    assert of_log("") == {}


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("scale", "scale"),
        ("_Z5plainPi", "plain"),
        ("_Z5plainv", "plain"),
        ("_Z4tileIfLi16EEvPT_", "_Z4tileIfLi16EEvPT_"),
        ("_ZN5apart6hiddenEPi", "_ZN5apart6hiddenEPi"),
    ],
)
def test_names_are_made_readable_where_that_is_plain(entry: str, name: str) -> None:
    assert readable(entry) == name


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (
            '/a/k.cu(4): error: identifier "twoo" is undefined\n  x\n  ^\n\n/a/k.cu(9): error: expected ";"\n\n2',
            '/a/k.cu:4: identifier "twoo" is undefined (sm_90a, and 1 more)',
        ),
        (
            '/a/h (1).cuh(7): catastrophic error: cannot open source file "cuda_fp16.h"\n\n1 catastrophic error\n',
            'cannot open source file "cuda_fp16.h"; is NVIDIA\'s cuda-toolkit[cudart] installed? (sm_90a)',
        ),
        ("nvrtc: error: invalid value for --arch\n", "/a/k.cu: invalid value for --arch (sm_90a)"),
        (
            "ptxas fatal   : Unresolved extern function 'absent'\n",
            "/a/k.cu: Unresolved extern function 'absent' (sm_90a)",
        ),
        ("something else\nin two lines", "/a/k.cu: something else in two lines (sm_90a)"),
    ],
)  # fmt: skip
def test_a_complaint_is_one_line(log: str, line: str) -> None:
    error = complaint("/a/k.cu", "-arch=sm_90a", log)
    assert str(error).endswith(line)
    assert "\n" not in str(error)
    assert error.log == log


def test_no_compiler_at_all() -> None:
    with mock.patch.object(compilers, "_made", return_value="ModuleNotFoundError: no"):
        assert compilers.missing() == compilers.NONE
        with pytest.raises(NoCompilerError, match="cuda-bindings"):
            compilers.compiler("cuda-bindings")


def test_the_first_compiler_that_is_here_is_taken() -> None:
    one = Compiler()
    with mock.patch.object(compilers, "_made", side_effect=lambda kind: one if kind == "cupy" else "not here"):
        assert compilers.compiler() is one
        assert compilers.missing() is None


# -- the compilers themselves

here = [kind for kind in compilers.KINDS if not isinstance(compilers._made(kind), str)]


@pytest.mark.skipif(not here, reason="there is neither NVRTC nor nvcc: nothing was compiled")
@pytest.mark.parametrize("kind", here or [None])
class TestCompilers:
    def test_kernels_and_instances_have_their_names(self, folder: Path, kind: str) -> None:
        made = to_cubin(source(folder), "90a", cache=folder / "cache", by=kind)
        assert made.names == {
            "tile<float, 16>": "_Z4tileIfLi16EEvPT_",
            "tile<double, 32>": "_Z4tileIdLi32EEvPT_",
            "apart::hidden": "_ZN5apart6hiddenEPi",
            "plain": "_Z5plainPi",
            "scale": "scale",
        }
        assert {name: taken.shared for name, taken in made.resources.items()} == {
            "tile<float, 16>": 64, "tile<double, 32>": 256, "apart::hidden": 0, "plain": 0, "scale": 0,
        }  # fmt: skip
        assert all(0 < taken.registers < 40 and not taken.spilled for taken in made.resources.values())
        assert made.path.read_bytes()[:4] == b"\x7fELF"
        assert all(name.encode() in made.path.read_bytes() for name in made.names.values())

    def test_only_the_instances_asked_for(self, folder: Path, kind: str) -> None:
        made = to_cubin(source(folder), "90a", instances=INSTANCES[:1], cache=folder / "cache", by=kind)
        assert b"_Z4tileId" not in made.path.read_bytes()
        assert "tile<double, 32>" not in made.names

    def test_errors_name_file_and_line(self, folder: Path, kind: str) -> None:
        (folder / "scale.cuh").write_text("\n__device__ float twice(float x) { return two * x; }\n")
        with pytest.raises(CompileError) as error:
            to_cubin(source(folder), "90a", cache=folder / "cache", by=kind)
        assert str(error.value) == f'{folder / "scale.cuh"}:2: identifier "two" is undefined (sm_90a)'
        (folder / "scale.cuh").write_text(HEADER)
        with pytest.raises(CompileError) as error:
            to_cubin(source(folder, instances=("tile<flat, 16>",)), "90a", cache=folder / "cache", by=kind)
        assert str(error.value).startswith(f'{folder / "k.cu"}: the instance tile<flat, 16>: identifier "flat"')

    def test_spills_are_seen(self, folder: Path, kind: str) -> None:
        lines = [f"float a{i} = x[{i} * n];" for i in range(64)]
        uses = " + ".join(f"a{i} * x[{63 - i}]" for i in range(64))
        body = f"wide(volatile float* x, int n) {{ {' '.join(lines)} x[0] = {uses}; }}"
        text = f'extern "C" __global__ void __launch_bounds__(1024, 2) {body}'
        (folder / "k.cu").write_text(text)
        made = to_cubin(source(folder, instances=()), "90a", cache=folder / "cache", by=kind)
        assert made.resources["wide"].spilled > 0
        assert made.resources["wide"].registers == 32

    def test_products_are_fused_only_where_it_is_said(self, folder: Path, kind: str) -> None:
        text = 'extern "C" __global__ void f(float* x) { x[0] = x[1] * x[2] + x[3]; }'
        (folder / "k.cu").write_text(text)
        apart, fused = (
            to_cubin(
                source(folder, instances=(), fused=fused), "90a", cache=folder / "cache", by=kind
            ).path.read_bytes()
            for fused in (False, True)
        )
        assert apart != fused
        (folder / "k.cu").write_text(text.replace("x[1] * x[2] + x[3]", "__fmaf_rn(x[1], x[2], x[3])"))
        same = to_cubin(source(folder, instances=()), "90a", cache=folder / "cache", by=kind)
        assert _code(same.path.read_bytes()) == _code(fused)

    def test_half_precision_and_our_own_headers(self, folder: Path, kind: str) -> None:
        (folder / "k.cu").write_text(
            '#include <cuda_fp16.h>\n#include <cuda_bf16.h>\n#include "minidet_ptx.cuh"\n'
            'extern "C" __global__ void h(__half* x, __nv_bfloat16* y) { *x = __hadd(*x, *x); *y = __hmul(*y, *y); }'
        )
        assert to_cubin(source(folder, instances=()), "75", cache=folder / "cache", by=kind).names == {"h": "h"}

    def test_infinity_and_nan_have_their_names(self, folder: Path, kind: str) -> None:
        text = "x[0] = fmaxf(x[1], -INFINITY); x[2] = NAN; y[0] = INFINITY;"
        (folder / "k.cu").write_text(f'extern "C" __global__ void f(float* x, double* y) {{ {text} }}')
        assert to_cubin(source(folder, instances=()), "75", cache=folder / "cache", by=kind).names == {"f": "f"}

    def test_a_gpu_that_it_does_not_know(self, folder: Path, kind: str) -> None:
        with pytest.raises(NoCompilerError, match=r"does not compile for sm_30, only for .*90") as error:
            to_cubin(source(folder), "30", cache=folder / "cache", by=kind)
        assert "\n" not in str(error.value)


def _code(cubin: bytes) -> bytes:
    """The section with the instructions of the only kernel: what stands in an ELF file under ``.text.f``."""
    table, size, count, strings = (
        int.from_bytes(cubin[at : at + width], "little") for at, width in ((40, 8), (58, 2), (60, 2), (62, 2))
    )
    rows = [cubin[table + size * i : table + size * (i + 1)] for i in range(count)]
    where = [
        (int.from_bytes(r[:4], "little"), int.from_bytes(r[24:32], "little"), int.from_bytes(r[32:40], "little"))
        for r in rows
    ]
    names = cubin[where[strings][1] :]
    (found,) = [cubin[at : at + n] for name, at, n in where if names[name:].startswith(b".text.f\0")]
    return found


def test_the_notes_are_readable_as_json(folder: Path, fake: Compiler) -> None:
    made = to_cubin(source(folder), ARCHITECTURES[0], cache=folder / "cache")
    notes = json.loads(made.path.with_suffix(".json").read_text())
    assert notes["by"] == fake.name
    assert notes["resources"]["scale"]["registers"] == 32
