"""What a compiled kernel takes of a multiprocessor, as ``ptxas`` says it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """Of one kernel: registers a thread; bytes of stack and of spilled registers a thread; static shared bytes a block.

    ``spilled`` counts stores and loads.  Dynamic shared memory is not in it: the launcher asks for that.
    """

    registers: int
    shared: int = 0
    stack: int = 0
    spilled: int = 0


_ENTRY = re.compile(r"Compiling entry function '([^']+)'")
_OF = re.compile(r"Function properties for (\S+)")
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")


def of_log(log: str) -> dict[str, Resources]:
    """The kernels of a log of ``--ptxas-options=-v``, by the names that the linker knows.

    Functions that were not inlined have stacks and spills of their own: they count as the kernel's that follows.
    """
    found: dict[str, Resources] = {}
    entry, about, stack, spilled = "", "", 0, 0
    for line in log.splitlines():
        if match := _ENTRY.search(line):
            entry, about, stack, spilled = match[1], match[1], 0, 0
        elif match := _OF.search(line):
            about = match[1]
        elif match := _STACK.search(line):
            stack = max(stack, int(match[1])) if about == entry else stack
            spilled += int(match[2]) + int(match[3])
        elif entry and (match := _USED.search(line)):
            shared = _SHARED.search(line)
            found[entry] = Resources(int(match[1]), int(shared[1]) if shared else 0, stack, spilled)
            entry = ""
    return found
