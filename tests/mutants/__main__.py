"""Plant each bug in a copy of the tree and run the tests that must catch it."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .catalogue import ROOT, Mutant, load

HOME = ROOT / ".mutants"
#: Where compiled kernels are kept, by the path of their tree; one that a bug is planted in, or in what it calls, is
#: compiled again (``minidet_kernels.stamps``), and all others are found.
KERNELS = HOME / "numba"
PASSED, FAILED = 0, 1  # pytest's exit statuses; any other one says that the tests did not run


@dataclass(frozen=True)
class Result:
    """How one planted bug fared.  Only ``caught`` is good."""

    mutant: Mutant
    verdict: str  # caught, SURVIVED, TIMED OUT, NOT RUN
    seconds: float
    detail: str


def copy_tree(target: Path) -> None:
    """The files of the repository as they are now, with their times, so that compiled kernels stay valid."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
        names = [Path(name) for name in listed if name]
    else:
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
        names = [name for name in found if not any(part.startswith(".") for part in name.parts)]
    shutil.rmtree(target, ignore_errors=True)
    for name in names:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def run_tests(tree: Path, tests: list[str], *, limit: float) -> tuple[int | None, str]:
    """Run pytest in ``tree``; its exit status (``None``: out of time) and the last lines that it printed."""
    environment = os.environ | {
        "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'kernels'}",
        "PYTHONDONTWRITEBYTECODE": "1",  # or the next run might load this one's bug
        "NUMBA_CACHE_DIR": str(KERNELS),
        "HYPOTHESIS_PROFILE": "mutants",
        "MINIDET_DATA": os.environ.get("MINIDET_DATA", str(ROOT.parent / "shared" / "data")),
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "--no-header",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        *tests,
    ]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, text=True, capture_output=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"more than {limit:.0f} s"
    return done.returncode, "\n".join((done.stdout + done.stderr).strip().splitlines()[-30:])


def plant(mutant: Mutant, tree: Path, *, limit: float) -> Result:
    """Plant one bug in ``tree``, run its tests, and take the bug out again."""
    start = time.perf_counter()
    path = tree / mutant.file
    path.write_text(mutant.source(tree), encoding="utf-8")
    try:
        status, output = run_tests(tree, list(mutant.tests), limit=limit)
    finally:
        shutil.copy2(ROOT / mutant.file, path)
    verdict = {PASSED: "SURVIVED", FAILED: "caught", None: "TIMED OUT"}.get(status, "NOT RUN")
    return Result(mutant, verdict, time.perf_counter() - start, output)


def head() -> str:
    """The tree of files that is checked out, by its digest; a fixed word without Git."""
    done = subprocess.run(["git", "rev-parse", "HEAD^{tree}"], cwd=ROOT, capture_output=True, check=False, text=True)
    return done.stdout.strip() or "no tree"


def drawn(name: str, commit: str) -> float:
    """A number in [0, 1) that follows from both."""
    return int.from_bytes(hashlib.sha256(f"{commit} {name}".encode()).digest()[:4]) / 2**32


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("only", nargs="*", help="names, or parts of names, of the bugs to plant (default: all)")
    parser.add_argument(
        "--jobs", type=int, default=2, help="copies of the tree that work at once (default %(default)s)"
    )
    parser.add_argument("--limit", type=float, default=120, help="seconds that the tests of one bug may take")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--share", type=float, default=1.0, help="plant this share of them, drawn by what is committed")
    parser.add_argument("--list", action="store_true", help="print the bugs and plant none")
    options = parser.parse_args()
    console, start = Console(), time.perf_counter()

    mutants = [m for m in load() if not options.only or any(part in m.name for part in options.only)]
    broken = []
    for mutant in mutants:  # all of them, whatever the share
        try:
            mutant.source()
        except ValueError as error:
            broken.append(str(error))
    if options.list or broken or not mutants:
        for mutant in mutants:
            print(f"{mutant.name:20} {mutant.file}: {mutant.what}")
        for line in broken:
            print(line, file=sys.stderr)
        return 1 if broken or not mutants else 0

    if options.share < 1:
        everything, commit = len(mutants), head()
        mutants = [mutant for mutant in mutants if drawn(mutant.name, commit) < options.share] or mutants[:1]
        console.print(f"{len(mutants)} of {everything} planted bugs, drawn by tree {commit[:10]}", highlight=False)

    trees = [HOME / f"copy-{number}" for number in range(options.jobs)]
    free: queue.Queue[Path] = queue.Queue()
    for tree in trees:
        copy_tree(tree)
        free.put(tree)

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, disable=not console.is_terminal,
    )  # fmt: skip
    with bar, ThreadPoolExecutor(options.jobs) as pool:
        # Without a bug every one of these tests must pass, or their failing would say nothing.
        tests = sorted({test for mutant in mutants for test in mutant.tests})
        shares = [tests[number :: options.jobs] for number in range(options.jobs)]
        clean = bar.add_task("without a bug", total=len(tests))

        def without_a_bug(tree: Path, share: list[str]) -> tuple[int | None, str]:
            if not share:
                return PASSED, ""
            outcome = run_tests(tree, share, limit=10 * options.limit)
            bar.advance(clean, len(share))
            return outcome

        for status, output in pool.map(without_a_bug, trees, shares):
            if status != PASSED:
                console.print(
                    f"{output}\n[red]The tests that must catch the bugs fail without any bug.", highlight=False
                )
                return 1

        planted = bar.add_task("planted bugs", total=len(mutants))

        def with_a_bug(mutant: Mutant) -> Result:
            tree = free.get()
            try:
                result = plant(mutant, tree, limit=options.limit)
            finally:
                free.put(tree)
            bar.advance(planted)
            if result.verdict != "caught":
                bar.console.print(f"{result.verdict}: {mutant.name}: {mutant.what}\n{result.detail}", highlight=False)
            return result

        results = list(pool.map(with_a_bug, mutants))

    table = Table("bug", "file", "what", "verdict", "seconds")
    for r in results:
        colour = "green" if r.verdict == "caught" else "red"
        table.add_row(r.mutant.name, r.mutant.file, r.mutant.what, f"[{colour}]{r.verdict}", f"{r.seconds:.1f}")
    console.print(table)
    if options.json:
        rows = [{"name": r.mutant.name, "file": r.mutant.file, "what": r.mutant.what} | {"verdict": r.verdict, "seconds": round(r.seconds, 2)} for r in results]  # fmt: skip  # noqa: E501
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    caught = sum(r.verdict == "caught" for r in results)
    print(f"{caught} caught, {len(results) - caught} survived in {time.perf_counter() - start:.1f}s")
    return 0 if caught == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
