"""Steps that run one after the other on all threads, started once.

To start the threads for a step and to wait for them takes as long as the smallest layers.  A program starts them for
all of its steps: each thread does its share of a step, waits until all have done theirs, and goes on to the next.
Waiting is counting: who arrives adds one, and goes on when as many have been added as there are threads and steps so
far.  After a while of that, a thread gives up its core for a moment, since the others may be waiting for one.

A step is a kind, a row of integers (addresses, sizes, distances) and a slope, so that one compiled function does all.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from llvmlite.binding import get_default_triple
from numba import get_num_threads, njit, prange, types
from numba.extending import intrinsic
from numba.np.unsafe.ndarray import to_fixed_tuple

from ...threads import apply
from ..scratch import scratch
from ..vectors import INDEX, Builder, Value, index
from . import depthwise, greatest, layout, windows, winograd
from .maps import CACHE_LINE, aligned
from .pack import TABLE, Step, address
from .tiles import APART

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"

#: The numbers in a row of each kind; global integers, because Numba has to know them when it compiles.
_WINDOWS, _WINOGRAD, _DEPTHWISE = len(windows.Call._fields), len(winograd.Call._fields), len(depthwise.Call._fields)
_GREATEST, _LAYOUT = len(greatest.Call._fields), len(layout.Call._fields)

#: How often to look before giving up the core for a moment.
LOOKS = 20000


def _pause(b: Builder) -> None:
    """Tell the processor that this is waiting, where it has a word for that."""
    if get_default_triple().startswith(("x86_64", "i386", "i686")):
        _call(b, "llvm.x86.sse2.pause", ir.VoidType())


def _yield(b: Builder) -> None:
    """Let another thread have the core, where the system has a word for that."""
    if sys.platform != "win32":
        _call(b, "sched_yield", ir.IntType(32))


def _call(b: Builder, name: str, returns: Any) -> None:
    b.call(b.module.globals.get(name) or ir.Function(b.module, ir.FunctionType(returns, []), name), [])


def _meet(context: Any, b: Builder, signature: Any, arguments: Sequence[Value]) -> Value:
    counter, target = b.inttoptr(arguments[0], INDEX.as_pointer()), arguments[1]
    b.atomic_rmw("add", counter, index(1), "acq_rel")
    before, look = b.block, b.append_basic_block("look")
    wait, rest, again, done = (b.append_basic_block(name) for name in ("wait", "rest", "again", "done"))
    b.branch(look)
    b.position_at_end(look)
    looks = b.phi(INDEX)
    looks.add_incoming(index(0), before)
    b.cbranch(b.icmp_signed(">=", b.load_atomic(counter, "acquire", 8), target), done, wait)
    b.position_at_end(wait)
    _pause(b)
    more = b.add(looks, index(1))
    b.cbranch(b.icmp_signed("==", b.urem(more, index(LOOKS)), index(0)), rest, again)
    b.position_at_end(rest)
    _yield(b)
    b.branch(again)
    b.position_at_end(again)
    looks.add_incoming(more, again)
    b.branch(look)
    b.position_at_end(done)
    return context.get_dummy_value()


@intrinsic
def _wait(context: Any, counter: Any, target: Any) -> Any:
    """Add one to the counter at this address, and wait until it shows the target."""
    return types.void(types.int64, types.int64), _meet


@njit(cache=True)
def _perform(kind, row, slope, shared, private, table, counters, thread, threads):
    """This thread's share of one step."""
    if kind == windows.KIND:
        windows.work(windows.Call(*to_fixed_tuple(row, _WINDOWS)), slope, table, counters, thread, threads)
    elif kind == winograd.INPUTS:
        winograd.inputs(winograd.Call(*to_fixed_tuple(row, _WINOGRAD)), shared, thread, threads)
    elif kind == winograd.BY_FILTERS:
        winograd.by_filters(
            winograd.Call(*to_fixed_tuple(row, _WINOGRAD)), slope, shared, private, table, counters, thread, threads
        )
    elif kind == winograd.BY_TILES:
        winograd.by_tiles(
            winograd.Call(*to_fixed_tuple(row, _WINOGRAD)), slope, private, table, counters, thread, threads
        )
    elif kind == depthwise.KIND:
        depthwise.work(depthwise.Call(*to_fixed_tuple(row, _DEPTHWISE)), slope, table, thread, threads)
    elif kind == greatest.KIND:
        greatest.work(greatest.Call(*to_fixed_tuple(row, _GREATEST)), private, thread, threads)
    elif kind == layout.KIND:
        layout.work(layout.Call(*to_fixed_tuple(row, _LAYOUT)), thread, threads)


@njit(cache=True, parallel=True)
def _execute(kinds, rows, slopes, shared, private, tables, counters, meeting, threads):
    """All steps on all threads; private (threads, numbers), tables (threads, 4, TABLE), counters (steps, numbers)."""
    for thread in prange(threads):
        mine, table = address(private[thread]), tables[thread]
        for step in range(len(kinds)):
            _perform(
                kinds[step], rows[step], slopes[step], shared, mine, table, address(counters[step]), thread, threads
            )
            if step < len(kinds) - 1:
                _wait(address(meeting), (step + 1) * threads)


@dataclass(eq=False)
class Program:
    """Steps to run one after the other; it keeps the memory that they read and write alive."""

    steps: Sequence[Step]

    def __post_init__(self) -> None:
        longest = max((len(step.row) for step in self.steps), default=1)
        self._kinds = np.array([step.kind for step in self.steps], np.int64)
        self._rows = np.zeros((len(self.steps), longest), np.int64)
        for row, step in zip(self._rows, self.steps, strict=True):
            row[: len(step.row)] = step.row
        self._slopes = np.array([step.slope for step in self.steps], np.float32)
        line = CACHE_LINE // 4
        self._private = -(-max((step.private for step in self.steps), default=0) // line) * line
        self._shared = max((step.shared for step in self.steps), default=0)

    def run(self) -> None:
        """Run the steps.  Several threads may run one program if its maps are not the same memory."""
        count = len(self.steps)
        if not count:
            return
        apply()
        threads = get_num_threads()
        private, shared = aligned((threads, self._private), "private"), aligned((self._shared,), "shared")
        tables = scratch("tables", (threads, 4, 2 * TABLE)).view(np.int64)
        counters = scratch("counters", (count + 1, threads, 2 * APART)).view(np.int64).reshape(count + 1, -1)
        counters[...] = 0
        # the threads of a program have to be there all at once, which TBB does not promise
        together = count if numba.threading_layer() != "tbb" else 1
        for start in range(0, count, together):
            some = slice(start, start + together)
            _execute(
                self._kinds[some], self._rows[some], self._slopes[some], shared.ctypes.data, private, tables,
                counters[:-1][some], counters[-1], threads,
            )  # fmt: skip
