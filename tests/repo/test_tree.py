"""Rules for the files of the repository themselves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tree import PACKAGES, ROOT, parse, tracked

MIB = 1 << 20
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".cfg",
    ".yml",
    ".yaml",
    ".json",
    ".css",
    ".js",
    ".html",
    ".cu",
    ".cuh",
    ".svg",
    "",
}

# Written in parts, so that this file does not contain what it forbids.
PRIVATE = re.compile(r"(?<![\w.])/" + r"(wo" + r"rk|fa" + r"rm|ro" + r"ot|ho" + r"me|Us" + r"ers)/\w|\.lib" + r"rary\b")
UNFINISHED = re.compile("NotImplemented" + "Error|\\bTO" + "DO\\b|\\bFIX" + "ME\\b|\\bX" + "XX\\b")


def python_files(*folders: str) -> Iterator[Path]:
    for path in tracked():
        if path.suffix == ".py" and (not folders or path.relative_to(ROOT).parts[0] in folders):
            yield path


def matches(pattern: re.Pattern[str], paths: Iterator[Path]) -> list[str]:
    found = []
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    return found


def test_what_the_rules_look_for_is_found_when_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    bad = tmp_path / "bad.py"
    bad.write_text("path = '/ho" + "me/me/x'\nraise NotImplemented" + "Error\n")
    assert len(matches(PRIVATE, iter([bad]))) == 1
    assert len(matches(UNFINISHED, iter([bad]))) == 1


def test_no_file_names_a_folder_of_somebodys_machine():
    assert not (found := matches(PRIVATE, (p for p in tracked() if p.suffix in TEXT))), "\n".join(found)


def test_nothing_is_left_unfinished():
    assert not (found := matches(UNFINISHED, python_files())), "\n".join(found)


#: Weights that come with the package, the only large files there are; tests/weights holds them to their register.
SHIPPED = ROOT / "minidet" / "weights" / "shipped"


def test_files_are_small():
    files = {p: p.stat().st_size for p in tracked()}
    big = {p: size for p, size in files.items() if size > MIB and p.parent != SHIPPED}
    assert not big, "\n".join(f"{p.relative_to(ROOT)}: {size / MIB:.1f} MiB" for p, size in big.items())
    assert sum(size for p, size in files.items() if p.parent == SHIPPED) < 13 * MIB


def test_no_weights_or_archives_are_tracked():
    suffixes = {
        ".weights",
        ".npz",
        ".npy",
        ".pth",
        ".pt",
        ".onnx",
        ".safetensors",
        ".zip",
        ".gz",
        ".tar",
        ".whl",
        ".pkl",
    }
    large = [p for p in tracked() if p.suffix in suffixes and p.stat().st_size > 64 * 1024 and p.parent != SHIPPED]
    assert not [str(p.relative_to(ROOT)) for p in large]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_folder_has_an_init_file(package):
    folders = {path.parent for path in PACKAGES[package].rglob("*.py")}
    assert not [str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()]


# --- nothing that is read from a file may run code

PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def dangers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What of a module could run code that stands in a file of the user's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and (bad := {a.name.split(".")[0] for a in node.names} & PICKLES):
            yield node.lineno, f"imports {', '.join(bad)}"
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] in PICKLES:
            yield node.lineno, f"imports {node.module}"
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if called in ("eval", "exec", "compile", "__import__"):
            yield node.lineno, f"calls {called}"
        if "allow_pickle" in given and given["allow_pickle"] != "False":
            yield node.lineno, f"{called} with allow_pickle"
        if called == "torch.load" and given.get("weights_only") != "True":
            yield node.lineno, "torch.load without weights_only=True"
        if called in ("yaml.load", "os.system") or given.get("shell") == "True":
            yield node.lineno, f"calls {called}"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import load",
        "np.load(f, allow_pickle=True)",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "eval(text)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_a_danger_is_seen(source):
    assert len(list(dangers(ast.parse(source)))) == 1


def test_no_file_of_the_users_can_run_code():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path in python_files("minidet", "kernels", "benchmarks", "docs")
        for line, what in dangers(parse(path))
    ]
    assert not found, "\n".join(found)
