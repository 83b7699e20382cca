"""Batches follow from the seed alone: not from workers, nor from where a run was cut."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minidet_kernels.masks import areas, encode
from support.drawn_datasets import small

from minidet.data.dataset import Dataset, Objects
from minidet.data.letterbox import letterbox, stretch
from minidet.data.loader import Batch, Loader, on_input
from minidet.data.sample import Sample
from minidet.errors import InputError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Seven small pictures."""
    return small(tmp_path_factory.mktemp("loader"), pictures=7)


def jitter(sample: Sample, rng: np.random.Generator, draw) -> Sample:
    """Takes from the generator, and from another sample."""
    other = draw(rng)
    level = np.uint8(other.image.mean())
    image = np.where(rng.random(sample.image.shape) < 0.5, level, sample.image)
    return Sample(image, sample.objects[rng.permutation(len(sample.objects))])


def assert_same(a: Batch, b: Batch) -> None:
    assert (a.epoch, a.number) == (b.epoch, b.number)
    np.testing.assert_array_equal(a.inputs, b.inputs)
    np.testing.assert_array_equal(a.indices, b.indices)
    assert a.placements == b.placements
    for mine, theirs in zip(a.truths, b.truths, strict=True):
        np.testing.assert_array_equal(mine.boxes, theirs.boxes)
        np.testing.assert_array_equal(mine.labels, theirs.labels)


def batches(dataset: Dataset, many: int, **options) -> list[Batch]:
    options = {"batch": 2, "size": (24, 32), "seed": 5, "transform": jitter, "workers": 0, **options}
    with Loader(dataset, **options) as loader:
        return [batch for _, batch in zip(range(many), loader.forever(), strict=False)]


@pytest.mark.parametrize("options", [{"workers": 1}, {"workers": 3}, {"cache": 0}, {"workers": 2, "cache": 5000}])
def test_workers_and_caches_change_nothing(dataset: Dataset, options: dict) -> None:
    for mine, theirs in zip(batches(dataset, 9, **options), batches(dataset, 9), strict=True):
        assert_same(mine, theirs)


def test_processes_change_nothing(dataset: Dataset) -> None:
    for mine, theirs in zip(batches(dataset, 5, workers=1, kind="processes"), batches(dataset, 5), strict=True):
        assert_same(mine, theirs)


@settings(max_examples=25)
@given(cut=st.integers(0, 10), hands=st.integers(0, 2), batch=st.integers(1, 8), last=st.booleans())
def test_a_run_goes_on_where_it_was_cut(dataset: Dataset, cut: int, hands: int, batch: int, last: bool) -> None:
    options = {"batch": batch, "drop_last": last and batch <= 7}
    whole = batches(dataset, 12, **options)
    common = {"size": (24, 32), "seed": 5, "transform": jitter, **options}
    with Loader(dataset, workers=hands, **common) as loader:
        begun = [b for _, b in zip(range(cut), loader.forever(), strict=False)]
        state = json.loads(json.dumps(loader.state()))
    with Loader(dataset, workers=hands, state=state, **common) as loader:
        rest = [b for _, b in zip(range(12 - cut), loader.forever(), strict=False)]
    for mine, theirs in zip(begun + rest, whole, strict=True):
        assert_same(mine, theirs)


def test_the_state_is_after_the_last_batch_given(dataset: Dataset) -> None:
    loader = Loader(dataset, batch=2, size=(24, 32), seed=5, workers=2)
    assert loader.state()["number"] == 0
    steps = iter(loader)
    for k in range(1, 4):
        next(steps)
        assert (loader.state()["number"], loader.number, loader.epoch) == (k, k, 0)
    assert len(list(steps)) == 1  # four batches an epoch
    assert (loader.number, loader.epoch) == (4, 1)
    assert [batch.epoch for batch in loader] == [1] * 4
    moved = Loader(dataset, batch=2, size=(24, 32), seed=5, start=6)
    assert [batch.number for batch in moved] == [6, 7]
    assert [b.number for b in Loader(dataset, batch=2, size=(24, 32), seed=5, start=loader.state())] == [8, 9, 10, 11]


@pytest.mark.parametrize("key", ["seed", "batch", "pictures", "shuffle", "drop_last"])
def test_a_state_of_another_loader_is_refused(dataset: Dataset, key: str) -> None:
    loader = Loader(dataset, batch=2, size=(24, 32), seed=5)
    state = loader.state()
    with pytest.raises(ValueError, match=f"the state is of a loader with {key}="):
        loader.restore({**state, key: 3 if key != "drop_last" else True})
    del state[key]
    with pytest.raises(ValueError, match=f"{key} is missing"):
        loader.restore(state)


@pytest.mark.parametrize("drop", [False, True])
def test_every_picture_comes_once_an_epoch_in_an_order_of_its_own(dataset: Dataset, drop: bool) -> None:
    loader = Loader(dataset, batch=3, size=(8, 8), seed=1, drop_last=drop)
    orders = []
    for _ in range(4):
        indices = [batch.indices.tolist() for batch in loader]
        assert [len(one) for one in indices] == ([3, 3] if drop else [3, 3, 1])
        orders.append(tuple(i for one in indices for i in one))
        assert len(set(orders[-1])) == len(orders[-1])
    assert len(set(orders)) == 4
    plain = Loader(dataset, batch=3, size=(8, 8), seed=1, shuffle=False)
    assert [i for batch in plain for i in batch.indices] == list(range(7))


def test_a_sample_draws_from_its_place_alone(dataset: Dataset) -> None:
    """With another batch size the same pictures come out, in the same order."""
    small_, large = batches(dataset, 7, batch=1), batches(dataset, 1, batch=7)
    np.testing.assert_array_equal(np.concatenate([b.inputs for b in small_]), large[0].inputs)
    other = batches(dataset, 7, batch=1, seed=6)
    assert not np.array_equal(np.concatenate([b.inputs for b in other]), large[0].inputs)


def test_pixels_and_boxes_are_those_of_the_placed_picture(dataset: Dataset) -> None:
    for place in (letterbox, stretch, partial(letterbox, rounding="yolov5", fill=114 / 255)):
        for batch in Loader(dataset, batch=7, size=(24, 48), seed=0, letterbox=place, shuffle=False):
            assert batch.inputs.dtype == np.float32
            for i, index in enumerate(batch.indices):
                x, placement = place(dataset.image(index), (24, 48))
                np.testing.assert_array_equal(batch.inputs[i], x)
                assert batch.placements[i] == placement
                expected = placement.to_network(dataset.records[index].objects.boxes)
                np.testing.assert_allclose(batch.truths[i].boxes, expected, rtol=1e-14, atol=1e-12)


def test_truths_are_cut_to_the_picture_and_masks_placed() -> None:
    mask = np.zeros((2, 10, 20), bool)
    mask[0, 2:6, 4:8], mask[1, :, :] = True, True
    boxes = [[4, 2, 8, 6], [-5, -5, 30, 30], [20, 0, 30, 10], [3, 3, 3, 9]]
    objects = Objects(boxes, range(4), masks=encode(np.concatenate([mask, mask])), polygons=((np.ones((3, 2)),),) * 4)
    _, placement = letterbox(np.zeros((10, 20, 3), np.uint8), (40, 40))
    found = on_input(objects, placement)
    np.testing.assert_array_equal(found.boxes, [[8, 14, 16, 22], [0, 10, 40, 30]])
    assert found.labels.tolist() == [0, 1]
    assert found.polygons is None
    assert found.masks.size == (40, 40)
    assert areas(found.masks).tolist() == [4 * 16, 800]


def test_the_size_may_follow_from_the_number_of_the_batch(dataset: Dataset) -> None:
    def size(number: int) -> tuple[int, int]:
        return (32, 32) if number // 2 % 2 else (16, 64)

    for hands in (0, 2):
        found = batches(dataset, 6, size=size, workers=hands)
        assert [b.inputs.shape[2:] for b in found] == [size(k) for k in range(6)]


def test_errors_name_the_file_and_the_loader_goes_on_from_there(tmp_path: Path) -> None:
    mine = small(tmp_path, pictures=6)
    path = tmp_path / "p3.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    for hands in (0, 2):
        loader = Loader(mine, batch=1, size=(8, 8), seed=0, shuffle=False, workers=hands)
        with pytest.raises(InputError, match=r"p3\.png: expected a whole picture"):
            list(loader)
        assert loader.number == 3
        path.write_bytes(whole)
        assert [batch.number for batch in loader] == [3, 4, 5]
        path.write_bytes(whole[:-100])
    path.unlink()
    with pytest.raises(InputError, match=r"p3\.png: no such file"):
        list(Loader(mine, batch=6, size=(8, 8), seed=0))
    turned = replace(mine, records=tuple(replace(r, size=(40, 30), source="a.xml") for r in mine))
    with pytest.raises(InputError, match=r"p0\.png: a picture of 30x40 was expected, as a\.xml says, found 40x30"):
        list(Loader(turned, batch=1, size=(8, 8), seed=0, shuffle=False))


def test_a_transform_that_fails_names_the_picture(dataset: Dataset) -> None:
    def fail(sample, rng, draw):
        raise ZeroDivisionError("by nought")

    with pytest.raises(RuntimeError, match=r"p\d\.png: augmentation failed: ZeroDivisionError: by nought"):
        next(iter(Loader(dataset, batch=1, size=(8, 8), seed=0, transform=fail)))


def test_a_transform_cannot_write_to_what_is_kept(dataset: Dataset) -> None:
    def scribble(sample, rng, draw):
        sample.image[:] = 0
        return sample

    with pytest.raises(RuntimeError, match="read-only"):
        next(iter(Loader(dataset, batch=1, size=(8, 8), seed=0, transform=scribble)))


def test_pictures_are_read_once_while_they_fit(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    monkeypatch.setattr(Dataset, "image", lambda self, i: read.append(i) or np.zeros((30, 40, 3), np.uint8))
    for room, expected in ((1 << 20, 7), (0, 14), (3 * 3600, 3 + 2 * 4)):
        read.clear()
        loader = Loader(dataset, batch=7, size=(8, 8), seed=0, workers=0, cache=room)
        for _ in range(2):
            list(loader)
        assert len(read) == expected, room


def test_nothing_is_left_running(dataset: Dataset) -> None:
    before = threading.active_count()
    loader = Loader(dataset, batch=2, size=(8, 8), seed=0)
    next(iter(loader))
    steps = loader.forever()
    next(steps)
    loader.close()
    assert threading.active_count() == before
    steps = iter(loader)
    next(steps)
    del steps  # left in the middle
    loader.close()
    assert threading.active_count() == before


def test_workers_stay_from_epoch_to_epoch(dataset: Dataset) -> None:
    with Loader(dataset, batch=2, size=(8, 8), seed=0) as loader:
        kept = []
        for _ in range(3):
            list(loader)
            kept.append(loader._ahead)
        next(iter(loader))  # and when an epoch is left in the middle
        assert all(one is loader._ahead for one in kept)
        assert loader.number == 13


def test_what_makes_no_sense(dataset: Dataset) -> None:
    for options in ({"batch": 0}, {"seed": -1}, {"start": -1}):
        with pytest.raises(ValueError, match="expected"):
            Loader(dataset, **{"batch": 2, "size": (8, 8), "seed": 0, **options})
    with pytest.raises(ValueError, match="7 pictures make no batch of 8"):
        Loader(dataset, batch=8, size=(8, 8), seed=0, drop_last=True)
    with pytest.raises(ValueError, match="0 pictures make no batch"):
        Loader(dataset.subset([]), batch=8, size=(8, 8), seed=0)
