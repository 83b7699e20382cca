"""The room of masks against pycocotools, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.masks import areas, bounds, decode, encode, from_coco, merge, overlaps, to_coco
from support.cases_masks import masks

pytestmark = pytest.mark.oracle
coco = pytest.importorskip("pycocotools.mask")


@given(data=st.data())
def test_pycocotools(data):
    size = data.draw(st.integers(1, 12) | st.sampled_from([70])), data.draw(st.integers(1, 12))
    dense, others = (masks(data.draw, data.draw(st.integers(1, 6)), size) for _ in "ab")
    x, y = encode(dense), encode(others)
    theirs, theirs_y = (coco.encode(np.asfortranarray(d.transpose(1, 2, 0).astype(np.uint8))) for d in (dense, others))
    assert to_coco(x) == [one | {"counts": one["counts"].decode()} for one in theirs]
    np.testing.assert_array_equal(decode(from_coco(theirs)), coco.decode(to_coco(x)).transpose(2, 0, 1))
    np.testing.assert_array_equal(areas(x), coco.area(theirs))
    boxes = bounds(x)
    np.testing.assert_array_equal(np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1), coco.toBbox(theirs))
    for intersect in (False, True):
        merged = coco.merge(theirs, intersect=intersect)
        assert to_coco(merge(x, intersect=intersect)) == [merged | {"counts": merged["counts"].decode()}]
    crowd = np.random.default_rng(len(y)).random(len(y)) < 0.5
    for flags in (crowd, ~crowd):
        np.testing.assert_array_equal(overlaps(x, y, flags), coco.iou(theirs, theirs_y, flags.tolist()))
