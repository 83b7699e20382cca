"""The YOLOv3 loss: minus its gradient is Darknet's delta, number by number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.darknet_delta import yolo_delta

from minidet import Tensor
from minidet.train.yolo import YoloLoss
from minidet.train.yolo_assign import Truths, YoloGrid

FLOAT64 = 1e-9


@st.composite
def cases(draw):
    """Heads, truths and a grid; truths like to meet, to lie on borders, and to fit a prediction."""
    size = (draw(st.sampled_from([64, 96])), draw(st.sampled_from([64, 80])))
    anchors = draw(st.lists(st.tuples(st.integers(4, 60), st.integers(4, 60)), min_size=1, max_size=5))
    numbers = list(range(len(anchors)))
    masks = tuple(
        tuple(draw(st.permutations(numbers))[: draw(st.integers(1, len(anchors)))])
        for _ in range(draw(st.integers(1, 2)))
    )
    classes, images = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    cells = [(draw(st.integers(1, 4)), draw(st.integers(1, 4))) for _ in masks]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    heads = [
        rng.normal(0, draw(st.sampled_from([0.3, 1, 4])), (images, len(m) * (5 + classes), *c))
        for m, c in zip(masks, cells, strict=True)
    ]
    edge = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
    part = st.floats(0.01, 0.99)
    extent = st.one_of(
        st.sampled_from(
            [1.0, 1e-3, *(min(1.0, a / s) for pair in anchors for a, s in zip(pair, size[::-1], strict=True))]
        ),
        part,
    )
    centre = st.one_of(edge, part)
    truth = st.tuples(centre, centre, extent, extent, st.integers(0, classes - 1))
    truths = []
    for n in range(images):
        mine = draw(st.lists(truth, max_size=4))
        if mine and draw(st.booleans()):  # meet: the same place and shape again, perhaps another class
            mine.append((*mine[0][:4], draw(st.integers(0, classes - 1))))
        if draw(st.booleans()):  # a truth right where some prediction already is, so that it and its like are ignored
            k = draw(st.integers(0, len(masks) - 1))
            (h, w), a = cells[k], draw(st.integers(0, len(masks[k]) - 1))
            j, i = draw(st.integers(0, h - 1)), draw(st.integers(0, w - 1))
            t = heads[k].reshape(images, len(masks[k]), -1, h, w)[n, a, :, j, i]
            anchor = anchors[masks[k][a]]
            x, y = (i + 1 / (1 + np.exp(-t[0]))) / w, (j + 1 / (1 + np.exp(-t[1]))) / h
            bw, bh = np.exp(t[2]) * anchor[0] / size[1], np.exp(t[3]) * anchor[1] / size[0]
            if bw <= 1 and bh <= 1:
                mine.append((float(x), float(y), float(bw), float(bh), 0))
        truths.append(mine)
    return YoloGrid(tuple(anchors), masks, size, classes), heads, truths


def as_truths(truths) -> list[Truths]:
    rows = [np.array(t, dtype=np.float64).reshape(-1, 5) for t in truths]
    return [Truths(r[:, :4], r[:, 4].astype(int)) for r in rows]


def gradients(loss, heads, truths):
    tensors = [Tensor(h.copy(), requires_grad=True) for h in heads]
    value = loss(tensors, as_truths(truths))
    value.backward()
    return value, [t.grad for t in tensors]


@given(cases(), st.sampled_from([0.7, 0.5, 0.2]), st.sampled_from(["accumulate", "last"]))
def test_the_negative_gradient_is_darknets_delta(case, ignore, collision):
    grid, heads, truths = case
    loss = YoloLoss(grid, ignore=ignore, collision=collision, normalise="sum")
    value, grads = gradients(loss, heads, truths)
    assert value.shape == ()
    assert value.item() >= 0
    for k, (head, grad) in enumerate(zip(heads, grads, strict=True)):
        delta = yolo_delta(
            head,
            truths,
            grid.anchors,
            grid.masks[k],
            grid.size,
            grid.classes,
            ignore=ignore,
            last_class_only=collision == "last",
        )
        assert np.abs(-grad - delta).max() <= FLOAT64 * max(1.0, np.abs(delta).max())
        assert np.abs(delta).max() > 1e-6, "a comparison of zeros shows nothing"


@given(cases())
def test_the_loss_is_the_sum_that_the_page_states(case):
    """L from its own plain formula, over the assignment table and the ignored predictions."""
    grid, heads, truths = case
    loss = YoloLoss(grid, normalise="sum")
    tensors = [Tensor(h) for h in heads]
    table = loss.assign(tensors, as_truths(truths))

    def entropy(target, x):
        return max(x, 0) - target * x + np.log1p(np.exp(-abs(x)))

    total = 0.0
    answers: dict = {}
    for row in table.rows:
        if row.head >= 0:
            place = (row.image, row.head, row.row, row.column, row.anchor)
            answers.setdefault(place, []).append((truths[row.image][row.truth], row.label))
    for k, head in enumerate(heads):
        n, _, h, w = head.shape
        raw = head.reshape(n, len(grid.masks[k]), -1, h, w)
        for image, a, j, i in np.ndindex(n, len(grid.masks[k]), h, w):
            t = raw[image, a, :, j, i]
            here = answers.get((image, k, j, i, grid.masks[k][a]), [])
            if here:
                x, y, bw, bh, _ = here[-1][0]
                aw, ah = grid.anchors[grid.masks[k][a]]
                box = entropy(x * w - i, t[0]) + entropy(y * h - j, t[1])
                box += (np.log(bw * grid.size[1] / aw) - t[2]) ** 2 / 2 + (
                    np.log(bh * grid.size[0] / ah) - t[3]
                ) ** 2 / 2
                total += (2 - bw * bh) * box
                wanted = {label for _, label in here}
                total += sum(entropy(float(c in wanted), t[5 + c]) for c in range(grid.classes))
            if here or not table.heads[k].ignored[image, a, j, i]:
                total += entropy(float(bool(here)), t[4])
    value = loss(tensors, as_truths(truths)).item()
    assert value == pytest.approx(total, rel=1e-11)
    parts = loss.terms(tensors, as_truths(truths))
    assert list(parts) == ["box", "objectness", "classes"]
    assert sum(p.item() for p in parts.values()) == pytest.approx(total, rel=1e-11)


@given(cases())
def test_a_batch_is_the_mean_of_its_images(case):
    grid, heads, truths = case
    loss = YoloLoss(grid)
    _, together = gradients(loss, heads, truths)
    for n in range(len(truths)):
        _, alone = gradients(loss, [h[n : n + 1] for h in heads], truths[n : n + 1])
        for a, b in zip(alone, together, strict=True):
            assert np.abs(a[0] - b[n] * len(truths)).max() <= 1e-12 * np.abs(a).max()


def test_normalisation_is_named_and_only_a_factor():
    grid = YoloGrid(((10, 10),), ((0,),), (32, 32), 2)
    heads = [np.random.default_rng(0).normal(size=(4, 7, 2, 2))]
    truths = [[(0.3, 0.6, 0.4, 0.4, 1)], [], [], []]
    total, g_total = gradients(YoloLoss(grid, normalise="sum"), heads, truths)
    mean, g_mean = gradients(YoloLoss(grid), heads, truths)
    assert total.item() == pytest.approx(4 * mean.item(), rel=1e-14)
    assert np.allclose(g_total[0], 4 * g_mean[0], rtol=1e-14, atol=0)
    with pytest.raises(ValueError, match="normalise"):
        YoloLoss(grid, normalise="mean")


def test_the_box_scale_can_be_left_out():
    grid = YoloGrid(((10, 10),), ((0,),), (32, 32), 1)
    heads, truths = [np.zeros((1, 6, 2, 2))], [[(0.3, 0.6, 0.5, 0.5, 0)]]
    _, with_scale = gradients(YoloLoss(grid), heads, truths)
    _, without = gradients(YoloLoss(grid, box_scale=False), heads, truths)
    assert np.allclose(with_scale[0][0, :4], 1.75 * without[0][0, :4])
    assert np.array_equal(with_scale[0][0, 4:], without[0][0, 4:])


def test_no_truth_anywhere_leaves_objectness_alone():
    grid = YoloGrid(((10, 10), (30, 30)), ((1,), (0,)), (32, 32), 3)
    heads = [np.random.default_rng(1).normal(size=(2, 8, s, s)) for s in (1, 2)]
    value, grads = gradients(YoloLoss(grid), heads, [[], []])
    assert np.isfinite(value.item())
    for g in grads:
        assert (g[:, 4] > 0).all()
        assert not g[:, [0, 1, 2, 3, 5, 6, 7]].any()


def test_float32_heads_give_float32_gradients_and_large_logits_stay_finite():
    grid = YoloGrid(((10, 10),), ((0,),), (32, 32), 1)
    head = Tensor(np.full((1, 6, 2, 2), 90, dtype=np.float32), requires_grad=True)
    value = YoloLoss(grid)([head], as_truths([[(0.3, 0.6, 0.5, 0.5, 0)]]))
    value.backward()
    assert value.dtype == head.grad.dtype == np.float32
    assert np.isfinite(value.data)
    assert np.isfinite(head.grad).all()


def test_a_minimum_has_no_gradient():
    """Where every prediction says what is true, and what is not a truth is sure of it, nothing wants to move."""
    grid = YoloGrid(((16, 16),), ((0,),), (32, 32), 2)
    truth = (0.25, 0.75, 0.5, 0.25, 1)
    head = np.zeros((1, 7, 2, 2))
    head[0, 4] = -40
    head[0, :, 1, 0] = 0, 0, 0, np.log(0.5), 40, -40, 40
    _, (grad,) = gradients(YoloLoss(grid), [head], [[truth]])
    assert np.abs(grad).max() < 1e-15
