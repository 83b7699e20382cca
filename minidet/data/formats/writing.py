"""What all writers share: a new folder that appears whole, pictures in it, and what a format cannot hold."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from minidet.errors import InputError

from ..dataset import Dataset, Record
from ..image import SUFFIXES
from .names import check_names
from .paths import refusal
from .pictures import image_size

IMAGES = ("copy", "link", "none")


@dataclass
class Written:
    """What was written: the folder, the number of pictures and objects, and what the format could not hold.

    ``lost`` counts objects by what was lost of them: "crowd", "difficult", "truncated", "area", "mask", "polygons",
    "keypoints".
    """

    folder: Path
    pictures: int
    objects: int
    lost: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """Sentences for a person."""
        pictures, objects = _count(self.pictures, "picture"), _count(self.objects, "object")
        said = [f"{pictures} with {objects} written to {self.folder}"]
        return said + [
            f"{_count(n, 'object')} lost: {what} (the format has no place for it)" for what, n in self.lost.items()
        ]


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder``, which becomes it when the block ends, and vanishes when it raises.

    Raises ``InputError`` where ``folder`` is there with something in it, or cannot be written.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder}: a new or empty folder was expected, found one with something in it")
        folder.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None
    try:
        yield stage
        mask = os.umask(0)
        os.umask(mask)
        stage.chmod(0o777 & ~mask)  # mkdtemp makes folders for the owner alone
        if folder.exists():
            folder.rmdir()
        os.rename(stage, folder)
    except OSError as error:
        shutil.rmtree(stage, ignore_errors=True)
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise


def check(dataset: Dataset) -> None:
    """Raise ``InputError`` for names or boxes that no file can hold."""
    check_names(dataset.names)
    for record in dataset:
        if not np.isfinite(record.objects.boxes).all():
            raise InputError(f"{record.path}: finite boxes were expected, found NaN or infinity ({record.source})")
        labels = record.objects.labels
        if len(labels) and not (labels.min() >= 0 and labels.max() < len(dataset.names)):
            raise InputError(f"{record.path}: labels from 0 to {len(dataset.names) - 1} were expected, found others")
        if (reason := refusal(record.path)) is not None:
            raise InputError(f"{record.source or 'a record'}: {reason}")


def stems(records: Sequence[Record]) -> list[str]:
    """A name for the files of each record: its path without the ending and the folder of pictures.

    A folder for the picture alone, which is called like it, is left out too.
    No two are the same, also where capitals and small letters are one: ``a.jpg`` and ``a.png`` are ``a`` and ``a-2``.
    """
    taken: set[str] = set()
    found = []
    for record in records:
        path = PurePosixPath(record.path)
        parts = [part for part in path.parts[:-1] if part not in ("JPEGImages", "images")]
        if parts and parts[-1] == path.stem:
            parts.pop()
        stem = base = "/".join([*parts, path.stem])
        number = 1
        while stem.lower() in taken:
            number += 1
            stem = f"{base}-{number}"
        taken.add(stem.lower())
        found.append(stem)
    return found


def suffix(record: Record) -> str:
    """The ending of a record's picture."""
    ending = PurePosixPath(record.path).suffix
    return ending if ending.lower() in SUFFIXES else ".jpg"


def size_of(dataset: Dataset, record: Record) -> tuple[int, int]:
    """(H, W), as the record says, else as the picture's header does; 0 0 where there is neither."""
    if all(record.size):
        return record.size
    path = dataset.root / record.path
    return image_size(path) if path.exists() else (0, 0)


def put_picture(dataset: Dataset, record: Record, target: Path, images: str) -> None:
    """The picture of a record at ``target``, copied or as a second name of the same file ("link"), or not at all."""
    if images == "none":
        return
    source = dataset.root / record.path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if images == "copy":
            shutil.copyfile(source, target)
        else:  # a symbolic link would lead out of the new data root
            os.link(os.path.realpath(source), target)
    except FileNotFoundError:
        raise InputError(
            f"{source}: no such picture ({record.source}); leave pictures out with images='none'"
        ) from None
    except OSError as error:
        if images == "link" and error.errno == 18:  # EXDEV
            raise InputError(f"{source}: no link leads to another disk; copy the pictures (images='copy')") from None
        raise


def number(value: float) -> str:
    """A coordinate in the fewest digits that give it back; whole ones without a point."""
    value = float(value)
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)


def lost(dataset: Dataset, holds: Sequence[str]) -> Counter[str]:
    """How many objects have something that a format which ``holds`` these things cannot hold."""
    count: Counter[str] = Counter()
    tests: dict[str, Callable[[Record], int]] = {
        "crowd": lambda r: int(r.objects.crowd.sum()),
        "difficult": lambda r: int(r.objects.difficult.sum()),
        "truncated": lambda r: int(r.objects.truncated.sum()),
        "area": lambda r: int((~np.isnan(r.objects.areas)).sum()),
        "mask": lambda r: 0 if r.objects.masks is None else len(r.objects),
        "polygons": lambda r: sum(p is not None for p in r.objects.polygons or ()),
        "keypoints": lambda r: (
            0 if r.objects.keypoints is None else int((r.objects.keypoints[..., 2] > 0).any(1).sum())
        ),
    }
    for what, test in tests.items():
        if what not in holds and (n := sum(test(record) for record in dataset)):
            count[what] = n
    return count
