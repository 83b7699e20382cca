"""Results as columns beside a data set: what is refused, naming the result."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from minidet.data.dataset import Dataset, Objects, Record
from minidet.errors import InputError
from minidet.metrics.from_dataset import found_columns

ROW = {"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4], "score": 0.5}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ROW, {**ROW, "image_id": 5}], "result 1: the data set has no image with image_id 5"),
        ([{**ROW, "image_id": [1]}], r"result 0: the data set has no image with image_id \[1\]"),
        ([{**ROW, "category_id": 8}], "result 0: the data set has no category with category_id 8"),
        ([{**ROW, "score": "high"}], "result 0: expected image_id, category_id, bbox"),
        ([{**ROW, "score": math.nan}], "result 0: expected five finite numbers"),
        ([{**ROW, "bbox": [1, 2, 3]}], "result 0: expected five finite numbers"),
        ([{"image_id": 1}], "result 0: expected image_id, category_id, bbox"),
    ],
)
def test_wrong_results(rows, said: str) -> None:
    nothing = Objects([], [])
    dataset = Dataset(Path(), ("thing",), (Record("a.png", (9, 9), 1, nothing),), (7,))
    assert len(found_columns([ROW], dataset).scores) == 1
    with pytest.raises(InputError, match=f"found.json: {said}"):
        found_columns(rows, dataset, source="found.json")
