"""A data set as a PNG for each mask; what lies where stands at the head of ``masks``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from minidet_kernels.masks import decode

from minidet.errors import InputError

from ..dataset import Dataset
from . import writing


def write(dataset: Dataset, folder: Path, *, images: str, split: str | None) -> writing.Written:
    """Write into the (temporary) ``folder``, with a list of the split.  Boxes come back as the masks' bounds."""
    from PIL import Image

    for name in dataset.names:
        if "/" in name or "\\" in name or name in (".", "..") or name.startswith("."):
            raise InputError(f"class {name!r}: a name that a folder can have was expected")
    names = []
    for record, stem in zip(dataset, writing.stems(dataset.records), strict=True):
        if record.objects.masks is None and len(record.objects):
            raise InputError(f"{record.path}: masks were expected, found boxes alone ({record.source})")
        name = stem if stem.count("/") < 2 else stem.replace("/", "__")
        names.append(name)
        place = folder / name
        for part in ("images", "masks"):
            (place / part).mkdir(parents=True, exist_ok=True)
        writing.put_picture(dataset, record, place / "images" / f"{place.name}{writing.suffix(record)}", images)
        if record.objects.masks is None:
            continue
        for i, label in enumerate(record.objects.labels.tolist()):
            mask = decode(record.objects.masks.take(np.array([i])))[0]
            path = place / "masks" / (dataset.names[label] if len(dataset.names) > 1 else "") / f"{i:05d}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(np.ascontiguousarray(mask).astype(np.uint8) * 255).save(path)
    if split:
        (folder / f"{split}.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    (folder / "names.txt").write_text("".join(f"{name}\n" for name in dataset.names), encoding="utf-8")
    return writing.Written(folder, len(dataset), 0, writing.lost(dataset, ("mask",)))
