"""Timing on a GPU: graphs of launches over rotated buffers, between two events, in turns; nothing here needs a GPU.

A kernel of some microseconds takes less time than its launch, and finds in the cache what the call before left there.
So a candidate is called on several copies of its arguments, one after the other, which together are larger than the
second-level cache; the calls are captured as a CUDA graph, and the graph's launch is timed between two events.  What
cannot be captured, since it waits for the device, is timed by the same calls without a graph, and the row says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, fsum, log
from typing import Any, Protocol

import numpy as np

from .measure import Timing

Call = Callable[[], Any]

#: Arguments and results together are at least so many times the second-level cache.
TIMES_CACHE = 2.0
#: But no more copies than this, and no more than this share of the free memory.
MOST_COPIES, MOST_MEMORY = 64, 0.5
#: What is between two events takes at least this long, in seconds, and is of at most so many calls.
SHORTEST, MOST_CALLS = 0.01, 4096


class Stream(Protocol):
    """What a library does on its stream; CuPy's and torch's are in ``gpu_streams``."""

    def capture(self, calls: Sequence[Call]) -> Call | None:
        """A function that launches all these calls as one graph, or ``None`` where they cannot be captured."""

    def seconds(self, call: Call) -> float:
        """The time between two events around ``call``, which is made on this stream; returns when it is over."""


@dataclass(frozen=True)
class Candidate:
    """The same work on each copy of the arguments, on the stream of its library."""

    stream: Stream
    calls: Sequence[Call]


@dataclass(frozen=True)
class GpuTiming:
    """Seconds a call, and how it was launched: ``"graph"`` or ``"launches"``."""

    timing: Timing
    how: str


def copies(each: float, cache: float, free: float) -> int:
    """How many copies of ``each`` bytes are rotated, for a cache and free memory of so many bytes."""
    wanted = ceil(TIMES_CACHE * cache / max(each, 1.0))
    return max(1, min(wanted, MOST_COPIES, int(MOST_MEMORY * free / max(each, 1.0))))


def beyond_cache(each: float, count: int, cache: float) -> bool:
    """Whether ``count`` copies are as much as was wanted; if not, what is measured may come from the cache."""
    return each * count >= TIMES_CACHE * cache


def rounds(seconds: float, count: int) -> int:
    """How often all ``count`` copies are gone through between two events, when one round takes ``seconds``."""
    return max(1, min(ceil(SHORTEST / max(seconds, 1e-9)), MOST_CALLS // count))


def in_turns(candidates: Mapping[str, Candidate], *, repeats: int) -> dict[str, GpuTiming]:
    """Median and spread of the time of a call, the candidates in turns, the first one shifting by one each turn."""
    ready: dict[str, tuple[Call, int, str]] = {}
    for name, candidate in candidates.items():
        stream, calls = candidate.stream, list(candidate.calls)
        stream.seconds(lambda calls=calls: _run(calls))  # type: ignore[misc]  # compiles, and fills pools of memory
        many = calls * rounds(stream.seconds(lambda calls=calls: _run(calls)), len(calls))  # type: ignore[misc]
        graph = stream.capture(many)
        launch = graph or (lambda many=many: _run(many))  # type: ignore[misc]
        stream.seconds(launch)
        ready[name] = launch, len(many), "graph" if graph else "launches"
    names, samples = list(candidates), {name: list[float]() for name in candidates}
    for turn in range(repeats):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            launch, count, _ = ready[name]
            samples[name].append(candidates[name].stream.seconds(launch) / count)
    return {name: GpuTiming(summary(seconds), ready[name][2]) for name, seconds in samples.items()}


def _run(calls: Sequence[Call]) -> None:
    for call in calls:
        call()


def summary(seconds: Sequence[float]) -> Timing:
    """Median, and how far apart the quartiles are, relative to it."""
    low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75])
    return Timing(float(median), float((high - low) / median), len(seconds))


def geometric_mean(ratios: Sequence[float]) -> float:
    """Of ratios above 0; raises ``ValueError`` for none of them."""
    if not ratios or min(ratios) <= 0:
        raise ValueError(f"a geometric mean of {list(ratios)}")
    return exp(fsum(map(log, ratios)) / len(ratios))
