"""Darknet's ``.cfg`` text: sections of ``key=value`` options, every one with the line it stands on.

The grammar is Darknet's: ``[section]`` starts a section, ``key=value`` sets an option of the section above it, white
space means nothing, and what follows ``#`` or ``;`` is a comment.  This module knows the grammar and the types of
values; which sections and options exist is `minidet.darknet.schema`, what they mean is in the layers.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import write_text

_INT = re.compile(r"[+-]?[0-9]{1,18}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LARGEST = 2**31 - 1  # Darknet keeps its integers in a C int

#: Darknet's short names of sections, and the long ones.
ALIASES = {
    "network": "net",
    "conv": "convolutional",
    "max": "maxpool",
    "avg": "avgpool",
    "conn": "connected",
    "soft": "softmax",
}


class CfgError(InputError):
    """A cfg that cannot be built; the message is one line that names the file and the line."""


class CfgWarning(UserWarning):
    """A cfg that can be built, but holds something that is not understood; names the file and the line."""


@dataclass(frozen=True)
class Option:
    """One ``name=value`` and the line it stands on (from 1)."""

    name: str
    value: str
    line: int


@dataclass(frozen=True)
class Section:
    """A section: its name (long form), the line of its ``[name]``, its options by name, and the file it is from."""

    name: str
    line: int
    options: dict[str, Option] = field(default_factory=dict)
    file: str = "<cfg>"

    def where(self, option: str | None = None) -> str:
        """``file:line: [section] option``, for messages."""
        if option is not None and option in self.options:
            return f"{self.file}:{self.options[option].line}: [{self.name}] {option}"
        return f"{self.file}:{self.line}: [{self.name}]" + (f" {option}" if option else "")

    def error(self, message: str, option: str | None = None) -> CfgError:
        """The error that ``message`` is about this section, or about one of its options."""
        return CfgError(f"{self.where(option)}: {message}")

    def __contains__(self, option: str) -> bool:
        return option in self.options

    def text(self, option: str, default: str | None = None) -> str:
        """The value as it stands; without a default the option is required (here and below)."""
        if option in self.options:
            return self.options[option].value
        if default is None:
            raise self.error(f"has no {option}=, which it needs")
        return default

    def integer(self, option: str, default: int | None = None, *, at_least: int = -_LARGEST) -> int:
        """A whole number."""
        if option not in self.options and default is not None:
            return default
        return self._integer(option, self.text(option), at_least)

    def number(self, option: str, default: float | None = None) -> float:
        """A finite number."""
        if option not in self.options and default is not None:
            return default
        return self._number(option, self.text(option))

    def flag(self, option: str) -> bool:
        """Whether an option that is 0 or another whole number is set; 0 when absent."""
        return self.integer(option, 0) != 0

    def integers(self, option: str) -> tuple[int, ...]:
        """Whole numbers between commas."""
        return tuple(self._integer(option, item) for item in self._items(option))

    def numbers(self, option: str) -> tuple[float, ...]:
        """Finite numbers between commas."""
        return tuple(self._number(option, item) for item in self._items(option))

    def _items(self, option: str) -> list[str]:
        items = [item.strip() for item in self.text(option).split(",")]
        if len(items) > 1 and not items[-1]:  # "1,2," is common, and Darknet reads it as two numbers
            items.pop()
        return items

    def _integer(self, option: str, text: str, at_least: int = -_LARGEST) -> int:
        if not _INT.fullmatch(text) or abs(int(text)) > _LARGEST:
            raise self.error(f"expected a whole number, found {_short(text)}", option)
        if int(text) < at_least:
            raise self.error(f"expected a whole number of at least {at_least}, found {int(text)}", option)
        return int(text)

    def _number(self, option: str, text: str) -> float:
        if not _FLOAT.fullmatch(text) or not math.isfinite(float(text)):
            raise self.error(f"expected a number, found {_short(text)}", option)
        return float(text)


@dataclass(frozen=True)
class Cfg:
    """A parsed cfg: ``net`` (its first section) and the sections of the layers, in order.

    ``notes`` are the repeated options that were passed over, as (section, option); `schema.check` says what of that
    is an error.
    """

    file: str
    net: Section
    layers: tuple[Section, ...]
    notes: tuple[tuple[Section, Option], ...] = ()

    @property
    def sections(self) -> Iterator[Section]:
        """All sections, ``[net]`` first."""
        yield self.net
        yield from self.layers

    def with_net(self, **options: Any) -> Cfg:
        """A copy with options of ``[net]`` replaced or added: ``cfg.with_net(width=320, height=320)``."""
        return replace(self, net=_with(self.net, **options))

    def with_classes(self, classes: int) -> Cfg:
        """A copy whose heads tell ``classes`` classes apart, with the filters for it in the convolutions before them.

        Raises `CfgError` where a head does not directly follow a convolution.
        """
        if classes < 1:
            raise CfgError(f"{self.file}: a detector needs at least 1 class, found {classes}")
        layers = list(self.layers)
        heads = [i for i, s in enumerate(layers) if s.name in ("yolo", "region")]
        if not heads:
            raise CfgError(f"{self.file}: has no [yolo] or [region] section, so its classes cannot be changed")
        for i in heads:
            if i == 0 or layers[i - 1].name != "convolutional":
                raise layers[i].error("does not follow a [convolutional], so its classes cannot be changed")
            head = layers[i]
            anchors = len(head.integers("mask")) if "mask" in head else head.integer("num", 1)
            layers[i] = _with(head, classes=classes)
            coordinates = head.integer("coords", 4) if head.name == "region" else 4
            layers[i - 1] = _with(layers[i - 1], filters=anchors * (coordinates + 1 + classes))
        return replace(self, layers=tuple(layers))


def _with(section: Section, **options: Any) -> Section:
    changed = dict(section.options)
    for name, value in options.items():
        line = changed[name].line if name in changed else section.line
        changed[name] = Option(name, str(value), line)
    return replace(section, options=changed)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def parse_cfg(text: str, file: str = "<cfg>") -> Cfg:
    """Read the text of a cfg; ``file`` is the name used in messages.

    Raises `CfgError`, naming file and line, for a line that is neither a section, an option nor a comment, an option
    outside any section, a first section other than ``[net]``, a second ``[net]``, or a cfg without layers.  Of an
    option given twice the first value is kept, as Darknet does, and the second noted in ``notes``.
    """
    sections: list[Section] = []
    notes: list[tuple[Section, Option]] = []
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        line = re.split("[#;]", raw, maxsplit=1)[0].replace("\ufeff", "").strip()
        if not line:
            continue
        if line.startswith("[") and line.endswith("]"):
            name = line[1:-1].strip()
            sections.append(Section(ALIASES.get(name, name), number, file=file))
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not sections and (line.startswith("<") or not equals):
            page = " (an HTML page?)" if line.startswith("<") else ""
            raise CfgError(f"{file}:{number}: not a Darknet cfg{page}: expected [net], found {_short(line)}")
        if not equals or not name:
            raise CfgError(f"{file}:{number}: expected [section] or option=value, found {_short(line)}")
        if not sections:
            raise CfgError(f"{file}:{number}: the option {_short(name)} stands before any [section]; expected [net]")
        if not value:
            raise CfgError(f"{file}:{number}: [{sections[-1].name}] {_short(name)} has no value")
        option = Option(name, value, number)
        if name in sections[-1].options:
            notes.append((sections[-1], option))
        else:
            sections[-1].options[name] = option
    if not sections:
        raise CfgError(f"{file}: holds no [section]; a Darknet cfg begins with [net]")
    if sections[0].name != "net":
        raise sections[0].error("the first section must be [net]")
    for section in sections[1:]:
        if section.name == "net":
            raise section.error(f"there is a [net] already, at line {sections[0].line}")
    if len(sections) == 1:
        raise CfgError(f"{file}: holds [net] and no layers")
    return Cfg(file, sections[0], tuple(sections[1:]), tuple(notes))


def read_cfg(path: str | os.PathLike[str]) -> Cfg:
    """Read a cfg file.  Raises `CfgError` as `parse_cfg` does, and for a file that is missing or is not text."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CfgError(f"{path}: cannot be read: {error.strerror or error}") from None
    if b"\0" in content:
        raise CfgError(f"{path}: holds binary data; expected the text of a Darknet cfg")
    return parse_cfg(content.decode("utf-8", errors="replace"), str(path))


def format_cfg(cfg: Cfg) -> str:
    """The text of a cfg, without comments; parsing it gives the same sections and options."""
    blocks = ("\n".join([f"[{s.name}]", *(f"{o.name}={o.value}" for o in s.options.values())]) for s in cfg.sections)
    return "\n\n".join(blocks) + "\n"


def write_cfg(cfg: Cfg, path: str | os.PathLike[str]) -> None:
    """Write a cfg file; the file appears whole or not at all."""
    write_text(path, format_cfg(cfg))
