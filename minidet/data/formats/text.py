"""Bytes and lines of annotation files; what cannot be read is one line that names the file."""

from __future__ import annotations

from pathlib import Path

from minidet.errors import InputError

from ..policy import Defect, Judge

#: How a file begins that Git LFS left in the place of a large one.
LFS = b"version https://git-lfs.github.com/spec/"


def read_bytes(path: Path, file: str, judge: Judge) -> bytes | None:
    """The bytes of ``path``, called ``file`` in messages; None (after the judge has been told) for what is no file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        judge(Defect("malformed", file, 0, f"cannot be read: {error.strerror or error}"))
        return None
    if content.startswith(LFS):
        judge(Defect("lfs-pointer", file, 0, "is a Git LFS pointer, not the file itself; fetch it with 'git lfs pull'"))
        return None
    return content


def read_lines(path: Path, file: str, judge: Judge) -> list[str] | None:
    """The lines of a text file in UTF-8 (with or without a byte order mark); None where the judge has been told."""
    content = read_bytes(path, file, judge)
    if content is None:
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = content[error.start]
        judge(Defect("malformed", file, line, f"text in UTF-8 was expected, found byte {byte:#04x}"))
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def strict(defect: Defect) -> str:
    """The judge that refuses everything."""
    raise InputError(str(defect))
