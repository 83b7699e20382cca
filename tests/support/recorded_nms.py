"""Puts answers beside recorded inputs, as somebody would whose implementation is not here; and a program that stays."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np


def nms(boxes: np.ndarray, scores: np.ndarray, threshold: float, *, strict: bool = True) -> np.ndarray:
    """Greedy, IoU in the boxes' dtype; a score of NaN is an error."""
    if np.isnan(scores).any():
        raise ValueError("a score is NaN")
    kept: list[int] = []
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    area = sides[:, 0] * sides[:, 1]
    limit = boxes.dtype.type(threshold)
    for i in np.argsort(-scores, kind="stable"):
        for k in kept:
            both = np.maximum(np.minimum(boxes[i, 2:], boxes[k, 2:]) - np.maximum(boxes[i, :2], boxes[k, :2]), 0)
            inter = both[0] * both[1]
            union = area[i] + area[k] - inter
            if union <= 0:
                continue
            iou = inter / union
            if iou > limit or (not strict and iou == limit):
                break
        else:
            kept.append(int(i))
    return np.array(kept, np.int64)


def answer(folder: Path, *, strict: bool = True) -> None:
    """To every input of a recorded folder."""
    for path in sorted(folder.glob("[0-9][0-9][0-9][0-9].npz")):
        with np.load(path) as given:
            try:
                kept = nms(given["boxes"], given["scores"], float(given["threshold"]), strict=strict)
            except ValueError as error:
                path.with_suffix(".refused.txt").write_text(str(error))
                continue
        np.save(path.with_suffix(".answer.npy"), kept)


def serve(mode: str) -> None:
    """Read requests and write replies until there are no more; ``mode`` is what is wrong with it."""
    calls = 0
    while len(head := sys.stdin.buffer.read(8)) == 8:
        with np.load(io.BytesIO(sys.stdin.buffer.read(int.from_bytes(head, "little")))) as held:
            given = {name: held[name] for name in held.files}
        calls += 1
        if mode == "prints":
            print("a line that is no message")
        if mode == "dies" and calls == 2:
            sys.exit("no more")
        reply: dict[str, Any] = {}
        try:
            reply["kept" if mode == "misnames" else "answer"] = nms(
                given["boxes"], given["scores"], float(given["threshold"])
            )
        except ValueError as error:
            reply["refused"] = np.frombuffer(str(error).encode(), np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, **reply)
        sys.stdout.buffer.write(len(buffer.getvalue()).to_bytes(8, "little") + buffer.getvalue())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve(sys.argv[1] if len(sys.argv) > 1 else "")
