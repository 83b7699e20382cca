"""The repository as data: its files, and what each Python file imports, read from the syntax tree (nothing is run)."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Import package -> the folder it lies in.
PACKAGES = {"minidet": ROOT / "minidet", "minidet_kernels": ROOT / "kernels" / "minidet_kernels"}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file under version control; without Git (an unpacked sdist), every file outside hidden folders."""
    if (ROOT / ".git").exists():
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
        return tuple(path for name in names.split("\0") if name and (path := ROOT / name).is_file())
    return tuple(
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file() and not any(p.startswith((".", "__")) for p in path.relative_to(ROOT).parts[:-1])
    )


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def modules() -> dict[str, Path]:
    """Every module of the two packages, by its dotted name."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@dataclass(frozen=True)
class Import:
    """``module`` imports ``target`` in a line; ``lazy``: inside a function, ``typing``: for annotations only."""

    module: str
    target: str
    line: int
    lazy: bool
    typing: bool

    def __str__(self) -> str:
        return f"{modules()[self.module].relative_to(ROOT)}:{self.line}: imports {self.target}"


def _absolute(module: str, path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


@cache
def imports(module: str) -> tuple[Import, ...]:
    """Everything that ``module`` imports; of ``from a import b`` the target is ``a.b`` where that is a module."""
    path = modules()[module]

    def walk(node: ast.AST, lazy: bool, typing: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inside = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            hint = typing or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(module, alias.name, child.lineno, inside, hint)
            elif isinstance(child, ast.ImportFrom):
                base = _absolute(module, path, child)
                for alias in child.names:
                    full = f"{base}.{alias.name}"
                    deeper = full in modules() or full in ("numba.cuda",)
                    yield Import(module, full if deeper else base, child.lineno, inside, hint)
            yield from walk(child, inside, hint)

    return tuple(walk(parse(path), False, False))
