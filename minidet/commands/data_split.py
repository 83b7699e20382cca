"""`minidet data split`: parts of a data set, drawn from a seed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minidet.commands.data_source import add_source, read_source, say
from minidet.errors import InputError

DESCRIPTION = """\
Draw parts of a data set from a seed, each picture in exactly one. They are written where the format looks for them:
ImageSets/Main/NAME.txt (voc), NAME.txt (yolo, masks), FILE_NAME.json beside FILE.json (coco), or in --out. The pictures
are neither moved nor copied.
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet data split`."""
    parser = commands.add_parser("split", help="parts drawn from a seed", description=DESCRIPTION)
    add_source(parser, policy=False)
    parser.add_argument(
        "--parts",
        nargs="+",
        default=["train=80", "val=20"],
        metavar="NAME=SHARE",
        help="shares, relative to their sum (default: train=80 val=20)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--stratify", action="store_true", help="each part gets its share of every class")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder for the lists (default: where they belong)")
    parser.add_argument("--replace", action="store_true", help="replace lists that are there")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Split, and write the lists, all or none."""
    from minidet.commands.outputs import all_or_nothing
    from minidet.data.formats import guess_format
    from minidet.data.policy import Policy
    from minidet.data.split import split

    fractions = _shares(arguments.parts)
    if arguments.seed < 0:
        raise InputError(f"--seed from 0 was expected, found {arguments.seed}")
    form = arguments.format or guess_format(arguments.path)
    dataset = read_source(arguments, policy=Policy(zero_area="keep", inverted="keep"))
    parts = split(dataset, fractions, seed=arguments.seed, stratify=arguments.stratify)
    folder, files = _files(form, arguments, dataset, parts)
    folder = arguments.out or folder
    there = [name for name in files if (folder / name).exists()]
    if there and not arguments.replace:
        raise InputError(f"{folder / there[0]}: is there already; say --replace, or another folder with --out")
    try:
        with all_or_nothing(folder) as stage:
            for name, text in files.items():
                (stage / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None
    for (name, indices), file in zip(parts.items(), files, strict=True):
        counts = np.bincount(
            np.concatenate([np.zeros(0, np.int64), *(dataset.records[i].objects.labels for i in indices)]),
            minlength=len(dataset.names),
        )
        held = ", ".join(f"{n} {what}" for what, n in zip(dataset.names[:12], counts.tolist(), strict=False))
        say(f"{folder / file}: {name}, {len(indices)} pictures: {held}")
    return 0


def _shares(words: list[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for word in words:
        name, _, text = word.partition("=")
        try:
            share = float(text)
        except ValueError:
            share = float("nan")
        plain = name.isprintable() and name.strip() == name and name and "/" not in name and name[0] != "."
        if not plain or name in found or not 0 < share < float("inf"):
            raise InputError(f"--parts {word}: NAME=SHARE was expected, each name once, a share above 0")
        found[name] = share
    return found


def _files(
    form: str, arguments: argparse.Namespace, dataset: Any, parts: Mapping[str, np.ndarray]
) -> tuple[Path, dict[str, str]]:
    """Where the lists belong, and the text of each by its file's name."""
    from minidet.data.formats import coco, voc

    root = arguments.path
    if form == "coco":
        path = coco.find(root, arguments.split)
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        return path.parent, {f"{path.stem}_{name}.json": _part(document, dataset, parts[name]) for name in parts}

    def word(record: Any) -> str:
        if form == "voc":
            return str(Path(record.source).relative_to(folders.annotations).with_suffix("").as_posix())
        return str(record.path) if form == "yolo" else str(Path(record.source).parent.as_posix())

    folders = voc.folders(root) or voc.Folders(voc.ANNOTATIONS, voc.IMAGES)
    texts = {
        f"{name}.txt": "".join(f"{word(dataset.records[i])}\n" for i in indices) for name, indices in parts.items()
    }
    return root / voc.SETS if form == "voc" else root, texts


def _part(document: dict[str, Any], dataset: Any, indices: np.ndarray) -> str:
    """The JSON of some of the images, everything else in it as it was."""
    ids = {dataset.records[i].id for i in indices}
    images = [one for one in document["images"] if one["id"] in ids]
    annotations = [one for one in document["annotations"] if one["image_id"] in ids]
    return json.dumps({**document, "images": images, "annotations": annotations})
