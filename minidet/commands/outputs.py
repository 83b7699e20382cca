"""Results written to a folder all together, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from minidet.errors import InputError


def picture_names(images: Sequence[Path]) -> list[str]:
    """A file name for each annotated picture: `dog-detected.jpg`, and `dog-detected-2.jpg` for a second `dog.jpg`.

    JPEG for a JPEG, PNG for anything else. No two are the same, also where capitals and small letters are one.
    """
    taken: set[str] = set()
    names = []
    for image in images:
        suffix = ".jpg" if image.suffix.lower() in (".jpg", ".jpeg", ".jpe", ".jfif") else ".png"
        number, name = 1, f"{image.stem}-detected{suffix}"
        while name.lower() in taken:
            number += 1
            name = f"{image.stem}-detected-{number}{suffix}"
        taken.add(name.lower())
        names.append(name)
    return names


def check_folder(folder: Path, names: Sequence[str], images: Sequence[Path]) -> None:
    """Raise `InputError` when `folder` cannot hold files called `names`, or one would replace an image that is read."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: expected a folder, found a file")
    parent = folder
    while not parent.exists():
        parent = parent.parent
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".minidet-", dir=parent))  # permissions do not tell all: tried, not asked
    except OSError as error:
        raise InputError(f"--out {folder}: {parent} cannot be written to: {error.strerror or error}") from None
    read = {image.resolve() for image in images}
    for name in names:
        target = folder / name
        if target.resolve() in read:
            raise InputError(f"--out {folder}: would overwrite the image {target}, which is read; name another folder")
        if target.is_dir():
            raise InputError(f"--out {folder}: {target} is a folder, and a file of that name is to be written")


@contextmanager
def all_or_nothing(folder: Path) -> Iterator[Path]:
    """A new folder to write files into; when the block ends they are moved to `folder`, and when it raises they vanish.

    Files of the same names in `folder` are replaced. `folder` is made when it is not there, and removed again when the
    block raises.
    """
    made = _make(folder)
    stage: Path | None = None
    try:
        stage = Path(tempfile.mkdtemp(prefix=".minidet-", dir=folder))
        yield stage
        for file in sorted(stage.iterdir()):
            os.replace(file, folder / file.name)
        stage.rmdir()
    except BaseException:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)
        for path in made:  # innermost first; one that is not empty was not ours alone
            with suppress(OSError):
                path.rmdir()
        raise


def save_picture(path: Path, image: np.ndarray) -> None:
    """`image` (H, W, 3) uint8 as the file `path`, JPEG or PNG by its ending, whole or not at all."""
    from PIL import Image

    from minidet.files import replacing

    with replacing(path) as temporary:
        options = {"quality": 92, "subsampling": 0} if path.suffix == ".jpg" else {"optimize": False}
        Image.fromarray(np.ascontiguousarray(image)).save(temporary, **options)


def _make(folder: Path) -> list[Path]:
    """Make `folder` and the folders above it that are missing; returns those made, innermost first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
    return missing
