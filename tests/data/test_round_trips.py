"""What is written and read again is what it was, apart from what the format cannot hold."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minidet_kernels.masks import decode
from support.drawn_datasets import datasets, placed, small

from minidet.data.dataset import Dataset, Record
from minidet.data.formats import FORMATS, Written, guess_format, read_dataset, write_dataset
from minidet.data.policy import Policy
from minidet.errors import InputError

KEEP = Policy(zero_area="keep", inverted="keep")
FEW = settings(max_examples=25)


@contextmanager
def there_and_back(dataset: Dataset, form: str, **options: object) -> Iterator[tuple[Dataset, Dataset, Written]]:
    """The data set with pictures, what it is after a round trip, its records in the first one's order, and the loss."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = placed(dataset, folder / "before")
        written = write_dataset(before, folder / "after", format=form, **options)
        after = read_dataset(folder / "after", format=form, policy=KEEP)
        assert len(after) == len(before)
        order = match(before, after)
        yield before, after.subset(order), written


def match(before: Dataset, after: Dataset) -> list[int]:
    """For each record the one with the same pixels: the names of files may have changed."""
    left = list(range(len(after)))
    order = []
    for i in range(len(before)):
        j = next(j for j in left if np.array_equal(after.image(j), before.image(i)))
        left.remove(j)
        order.append(j)
    return order


def same(a: Record, b: Record, fields: str) -> None:
    for field in fields.split():
        np.testing.assert_array_equal(getattr(a.objects, field), getattr(b.objects, field), err_msg=field)


@FEW
@given(dataset=datasets())
def test_voc(dataset: Dataset) -> None:
    with there_and_back(dataset, "voc") as (before, after, written):
        assert after.names == before.names
        for a, b in zip(before, after, strict=True):
            same(a, b, "boxes labels difficult truncated")
            assert a.size == b.size
        crowds = sum(int(r.objects.crowd.sum()) for r in before)
        assert written.lost["crowd"] == crowds
        assert written.lost["difficult"] == 0


@FEW
@given(dataset=st.one_of(datasets(keypoints=True), datasets(masks=True), datasets(polygons=True)))
def test_coco(dataset: Dataset) -> None:
    with there_and_back(dataset, "coco") as (before, after, written):
        assert (after.names, after.category_ids) == (before.names, before.category_ids)
        assert (after.keypoint_names, after.skeleton) == (before.keypoint_names, before.skeleton)
        assert not written.lost
        for a, b in zip(before, after, strict=True):
            same(a, b, "boxes labels crowd difficult truncated areas ids keypoints")
            assert (a.path, a.size, a.id) == (b.path, b.size, b.id)
            assert (a.objects.polygons is None) == (b.objects.polygons is None)
            for mine, theirs in zip(a.objects.polygons or (), b.objects.polygons or (), strict=True):
                assert (mine is None) == (theirs is None)
                for one, other in zip(mine or (), theirs or (), strict=True):
                    np.testing.assert_array_equal(one, other)
            if a.objects.masks is not None and len(a.objects):
                assert b.objects.masks is not None
                np.testing.assert_array_equal(decode(a.objects.masks), decode(b.objects.masks))


@FEW
@given(dataset=st.one_of(datasets(proper=True), datasets(polygons=True)))
def test_yolo(dataset: Dataset) -> None:
    with there_and_back(dataset, "yolo") as (before, after, written):
        assert after.names == before.names
        for a, b in zip(before, after, strict=True):
            same(a, b, "labels")
            assert a.size == b.size
            for i in range(len(a.objects)):
                outlines = a.objects.polygons[i] if a.objects.polygons is not None else None
                if outlines is not None and len(outlines) == 1:
                    assert b.objects.polygons is not None
                    np.testing.assert_allclose(b.objects.polygons[i][0], outlines[0], rtol=1e-14, atol=1e-12)
                    box = [*outlines[0].min(axis=0), *outlines[0].max(axis=0)]
                else:
                    box = a.objects.boxes[i]
                np.testing.assert_allclose(b.objects.boxes[i], box, rtol=1e-14, atol=1e-12)
        assert written.lost["area"] == sum(len(r.objects) for r in before)


@FEW
@given(dataset=datasets(masks=True).filter(len))
def test_masks(dataset: Dataset) -> None:
    with there_and_back(dataset, "masks") as (before, after, _):
        assert after.names == before.names
        for a, b in zip(before, after, strict=True):
            same(a, b, "labels boxes")
            assert b.objects.masks is not None
            assert a.objects.masks is not None
            np.testing.assert_array_equal(decode(a.objects.masks), decode(b.objects.masks))


@FEW
@given(dataset=datasets(masks=True))
def test_coco_runs_as_lists_are_those_of_the_strings(dataset: Dataset) -> None:
    from minidet_kernels.masks import from_coco

    from minidet.data.formats.coco_writer import document

    with tempfile.TemporaryDirectory() as name:
        before = placed(dataset, Path(name))
        pairs = zip(document(before)["annotations"], document(before, compressed=False)["annotations"], strict=True)
        for text, plain in pairs:
            assert isinstance(text["segmentation"]["counts"], str)
            assert isinstance(plain["segmentation"]["counts"], list)
            size = tuple(text["segmentation"]["size"])
            one, other = (decode(from_coco([row["segmentation"]], size=size)) for row in (text, plain))
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("form", ["voc", "coco", "yolo"])
@pytest.mark.parametrize("split", [None, "train"])
def test_the_format_is_guessed_and_the_split_found(tmp_path: Path, form: str, split: str | None) -> None:
    before = small(tmp_path / "before")
    write_dataset(before, tmp_path / "after", format=form, split=split)
    assert guess_format(tmp_path / "after") == form
    after = read_dataset(tmp_path / "after", split=split)
    assert [len(r.objects) for r in after] == [1, 2, 3, 1, 2]
    with pytest.raises(InputError, match="split 'no'"):
        read_dataset(tmp_path / "after", split="no")


def test_pictures_are_linked_or_left_out(tmp_path: Path) -> None:
    before = small(tmp_path / "before")
    write_dataset(before, tmp_path / "linked", format="voc", images="link")
    assert (tmp_path / "linked/JPEGImages/p0.png").samefile(tmp_path / "before/p0.png")
    write_dataset(before, tmp_path / "none", format="coco", images="none")
    assert not list((tmp_path / "none/images").iterdir())
    assert [r.size for r in read_dataset(tmp_path / "none")] == [(30, 40)] * 5


@pytest.mark.parametrize("form", FORMATS)
def test_a_writer_that_fails_leaves_nothing(tmp_path: Path, form: str) -> None:
    before = small(tmp_path / "before")
    (tmp_path / "before/p3.png").unlink()
    with pytest.raises(InputError, match=r"p3\.png: no such picture|masks were expected, found boxes alone"):
        write_dataset(before, tmp_path / "deep/after", format=form)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == []


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    before = small(tmp_path / "before")
    (tmp_path / "after").mkdir()
    write_dataset(before, tmp_path / "after", format="coco")  # an empty one is taken
    with pytest.raises(InputError, match="a new or empty folder was expected"):
        write_dataset(before, tmp_path / "after", format="coco")


@pytest.mark.parametrize("names", [("a", "a"), ("",), (" a",), ("a\nb",)])
def test_names_that_no_file_holds_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="class"):
        write_dataset(Dataset(tmp_path, names, ()), tmp_path / "after", format="voc")


def test_pictures_of_one_name_get_their_own(tmp_path: Path) -> None:
    from dataclasses import replace

    before = small(tmp_path / "before", pictures=3)
    paths = ("a.png", "A.jpg", "JPEGImages/a.png")
    records = [replace(record, path=path) for record, path in zip(before, paths, strict=True)]
    renamed = placed(replace(before, records=tuple(records)), tmp_path / "renamed")
    write_dataset(renamed, tmp_path / "after", format="yolo")
    assert sorted(p.stem for p in (tmp_path / "after/images").iterdir()) == ["A-2", "a", "a-3"]
