"""Turns what a sanitizer printed into one clear error."""

from __future__ import annotations

import re

from .errors import KernelError

_FRAME = re.compile(r"^\s*#\d+ (?:0x[0-9a-f]+ in )?(.*?) ((?:/|\w)[^\s()]*?:\d+)(?::\d+)?(?: \(.*\))?$", re.MULTILINE)
_OWN = ("runtime.cpp", "device.hpp", "runtime.hpp", "minidet_ptx.cuh", "(the table of kernels)")


def _place(text: str) -> str:
    """The innermost line of a stack that stands in the user's source."""
    for match in _FRAME.finditer(text):
        if (
            not any(own in match[2] for own in _OWN)
            and "libsanitizer" not in match[2]
            and "/usr/include" not in match[2]
        ):
            return match[2]
    return "an unknown line"


def _address(text: str) -> tuple[str, str]:
    what = re.search(r"AddressSanitizer: ([\w-]+)", text)
    access = re.search(r"^(READ|WRITE) of size (\d+)", text, re.MULTILINE)
    name = what[1] if what else "error"
    where = _place(text[access.start() :] if access else text)
    if name == "SEGV" or access is None:
        return "crash", f"an access to no memory at all ({name}) at {where}"
    beside = re.search(
        r"is located (\d+) bytes (to the right of|to the left of|after|before|inside of|inside) "
        r"(?:a )?(?:(\d+)-byte region|global variable '(?:.*::)?([^']+)')",
        text,
    )
    located = ""
    if beside:
        side = {"to the right of": "after", "to the left of": "before"}.get(beside[2], beside[2].removesuffix(" of"))
        region = beside[4] or f"{beside[3]} bytes of an argument or of dynamic shared memory"
        located = f", {beside[1]} bytes {side} {region}"
    verb = "reads" if access[1] == "READ" else "writes"
    return "out of bounds", f"{where} {verb} {access[2]} bytes out of bounds ({name}{located})"


def _race(text: str) -> tuple[str, str]:
    accesses = list(
        re.finditer(r"^  (Previous )?(atomic )?(read|write) of size \d+ at .*$", text, re.MULTILINE | re.IGNORECASE)
    )
    told = []
    for number, access in enumerate(accesses[:2]):
        stop = accesses[number + 1].start() if number + 1 < len(accesses) else len(text)
        kind = ((access[2] or "") + access[3]).lower()
        told.append(f"{kind} at {_place(text[access.start() : stop])}")
    return "race", f"two threads meet with nothing to order them: {', and before it '.join(told)}"


def error(kernel: str, text: str, status: int | None) -> KernelError:
    """The error for a worker that ended with ``status`` and printed ``text``."""
    undefined = re.search(r"^(\S+?:\d+)(?::\d+)?: runtime error: (.*)$", text, re.MULTILINE)
    if "ThreadSanitizer: data race" in text:
        kind, told = _race(text)
    elif undefined:
        kind = "out of bounds" if "out of bounds" in undefined[2] else "undefined behaviour"
        told = f"{undefined[1]}: {undefined[2]}"
    elif "AddressSanitizer" in text:
        kind, told = _address(text)
    else:
        last = text.strip().splitlines()[-1:] or ["nothing was printed"]
        kind, told = "crash", f"the program ended with status {status} ({last[0]})"
    return KernelError(f"{kernel}: {kind}: {told}", kind=kind, report=text)
