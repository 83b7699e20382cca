"""Paths that stand in annotations: none may lead out of the data root."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

#: C:\\x, C:x, \\\\server\\share, a\\b
_WINDOWS = re.compile(r"[A-Za-z]:|.*\\")


def refusal(text: str) -> str | None:
    """Why ``text`` may not be a relative path with forward slashes inside a folder; None if it may."""
    if not text or text != text.strip() or not text.isprintable():
        return f"a path was expected, found {text[:80]!r}"
    if _WINDOWS.match(text):
        return f"{text[:80]!r} is a path in Windows' form; expected one relative to the data root, with forward slashes"
    if text.startswith(("/", "~")):
        return f"{text[:80]!r} leads out of the data root; expected a path relative to it"
    parts = PurePosixPath(text).parts
    if ".." in parts:
        return f"{text[:80]!r} leads up with '..'; expected a path inside the data root"
    if not parts:
        return f"a file was expected, found the folder {text!r}"
    if len(text) > 4000 or any(len(part.encode("utf-8", "replace")) > 255 for part in parts):
        return f"{text[:40]!r}... is longer than a path can be"
    return None


class Root:
    """A folder that no path leads out of, not even by a link."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._base = os.path.realpath(folder)
        self._folders: dict[str, str | None] = {}

    def refusal(self, relative: str) -> str | None:
        """Why ``relative`` may not be read, or None.  What does not exist is inside if the way to it is."""
        reason = refusal(relative)
        if reason is not None:
            return reason
        path = os.path.join(self._base, relative)
        if os.path.islink(path):
            return self._outside(relative, path)
        parent = os.path.dirname(path)  # a folder's links are followed once for all its files
        if parent not in self._folders:
            self._folders[parent] = self._outside(relative, parent)
        return self._folders[parent]

    def _outside(self, relative: str, path: str) -> str | None:
        found = os.path.realpath(path)
        if found == self._base or found.startswith(self._base.rstrip(os.sep) + os.sep):
            return None
        return f"{relative!r} leads out of the data root by a link, to {found}"


def plain(text: str) -> str:
    """A path that is not refused, without ``.`` and doubled slashes."""
    return PurePosixPath(text).as_posix()
