"""Records of a JSON file are found in the line in which they begin, whatever stands around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.data.formats.json_lines import Document, read_json
from minidet.data.formats.text import strict
from minidet.errors import InputError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.sampled_from('"\\[]{},: \n\tä'), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from('ab"]}'), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip
DOCUMENTS = st.dictionaries(
    st.sampled_from(["images", "annotations", 'a"b', "c[", "ü"]), st.lists(VALUES, max_size=4) | VALUES, max_size=4
)


@given(
    document=DOCUMENTS,
    indent=st.sampled_from([None, 0, 1, 3]),
    ascii_=st.booleans(),
    around=st.sampled_from(["", "\n ", "\t\n\n"]),
)
def test_the_line_of_every_element(document: dict[str, Any], indent: int | None, ascii_: bool, around: str) -> None:
    for key, value in document.items():
        if isinstance(value, list):
            document[key] = [{"mark": f"<{key}>{i}", "value": one} for i, one in enumerate(value)]
    text = around + json.dumps(document, indent=indent, ensure_ascii=ascii_) + around
    found = Document(text, json.loads(text))
    for key, value in document.items():
        if not isinstance(value, list):
            assert found.line(key, 0) == 0
            continue
        assert found.line(key, len(value)) == 0
        for i in range(len(value)):
            mark = text.index(json.dumps(f"<{key}>{i}", ensure_ascii=ascii_))
            begin = text.rindex("{", 0, mark)
            assert found.line(key, i) == text[:begin].count("\n") + 1
    assert found.line("nothing", 0) == 0


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": [\n1]}')
    document = read_json(tmp_path / "a.json", "a.json", strict)
    assert document is not None
    assert document.line("a", 0) == 2


@pytest.mark.parametrize(
    "text", ["", "{", '{"a": [1 2]}', '{"a": Infinity}', "[" * 100_000, "1" * 5000, '{"a":"\x01"}']
)
def test_what_is_no_json_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"^a\.json.*: (malformed JSON|a JSON object)") as caught:
        read_json(tmp_path / "a.json", "a.json", strict)
    assert len(str(caught.value).splitlines()) == 1
