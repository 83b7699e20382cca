"""Which format lies at a path."""

from __future__ import annotations

from pathlib import Path

from minidet.errors import InputError

from . import coco, masks, voc, yolo

FORMATS = ("voc", "coco", "yolo", "masks")

_LOOKED_FOR = "Annotations/*.xml (voc), annotations/*.json (coco), images and labels (yolo), NAME/masks (masks)"


def guess_format(path: Path) -> str:
    """The name of the format, of ``FORMATS``; raises ``InputError`` where it is none of them or more than one."""
    if path.is_file():
        if path.suffix.lower() == ".json":
            return "coco"
        raise InputError(f"{path}: a folder or a .json file was expected, found a file {path.suffix or path.name!r}")
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    try:
        found = [
            name
            for name, there in {
                "voc": voc.folders(path) is not None,
                "coco": bool(coco.json_files(path)),
                "yolo": bool(yolo.pairs(path)),
                "masks": bool(masks.samples(path)),
            }.items()
            if there
        ]
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(f"{path}: a data set was expected, found none of {_LOOKED_FOR}")
    raise InputError(f"{path}: could be {' or '.join(found)}; say which with the format")
