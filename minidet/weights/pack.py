"""Weights for shipping: filters in float16, everything else as it is, and what they are of in the metadata.

A filter's numbers lie well inside float16's range and need no more than its 11 bits; biases, batch norm's scales and
running variances, which are few and may be tiny, keep float32.  Reading them into a network makes float32 of all.

``python -m minidet.weights.pack RUN/last.safetensors small.safetensors`` packs what ``minidet train`` or ``minidet
demo --train`` wrote.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import InputError
from . import safetensors

#: In the metadata: how the arrays are stored.
STORAGE = "filters float16"


def packed(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays, those of more than one axis rounded to float16.

    Raises ``InputError`` naming an array with a number that is not finite or that float16 cannot hold.
    """
    out: dict[str, np.ndarray] = {}
    for name, a in state.items():
        if a.dtype.kind == "f" and not np.isfinite(a).all():
            raise InputError(f"{name} has a number that is not finite; such weights are not shipped")
        if a.dtype.kind == "f" and a.ndim > 1:
            if a.size and np.abs(a).max() > np.finfo(np.float16).max:
                raise InputError(f"{name} reaches {np.abs(a).max():.3g}; float16 ends at {np.finfo(np.float16).max:g}")
            a = a.astype(np.float16)
        out[name] = a
    return out


def pack(source: str | Path, target: str | Path, **about: str) -> None:
    """Read weights, write them packed with their metadata and ``about``; errors as in `safetensors.load`."""
    metadata = {**safetensors.metadata(source), **about, "storage": STORAGE}
    safetensors.save(target, packed(safetensors.load(source)), metadata=metadata)


def main(arguments: list[str]) -> int:
    """Pack one file as another; ``NAME=VALUE`` words go into the metadata."""
    from ..errors import one_line

    files, words = [a for a in arguments if "=" not in a], [a.split("=", 1) for a in arguments if "=" in a]
    if len(files) != 2:
        print("usage: python -m minidet.weights.pack SOURCE TARGET [NAME=VALUE ...]", file=sys.stderr)
        return 2
    try:
        pack(files[0], files[1], **dict(words))
    except InputError as error:
        print(f"pack: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
