"""The budgets of registers: every kernel is in the table, within its line, and spills nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from minidet_kernels.cuda import Source, budgets, compilers
from minidet_kernels.cuda.__main__ import main
from minidet_kernels.cuda.compiling import ARCHITECTURES, Compiled
from minidet_kernels.cuda.every import ROOMS, Made, compile_all, sources, title
from minidet_kernels.cuda.resources import Resources
from support.tree import ROOT, tracked


def made(source: Source, architecture: str = "90a", **kernels: Resources) -> Made:
    names = {name: name for name in kernels}
    return Made(source, architecture, Compiled(source.path, Path("k.cubin"), names, kernels, "", "a compiler"))


@pytest.fixture
def one() -> Source:
    return next(source for source in sources() if source.path.name == "iou_matrix.cu")


# -- the kernels themselves


@pytest.mark.oracle
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kernel_is_within_its_budget(architecture: str) -> None:
    if (why := compilers.missing()) is not None:
        assert not os.environ.get("CI"), why
        pytest.skip(why)
    by, table = budgets.read()
    assert by == budgets.release(compilers.compiler().name), "figures are those of another compiler"
    every = list(compile_all([architecture], jobs=1))
    found, wrong = budgets.measured(every)
    wrong += budgets.compared(found, table) + budgets.stale(found, table)
    wrong += [
        f"{title(one.source)} (sm_{architecture}): {line}"
        for one in every
        if isinstance(one.result, Compiled)
        for line in one.result.log.splitlines()
        if "Performance Loss" in line  # products of whole warp groups that wait for each other
    ]
    assert not wrong, "\n".join(wrong)
    assert len(found) > 80


def test_every_cu_file_of_the_rooms_is_compiled() -> None:
    """None lies about that no launcher names."""
    named = {source.path for source in sources()}
    lost = [str(path.relative_to(ROOT)) for path in tracked() if path.suffix == ".cu" and ROOMS in path.parents]
    lost = [name for name in lost if ROOT / name not in named]
    assert not lost, "no Source(...) of a cuda*.py names " + ", ".join(lost)


def test_every_source_is_there() -> None:
    assert len(sources()) > 20
    assert all(source.path.is_file() for source in sources())
    titles = [title(source) for source in sources()]
    assert len(set(titles)) == len(titles)


# -- the table


def test_the_table_is_read_as_it_is_written(tmp_path: Path) -> None:
    table = {"a/k.cu TILE=3: f<float, 16>": {"75": (40, 0), "100a": (32, 1024, 8)}, 'b/"k".cu: g': {"90a": (8, 0)}}
    budgets.write("NVRTC 13.0", table, tmp_path / "t.toml")
    assert budgets.read(tmp_path / "t.toml") == ("NVRTC 13.0", table)
    budgets.write("NVRTC 13.0", dict(reversed(table.items())), tmp_path / "u.toml")
    assert (tmp_path / "t.toml").read_text() == (tmp_path / "u.toml").read_text()
    assert budgets.read(tmp_path / "absent.toml") == ("", {})


def test_spills_and_errors_are_complaints(one: Source) -> None:
    table, wrong = budgets.measured(
        [
            made(one, f=Resources(32, 320), g=Resources(40, 0, 16)),
            made(one, "75", f=Resources(36, 320), g=Resources(40, 0, 8, 12)),
            Made(one, "80", "k.cu:3: no"),
        ]
    )
    name = title(one)
    assert table == {
        f"{name}: f": {"90a": (32, 320), "75": (36, 320)},
        f"{name}: g": {"90a": (40, 0, 16), "75": (40, 0, 8)},
    }
    assert wrong == [f"{name}: g spills 12 bytes of registers (sm_75)", "k.cu:3: no"]


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        ((32, 320), None),
        ((30, 0), None),
        ((33, 320), "takes 33 registers, and its budget is 32"),
        ((32, 321), "takes 321 shared bytes, and its budget is 320"),
        ((32, 320, 8), "takes 8 stack bytes, and its budget is 0"),
    ],
)
def test_what_takes_more_than_its_budget(taken: tuple[int, ...], words: str | None) -> None:
    wrong = budgets.compared({"k: f": {"90a": taken}}, {"k: f": {"90a": (32, 320)}})
    assert wrong == ([] if words is None else [f"k: f (sm_90a) {words}"])
    assert budgets.compared({"k: f": {"90a": taken}}, {"k: f": {"90a": (32, 320)}}, exact=False) == []


def test_a_stack_that_is_in_the_budget() -> None:
    budget = {"k: f": {"90a": (32, 320, 16)}}
    assert budgets.compared({"k: f": {"90a": (32, 320, 16)}}, budget) == []
    assert budgets.compared({"k: f": {"90a": (32, 320)}}, budget) == []
    assert len(budgets.compared({"k: f": {"90a": (32, 320, 17)}}, budget)) == 1


@pytest.mark.parametrize("table", [{}, {"k: g": {"90a": (99, 0)}}, {"k: f": {"80": (99, 0)}}])
def test_a_kernel_without_a_budget_by_any_compiler(table: Any) -> None:
    for exact in (True, False):
        (wrong,) = budgets.compared({"k: f": {"90a": (32, 0)}}, table, exact=exact)
        assert wrong.startswith("k: f (sm_90a) has no budget")


def test_lines_without_a_kernel() -> None:
    table = {"a/k.cu: f": {}, "a/k.cu: g": {}, "b/k.cu: f": {}}
    assert budgets.stale({"a/k.cu: f": 0}, table) == [
        "a/k.cu: g is in the budgets, and there is no such kernel",
        "b/k.cu: f is in the budgets, and there is no such kernel",
    ]
    assert len(budgets.stale({"a/k.cu: f": 0}, table, "a/")) == 1


# -- the command


@pytest.fixture
def command(one: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The command with what it finds, instead of compilers."""
    state: dict[str, Any] = {"found": [made(one, f=Resources(32, 320))], "path": tmp_path / "t.toml", "why": None}

    class Known:
        name = "NVRTC 13.0 by somebody"

    monkeypatch.setattr(compilers, "compiler", lambda by=None: Known())
    monkeypatch.setattr(compilers, "missing", lambda: state["why"])
    monkeypatch.setattr("minidet_kernels.cuda.__main__.compile_all", lambda **_: state["found"])
    for name in ("read", "write"):
        function = getattr(budgets, name)
        monkeypatch.setattr(budgets, name, lambda *args, _f=function: _f(*args, state["path"]))
    return state


def test_write_then_check_then_more(command: dict[str, Any], one: Source, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["budgets", "--check"]) == 1
    assert "has no budget" in capsys.readouterr().out
    assert main(["budgets", "--write"]) == 0
    assert main(["budgets", "--check"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 kernels, 0 complaints"
    command["found"] = [made(one, f=Resources(33, 320))]
    assert main(["budgets", "--check"]) == 1
    assert main(["budgets", "--check", "overlap"]) == 1
    assert "takes 33 registers" in capsys.readouterr().out


def test_a_part_of_the_table_is_written(command: dict[str, Any], one: Source) -> None:
    budgets.write("NVRTC 13.0", {"other/k.cu: f": {"90a": (1, 2)}, "overlap/gone.cu: f": {"90a": (1, 2)}})
    assert main(["budgets", "--write", "overlap"]) == 0
    assert list(budgets.read()[1]) == ["other/k.cu: f", f"{title(one)}: f"]
    budgets.write("NVRTC 12.0", {})
    assert main(["budgets", "--write", "overlap"]) == 1
    assert budgets.read()[0] == "NVRTC 12.0"


def test_what_spills_is_not_written_in_silence(command: dict[str, Any], one: Source) -> None:
    command["found"] = [made(one, f=Resources(32, 320, 8, 12))]
    assert main(["budgets", "--write"]) == 1


def test_by_another_compiler_only_spills_count(command: dict[str, Any], one: Source) -> None:
    budgets.write("nvcc 12.4.1", {f"{title(one)}: f": {"90a": (20, 320)}})
    assert main(["budgets", "--check"]) == 0
    command["found"] = [made(one, f=Resources(32, 320, 8, 12))]
    assert main(["budgets", "--check"]) == 1


def test_without_a_compiler(command: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    command["why"] = "there is neither"
    assert main(["budgets", "--check"]) == 2
    assert capsys.readouterr().err == "there is neither\n"
