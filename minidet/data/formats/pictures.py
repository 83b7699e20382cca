"""The picture files under a folder, and their sizes from their headers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from ..image import FORMATS, SUFFIXES, ImageError
from .paths import Root


class Pictures:
    """Every picture file under ``root``/``folder``, known by its ending.

    ``files`` leads from the path under ``folder`` without ending to the paths relative to ``root``, with forward
    slashes, sorted.  Hidden files and folders are passed over, links to folders are not followed.  ``root`` is for
    whoever wants to know that a path stays inside.
    """

    def __init__(self, root: Path, folder: str) -> None:
        self.root = Root(root)
        self.files: dict[str, list[str]] = {}
        base = root / folder
        for path in sorted(_walk(base)):
            stem = path.relative_to(base).with_suffix("").as_posix()
            self.files.setdefault(stem, []).append(path.relative_to(root).as_posix())


def _walk(base: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(base):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield Path(folder, name)


def image_size(path: Path) -> tuple[int, int]:
    """(H, W) of the picture as ``load_image`` would give it, upright, from the header alone.

    Raises ``ImageError`` for what is no picture; one that is cut short behind its header is not noticed.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.init()
            with Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN]) as picture:
                width, height = picture.size
                try:
                    turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
                except Exception:  # damaged EXIF counts as upright, as in load_image
                    turned = False
    except Exception:
        from ..image import load_image

        height, width = load_image(path).shape[:2]  # says what is wrong
        return height, width
    if not width or not height:
        raise ImageError(f"{path}: expected a picture of at least 1x1 pixels, found {width}x{height}")
    return (width, height) if turned else (height, width)
