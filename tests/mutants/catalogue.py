"""The planted bugs, read from the TOML files and checked against the tree."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Mutant:
    """One planted bug: in ``file``, ``old`` becomes ``new``; one of ``tests`` must fail."""

    name: str
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def source(self, root: Path = ROOT) -> str:
        """The file with the bug in it.  Raises ``ValueError`` when it cannot be planted."""
        path = root / self.file
        if not path.is_file():
            raise ValueError(f"{self.name}: there is no file {self.file}")
        text = path.read_text(encoding="utf-8")
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: the old text occurs {count} times in {self.file}, not once: {self.old!r}")
        planted = text.replace(self.old, self.new)
        if path.suffix != ".py":  # a kernel in C++: its compiler is the judge
            if self.old == self.new:
                raise ValueError(f"{self.name}: the bug changes nothing")
            return planted
        try:
            if ast.dump(ast.parse(planted)) == ast.dump(ast.parse(text)):
                raise ValueError(f"{self.name}: the bug changes nothing")
        except SyntaxError as error:
            raise ValueError(f"{self.name}: the bug is not even Python: {error}") from None
        return planted


def load() -> list[Mutant]:
    """Every planted bug, named after its file and its place there (``pooling-3``)."""
    found = []
    for path in sorted(HERE.glob("*.toml")):
        for number, row in enumerate(tomllib.loads(path.read_text(encoding="utf-8"))["mutant"], 1):
            tests = tuple(row.pop("tests"))
            found.append(Mutant(name=f"{path.stem}-{number}", tests=tests, **row))
    return found
