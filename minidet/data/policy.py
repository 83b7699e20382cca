"""What may be wrong with annotations, and what a reader does about it.

A format's reader names every ``Defect`` it meets to a *judge*, which answers what to do with the object.  The readers'
judge is a ``Policy``, which keeps, drops, mends or refuses and counts; the checker's judge lists and keeps everything.
So both see the same things.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from minidet.errors import InputError

#: Kinds of defects -> what they mean.  Those in ``WARNINGS`` do no harm by themselves.
KINDS = {
    "malformed": "a file that cannot be parsed, or a value that is missing or is not what it should be",
    "lfs-pointer": "a Git LFS pointer in the place of the file itself",
    "unsafe-path": "a path that leads out of the data root: .., absolute, by a link, or in Windows' form",
    "missing-image": "an annotation whose picture is not there",
    "not-an-image": "a file in a picture's place that is none",
    "truncated-image": "a picture that cannot be decoded to its end",
    "size-mismatch": "a size in the annotation that is not the picture's",
    "orphan-label": "a file of labels without a picture",
    "unknown-class": "a class that is not among the names",
    "zero-area": "a box without width or height",
    "inverted": "a box whose right is left of its left, or whose bottom is above its top",
    "out-of-bounds": "a box that reaches beyond the picture",
    "duplicate-id": "a number that two images or categories have, or a name that stands twice in a list",
    "duplicate-annotation": "a number that two annotations have",
    "duplicate-box": "the same box of the same class twice in one picture",
    "orphan-image": "a picture without annotations",
    "foreign-path": "a path of the annotator's machine, which is ignored",
    "foreign-folder": "the name of a folder that is not the picture's, which is ignored",
    "crowd": "a group that is not told apart",
    "difficult": "an object that is marked as difficult",
    "no-mask": "an object without a mask in a picture where others have one",
}

WARNINGS = {"duplicate-annotation", "duplicate-box", "orphan-image", "foreign-path", "foreign-folder", "no-mask"}

#: What is done with objects without complaint: these are no defects, though a policy may drop or refuse them.
NORMAL = {"crowd", "difficult"}


@dataclass(frozen=True)
class Defect:
    """What is wrong: its kind (of ``KINDS``), the file, the line (from 1; 0 for the whole file), and what was found."""

    kind: str
    file: str
    line: int
    what: str

    @property
    def warning(self) -> bool:
        """Whether it does no harm by itself."""
        return self.kind in WARNINGS

    @property
    def where(self) -> str:
        """The file, and the line where there is one."""
        return f"{self.file}, line {self.line}" if self.line else self.file

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Remark:
    """A defect and what the reader did about it: "dropped", "kept", "clipped" or "swapped"."""

    defect: Defect
    action: str


#: Told of a defect, says what to do: "keep", "drop", "clip", "swap"; or raises ``InputError``.
Judge = Callable[[Defect], str]

_CHOICES = {
    "zero_area": ("keep", "drop", "error"),
    "inverted": ("keep", "drop", "swap", "error"),
    "out_of_bounds": ("keep", "clip", "drop", "error"),
    "difficult": ("keep", "drop", "error"),
    "crowd": ("keep", "drop", "error"),
    "unknown_class": ("drop", "error"),
}


@dataclass(frozen=True)
class Policy:
    """What a reader does with objects that are unusual; whatever is not kept as it was is counted in the data set.

    zero_area       a box without width or height: "keep", "drop" or "error".
    inverted        x2 < x1 or y2 < y1: "keep", "drop", "swap" (the ends exchanged) or "error".
    out_of_bounds   a box that reaches beyond the picture: "keep", "clip" (to the picture; what lies wholly outside is
                    dropped), "drop" or "error".  Where the size of the picture is not known, nothing is out of it.
    difficult       VOC's difficult: "keep", "drop" or "error".
    crowd           COCO's iscrowd: "keep", "drop" or "error".
    unknown_class   a class that is not among the names: "drop" or "error".

    Anything else that is wrong (a malformed file, a path that leads out of the data root) is always an ``InputError``;
    what is merely odd (``WARNINGS``) is left to ``minidet data check``.  Raises ``ValueError`` for an unknown choice.
    """

    zero_area: str = "drop"
    inverted: str = "drop"
    out_of_bounds: str = "keep"
    difficult: str = "keep"
    crowd: str = "keep"
    unknown_class: str = "error"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value not in _CHOICES[field.name]:
                known = ", ".join(_CHOICES[field.name])
                raise ValueError(f"{field.name}={value!r} is not known; expected one of {known}")

    def judge(self, remarks: list[Remark]) -> Judge:
        """A judge that acts by this policy and appends to ``remarks`` what it did."""

        def judge(defect: Defect) -> str:
            name = defect.kind.replace("-", "_")
            default = "keep" if defect.warning or defect.kind in _HARMLESS_HERE else "error"
            action = getattr(self, name) if name in _CHOICES else default
            if action == "error":
                raise InputError(str(defect))
            if name in _CHOICES and not (action == "keep" and defect.kind in NORMAL):
                remarks.append(Remark(defect, _PAST[action]))
            return str(action)

        return judge


#: An annotation can be read without its picture; whoever needs the pixels is told by ``load_image``.
_HARMLESS_HERE = {"missing-image", "size-mismatch", "orphan-label"}

_PAST = {"keep": "kept", "drop": "dropped", "clip": "clipped", "swap": "swapped"}

_WORDS = {
    "zero-area": "box without area",
    "inverted": "inverted box",
    "out-of-bounds": "box out of bounds",
    "unknown-class": "object of an unknown class",
    "difficult": "difficult object",
    "crowd": "crowd",
}


def summary(remarks: Sequence[Remark]) -> list[str]:
    """One line for each kind of defect and action: how many, and the first."""
    first: dict[tuple[str, str], Remark] = {}
    count: dict[tuple[str, str], int] = {}
    for remark in remarks:
        key = (remark.defect.kind, remark.action)
        first.setdefault(key, remark)
        count[key] = count.get(key, 0) + 1
    lines = []
    for (kind, action), n in count.items():
        words = _WORDS.get(kind, kind)
        one = first[kind, action].defect
        place = f"{one.where}" if n == 1 else f"the first in {one.where}"
        lines.append(f"{n} {words if n == 1 else _plural(words)} {action} ({place})")
    return lines


def _plural(words: str) -> str:
    for one, many in (("box", "boxes"), ("object", "objects"), ("crowd", "crowds")):
        if one in words:
            return words.replace(one, many, 1)
    return words
