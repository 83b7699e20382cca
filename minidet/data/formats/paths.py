"""Paths that stand in annotations: none may lead out of the data root."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

#: C:\\x, C:x, \\\\server\\share
_WINDOWS = re.compile(r"[A-Za-z]:|.*\\")


def refusal(text: str) -> str | None:
    """Why ``text`` may not be a relative path with forward slashes inside a folder; None if it may."""
    if not text or text != text.strip() or any(not letter.isprintable() for letter in text):
        return f"a path was expected, found {text!r}"
    if _WINDOWS.match(text):
        return f"{text!r} is a path in Windows' form; expected one relative to the data root, with forward slashes"
    if text.startswith(("/", "~")):
        return f"{text!r} leads out of the data root; expected a path relative to it"
    if ".." in PurePosixPath(text).parts:
        return f"{text!r} leads up with '..'; expected a path inside the data root"
    if len(text.encode("utf-8", "surrogatepass")) > 4000 or any(len(p.encode()) > 255 for p in text.split("/")):
        return f"{text[:40]!r}... is longer than a path can be"
    return None


def inside(root: Path, relative: str) -> str | None:
    """Why the file ``relative`` (as ``refusal`` allows) is not inside ``root`` once links are followed; None if it is.

    A file that does not exist is inside when the folders on its way are.
    """
    base = root.resolve()
    try:
        found = (base / relative).resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        return f"{relative!r} cannot be followed: {error}"
    if not found.is_relative_to(base):
        return f"{relative!r} leads out of the data root by a link, to {found}"
    return None
