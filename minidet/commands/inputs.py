"""Which files IMAGE... names: files, folders and patterns."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from minidet.data.image import SUFFIXES
from minidet.errors import InputError


def image_files(arguments: Iterable[str]) -> list[Path]:
    """The image files that the arguments name, in their order, each once.

    A file stands for itself; a folder for the pictures directly in it, known by their endings, sorted by name; and
    what is neither but holds `*`, `?` or `[` is a pattern for the files it matches, sorted, `**` through folders.
    Raises `InputError` for a name that is none of these, a folder without pictures, and a pattern that matches nothing.
    """
    found: dict[Path, Path] = {}  # by resolved path, so that a file named twice counts once
    for argument in arguments:
        for path in _expand(argument):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _expand(argument: str) -> list[Path]:
    path = Path(argument)
    try:
        folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:
        raise InputError(f"{argument!r}: not a file name: {error}") from None
    if folder:
        try:
            files = sorted(item for item in path.iterdir() if item.suffix.lower() in SUFFIXES and item.is_file())
        except OSError as error:
            raise InputError(f"{argument}: the folder cannot be read: {error.strerror or error}") from None
        if not files:
            raise InputError(
                f"{argument}: expected a folder with pictures in it, found none ({' '.join(SUFFIXES[:5])} ...)"
            )
        return files
    if exists or not glob.has_magic(argument):
        return [path]  # a missing file is reported by whoever opens it
    files = sorted(Path(name) for name in glob.glob(argument, recursive=True) if Path(name).is_file())
    if not files:
        raise InputError(f"{argument}: expected a file, a folder or a pattern, found no file that matches")
    return files
