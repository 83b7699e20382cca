"""Annotation files with anything changed in them: they are read, or refused in one line that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.drawn_datasets import small

from minidet.data.check import check
from minidet.data.formats import read_dataset, write_dataset
from minidet.data.policy import KINDS
from minidet.errors import InputError

FILES = {"voc": "Annotations/p2.xml", "coco": "annotations/instances.json", "yolo": "labels/p2.txt"}
PIECES = [
    b"", b"-", b"1e999", b"-1", b"0", b"99999999999999999999", b"nan", b"null", b"true", b'""', b"[]", b"{}", b'"x"',
    b"<x>", b"</object>", b"&amp;", b"\xff", b"\0", b"\n", b".", b"../x", b"[[1,2]]", b'{"size":[1,1],"counts":"0"}',
]  # fmt: skip
# Where (a fraction of the file), how many bytes go, and what comes in their place.
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(PIECES)), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures in three formats."""
    root = tmp_path_factory.mktemp("damaged")
    before = small(root / "before", pictures=3)
    for form in FILES:
        write_dataset(before, root / form, format=form)
    return root


def damaged(content: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for where, many, piece in edits:
        at = int(where * len(content))
        content = content[:at] + piece + content[at + many :]
    return content


def complaint(root: Path) -> str | None:
    """What is said of the data set, in one line; None where it can be read."""
    try:
        read_dataset(root, format=root.name)
    except InputError as error:
        lines = str(error).splitlines()
    else:
        return None
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("form", FILES)
@settings(max_examples=60)
@given(edits=EDITS)
def test_anything_changed(sets: Path, form: str, edits: list[tuple[float, int, bytes]]) -> None:
    path = sets / form / FILES[form]
    whole = path.read_bytes()
    try:
        path.write_bytes(damaged(whole, edits))
        said = complaint(sets / form)
        assert said is None or path.name in said
        found = check(sets / form, format=form, quick=True)
        assert {defect.kind for defect in found} <= set(KINDS)
        assert all(len(str(defect).splitlines()) == 1 for defect in found)
        if said is not None:
            assert any(not defect.warning for defect in found)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("key", ["id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation"])
@pytest.mark.parametrize("value", [None, True, "x", -1, 1e300, [], {}, [1, 2, 3, 4], [[0, 0, 1, 1, 1, 0]], [None] * 4])
def test_any_value_anywhere_in_coco(sets: Path, key: str, value: object) -> None:
    import json

    path = sets / "coco" / FILES["coco"]
    whole = path.read_text()
    document = json.loads(whole)
    document["annotations"][1][key] = value
    try:
        path.write_text(json.dumps(document))
        said = complaint(sets / "coco")
        assert said is None or ("annotations[1]" in said and "line 1" in said)
    finally:
        path.write_text(whole)
