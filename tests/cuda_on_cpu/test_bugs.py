"""Planted bugs: each kernel of ``bugs.cu`` passes every job as NAME<true>, and a named job catches NAME<false>.

The jobs: ``result`` (plain build, forward schedule, compared with what is expected), ``schedules`` (plain build, the
three schedules must agree, errors with a place), ``address`` (sanitizer of addresses and of undefined behaviour) and
``thread`` (sanitizer of races).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from minidet_kernels.cuda_on_cpu import KernelError, empty
from support.cuda_sources import KERNELS, module, needs_compiler

pytestmark = needs_compiler
SOURCE = KERNELS / "bugs.cu"
N = 64
X = np.arange(1, 3 * N + 1, dtype=np.float32)
WRONG = "wrong result"


@dataclass(frozen=True)
class Bug:
    """A planted bug: how the kernel is launched, what a right one leaves in ``y``, and which job sees what."""

    caught: dict[str, str]  # job -> kind of error
    y: np.ndarray  # what is expected
    x: np.ndarray = field(default_factory=lambda: X)
    more: tuple[np.generic, ...] = ()
    grid: int = 1
    block: int = N
    shared: int = 0
    start: Callable[[np.ndarray], np.ndarray] = lambda y: empty(y.shape, y.dtype)


def zeros(y: np.ndarray) -> np.ndarray:
    return np.zeros_like(y)


FIRST, TURNED = X[:N], X[:N][::-1]
ROWS = X.reshape(3, N)[:, ::-1]
ONES, KINDS = np.ones(N, np.int32), np.arange(N, dtype=np.int32) % 3
f4, i4 = np.float32, np.int32

BUGS = {
    "barrier_after_load": Bug({"result": WRONG, "schedules": "schedules differ", "thread": "race"}, TURNED),
    "barrier_before_overwriting": Bug({"result": WRONG, "thread": "race"}, ROWS.sum(axis=0)),
    "barrier_in_a_tree": Bug({"result": WRONG, "thread": "race"}, FIRST.sum(keepdims=True)),
    "warp_synchrony": Bug({"schedules": "schedules differ", "thread": "race"}, FIRST.reshape(-1, 2)[:, ::-1].ravel()),
    "shared_index": Bug({"address": "out of bounds"}, np.full(N, FIRST.sum())),
    "dynamic_shared_index": Bug({"address": "out of bounds"}, FIRST, shared=4 * N),
    "global_read": Bug({"address": "out of bounds"}, np.r_[X[:69] + X[1:70], X[69]], X[:70].copy(), (i4(70),), 2),
    "global_write": Bug({"address": "out of bounds"}, np.full(70, 2, f4), X, (i4(70),), 2),
    "update": Bug({"thread": "race"}, np.array([N], i4), ONES, start=zeros),
    "update_of_shared": Bug({"thread": "race"}, np.bincount(KINDS, minlength=4).astype(i4), KINDS),
    "async_wait": Bug({"result": WRONG, "schedules": "schedules differ"}, ROWS[:2].sum(axis=0)),
    "async_too_early": Bug({"thread": "race", "schedules": "schedules differ"}, ROWS[:2].sum(axis=0)),
    "remainder_tile": Bug({"result": WRONG}, X[:100].sum(keepdims=True), X[:100].copy(), (i4(100),), start=zeros),
    "divergent_barrier": Bug({"schedules": "divergent barrier", "address": "divergent barrier"}, FIRST),
    "absent_lanes": Bug({"schedules": "deadlock"}, FIRST.reshape(-1, 2)[:, ::-1].ravel()),
    "lane_not_in_the_mask": Bug({"result": WRONG}, FIRST[:16].reshape(2, 8)[::-1].ravel()),
    "unset_shared": Bug({"result": WRONG}, np.full(N, FIRST.sum())),
    "unset_local": Bug({"result": WRONG}, np.tile([FIRST[::2].sum(), FIRST[1::2].sum()], N // 2).astype(f4)),
    "overflowing_index": Bug({"address": "undefined behaviour"}, FIRST, more=(i4(1),)),
    "shift_too_far": Bug({"address": "undefined behaviour"}, np.left_shift(1, np.arange(N) % 32).astype("u4")),
    "misaligned_vector": Bug({"address": "undefined behaviour"}, np.tile(X[:16:4], N // 4)),
    "order_of_blocks": Bug({"schedules": "schedules differ", "result": WRONG}, X[:5], grid=5, block=1, start=zeros),
    "endless_wait": Bug({"schedules": "endless wait"}, np.ones(1, i4), start=zeros),
    "shared_by_blocks": Bug({"schedules": "schedules differ", "result": WRONG}, X[:4], grid=4, block=32, start=zeros),
}
INSTANCES = tuple(f"{name}<{right}>" for name in BUGS for right in ("true", "false"))
SANITIZE = {"result": None, "schedules": None, "address": "address", "thread": "thread"}
TEMPLATES = [(name, job) for name, bug in BUGS.items() for job in bug.caught]


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    module(SOURCE, None, INSTANCES)


def run(name: str, right: bool, job: str) -> str:
    """The kind of what the job finds; ``""`` for nothing."""
    bug, y = BUGS[name], BUGS[name].start(BUGS[name].y)
    x = empty(bug.x.shape, bug.x.dtype)
    x[...] = bug.x
    kernel = module(SOURCE, SANITIZE[job], INSTANCES).kernel(f"{name}<{str(right).lower()}>")
    schedule = "forward" if job == "result" else "all"
    found = None
    try:
        kernel(bug.grid, bug.block, (x, y, *bug.more), shared=bug.shared, schedule=schedule, seed=5)
    except KernelError as error:
        found = error
    if found is not None:
        assert name in str(found), "it says which kernel"
        assert found.kind == "schedules differ" or "bugs.cu:" in str(found), "it says where"
        assert "\n" not in str(found)
        return found.kind
    return "" if np.array_equal(y, bug.y) else WRONG


@pytest.mark.parametrize(("name", "job"), TEMPLATES)
def test_a_planted_bug_is_caught(name, job):
    assert run(name, False, job) == BUGS[name].caught[job]


@pytest.mark.parametrize("job", SANITIZE)
def test_without_the_bugs_no_job_finds_anything(job):
    assert {name: found for name in BUGS if (found := run(name, True, job))} == {}


def test_who_waits_where():
    x, y = X[:N].copy(), empty(N, np.float32)
    kernel = module(SOURCE, None, INSTANCES).kernel("divergent_barrier<false>")
    with pytest.raises(KernelError, match=r"block \(0, 0, 0\): threads 0-39 wait in __syncthreads at .*bugs.cu:\d+; "):
        kernel(1, N, (x, y))
    kernel = module(SOURCE, None, INSTANCES).kernel("absent_lanes<false>")
    says = r"deadlock .*: threads 0-15,32-47 wait in __shfl_xor_sync \(mask 0xffffffff\) at .*; threads 16-31,48-63"
    with pytest.raises(KernelError, match=says):
        kernel(1, N, (x, y))


def test_a_report_names_lines_and_variables():
    kernel = module(SOURCE, "thread", INSTANCES).kernel("barrier_after_load<false>")
    with pytest.raises(KernelError, match=r"two threads meet with .*: \w+ at \S+bugs.cu:\d+, and before it") as caught:
        kernel(1, N, (X[:N].copy(), empty(N, np.float32)))
    assert "ThreadSanitizer" in caught.value.report
    kernel = module(SOURCE, "address", INSTANCES).kernel("global_write<false>")
    says = r"bugs.cu:\d+ writes 4 bytes out of bounds \(heap-buffer-overflow, 0 bytes after 280 bytes of an argument"
    with pytest.raises(KernelError, match=says):
        kernel(2, N, (X[:70].copy(), empty(70, np.float32), np.int32(70)))
