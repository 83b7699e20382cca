"""Instructions are counted in the main loop, as ``nvdisasm`` prints it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from minidet_kernels.cuda import NoCompilerError, Source, compilers, counts, sass
from minidet_kernels.cuda.__main__ import main
from minidet_kernels.cuda.compiling import Compiled
from minidet_kernels.cuda.every import Made, sources
from minidet_kernels.cuda.resources import Resources
from support.tree import ROOT


def listing(**kernels: str) -> str:
    """What ``nvdisasm -c`` prints of kernels whose instructions are given, a line each; ``name:`` is a label."""
    text = '\t.headerflags\t@"EF_CUDA_SM90"\n'
    for name, body in kernels.items():
        text += f"\n//--------------------- .text.{name}          --------------------------\n"
        text += f'\t.section\t.text.{name},"ax",@progbits\n\t.align\t128\n        .global         {name}\n'
        text += f"{name}:\n.text.{name}:\n"
        address = 0
        for line in body.strip().splitlines():
            if line.strip().endswith(":"):
                text += f"{line.strip()}\n"
            else:
                text += f"        /*{address:04x}*/                   {line.strip()} ;\n"
                address += 16
    return text + "\n//--------------------- SYMBOLS --------------------------\n"


PRODUCT = """
    LDG.E.128.CONSTANT R4, desc[UR8][R4.64]
    LDG.E R4, desc[UR8][R4.64]
.L_x_0:
    LDS.128 R4, [R2]
    FFMA R1, R2, R3, R1
    FFMA R1, R2.reuse, R3, R1
    FADD R1, R2, R3
    @!P0 FMUL R1, R2, R3
    @P1 LDGSTS.E.BYPASS.128 [R2], desc[UR8][R4.64]
    IADD3 R1, R1, 0x1, RZ
    @P0 BRA `(.L_x_0)
    STG.E.64 desc[UR8][R4.64], R1
    EXIT
.L_x_1:
    BRA `(.L_x_1)
    NOP
    NOP
"""


def test_a_loop_is_what_a_branch_backwards_closes() -> None:
    (found,) = sass.of_text(listing(f=PRODUCT)).values()
    assert found == sass.Counts(
        total=13, loop=8, fused=2, flops=2 * 64 + 2 * 32, tensor=0, shared=1, loaded=32 * 16, stored=0
    )
    assert found.per_second(found.flops) == pytest.approx(192 / 8 * 132 * 1.98e9 * 4)


def test_a_kernel_without_a_loop_counts_as_a_whole() -> None:
    body = "LDG.E.U8 R1, desc[UR8][R4.64]\nLDG.E.S16 R1, desc[UR8][R4.64]\nDFMA R2, R2, R2, R2\n"
    body += "STG.E desc[UR8][R4.64], R1\nEXIT"
    (found,) = sass.of_text(listing(g=body)).values()
    assert (found.total, found.loop, found.counted) == (5, 0, 5)
    assert (found.loaded, found.stored, found.flops) == (32 * 3, 32 * 4, 64)


def test_of_two_loops_the_one_that_stores() -> None:
    body = """
    .L_x_0:
        LDG.E.128 R4, desc[UR8][R4.64]
        STS.128 [R2], R4
        @P0 BRA `(.L_x_0)
    .L_x_1:
        FADD R1, R1, R1
        STG.E desc[UR8][R4.64], R1
        @P0 BRA `(.L_x_1)
        EXIT
    """
    (found,) = sass.of_text(listing(f=body)).values()
    assert (found.loop, found.stored, found.loaded) == (3, 128, 0)


def test_a_loop_around_a_loop_is_not_the_main_one_unless_it_has_the_products() -> None:
    inside = ".L_x_1:\nFADD R1, R1, R1\n@P0 BRA `(.L_x_1)"
    outer = ".L_x_0:\n{}\n" + inside + "\n@P0 BRA `(.L_x_0)\nEXIT"
    (found,) = sass.of_text(listing(f=outer.format("FADD R1, R1, R1"))).values()
    assert found.loop == 2
    (found,) = sass.of_text(listing(f=outer.format("HMMA.16816.F32.BF16 R4, R8, R2, R4"))).values()
    assert (found.loop, found.tensor) == (4, 2 * 16 * 8 * 16)
    both = outer.format("FADD R1, R1, R1").replace("FADD R1, R1, R1\n@P0", "HMMA.1688.F32.TF32 R4, R8, R2, R4\n@P0")
    (found,) = sass.of_text(listing(f=both)).values()
    assert (found.loop, found.tensor) == (2, 2 * 16 * 8 * 8)


@pytest.mark.parametrize(
    ("instruction", "operations"),
    [
        ("HMMA.1688.F32.TF32 R4, R8, R2, R4", 2 * 16 * 8 * 8),
        ("HMMA.16816.F32 R4, R8, R2, R4", 2 * 16 * 8 * 16),
        ("HGMMA.64x128x16.F32.BF16 R24, gdesc[UR4], R24", 2 * 64 * 128 * 16 // 4),
        ("@P0 FADD R1, R2, R3", 0),
    ],
)
def test_products_of_tensor_cores(instruction: str, operations: int) -> None:
    (found,) = sass.of_text(listing(f=instruction + "\nEXIT")).values()
    assert found.tensor == operations


def test_each_kernel_of_a_file() -> None:
    found = sass.of_text(listing(f="EXIT", _Z1gv=PRODUCT, h="FADD R1, R1, R1\nEXIT"))
    assert {name: one.total for name, one in found.items()} == {"f": 1, "_Z1gv": 13, "h": 2}


def test_without_a_disassembler(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        mock.patch.object(sass, "_find", return_value=None),
        mock.patch.object(compilers, "missing", return_value=None),
    ):
        with pytest.raises(NoCompilerError, match="pip install nvidia-cuda-nvdisasm"):
            sass.disassembler()
        assert main(["counts"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_page() -> None:
    source: Source = next(one for one in sources() if one.path.name == "iou_matrix.cu")
    made = Compiled(source.path, Path("k.cubin"), {"f<1>": "f", "e": "e"}, {"f<1>": Resources(3)}, "", "x")
    taken: dict[str, Any] = sass.of_text(listing(f=PRODUCT, e="EXIT"))
    with mock.patch.object(sass, "of_cubin", return_value=taken):
        page = counts.page([Made(source, "90a", made), Made(source, "90a", "k.cu:3: no")], "NVRTC 13.0 by us")
    assert page.startswith("# Instructions of the CUDA kernels\n")
    assert "by NVRTC 13.0; nothing here was measured" in page
    assert "\n## overlap\n" in page
    assert "\n| `e` | - of 1 |  |  |  |\n| `f<1>` | 8 of 13 | 25 |  | 67 |\n" in page
    assert "does not compile: k.cu:3: no" in page


def test_the_page_that_is_checked_in_was_generated() -> None:
    page = (ROOT / "docs" / "cuda_counts.md").read_text("utf-8")
    begin = counts.HEAD.format(by="NVRTC 13.0")
    assert page.startswith(begin), "python -m minidet_kernels.cuda counts --write docs/cuda_counts.md"
    assert "does not compile" not in page
    assert page.count("\n| `") > 100


@pytest.mark.skipif(sass._find() is None or compilers.missing() is not None, reason="needs nvdisasm and NVRTC or nvcc")
def test_a_real_cubin(tmp_path: Path) -> None:
    from minidet_kernels.cuda import SOURCES
    from minidet_kernels.cuda.compiling import to_cubin

    body = "float s = 0; for (int i = 0; i < n; i++) s += x[i] * x[n + i]; *x = s;"
    text = f'extern "C" __global__ void f(float* x, int n) {{ {body} }}'
    (tmp_path / "k.cu").write_text(text)
    made = to_cubin(Source(str(tmp_path / "k.cu"), "k.cu", fused=True), "90a", cache=tmp_path / "cache")
    SOURCES.pop()
    (found,) = sass.of_cubin(made.path).values()
    assert found.loop
    assert found.fused * 2 * 32 * 4 == found.loaded
