"""The delta of a Darknet yolo layer, one number at a time: an independent definition to hold the loss against.

Written from what the layer does (see docs/yolo_loss.md), for one head at a time as Darknet runs it, in Python floats.
"""

from __future__ import annotations

from math import exp, log

import numpy as np


def sigmoid(x: float) -> float:
    """The logistic function, from the side that does not overflow."""
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def interval(c1: float, s1: float, c2: float, s2: float) -> float:
    """The signed length that two intervals of centre c and length s have in common."""
    return min(c1 + s1 / 2, c2 + s2 / 2) - max(c1 - s1 / 2, c2 - s2 / 2)


def box_iou(a, b) -> float:
    """IoU of two boxes, centre and size; 0 when they do not meet."""
    w, h = interval(a[0], a[2], b[0], b[2]), interval(a[1], a[3], b[1], b[3])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h)


def yolo_delta(raw, truths, anchors, mask, size, classes, *, ignore=0.7, last_class_only=False) -> np.ndarray:
    """The delta of one head, raw (N, A (5 + classes), h, w); ``truths[n]`` is a list of (x, y, w, h, label)."""
    images, _, h, w = raw.shape
    raw = raw.reshape(images, len(mask), 5 + classes, h, w)
    delta = np.zeros(raw.shape)
    for n in range(images):
        for a, anchor in enumerate(mask):
            for j in range(h):
                for i in range(w):
                    t = raw[n, a, :, j, i]
                    predicted = (
                        (i + sigmoid(t[0])) / w,
                        (j + sigmoid(t[1])) / h,
                        exp(t[2]) * anchors[anchor][0] / size[1],
                        exp(t[3]) * anchors[anchor][1] / size[0],
                    )
                    best = 0.0
                    for truth in truths[n]:
                        best = max(best, box_iou(predicted, truth))
                    delta[n, a, 4, j, i] = 0.0 if best > ignore else 0 - sigmoid(t[4])
        for x, y, tw, th, label in truths[n]:
            best, best_anchor = 0.0, 0
            for k, (aw, ah) in enumerate(anchors):
                iou = box_iou((0, 0, aw / size[1], ah / size[0]), (0, 0, tw, th))
                if iou > best:
                    best, best_anchor = iou, k
            if best_anchor not in mask:
                continue
            a = mask.index(best_anchor)
            i, j = min(int(x * w), w - 1), min(int(y * h), h - 1)  # Darknet itself overruns at x == 1
            t, d = raw[n, a, :, j, i], delta[n, a, :, j, i]
            scale = 2 - tw * th
            d[0] = scale * (x * w - i - sigmoid(t[0]))
            d[1] = scale * (y * h - j - sigmoid(t[1]))
            d[2] = scale * (log(tw * size[1] / anchors[best_anchor][0]) - t[2])
            d[3] = scale * (log(th * size[0] / anchors[best_anchor][1]) - t[3])
            d[4] = 1 - sigmoid(t[4])
            if d[5] and not last_class_only:  # an earlier truth was here: its class stays wanted
                d[5 + label] = 1 - sigmoid(t[5 + label])
            else:
                for c in range(classes):
                    d[5 + c] = (1 if c == label else 0) - sigmoid(t[5 + c])
    return delta.reshape(images, -1, h, w)
