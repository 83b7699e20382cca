"""``rle(mask)``: the lengths of the runs of equal pixels of a mask (h, w), uint8 of 0 and 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from .operator import Answer, Dialect, Inputs, Operator, Vector


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Counts (R,) int64."""
    mask = inputs["mask"]
    lines = mask.T if dialect["order"] == "columns" else mask
    pixels = [int(one) for line in lines.tolist() for one in line]
    runs: list[list[int]] = []  # value, length, start
    for place, one in enumerate(pixels):
        if runs and runs[-1][0] == one:
            runs[-1][1] += 1
        else:
            runs.append([one, 1, place])
    if dialect["form"] == "pairs":
        return np.array([n for one, length, start in runs if one for n in (start + 1, length)], np.int64)
    counts = [length for _, length, _ in runs]
    first = {"zeros": 0, "ones": 1}.get(dialect["start"])
    if runs and first is not None and runs[0][0] != first:
        counts = [0, *counts]
    return np.array(counts, np.int64)


def of(*rows: list[int]) -> dict[str, Any]:
    """Inputs of a call."""
    return {"mask": np.array(rows, np.uint8)}


TELLING: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    ("a row of ones above a row of zeros", of([1, 1, 1], [0, 0, 0]), ("order", "start", "form")),
    ("begins with two zeros", of([0], [0], [1]), ("start", "form")),
    ("begins with a one", of([1], [0], [0]), ("start", "form")),
    ("ones in the middle", of([0, 0, 0], [0, 1, 0], [0, 1, 0]), ("order", "start", "form")),
    ("no ones", of([0, 0]), ("start", "form")),
    ("ones alone", of([1, 1]), ("start", "form")),
)

RLE = Operator(
    "rle",
    "rle(mask): a mask (h, w), uint8 of 0 and 1, to the lengths of its runs",
    reference,
    tuple(Vector(name, inputs, tells) for name, inputs, tells in TELLING),
    exact=True,
)
