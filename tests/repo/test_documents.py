"""Documents: links lead somewhere, commands exist, the README's example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.tree import ROOT, tracked

MARKDOWN = [path for path in tracked() if path.suffix == ".md"]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("path", MARKDOWN, ids=[str(p.relative_to(ROOT)) for p in MARKDOWN])
def test_links_within_the_repository_lead_somewhere(path):
    targets = [
        t for t in LINK.findall(path.read_text(encoding="utf-8")) if "://" not in t and not t.startswith("mailto")
    ]
    assert not [target for target in targets if not (path.parent / target).exists()]


@pytest.mark.parametrize("path", MARKDOWN, ids=[str(p.relative_to(ROOT)) for p in MARKDOWN])
def test_every_make_command_named_exists(path):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.M))
    named = set(re.findall(r"`make ((?:[a-z-]+ ?)+)", path.read_text(encoding="utf-8")))
    assert {word for line in named for word in line.split()} <= targets


def test_the_first_screen_of_the_readme_has_the_two_commands():
    top = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:30])
    assert "make demo" in top
    assert "make test" in top


def examples(path: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)


def test_the_examples_of_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = examples(ROOT / "README.md")
    assert found
    for source in found:
        exec(compile(source, "README.md", "exec"), {})
