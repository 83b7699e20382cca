"""CuPy's and torch's streams, as the clock wants them (``gpu_clock.Stream``); both need a GPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from .gpu_clock import Call


class CupyStream:
    """A stream of CuPy's, which its calls are made on."""

    def __init__(self) -> None:
        import cupy

        self.cupy, self.stream = cupy, cupy.cuda.Stream(non_blocking=True)

    def capture(self, calls: Sequence[Call]) -> Call | None:
        """See ``gpu_clock.Stream``.  Results of a round are kept until the next one, so that outputs rotate too."""
        kept: deque[Any] = deque(maxlen=_different(calls))
        with self.stream:
            for call in calls:  # the same allocations as in the capture, where the pool may not grow
                kept.append(call())
            self.stream.synchronize()
            kept.clear()
            self.stream.begin_capture()
            try:
                for call in calls:
                    kept.append(call())
                graph = self.stream.end_capture()
            except Exception:  # a wait, or a copy to the host, makes the capture invalid; now it is ended
                with suppress(Exception):
                    self.stream.end_capture()
                return None
        kept_on = list(kept)

        def launch() -> None:
            assert kept_on is not None  # the graph writes there
            graph.launch(self.stream)

        return launch

    def seconds(self, call: Call) -> float:
        """See ``gpu_clock.Stream``."""
        begin, end = self.cupy.cuda.Event(), self.cupy.cuda.Event()
        with self.stream:
            begin.record(self.stream)
            call()
            end.record(self.stream)
        end.synchronize()
        return float(self.cupy.cuda.get_elapsed_time(begin, end)) / 1e3


class TorchStream:
    """A stream of torch's, which its calls are made on."""

    def __init__(self) -> None:
        import torch

        self.torch, self.stream = torch, torch.cuda.Stream()

    def capture(self, calls: Sequence[Call]) -> Call | None:
        """See ``gpu_clock.Stream``."""
        graph, kept = self.torch.cuda.CUDAGraph(), deque[Any](maxlen=_different(calls))
        try:
            with self.torch.cuda.graph(graph, stream=self.stream):
                for call in calls:
                    kept.append(call())
        except RuntimeError:  # it waits for the device, or copies to the host
            self.torch.cuda.synchronize()
            return None
        kept_on = list(kept)

        def launch() -> None:
            assert kept_on is not None
            with self.torch.cuda.stream(self.stream):
                graph.replay()

        return launch

    def seconds(self, call: Call) -> float:
        """See ``gpu_clock.Stream``."""
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        with self.torch.cuda.stream(self.stream):
            begin.record()
            call()
            end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) / 1e3


def _different(calls: Sequence[Call]) -> int:
    """How many different calls there are: the copies of the arguments."""
    return len({id(call) for call in calls})
