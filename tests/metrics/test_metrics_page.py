"""The page on metrics: its example runs, and prints what the page says."""

from __future__ import annotations

import re
import shlex

from support.tree import ROOT

from minidet.cli import main

PAGE = ROOT / "docs" / "metrics.md"


def test_the_example_prints_what_the_page_says(tmp_path, monkeypatch, capsys):
    text = PAGE.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for source in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S):
        exec(compile(source, PAGE.name, "exec"), {})
    shown = re.findall(r"^```sh\n(minidet [^\n]*)\n```\n\n```text\n(.*?)^```", text, re.M | re.S)
    assert len(shown) == 2
    for command, said in shown:
        capsys.readouterr()
        assert main(shlex.split(command)[1:]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        assert out == said


def test_every_rule_of_the_table_is_on_the_generated_page():
    from minidet.metrics.explain import CAUSES
    from minidet.metrics.rules import RULES

    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    for word in (*CAUSES, *RULES):
        assert f"`{word}`" in page or f"`{word}=" in page, word
