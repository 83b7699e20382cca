"""What a launch is: its grid, its block, its schedule; and the limits of a GPU."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

#: In which order the threads of a block, and the blocks, take their turns.
SCHEDULES = ("forward", "reverse", "random")
#: Bytes of dynamic shared memory without, and with, asking for more (on a Hopper GPU).
SHARED, MOST_SHARED = 48 * 1024, 227 * 1024
_GRID, _BLOCK, _THREADS = (2**31 - 1, 65535, 65535), (1024, 1024, 64), 1024


class Launch(ctypes.Structure):
    """As ``runtime.cpp`` lays it out."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("schedule", ctypes.c_uint),
        ("host_threads", ctypes.c_uint),
        ("shared", ctypes.c_uint64),
        ("seed", ctypes.c_uint64),
    )


def _extent(kernel: str, what: str, extent: int | Sequence[int], limits: Sequence[int]) -> tuple[int, ...]:
    sizes = (extent,) if isinstance(extent, int) else tuple(int(size) for size in extent)
    if not 1 <= len(sizes) <= 3:
        raise ValueError(f"{kernel}: the {what} is one to three sizes, not {sizes}")
    sizes += (1,) * (3 - len(sizes))
    if any(not 1 <= size <= limit for size, limit in zip(sizes, limits, strict=True)):
        raise ValueError(f"{kernel}: a {what} of {sizes} is out of the limits 1 to {tuple(limits)}")
    return sizes


def make(
    kernel: str,
    grid: int | Sequence[int],
    block: int | Sequence[int],
    *,
    shared: int,
    most_shared: int,
    schedule: str,
    seed: int,
    host_threads: int,
) -> Launch:
    """A launch within the limits of a GPU; ``ValueError`` for what no GPU would take."""
    sizes = _extent(kernel, "block", block, _BLOCK)
    if sizes[0] * sizes[1] * sizes[2] > _THREADS:
        raise ValueError(f"{kernel}: a block of {sizes} has more than {_THREADS} threads")
    blocks = _extent(kernel, "grid", grid, _GRID)
    if not 0 <= shared <= MOST_SHARED:
        raise ValueError(f"{kernel}: {shared} bytes of dynamic shared memory; a GPU has 0 to {MOST_SHARED}")
    if shared > most_shared:
        raise ValueError(
            f"{kernel}: {shared} bytes of dynamic shared memory are more than the {most_shared} that are allowed; "
            "on a GPU more must be asked for, here by module.kernel(name, max_shared=...)"
        )
    if schedule not in SCHEDULES:
        raise ValueError(f"{kernel}: the schedule is one of {', '.join((*SCHEDULES, 'all'))}, not {schedule!r}")
    if host_threads < 1:
        raise ValueError(f"{kernel}: host_threads is 1 or more, not {host_threads}")
    number = SCHEDULES.index(schedule)
    return Launch((ctypes.c_uint * 3)(*blocks), (ctypes.c_uint * 3)(*sizes), number, host_threads, shared, seed % 2**64)
