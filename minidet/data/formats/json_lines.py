"""JSON whose records can be found again: where in the file an element of one of the lists at its top stands."""

from __future__ import annotations

import bisect
import json
import re
from functools import cached_property
from json.decoder import scanstring  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

from ..policy import Defect, Judge
from .text import read_bytes

_BLANK = re.compile(r"[ \t\n\r]*")


class Document:
    """The object in a JSON file: its ``value``, and the lines of the elements of its lists, found when asked for."""

    def __init__(self, text: str, value: dict[str, Any]) -> None:
        self.text, self.value = text, value

    def line(self, key: str, index: int) -> int:
        """The line (from 1) in which element ``index`` of the list at ``key`` begins; 0 where there is none."""
        starts = self._starts.get(key, [])
        return bisect.bisect_right(self._breaks, starts[index]) + 1 if index < len(starts) else 0

    @cached_property
    def _breaks(self) -> list[int]:
        return [match.start() + 1 for match in re.finditer("\n", self.text)]

    @cached_property
    def _starts(self) -> dict[str, list[int]]:
        """Where the elements begin, by a walk over the top; the text has been parsed before and is right."""
        text, found, decoder = self.text, dict[str, list[int]](), json.JSONDecoder()

        def skip(at: int) -> int:
            return _BLANK.match(text, at).end()  # type: ignore[union-attr]

        at = skip(skip(0) + 1)
        while text[at] == '"':
            key, at = scanstring(text, at + 1)
            at = skip(skip(at) + 1)  # behind the colon
            if text[at] != "[":
                at = decoder.raw_decode(text, at)[1]
            else:
                found[key] = []
                at = skip(at + 1)
                while text[at] != "]":
                    found[key].append(at)
                    at = skip(decoder.raw_decode(text, at)[1])
                    at = skip(at + 1) if text[at] == "," else at
                at += 1
            at = skip(at)
            at = skip(at + 1) if text[at] == "," else at
        return found


def read_json(path: Path, file: str, judge: Judge) -> Document | None:
    """The object in the file ``path``; None after the judge has been told why there is none."""
    content = read_bytes(path, file, judge)
    if content is None:
        return None
    line = 0
    try:
        text = content.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        why = f"text in UTF-8 was expected, found byte {content[error.start]:#04x}"
    except json.JSONDecodeError as error:
        line, why = error.lineno, f"malformed JSON: {error.msg} (column {error.colno})"
    except (ValueError, RecursionError) as error:  # NaN, numbers of thousands of digits, thousands of brackets
        why = f"malformed JSON: {error}"
    else:
        if isinstance(value, dict):
            return Document(text, value)
        why = f"a JSON object {{...}} was expected, found {type(value).__name__}"
    judge(Defect("malformed", file, line, why))
    return None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
