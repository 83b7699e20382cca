"""``yolo_decode(raw, anchors, size, scale_x_y)``: boxes and scores from one raw map of a YOLO head."""

from __future__ import annotations

from typing import Any

import numpy as np

from .coding import STEPS, float64
from .operator import Answer, Dialect, Inputs, Operator, Units, Vector


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), for moderate x."""
    return 1 / (1 + np.exp(-x))


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """Box by box, in float64: corners (M, 4) in pixels and scores (M, classes)."""
    raw, anchors = float64(inputs["raw"])[0], float64(inputs["anchors"])
    height, width = inputs["size"]
    scale, count, (h, w) = float(inputs["scale_x_y"]), len(anchors), raw.shape[1:]
    t = raw.reshape(count, -1, h, w)
    squash = sigmoid if dialect["activation"] == "head" else (lambda x: x)
    steps = np.array([width / w, height / h])
    side = {"pixels": 1.0, "cells": steps, "normalised": np.array([width, height])}[dialect["anchors"]]
    boxes, scores = [], []
    places = [(j, i, a) for j in range(h) for i in range(w) for a in range(count)]
    if dialect["order"] == "anchors":
        places.sort(key=lambda one: one[2])
    for j, i, a in places:
        tx, ty, tw, th, to, *tc = t[a, :, j, i]
        place = squash(np.array([tx, ty]))
        if dialect["xy"] == "scaled":
            place = scale * place - (scale - 1) / 2
        elif dialect["xy"] == "double":
            place = 2 * place - 0.5
        extent = np.array([tw, th])
        extent = np.exp(extent) if dialect["wh"] == "exp" else (2 * squash(extent)) ** 2
        centre, half = (place + np.array([i, j])) * steps, extent * anchors[a] * side / 2
        boxes.append(np.concatenate([centre - half, centre + half]))
        scores.append(squash(np.array(tc)) * (squash(to) if dialect["score"] == "product" else 1.0))
    return np.array(boxes).reshape(-1, 4), np.array(scores).reshape(len(places), -1)


def units(inputs: Inputs) -> Units:
    """One bound for all boxes, of the farthest centre and the widest side in any reading, and one for scores."""
    t = float64(inputs["raw"])[0].reshape(len(inputs["anchors"]), -1, *inputs["raw"].shape[2:])
    scale, (height, width) = abs(float(inputs["scale_x_y"])), inputs["size"]
    step = max(width / t.shape[3], height / t.shape[2])
    place, extent = np.abs(t[:, :2]).max() + 1, np.abs(t[:, 2:4]).max()
    wide = float64(inputs["anchors"]).max() * (np.exp(extent) + 4 * extent**2) * (1 + extent)
    return STEPS * (max(width, height) + step * place * (scale + 2) + wide), STEPS * (1 + np.abs(t[:, 4:]).max() ** 2)


def _call(t: list[Any], anchors: list[list[float]], size: tuple[int, int], scale: float) -> dict[str, Any]:
    """``t``: for each anchor, for each row, for each column, the numbers."""
    raw = np.moveaxis(np.array(t, np.float64), 3, 1)
    return {
        "raw": raw.reshape(1, -1, *raw.shape[2:]),
        "anchors": np.array(anchors, np.float64),
        "size": size,
        "scale_x_y": scale,
    }


ONE = [[[[2.0, -1.0, 1.0, 0.5, 0.5, -0.5, 1.5]]]]
TWO = [[[[2.0, -1.0, 1.0, 0.5, 0.5, 1.0], [1.0, 0.0, 0.0, 1.0, -0.5, 0.5]]] for _ in range(2)]
#: After the logistic function, so that each number is in 0..1.
SQUASHED = [[[[0.875, 0.25, 0.75, 0.625, 0.5, 0.75]]]]
TOLD = ("xy", "wh", "activation", "anchors", "score")

YOLO_DECODE = Operator(
    "yolo_decode",
    "yolo_decode(raw, anchors, size, scale_x_y): (1, A (5 + classes), h, w), (A, 2), (height, width) and a number to "
    "boxes (h w A, 4) in pixels and scores (h w A, classes)",
    reference,
    (
        Vector("one cell, t = 2 and 1", _call(ONE, [[0.5, 0.25]], (32, 64), 1.25), TOLD),
        Vector("one cell, not scaled", _call(ONE, [[0.5, 0.25]], (32, 64), 1.0), TOLD),
        Vector("numbers in 0 to 1", _call(SQUASHED, [[3, 2]], (16, 16), 1.125), TOLD),
        Vector("two cells and two anchors", _call(TWO, [[3, 2], [5, 7]], (16, 32), 1.5), (*TOLD, "order")),
    ),
    outputs=("boxes", "scores"),
    units=units,
)
