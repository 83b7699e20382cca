"""Runs launches in a program of its own: what goes wrong there does not take this process along."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from . import reports
from .arguments import Checked, Described
from .errors import KernelError, of_the_runtime
from .launch import Launch

_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0:exitcode=77",
    "UBSAN_OPTIONS": "print_stacktrace=0",
    "TSAN_OPTIONS": "halt_on_error=1:exitcode=66:report_signal_unsafe=0:history_size=5",
}


class _GoneError(Exception):
    """The program has ended."""


class _LateError(Exception):
    """The time is over."""


class Worker:
    """A program, started at the first launch and again after each error."""

    def __init__(self, path: Path, count: int, timeout: float) -> None:
        self._path, self._count, self._timeout = path, count, timeout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._until = 0.0
        self.static_shared = 0

    def parameters(self) -> list[list[Described]]:
        """Of each kernel."""
        with self._lock:
            return self._start()

    def _start(self) -> list[list[Described]]:
        try:
            return self._started([])
        except _GoneError:
            text = self._said()
            self.close()
            # The thread sanitizer of old compilers cannot do with much randomness in the addresses.
            if "unexpected memory mapping" not in text or not shutil.which("setarch"):
                raise KernelError(f"{self._path} does not start: {text.strip()}", kind="crash", report=text) from None
        return self._started(["setarch", "-R"])

    def _started(self, before: list[str]) -> list[list[Described]]:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [*before, str(self._path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=os.environ | _ENVIRONMENT,
            bufsize=0,
        )
        self._until = time.monotonic() + self._timeout
        parameters = []
        for _ in range(self._count):
            (count,) = struct.unpack("I", self._read(4))
            size = ctypes.sizeof(Described)
            parameters.append([Described.from_buffer_copy(self._read(size)) for _ in range(count)])
        (self.static_shared,) = struct.unpack("Q", self._read(8))
        return parameters

    def launch(self, name: str, number: int, how: Launch, checked: Checked) -> None:
        """Launch kernel ``number``; the arrays are filled with what it leaves in them."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self.close()
                self._start()
            self._until = time.monotonic() + self._timeout
            try:
                self._exchange(name, number, how, checked)
            except _GoneError:
                text, process = self._said(), self._process
                status = process.wait() if process else None
                self.close()
                raise reports.error(name, text, status) from None
            except _LateError:
                self.close()
                raise KernelError(
                    f"{name}: timeout: it did not end within {self._timeout:g} s; it may loop without end",
                    kind="timeout",
                ) from None
            except BaseException:
                self.close()
                raise

    def _exchange(self, name: str, number: int, how: Launch, checked: Checked) -> None:
        request = [struct.pack("4I", number, len(checked.arrays), len(checked.values), 0), bytes(how)]
        for array in checked.arrays:
            request += [struct.pack("Q", array.nbytes), array.tobytes()]
        for value in checked.values:
            if isinstance(value, int):
                request.append(struct.pack("Qq", 0, value))
            else:
                request += [struct.pack("Q", len(value)), value]
        self._write(b"".join(request))
        (length,) = struct.unpack("Q", self._read(8))
        if length:
            message = self._read(length).decode()
            self.close()
            raise of_the_runtime(name, message)
        for array in checked.arrays:
            data = self._read(array.nbytes)
            if array.flags.writeable and array.nbytes:
                array.reshape(-1).view("u1")[...] = bytearray(data)

    def _write(self, data: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        view = memoryview(data)
        try:
            while view:
                view = view[self._process.stdin.write(view) :]
        except BrokenPipeError:
            raise _GoneError from None

    def _read(self, size: int) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        parts, left = [], size
        while left:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, self._until - time.monotonic()))
            if not ready:
                raise _LateError
            part = self._process.stdout.read(min(left, 1 << 20))
            if not part:
                raise _GoneError
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _said(self) -> str:
        if self._log is None:
            return ""
        if self._process is not None:
            self._process.wait()
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        """End the program, if it runs."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()
