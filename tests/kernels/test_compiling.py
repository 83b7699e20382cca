"""A long compilation is spoken of once, a kept one never; and a place to keep it is found, or its lack said."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from minidet_kernels import OPS, compiling, stamps, warm
from minidet_kernels.compiling import Speaker
from minidet_kernels.examples import EXAMPLES
from support.cases import CASES, assert_close
from support.tree import ROOT

CALL = """
{first}
import numpy as np
from minidet_kernels import compiling, max_pool2d_grad_x
compiling.Speaker.__init__.__defaults__ = ({long},)
max_pool2d_grad_x(np.zeros((1, 1, 1, 1), np.float32), np.zeros((1, 1, 1, 1), np.int64), shape=(1, 1, 2, 2))
"""


def call(cache: Path | str, *, first: str = "", long: float = 0.01, **variables: str) -> str:
    """What a call of an operator in a fresh process says on standard error."""
    script = CALL.format(first=first, long=long)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)} | variables
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr


def test_said_once_when_compiled_and_not_when_kept(tmp_path):
    said = call(tmp_path)
    assert said.count("\n") == 1
    assert said.startswith("compiling minidet_kernels.pooling.numba_cpu for this processor; this happens once")
    assert f"kept in {tmp_path}" in said
    assert call(tmp_path) == ""


def test_it_can_be_turned_off_and_short_compilations_are_not_spoken_of(tmp_path):
    off = "import logging; logging.getLogger('minidet').setLevel(logging.ERROR)"
    assert call(tmp_path / "a", first=off) == ""
    assert call(tmp_path / "b", long=1000) == ""


UNWRITABLE = """
import os, tempfile
import numba.core.caching as caching
def refuse(self):
    if not any(self.get_cache_path().startswith(good) for good in {good}):
        raise PermissionError(13, "no")
    os.makedirs(self.get_cache_path(), exist_ok=True)
caching._CacheLocator.ensure_cache_path = refuse
"""


def test_where_no_folder_can_be_written_a_temporary_one_serves(tmp_path):
    said = call("", first=UNWRITABLE.format(good=[str(tmp_path)]), TMPDIR=str(tmp_path), long=1000)
    assert said.count("\n") == 1
    assert said.startswith("no folder can be written to keep compiled kernels in, so every process compiles its own")
    assert list(tmp_path.iterdir()) == [], "the temporary folder is removed at the end"


def test_a_named_folder_that_cannot_be_written_is_said(tmp_path):
    good = str(Path(compiling.__file__).parent)
    said = call(tmp_path, first=UNWRITABLE.format(good=[good]), long=1000)
    assert said.count("\n") == 1
    assert said.startswith(f"NUMBA_CACHE_DIR, {tmp_path}, cannot be written; compiled kernels are kept in {good}")


CALLER = """
from numba import njit
from .called import twice
@njit(cache=True)
def first(x):
    return twice(x) + 1
"""
CALLEE = """
from numba import njit
@njit
def twice(x):
    return {factor} * x
"""


def test_a_kernel_is_compiled_again_when_a_function_that_it_calls_changed(tmp_path):
    """Numba itself looks at the kernel's own file alone, and would go on with what it kept."""
    copy = tmp_path / "minidet_kernels"
    shutil.copytree(Path(compiling.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "called").mkdir()
    (copy / "caller.py").write_text(CALLER)
    (copy / "called" / "__init__.py").write_text("from .inner import twice\n")
    script = (
        "from minidet_kernels import compiling; compiling.watch()\n"
        "from minidet_kernels.caller import first; print(first(10), sum(first.stats.cache_hits.values()))"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    said = []
    for factor in (2, 2, 3, 3):
        (copy / "called" / "inner.py").write_text(CALLEE.format(factor=factor))
        done = subprocess.run(
            [sys.executable, "-B", "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        said.append(done.stdout.split())
    assert said == [["21", "0"], ["21", "1"], ["31", "0"], ["31", "1"]]


def test_a_stamp_covers_what_is_imported_in_whatever_form():
    packed = stamps.PACKAGE / "convolution" / "packed"
    found = {str(path.relative_to(stamps.PACKAGE)) for path in stamps.sources(packed / "program.py")}
    assert {f"convolution/packed/{name}.py" for name in ("program", "tiles", "schemes", "winograd", "maps")} <= found
    assert {"convolution/vectors.py", "convolution/toom_cook.py", "threads.py"} <= found
    assert not any(name.startswith(("suppression", "overlap", "masks")) for name in found)


@pytest.fixture
def spoken(monkeypatch):
    found: list[str] = []
    monkeypatch.setattr(compiling, "_say", lambda message, *values: found.append(message % values))
    return found


def test_the_time_of_short_compilations_adds_up(spoken):
    speaker = Speaker(0.2)
    for _ in range(2):
        speaker.start("a", "here")
        time.sleep(0.12)
        speaker.end()
    time.sleep(0.05)
    assert [line.split()[1] for line in spoken] == ["a"]
    speaker.start("a", "here")
    time.sleep(0.3)
    speaker.end()
    assert len(spoken) == 1, "of one module once"
    speaker.start("b", "here")
    speaker.end()
    time.sleep(0.3)
    assert len(spoken) == 1, "a short one after it counts from nothing"


def test_the_outermost_of_nested_compilations_counts(spoken):
    speaker = Speaker(0.15)
    speaker.start("outer", "here")
    for _ in range(3):
        speaker.start("inner", "here")
        time.sleep(0.1)
        speaker.end()
    speaker.end()
    assert [line.split()[1] for line in spoken] == ["outer"]
    assert speaker.depth == 0


def test_every_operator_that_numba_compiles_has_examples():
    missing = sorted({name for name, _ in warm.compiled()} - set(EXAMPLES))
    assert missing == [], "minidet_kernels/examples.py has no small arguments for these"
    assert set(EXAMPLES) <= set(OPS)


#: Implementations that refuse float64.
ONLY_FLOAT32 = {
    "winograd_numba", "winograd_maps", "indirect", "rows", "depthwise", "pointwise_numba", "windows", "winograd",
    "polyphase",
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_examples_are_right_calls_that_reach_every_implementation(name, dtype):
    op, reached = OPS[name], set()
    for args, options in EXAMPLES[name](dtype):
        op.check(*args, **options)
        names = [impl for impl in op.impls if op.refusal(impl, *args, **options) is None]
        reached |= set(names)
        if args[0].size < 1000:
            expected = op.definition(*args, **options)
            for impl in names:
                got = op.using(impl)(*args, **options)
                assert_close(got, expected, CASES[name].rule(impl), args, options)
    compiled = {impl for impl, one in op.impls.items() if "numba" in one.needs}
    assert compiled - reached <= (ONLY_FLOAT32 if dtype == np.float64 else set())


CALLED = """
import sys
from minidet_kernels import warm
for modules in warm.groups():
    list(warm.compile_modules(modules, ["float32"]))
    found = {
        f"{module}.{name}": value
        for module in modules
        for name, value in vars(sys.modules[module]).items()
        if hasattr(value, "py_func") and value.py_func.__module__ == module
    }
    called = {name for value in found.values() for name in value.py_func.__code__.co_names}
    for name, value in found.items():
        if not value.signatures and name.rpartition(".")[2] not in called:
            print("no example calls", name)
"""


def test_the_examples_call_every_compiled_function():
    """Of what no other compiled function calls, nothing is left without a signature; what is kept lists no others.

    On two threads, since some functions are for several.
    """
    environment = os.environ | {
        "NUMBA_NUM_THREADS": "2",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels"), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run([sys.executable, "-c", CALLED], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_modules_that_share_compiled_functions_are_one_group():
    groups = warm.groups()
    where = {module: i for i, group in enumerate(groups) for module in group}
    regions = {where[m] for m in where if m.startswith("minidet_kernels.regions.")}
    assert len(regions) == 1
    assert len(groups) > 3
    assert sorted(where) == sorted({impl.target.partition(":")[0] for _, impl in warm.compiled()})


AFTER = """
import sys, numpy as np
from minidet_kernels import OPS, warm
from minidet_kernels.examples import EXAMPLES
list(warm.compile_modules(["minidet_kernels.pooling.numba_cpu"], ["float32"]))
module = sys.modules["minidet_kernels.pooling.numba_cpu"]
print(sum(sum(f.stats.cache_misses.values()) for f in vars(module).values() if hasattr(f, "py_func")))
"""


def test_what_was_compiled_ahead_is_found(tmp_path, monkeypatch):
    """Two processes each compile a module; a later one compiles nothing."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    some = ["minidet_kernels.pooling.numba_cpu"], ["minidet_kernels.suppression.numba_cpu"]
    monkeypatch.setattr(warm, "groups", lambda: list(some))
    steps: list[tuple[int, int, str]] = []
    wanted = sum([impl.target.partition(":")[0]] in some for _, impl in warm.compiled())
    assert wanted >= 4
    assert warm.warm(["float32"], jobs=2, report=lambda *step: steps.append(step)) == wanted
    assert [done for done, _, _ in steps] == list(range(1, wanted + 1))
    done = subprocess.run([sys.executable, "-c", AFTER], capture_output=True, text=True, check=False)
    assert done.stdout == "0\n", done.stderr


def test_a_process_that_fails_is_an_error(monkeypatch):
    monkeypatch.setattr(warm, "groups", lambda: [["minidet_kernels.nowhere"]])
    monkeypatch.setattr(warm, "_worker", lambda *_: subprocess.Popen(
        [sys.executable, "-c", "raise SystemExit('broken: no space left')"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ))  # fmt: skip
    with pytest.raises(RuntimeError, match="no space left"):
        warm.warm()
