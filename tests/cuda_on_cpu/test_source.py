"""How a source is read: its headers, its kernels, its dynamic shared memory; and what is said of bad ones."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from minidet_kernels.cuda_on_cpu import CompileError, Module, NoCompilerError, available, toolkit
from minidet_kernels.cuda_on_cpu.source import blank, gather, kernels, split, translate
from support.cuda_sources import needs_compiler


def test_comments_and_strings_are_blanked_in_place():
    text = 'a /* "x" */ b // c\n"/* no */" \'"\' d'
    assert blank(text) == 'a           b     \n"/* no */" \'"\' d'
    assert blank(text, strings=True).splitlines()[1] == "\"        \" ' ' d"


def test_kernels_are_found_with_their_parameters():
    found = kernels("""
extern "C" __global__ void __launch_bounds__(128, (2)) plain(const float* __restrict__ x, int n, float (&a)[4]);
template <class T, int N = 4> __global__ static void made(T* out, unsigned long long, std::pair<int, int> p) {}
extern "C" { __global__ void empty(void) {} __global__ __maxnreg__(32) void last(int a = 3) {} }
void not_one(int b) {}
""")
    assert [(k.name, k.parameters, k.template) for k in found] == [
        ("plain", ("x", "n", "a"), False),
        ("made", ("out", "long", "p"), True),
        ("empty", (), False),
        ("last", ("a",), False),
    ]
    assert split("a<b, c>, (d, e), f") == ["a<b, c>", " (d, e)", " f"]


def test_dynamic_shared_memory_is_rewritten_and_lines_stay():
    text, _ = translate(
        "namespace a {\nextern __shared__ float all[];\n}\nvoid f() {\n  extern __shared__ int\n own[];\n}\n"
    )
    lines = text.splitlines()
    assert "#define all (reinterpret_cast<float*>" in text
    assert any("MINIDET_DYNAMIC_SHARED(int, own);" in line for line in lines)
    assert "extern" not in text
    kept, _ = translate("extern int other[];\n")
    assert kept == "extern int other[];\n"


def test_headers_are_taken_in_once_and_those_of_the_system_go_above(tmp_path):
    (tmp_path / "once.cuh").write_text("#pragma once\n#include <cmath>\nint once;\n")
    text = '#include <cuda_runtime.h>\n#include "once.cuh"\n#include "once.cuh"\n// #include "no.cuh"\nint here;\n'
    got = gather(text, tmp_path / "k.cu", [])
    assert got.headers == ["cmath"]
    assert got.text.count("int once;") == 1
    assert f'#line 1 "{tmp_path}/once.cuh"' in got.text
    assert "no.cuh" not in got.text
    assert not got.nvidia
    assert gather("#include <cuda_fp16.h>\n", tmp_path / "k.cu", []).nvidia


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\n#include <cooperative_groups.h>\n", "k.cu:2: <cooperative_groups.h> is not emulated"),
        ("#include <cub/cub.cuh>\n", "k.cu:1: <cub/cub.cuh> is not emulated"),
        ('#include "mine.cuh"\n', 'k.cu:1: there is no "mine.cuh" beside it or in the folders given as include'),
    ],
)
def test_headers_that_cannot_be_had(text, says, tmp_path):
    with pytest.raises(CompileError, match=says):
        gather(text, tmp_path / "k.cu", [])


@needs_compiler
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("int x;\n", "k.cu has no kernel: no function is marked __global__"),
        ("\n__global__ void f(int* x) { *x = y; }\n", r"k.cu does not compile:\n.*\n?.*k.cu:2:\d+: error: .*y"),
        ("__global__ void f(int* x) { *x = __activemask(); }\n", "no one right answer"),
        ("__global__ void f(char* x) { atomicAdd(x, 1); }\n", "CUDA has no atomicAdd for this type"),
        (
            "__global__ void f(float* y) { __shared__ float x[20000]; x[threadIdx.x] = y[1]; y[0] = x[0] + x[1]; }\n",
            "f has 80000 bytes of __shared__ variables",
        ),
    ],
)
def test_sources_that_do_not_compile(text, says, tmp_path):
    with pytest.raises(CompileError, match=says):
        Module.from_text(text, name="k.cu", cache=tmp_path)
    assert not [p for p in tmp_path.iterdir() if p.suffix not in (".o", ".so", ".json")], "nothing is left half written"


@needs_compiler
def test_what_is_compiled_is_kept_and_found_again(tmp_path):
    text = "#ifndef BY\n#define BY 2\n#endif\n__global__ void f(int* x) { x[threadIdx.x] *= BY; }\n"
    x = np.ones(4, np.int32)
    Module.from_text(text, cache=tmp_path).kernel("f")(1, 4, (x,))
    first = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    code = f"from minidet_kernels.cuda_on_cpu import Module; Module.from_text({text!r}, cache={str(tmp_path)!r})"
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == first
    Module.from_text(text, cache=tmp_path, defines={"BY": 5}).kernel("f")(1, 4, (x,))
    assert len(list(tmp_path.iterdir())) == len(first) + 2
    assert (x == 10).all()


def test_without_a_compiler_one_line_says_so():
    assert not available("no-such-compiler")
    with pytest.raises(NoCompilerError, match=r"needs a C.. compiler, and there is no no-such-compiler on PATH"):
        Module.from_text("__global__ void f() {}\n", compiler="no-such-compiler")


def test_without_nvidias_headers_one_line_says_so(monkeypatch):
    monkeypatch.setattr(toolkit, "headers", lambda: None)
    if available():
        with pytest.raises(NoCompilerError, match=r"k.cu includes cuda_fp16.h .* none is on PATH or in CUDA_HOME"):
            Module.from_text("#include <cuda_fp16.h>\n__global__ void f(__half* x) {}\n", name="k.cu")


def test_wrong_options():
    with pytest.raises(ValueError, match='sanitize is None, "address" or "thread", not \'memory\''):
        Module.from_text("", sanitize="memory")
    with pytest.raises(ValueError, match="runs in a program of its own"):
        Module.from_text("", sanitize="thread", apart=False)


def test_nothing_of_minidet_loads_it():
    code = "import sys, minidet, minidet.cli; print('minidet_kernels.cuda_on_cpu' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
