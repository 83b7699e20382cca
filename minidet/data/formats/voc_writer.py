"""A data set as VOC XML; what the numbers mean stands at the head of ``voc``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from ..dataset import Dataset, Record
from . import writing
from .voc import ANNOTATIONS, IMAGES, SETS


def write(dataset: Dataset, folder: Path, *, images: str, split: str | None) -> writing.Written:
    """Write into the (temporary) ``folder``; the list of the split, or of everything ("all"), goes with it."""
    stems = writing.stems(dataset.records)
    for record, stem in zip(dataset, stems, strict=True):
        name = f"{stem}{writing.suffix(record)}"
        writing.put_picture(dataset, record, folder / IMAGES / name, images)
        path = folder / ANNOTATIONS / f"{stem}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = annotation(record, name.rsplit("/", 1)[-1], writing.size_of(dataset, record), dataset.names)
        path.write_text(text, encoding="utf-8")
    for part in (ANNOTATIONS, IMAGES, SETS):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / SETS / f"{split or 'all'}.txt").write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")
    (folder / "names.txt").write_text("".join(f"{name}\n" for name in dataset.names), encoding="utf-8")
    return writing.Written(folder, len(dataset), 0, writing.lost(dataset, ("difficult", "truncated")))


def annotation(record: Record, filename: str, size: tuple[int, int], names: Sequence[str]) -> str:
    """The XML of one picture."""
    lines = ["<annotation>", f"\t<folder>{IMAGES}</folder>", f"\t<filename>{escape(filename)}</filename>"]
    if all(size):
        lines += ["\t<size>", f"\t\t<width>{size[1]}</width>", f"\t\t<height>{size[0]}</height>"]
        lines += ["\t\t<depth>3</depth>", "\t</size>"]
    objects = record.objects
    for i, (x1, y1, x2, y2) in enumerate(objects.boxes.tolist()):
        ends = {"xmin": x1 + 1, "ymin": y1 + 1, "xmax": x2, "ymax": y2}
        lines += ["\t<object>", f"\t\t<name>{escape(names[int(objects.labels[i])])}</name>"]
        lines += [f"\t\t<truncated>{int(objects.truncated[i])}</truncated>"]
        lines += [f"\t\t<difficult>{int(objects.difficult[i])}</difficult>", "\t\t<bndbox>"]
        lines += [f"\t\t\t<{tag}>{writing.number(value)}</{tag}>" for tag, value in ends.items()]
        lines += ["\t\t</bndbox>", "\t</object>"]
    return "\n".join([*lines, "</annotation>", ""])
