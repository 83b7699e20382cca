"""A data set in parts, drawn from a seed: each picture in exactly one, each part of exactly its size."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from minidet.errors import InputError

from .dataset import Dataset

#: ``train[:20]``, ``train[20:]``, ``train[-8:]``: a split and which of its records.
SLICE = re.compile(r"(?P<name>.*)\[(?P<first>-?\d+|):(?P<last>-?\d+|)\]", re.DOTALL)


def sliced(name: str) -> tuple[str, slice]:
    """A split's name and which of its records are meant: of ``"train[:20]"`` the first 20, of ``"train"`` all.

    As Python's slices: an end left out is that of the split, and negative numbers count from the end.
    """
    found = SLICE.fullmatch(name)
    if found is None:
        return name, slice(None)
    ends = [int(text) if text else None for text in found.group("first", "last")]
    return found["name"], slice(*ends)


def part_sizes(n: int, fractions: Mapping[str, float]) -> dict[str, int]:
    """How many of ``n`` pictures each part gets: its fraction, whole by the largest remainders, the sum exactly n."""
    shares = np.array(list(fractions.values()), np.float64)
    if len(shares) < 1 or not (np.isfinite(shares).all() and (shares > 0).all()):
        raise ValueError(f"fractions above 0 were expected, found {dict(fractions)}")
    exact = n * shares / shares.sum()
    sizes = np.floor(exact + 1e-9).astype(int)
    order = np.argsort(-(exact - sizes), kind="stable")
    sizes[order[: n - sizes.sum()]] += 1
    return dict(zip(fractions, sizes.tolist(), strict=True))


def split(
    dataset: Dataset, fractions: Mapping[str, float], *, seed: int = 0, stratify: bool = False
) -> dict[str, np.ndarray]:
    """Indices of the records of each part, in the data set's order.

    ``fractions`` are relative to their sum: {"train": 80, "val": 20}.  With ``stratify`` every part gets its share of
    the pictures with each class, as nearly as its size allows: iterative stratification, the rarest class first, each
    picture to the part that still lacks most of it (Sechidis, Tsoumakas and Vlahavas, "On the stratification of
    multi-label data", 2011).  Raises ``InputError`` where a part would be without a picture.
    """
    n = len(dataset)
    sizes = part_sizes(n, fractions)
    if empty := [name for name, size in sizes.items() if size == 0]:
        raise InputError(f"{n} pictures in parts of {sizes}: none is left for {empty[0]!r}")
    rng = np.random.default_rng(seed)
    if not stratify:
        order = rng.permutation(n)
        ends = np.cumsum(list(sizes.values()))
        parts = np.split(order, ends[:-1])
        return {name: np.sort(part) for name, part in zip(sizes, parts, strict=True)}
    has = np.zeros((n, len(dataset.names) + 1), bool)  # the last column: nothing in it
    for i, record in enumerate(dataset):
        has[i, record.objects.labels] = True
    has[:, -1] = ~has[:, :-1].any(axis=1)
    of = _stratified(has, np.array(list(sizes.values())), rng)
    return {name: np.flatnonzero(of == k) for k, name in enumerate(sizes)}


def _stratified(has: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The part of each picture, (n,), of parts with these sizes; ``has`` (n, C) says which classes are in a picture."""
    n = len(has)
    lacking = has.sum(axis=0)[None, :] * (sizes / n)[:, None]  # (parts, C), what each part should still get
    room = sizes.copy()
    of = np.full(n, -1)
    luck = rng.permutation(n)  # the order of pictures with the same class, and of parts that lack the same
    while (of < 0).any():
        left = has[of < 0].sum(axis=0)
        rarest = int(np.where(left > 0, left, n + 1).argmin())
        mine = np.flatnonzero((of < 0) & has[:, rarest])
        for i in mine[np.argsort(luck[mine])]:
            open_ = np.flatnonzero(room > 0)
            want = lacking[open_, rarest]
            most = open_[want == want.max()]
            most = most[room[most] == room[most].max()]
            part = int(most[luck[i] % len(most)])
            of[i] = part
            room[part] -= 1
            lacking[part] -= has[i]
    return of
