"""How many registers and shared bytes each kernel may take on each architecture: a table that is checked in.

``budgets.toml`` holds for every kernel and architecture ``[registers, shared]``, or ``[registers, shared, stack]`` for
the few that index a local array.  A kernel that takes more, that spills, or that is not in the table fails the check;
so does a line for which there is no kernel any more.  What changed for a good reason is written anew:

    python -m minidet_kernels.cuda budgets --check
    python -m minidet_kernels.cuda budgets --write overlap

Figures differ a little between compilers, so the table names the one that it was made by; by another one only spills
and missing lines count.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from . import compilers
from .every import Made, title
from .resources import Resources

TABLE = Path(__file__).with_name("budgets.toml")
HEAD = """\
# Made by `python -m minidet_kernels.cuda budgets --write`.
# Of each kernel: registers a thread, shared bytes a block, and bytes of stack a thread where there is one.
"""

#: "overlap/iou_matrix.cu TILE=128: iou_matrix" -> "90a" -> what it may take
Budgets = dict[str, dict[str, tuple[int, ...]]]


def read(path: Path = TABLE) -> tuple[str, Budgets]:
    """By which compiler the table was made, and the table; both empty where there is none."""
    if not path.exists():
        return "", {}
    found = tomllib.loads(path.read_text("utf-8"))
    by = found.pop("by")
    return by, {
        kernel: {name.removeprefix("sm_"): tuple(figures) for name, figures in row.items()}
        for kernel, row in found.items()
    }


def write(by: str, budgets: Budgets, path: Path = TABLE) -> None:
    """The table as text, sorted, a line for each kernel."""
    lines = [HEAD, f"by = {json.dumps(by)}\n"]
    for kernel in sorted(budgets):
        row = sorted(budgets[kernel].items(), key=lambda item: int(item[0].rstrip("a")))
        cells = ", ".join(f"sm_{name} = {list(figures)}" for name, figures in row)
        lines.append(f"{json.dumps(kernel)} = {{ {cells} }}\n")
    path.write_text("".join(lines), "utf-8")


def release(name: str) -> str:
    """A compiler's name without what does not change its code: who calls NVRTC."""
    return name.partition(" by ")[0]


def figures(taken: Resources) -> tuple[int, ...]:
    """What the table holds of a kernel."""
    return (taken.registers, taken.shared, taken.stack) if taken.stack else (taken.registers, taken.shared)


def measured(every: Iterable[Made]) -> tuple[Budgets, list[str]]:
    """The table of what was compiled, and complaints: what does not compile or spills."""
    table: Budgets = {}
    wrong: list[str] = []
    for source, architecture, made in every:
        if isinstance(made, str):
            wrong.append(made)
            continue
        for kernel, taken in made.resources.items():
            name = f"{title(source)}: {kernel}"
            table.setdefault(name, {})[architecture] = figures(taken)
            if taken.spilled:
                wrong.append(f"{name} spills {taken.spilled} bytes of registers (sm_{architecture})")
    return table, wrong


def compared(found: Mapping[str, Mapping[str, tuple[int, ...]]], budgets: Budgets, *, exact: bool = True) -> list[str]:
    """Complaints, a line each: what is in no budget, and (where figures are ``exact``) what takes more than its own."""
    wrong = []
    for kernel, row in found.items():
        lost = [name for name in row if name not in budgets.get(kernel, {})]
        if lost:
            on = f"(sm_{', sm_'.join(lost)})"
            wrong.append(f"{kernel} {on} has no budget: python -m minidet_kernels.cuda budgets --write")
        for architecture, taken in row.items():
            if architecture in lost:
                continue
            allowed, at = budgets[kernel][architecture], f"{kernel} (sm_{architecture})"
            for i, what in enumerate(("registers", "shared bytes", "stack bytes")):
                has, may = ((*limits, 0)[i] for limits in (taken, allowed))
                if exact and has > may:
                    wrong.append(f"{at} takes {has} {what}, and its budget is {may}")
    return wrong


def stale(found: Mapping[str, object], budgets: Budgets, only: str = "") -> list[str]:
    """Complaints about lines of the table for which there is no kernel (any more)."""
    return [
        f"{kernel} is in the budgets, and there is no such kernel"
        for kernel in sorted(budgets)
        if only in kernel.partition(": ")[0] and kernel not in found
    ]


def same_compiler(by: str) -> bool:
    """Whether the compiler here makes the code that the table was made of."""
    return release(compilers.compiler().name) == by
