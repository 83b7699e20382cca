"""Batches for a network from a data set: in an order and with augmentation that follow from a seed alone.

The images of epoch ``e`` come in the order drawn by the generator of ``[seed, LOADER, e, 0]``; what the transform draws
for the image in place ``p`` of it comes from that of ``[seed, LOADER, e, p + 1]``.  So a batch depends on the seed, the
epoch and its place, and neither on the number of workers nor on what was loaded before: a run can go on at any place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from minidet.errors import InputError, one_line

from .ahead import Ahead
from .augment.moving import Part, move
from .dataset import Dataset, Objects
from .letterbox import Placement
from .letterbox import letterbox as letterbox_
from .sample import Sample, Transform

#: Keeps these generators apart from others of the same seed.
LOADER = 0x10AD

#: Puts a picture (H, W, 3) uint8 on an input of (h, w): ``letterbox``, ``stretch``, or either with options.
Place = Callable[[np.ndarray, tuple[int, int]], tuple[np.ndarray, Placement]]

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Batch:
    """N pictures as a network takes them, and what is in them.

    ``inputs`` (N, 3, H, W) float32 in 0..1; ``truths`` the objects of each in pixels of the input, cut to the picture,
    those without area left out; ``indices`` (N,) int64 of the records; ``placements`` where each picture lies, of the
    picture that the transform made; ``epoch``, and ``number`` of the batch, counted through all epochs from 0.
    """

    inputs: np.ndarray
    truths: list[Objects]
    indices: np.ndarray
    placements: list[Placement]
    epoch: int = 0
    number: int = 0


class Loader:
    """Batches of ``batch`` pictures of a data set.

    Iterating gives the batches from where the loader stands to the end of the epoch; iterating again, the next epoch.
    ``forever()`` goes on through the epochs without a pause between them.

    size        (H, W) of the network's input, or a function from the number of the batch to that: random shapes.  It
                must be a pure function for a run to be resumed exactly.
    transform   of ``minidet.data.sample.Transform``, or None.
    letterbox   how a picture is put on the input: ``letterbox``, ``stretch``, or a partial of either.
    shuffle     a new order in each epoch; else that of the data set.
    drop_last   leave out the last batch of an epoch where it is not full.
    workers     how many prepare pictures ahead; 0: none.  ``kind``: "threads" or "processes" (see ``ahead``).
    cache       bytes of decoded pictures to keep in memory, first come; each process has its own.  They cannot be
                written to.
    start       number of the batch to begin with, or what ``state()`` gave (also as ``state=``).

    A picture that cannot be read raises ``InputError`` naming the file, when its batch is asked for; after any error
    the loader stands before that batch.  ``ValueError`` for arguments that make no sense.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch: int,
        size: Size | Callable[[int], Size],
        transform: Transform | None = None,
        seed: int,
        workers: int = 2,
        kind: str = "threads",
        letterbox: Place = letterbox_,
        shuffle: bool = True,
        drop_last: bool = False,
        cache: int = 1 << 30,
        start: int | Mapping[str, Any] = 0,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        if batch < 1 or seed < 0:
            raise ValueError(f"a batch of at least 1 and a seed from 0 were expected, found {batch} and {seed}")
        self.dataset, self.batch, self.size, self.seed = dataset, int(batch), size, int(seed)
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        self.workers, self.kind = workers, kind
        if not len(self):
            raise ValueError(f"{len(dataset)} pictures make no batch of {batch}; give more, or drop_last=False")
        self._prepare = _Prepare(dataset, transform, self.seed, letterbox, cache)
        self._number = 0  # of the next batch
        self._ahead: Ahead[_Ask, _Answer] | None = None
        if state is not None:
            self.restore(state)
        elif isinstance(start, Mapping):
            self.restore(start)
        elif start < 0:
            raise ValueError(f"the number of a batch from 0 was expected as start, found {start}")
        else:
            self._number = int(start)

    def __len__(self) -> int:
        """Batches of an epoch."""
        n = len(self.dataset)
        return n // self.batch if self.drop_last else -(-n // self.batch)

    @property
    def number(self) -> int:
        """The number of the next batch, counted through all epochs."""
        return self._number

    @property
    def epoch(self) -> int:
        """The epoch of the next batch."""
        return self._number // len(self)

    def state(self) -> dict[str, Any]:
        """Where the loader stands, after the last batch that it gave, as plain values for JSON."""
        return {
            "number": self._number,
            "seed": self.seed,
            "batch": self.batch,
            "pictures": len(self.dataset),
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Stand where ``state()`` said; raises ``ValueError`` where this loader would give other batches from there."""
        mine = self.state()
        for key in mine:
            if key not in state:
                raise ValueError(f"a state of a Loader with {', '.join(mine)} was expected, {key} is missing")
            if key != "number" and state[key] != mine[key]:
                raise ValueError(
                    f"the state is of a loader with {key}={state[key]!r}, this one has {key}={mine[key]!r}; "
                    "a run goes on exactly only with the same"
                )
        self.close()
        self._number = int(state["number"])

    def order(self, epoch: int) -> np.ndarray:
        """Which records come in epoch ``epoch``, in their order: (n,) int64."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return np.random.default_rng([self.seed, LOADER, epoch, 0]).permutation(len(self.dataset))

    def __iter__(self) -> Iterator[Batch]:
        end = (self.epoch + 1) * len(self)
        return islice(self._batches(end), end - self._number)

    def forever(self) -> Iterator[Batch]:
        """Batches from where the loader stands, without end."""
        return self._batches(None)

    def close(self) -> None:
        """End the workers, which otherwise wait for the next epoch.  Iterating again starts new ones."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _batches(self, end: int | None) -> Iterator[Batch]:
        while end is None or self._number < end:
            epoch, first, last = self._places(self._number)
            try:
                answers = [next(self._workers()) for _ in range(first, last)]
            except BaseException:
                self.close()  # what was taken of this batch is prepared again
                raise
            batch = Batch(
                np.stack([a.input for a in answers]),
                [a.objects for a in answers],
                np.array([a.index for a in answers], np.int64),
                [a.placement for a in answers],
                epoch,
                self._number,
            )
            self._number += 1
            yield batch

    def _workers(self) -> Ahead[_Ask, _Answer]:
        """What prepares ahead, from where the loader stands; it stays from one epoch to the next."""
        if self._ahead is None:
            asks, depth = self._asks(self._number), 2 * self.batch + self.workers
            self._ahead = Ahead(self._prepare, asks, workers=self.workers, kind=self.kind, depth=depth)
        return self._ahead

    def _places(self, number: int) -> tuple[int, int, int]:
        """Epoch of a batch, and the places in it from the first to behind the last."""
        epoch, place = divmod(number, len(self))
        return epoch, place * self.batch, min((place + 1) * self.batch, len(self.dataset))

    def _asks(self, number: int) -> Iterator[_Ask]:
        order, of = np.zeros(0, np.int64), -1
        while True:
            epoch, first, last = self._places(number)
            if epoch != of:
                order, of = self.order(epoch), epoch
            size = self.size(number) if callable(self.size) else self.size
            for place in range(first, last):
                yield _Ask(epoch, place, int(order[place]), (int(size[0]), int(size[1])))
            number += 1


@dataclass(frozen=True)
class _Ask:
    """One picture of one batch."""

    epoch: int
    place: int
    index: int
    size: Size


@dataclass(frozen=True, eq=False)
class _Answer:
    """What it becomes; ``input`` (3, H, W)."""

    input: np.ndarray
    objects: Objects
    index: int
    placement: Placement


@dataclass(eq=False)
class _Prepare:
    """An ask to its answer: decode, transform, place; a pure function, apart from what it keeps."""

    dataset: Dataset
    transform: Transform | None
    seed: int
    place: Place
    room: int
    _kept: dict[int, np.ndarray] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def __call__(self, ask: _Ask) -> _Answer:
        sample = self.sample(ask.index)
        if self.transform is not None:
            rng = np.random.default_rng([self.seed, LOADER, ask.epoch, ask.place + 1])
            try:
                sample = self.transform(sample, rng, self.draw)
            except InputError:
                raise
            except Exception as error:
                path = self.dataset.root / self.dataset.records[ask.index].path
                raise RuntimeError(f"{path}: augmentation failed: {type(error).__name__}: {one_line(error)}") from error
        x, placement = self.place(sample.image, ask.size)
        return _Answer(x, on_input(sample.objects, placement), ask.index, placement)

    def draw(self, rng: np.random.Generator) -> Sample:
        """Any sample of the data set."""
        return self.sample(int(rng.integers(len(self.dataset))))

    def sample(self, index: int) -> Sample:
        """The sample as it is in its file."""
        image = self._kept.get(index)
        if image is None:
            image = self.dataset.image(index)
            image.flags.writeable = False  # a transform that wrote to it would change what comes later
            with self._lock:
                if index not in self._kept and image.nbytes <= self.room:
                    self._kept[index] = image
                    self.room -= image.nbytes
        record = self.dataset.records[index]
        if record.size != image.shape[:2] and all(record.size):
            raise InputError(
                f"{self.dataset.root / record.path}: a picture of {record.size[1]}x{record.size[0]} was expected, as "
                f"{record.source or 'its annotation'} says, found {image.shape[1]}x{image.shape[0]}"
            )
        return Sample(image, record.objects)


def on_input(objects: Objects, placement: Placement) -> Objects:
    """Objects of a picture in pixels of the network's input, cut to the picture; those with nothing left are left out.

    Masks get the input's size; polygons are dropped.
    """
    (H, W), p = placement.image, placement
    part = Part((0, 0, W, H), (p.left, p.top, p.left + p.width, p.top + p.height), placement.network)
    return move(replace(objects, polygons=None), part, keep="share")
