"""Data sets in files: VOC XML, COCO JSON, YOLO text, a PNG for each mask.

``read_dataset`` makes a ``Dataset`` of what lies there, ``write_dataset`` writes one.  What a format means, and how it
is converted, stands at the head of its file: ``voc``, ``coco``, ``yolo``, ``masks``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from minidet.errors import InputError

from ..dataset import Dataset
from ..policy import Policy, summary
from ..split import sliced
from . import coco, coco_writer, masks, masks_writer, voc, voc_writer, yolo, yolo_writer
from .guess import FORMATS, guess_format
from .writing import IMAGES, Written, check, new_folder

__all__ = ["FORMATS", "Policy", "Written", "guess_format", "read_dataset", "summary", "write_dataset"]

_WRITERS = {"voc": voc_writer, "coco": coco_writer, "yolo": yolo_writer, "masks": masks_writer}


def read_dataset(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    split: str | None = None,
    policy: Policy | None = None,
    names: Sequence[str] | None = None,
    with_masks: bool = True,
    images: str | os.PathLike[str] | None = None,
) -> Dataset:
    """The data set at ``path``, a folder or a COCO file.

    format      "voc", "coco", "yolo" or "masks"; None: the one that lies there.
    split       a part of it, such as "train", as the format has it; None: everything.  "train[:20]" and "train[-8:]"
                are its first 20 images and its last 8, "[:20]" the first of everything.
    policy      what is done with boxes without area and the like (``minidet.data.policy.Policy``); what was done is in
                the data set's ``remarks``, which ``summary`` counts.
    names       of the classes, in the order of their labels; None: those of the data set.
    with_masks  False: outlines are not drawn as masks, which takes time; they stay in ``polygons``.
    images      the folder of a COCO file's pictures, where it is another than expected.

    Raises ``InputError``, one line with the file and the record, for whatever is wrong; ``ValueError`` for an unknown
    format.
    """
    root, policy = Path(path), policy or Policy()
    if format is not None and format not in FORMATS:
        raise ValueError(f"format {format!r} is not known; expected one of {', '.join(FORMATS)}")
    part, some = sliced(split or "")
    try:
        whole = _read(root, format or guess_format(root), part or None, policy, names, with_masks, images)
        return whole if some == slice(None) else whole.subset(range(len(whole))[some])
    except OSError as error:
        if error.filename is None:  # not about a file of the data set
            raise
        raise InputError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from None


def _read(
    root: Path,
    format: str,
    split: str | None,
    policy: Policy,
    names: Sequence[str] | None,
    with_masks: bool,
    images: str | os.PathLike[str] | None,
) -> Dataset:
    if not root.exists():
        raise InputError(f"{root}: no such file or folder")
    if format != "coco" and not root.is_dir():
        raise InputError(f"{root}: a folder was expected, found a file")
    if format == "coco":
        folder = None if images is None else Path(images)
        return coco.read(root, split=split, policy=policy, names=names, masks=with_masks, images=folder)
    if format == "yolo":
        return yolo.read(root, split=split, policy=policy, names=names, masks=with_masks)
    return (voc if format == "voc" else masks).read(root, split=split, policy=policy, names=names)


def write_dataset(
    dataset: Dataset,
    folder: str | os.PathLike[str],
    *,
    format: str,
    images: str = "copy",
    split: str | None = None,
) -> Written:
    """Write a data set into a new folder, which appears whole or not at all; says what the format could not hold.

    format      "voc", "coco", "yolo" or "masks".
    images      "copy"; "link": a second name of the same file (a hard link: nothing then leads out of the new root);
                "none": no pictures.
    split       what the part is called: images/train, instances_train.json, ImageSets/Main/train.txt; None: no part.

    Raises ``InputError`` where the folder is not empty, a picture is missing, the disk is full, or the data set has
    what the format must have and has not (masks); ``ValueError`` for an unknown format or choice.
    """
    if format not in FORMATS or images not in IMAGES:
        raise ValueError(
            f"a format of {', '.join(FORMATS)} and images of {', '.join(IMAGES)} were expected, found {format!r} and "
            f"{images!r}"
        )
    if split is not None and (not split.isprintable() or "/" in split or split.startswith(".") or not split.strip()):
        raise ValueError(f"the name of a split was expected, found {split!r}")
    check(dataset)
    target = Path(folder)
    with new_folder(target) as stage:
        written = _WRITERS[format].write(dataset, stage, images=images, split=split)
    written.folder, written.objects = target, sum(len(record.objects) for record in dataset)
    return written
