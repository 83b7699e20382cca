"""A process that messages are exchanged with, each within a time; it may die, hang, or say what is no message."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np

from ..errors import one_line
from . import protocol

#: The longest message that is taken for one; what is longer is no length at all, but text.
LONGEST = 1 << 34


#: Seconds of waiting at once.
SLICE = 0.5


class Clock:
    """Counts seconds down, at most ``most`` between two looks: what the machine slept meanwhile is not counted."""

    def __init__(self, seconds: float, most: float = 2 * SLICE) -> None:
        self.left, self._most, self._at = seconds, most, time.monotonic()

    def wait(self) -> float:
        """For how long to wait next; raises ``TimeoutError`` where no time is left."""
        now = time.monotonic()
        self.left -= min(now - self._at, self._most)
        self._at = now
        if self.left <= 0:
            raise TimeoutError
        return min(self.left, SLICE)


class GoneError(Exception):
    """The process ended, or said what is no message; the reason in words."""


class Process:
    """``command`` in a process group of its own, so that what it starts ends with it; used until `stop`."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=env,
                start_new_session=True,
            )
        except OSError:
            self._said.close()
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._into, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._into, False)

    def exchange(self, message: bytes, limit: float) -> dict[str, np.ndarray]:
        """The reply to a message; raises ``TimeoutError``, or `GoneError` where there will never be one."""
        clock = Clock(limit)
        try:
            self._send(message, clock)
        except BrokenPipeError:
            raise GoneError(self._ended()) from None
        length = int.from_bytes(self._bytes(protocol.LENGTH, clock), "little")
        if length > LONGEST:
            raise GoneError("its output is no message: something was printed to standard output")
        body = self._bytes(length, clock)
        try:
            return protocol.unpack(body)
        except ValueError as error:
            raise GoneError(one_line(f"its output is no message: {error}")) from None

    def stop(self) -> None:
        """End it, and all that it started."""
        end(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._said.close()

    def _send(self, message: bytes, clock: Clock) -> None:
        """All of it, also where the process reads slowly, or not at all."""
        left = memoryview(message)
        with selectors.DefaultSelector() as ready:
            ready.register(self._into, selectors.EVENT_WRITE)
            while left:
                if not ready.select(clock.wait()):
                    continue
                left = left[os.write(self._into, left) :]

    def _bytes(self, count: int, clock: Clock) -> bytes:
        """So many bytes of its output; by ``os.read``, since a buffered read could wait forever."""
        found = bytearray()
        with selectors.DefaultSelector() as ready:
            ready.register(self._out, selectors.EVENT_READ)
            while len(found) < count:
                if not ready.select(clock.wait()):
                    continue
                more = os.read(self._out, min(count - len(found), 1 << 20))
                if not more:
                    raise GoneError(self._ended())
                found += more
        return bytes(found)

    def _ended(self) -> str:
        """Why the process is gone, in words."""
        try:
            status = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return "closed its output"
        self._said.seek(0)
        last = self._said.read().decode(errors="replace").strip().rpartition("\n")[2]
        return f"{ending(status)}{': ' + one_line(last) if last else ''}"


def waited(process: subprocess.Popen[bytes], limit: float) -> int:
    """The exit status of a process; raises ``TimeoutError`` where it does not end in time."""
    clock = Clock(limit)
    while True:
        try:
            return process.wait(clock.wait())
        except subprocess.TimeoutExpired:
            continue


def ending(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"ended by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"ended by signal {-status}"


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a group, and the group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
