"""Who may import whom, read from the syntax tree; and what `import minidet` brings along, seen in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.tree import PACKAGES, ROOT, Import, imports, modules

_ROOMS = "activation convolution masks normalization overlap pooling regions resampling suppression updates"
ROOMS = [f"minidet_kernels.{room}" for room in _ROOMS.split()]
TABLE = ["minidet_kernels.arrays", "minidet_kernels.threads", "minidet_kernels.table"]
ROOM = [*TABLE, "minidet_kernels.cuda"]
KERNELS = ["minidet_kernels"]
BASE = [*KERNELS, "minidet.errors", "minidet.files"]
TENSORS = [*BASE, "minidet.autograd", "minidet.functions", "minidet.nn"]

# unit -> the units it may import besides itself.  A unit is a module or a package; the longest name that fits counts.
# Every unit may import only units that stand above it, which a test below checks: so there are no circles.
MAY_IMPORT: dict[str, list[str]] = {
    "minidet_kernels.blas": [],
    "minidet_kernels.arrays": [],
    "minidet_kernels.threads": ["minidet_kernels.blas"],
    "minidet_kernels.stamps": [],
    "minidet_kernels.compiling": ["minidet_kernels.stamps"],
    "minidet_kernels.cuda_on_cpu": [],
    "minidet_kernels.cuda": ["minidet_kernels.arrays", "minidet_kernels.cuda_on_cpu"],
    "minidet_kernels.table": [
        "minidet_kernels.arrays",
        "minidet_kernels.threads",
        "minidet_kernels.compiling",
        "minidet_kernels.cuda",
    ],
    "minidet_kernels.activation": ROOM,
    "minidet_kernels.normalization": [*ROOM, "minidet_kernels.activation"],
    "minidet_kernels.updates": ROOM,
    "minidet_kernels.convolution": [*ROOM, "minidet_kernels.compiling"],
    "minidet_kernels.pooling": ROOM,
    "minidet_kernels.resampling": ROOM,
    "minidet_kernels.overlap": ROOM,
    "minidet_kernels.suppression": [*ROOM, "minidet_kernels.overlap"],
    "minidet_kernels.masks": [*ROOM, "minidet_kernels.overlap"],
    "minidet_kernels.regions": ROOM,
    "minidet_kernels.examples": [],
    "minidet_kernels.warm": [*TABLE, "minidet_kernels.compiling", "minidet_kernels.examples"],
    "minidet_kernels": ["minidet_kernels.blas", *TABLE, *ROOMS],
    "minidet.errors": [],
    "minidet.files": ["minidet.errors"],
    "minidet.autograd": ["minidet_kernels.arrays"],
    "minidet.gradcheck": ["minidet.autograd", *KERNELS],
    "minidet.functions": ["minidet.autograd", *KERNELS],
    "minidet.nn": ["minidet.functions", "minidet.autograd", *KERNELS],
    "minidet.boxes": BASE,
    "minidet.plan": TENSORS,
    "minidet.models": [*TENSORS, "minidet.boxes", "minidet.plan"],
    "minidet.weights": [*TENSORS, "minidet.boxes", "minidet.models"],
    "minidet.darknet": [*TENSORS, "minidet.boxes", "minidet.models", "minidet.weights"],
    "minidet.facts": [*TENSORS, "minidet.models", "minidet.darknet"],
    "minidet.data": BASE,
    "minidet.metrics": [*BASE, "minidet.boxes"],
    "minidet.conformance": BASE,
    "minidet.conformance.parity": [*TENSORS, "minidet.models", "minidet.darknet", "minidet.errors", "minidet.files"],
    "minidet.draw": [*KERNELS, "minidet.data"],
    "minidet.detections": [*BASE, "minidet.boxes", "minidet.data", "minidet.draw"],
    "minidet.detect_regions": [*TENSORS, "minidet.metrics", "minidet.detections"],
    "minidet.detect": [*TENSORS, "minidet.boxes", "minidet.data", "minidet.detections", "minidet.detect_regions"],
    "minidet.train": [
        *TENSORS,
        "minidet.boxes",
        "minidet.models",
        "minidet.weights",
        "minidet.data",
        "minidet.metrics",
        "minidet.draw",
        "minidet.detect",
    ],
    "minidet.explain": [
        *TENSORS,
        "minidet.boxes",
        "minidet.models",
        "minidet.draw",
        "minidet.detections",
        "minidet.detect_regions",
    ],
    "minidet": [*KERNELS, "minidet.autograd", "minidet.gradcheck", "minidet.functions"],
    "minidet.demo": ["*"],
    "minidet.demo_shipped": ["*"],
    "minidet.commands": ["*"],
    "minidet.cli": ["*"],
    "minidet.__main__": ["minidet.cli"],
}

#: The libraries that may be imported at all: the declared dependencies and extras, llvmlite, which is part of Numba,
#: what comes with CuPy, where NVIDIA's compiler is looked for, google.protobuf, and pytest for those who test by it.
_LIBRARIES = (
    "numpy numba llvmlite PIL safetensors rich hypothesis cupy cupy_backends cuda matplotlib tensorboardX google pytest"
)
LIBRARIES = _LIBRARIES.split()


def unit(module: str) -> str:
    return max((name for name in MAY_IMPORT if f"{module}.".startswith(f"{name}.")), key=len)


def all_imports() -> Iterator[Import]:
    for module in modules():
        yield from imports(module)


def test_there_are_imports_to_check():
    assert len(modules()) > 20
    assert sum(1 for _ in all_imports()) > 100


def test_the_table_has_no_circles():
    order = list(MAY_IMPORT)
    for importer, allowed in MAY_IMPORT.items():
        for name in allowed:
            if name not in ("*", "minidet_kernels"):
                assert order.index(name) < order.index(importer), f"{importer} may import {name}, which stands below it"


def test_every_unit_of_the_table_is_there_and_every_module_is_in_it():
    found = {unit(module) for module in modules()}
    assert sorted(set(MAY_IMPORT) - found) == [], "units that no longer exist"
    packages = {".".join(module.split(".")[:2]) for module in modules()}
    assert sorted(packages - set(MAY_IMPORT)) == [], "not in the table of who may import whom"


def test_who_may_import_whom():
    """What stands under ``if TYPE_CHECKING`` is never run, so it does not count."""
    wrong = []
    for item in all_imports():
        if item.target.split(".")[0] not in PACKAGES:
            continue
        importer, imported = unit(item.module), unit(item.target)
        allowed = MAY_IMPORT[importer]
        inside = importer == imported or "*" in allowed
        if not item.typing and not inside and not any(f"{imported}.".startswith(f"{name}.") for name in allowed):
            wrong.append(f"{item} ({importer} may import {', '.join(allowed) or 'nothing here'})")
    assert not wrong, "\n".join(wrong)


def test_kernels_never_import_minidet():
    wrong = [
        str(item)
        for item in all_imports()
        if item.module.startswith("minidet_kernels") and item.target.split(".")[0] == "minidet"
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_declared_libraries_are_imported():
    allowed = {*LIBRARIES, *PACKAGES, *sys.stdlib_module_names}
    wrong = [str(item) for item in all_imports() if item.target.split(".")[0] not in allowed]
    assert not wrong, "\n".join(wrong)


def test_in_the_kernels_cupy_and_numba_cuda_have_files_of_their_own():
    wrong = []
    for item in all_imports():
        name = modules()[item.module].name
        in_kernels = item.module.startswith("minidet_kernels")
        if in_kernels and item.target.split(".")[0] == "cupy" and unit(item.module) != "minidet_kernels.cuda":
            wrong.append(f"{item}, but only the package cuda may")
        if item.target.startswith("numba.cuda") and name != "numba_cuda.py":
            wrong.append(f"{item}, but only numba_cuda.py may")
    assert not wrong, "\n".join(wrong)


IMPORT_MINIDET = """
import json, sys, time
t0 = time.process_time()
import numpy
t1 = time.process_time()
import minidet, minidet.functions, minidet.nn, minidet.models, minidet.cli
t2 = time.process_time()
print(json.dumps({"numpy": t1 - t0, "minidet": t2 - t1, "modules": sorted(sys.modules)}))
"""


def fresh_import() -> dict:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_MINIDET],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}", "PATH": "", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def loaded() -> list[str]:
    return fresh_import()["modules"]


@pytest.mark.parametrize("library", [name for name in LIBRARIES if name != "numpy"])
def test_import_minidet_needs_numpy_alone(library, loaded):
    assert "minidet.nn" in loaded
    assert library not in loaded


def test_import_minidet_takes_no_longer_than_import_numpy():
    # Relative, and of processor time, so that a slow or busy machine does not matter; the best, so that hiccups do not.
    best = min(run["minidet"] / run["numpy"] for run in (fresh_import() for _ in range(7)))
    assert best < 1, f"importing minidet takes {best:.2f} times as long as importing numpy"
