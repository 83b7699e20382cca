"""SSD's priors: their number, their order, each convention by an example that tells it apart; encoding and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.boxes.encoding import LARGEST, decode, encode
from minidet.boxes.priors import CLIPS, PriorMap, priors, shapes


def test_the_boxes_of_a_cell_in_their_order():
    made = shapes(30, 60, (2, 3))
    a, b = math.sqrt(2), math.sqrt(3)
    wanted = [(30, 30), (math.sqrt(1800),) * 2, (30 * a, 30 / a), (30 / a, 30 * a), (30 * b, 30 / b), (30 / b, 30 * b)]
    np.testing.assert_allclose(made, wanted, rtol=1e-15)
    other = shapes(30, 60, (2, 3), order="small, ratios, large")
    assert other == (*made[:1], *made[2:], made[1])
    assert shapes(10, None) == ((10, 10),)
    assert shapes(35.84, 76.8, sizes="truncated") == shapes(35, 76)


def test_cells_go_row_by_row_and_boxes_inside_of_a_cell():
    one = PriorMap(2, 3, 10, ((4, 2), (6, 8)))
    made = priors([one], (20, 40))
    assert made.shape == (12, 4)
    assert len(one) == 12
    np.testing.assert_allclose(made[0], (5 / 40, 5 / 20, 4 / 40, 2 / 20))
    np.testing.assert_allclose(made[1], (5 / 40, 5 / 20, 6 / 40, 8 / 20))
    np.testing.assert_allclose(made[2, :2], (15 / 40, 5 / 20))  # the next column
    np.testing.assert_allclose(made[6, :2], (5 / 40, 15 / 20))  # the next row
    assert len(priors([], (1, 1))) == 0


def test_the_step_given_or_of_the_map():
    first = [priors([PriorMap(38, 38, step, ((1, 1),))], (300, 300))[0, 0] for step in (8, None)]
    assert first[0] == pytest.approx(4 / 300)  # 0.0133
    assert first[1] == pytest.approx(0.5 / 38)  # 0.0132
    wide = priors([PriorMap(2, 5, None, ((1, 1),))], (20, 100))
    assert wide[:5, 0].tolist() == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert wide[::5, 1].tolist() == pytest.approx([0.25, 0.75])


def test_forms_of_clipping():
    """One prior with the centre (.1, .1) and sides of .6: three programs, three boxes."""
    one = PriorMap(1, 1, 0.2, ((0.6, 0.6),))
    found = {clip: priors([one], (1, 1), clip=clip)[0] for clip in CLIPS}
    np.testing.assert_allclose(found["none"], (0.1, 0.1, 0.6, 0.6))
    np.testing.assert_allclose(found["corners"], (0.2, 0.2, 0.4, 0.4))
    np.testing.assert_allclose(found["centres"], (0.1, 0.1, 0.6, 0.6))
    np.testing.assert_allclose(found["sides"], (0.1, 0.1, 0.6, 0.6))
    large = PriorMap(1, 1, 3.0, ((1.2, 0.5),))  # the centre is outside of the image
    np.testing.assert_allclose(priors([large], (1, 1), clip="centres")[0], (1, 1, 1, 0.5))
    np.testing.assert_allclose(priors([large], (1, 1), clip="sides")[0], (1.5, 1.5, 1, 0.5))


@pytest.mark.parametrize(
    "call",
    [
        lambda: shapes(0, 60),
        lambda: shapes(30, -1),
        lambda: shapes(30, 60, (1,)),
        lambda: shapes(30, 60, (0,)),
        lambda: shapes(30, 60, order="large first"),
        lambda: shapes(30, 60, sizes="rounded"),
        lambda: priors([], (1, 1), clip="all"),
        lambda: encode(np.zeros((2, 4)), np.ones((3, 4))),
        lambda: encode(np.zeros((2, 4)), np.ones((2, 4)), variances=(0.1, 0)),
        lambda: decode(np.zeros((2, 3)), np.ones((2, 4))),
        lambda: decode(np.zeros((2, 4)), np.ones((2, 4)), variances=(0.1, 0.1, 0.2)),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(call):
    with pytest.raises(ValueError, match=r"expected|positive|is one of") as error:
        call()
    assert "\n" not in str(error.value)


centre, side = st.floats(-2, 3), st.floats(1e-3, 4)
box = st.tuples(centre, centre, side, side)


@given(
    boxes=st.lists(st.tuples(box, box), min_size=1, max_size=5),
    variances=st.sampled_from([(0.1, 0.2), (1.0, 1.0)]),
)
def test_decoding_is_the_inverse_of_encoding(boxes, variances):
    pairs = np.array(boxes)  # (P, 2, 4)
    made, prior = pairs[:, 0], pairs[:, 1]
    back = decode(encode(made, prior, variances=variances), prior, variances=variances)
    scale = np.abs(made) + np.abs(prior).max() + 1
    assert (np.abs(back - made) <= 64 * np.finfo(float).eps * scale).all()


number = st.floats(-30, 30)


@given(
    encoded=st.lists(st.tuples(number, number, number, number, box), min_size=1, max_size=5),
    variances=st.sampled_from([(0.1, 0.2), (1.0, 1.0)]),
    largest=st.sampled_from([None, LARGEST]),
)
def test_encoding_is_the_inverse_of_decoding(encoded, variances, largest):
    """From boxes a thousandth of a prior wide to a thousand priors: as exact as the numbers between allow."""
    made, prior = np.array([one[:4] for one in encoded]), np.array([one[4] for one in encoded])
    if variances == (1.0, 1.0):
        made[:, 2:] /= 4
    between = decode(made, prior, variances=variances, largest=largest)
    if largest is not None:
        made[:, 2:] = np.minimum(made[:, 2:], largest / variances[1])
    back = encode(between, prior, variances=variances)
    eps = np.finfo(float).eps
    moved = (np.abs(between[:, :2]) + np.abs(prior[:, :2])) / prior[:, 2:] / variances[0]  # what is subtracted, encoded
    bound = 8 * eps * (moved + np.abs(made[:, :2])) + 1e-300  # which is for numbers near the least there are
    assert (np.abs(back - made)[:, :2] <= bound).all()
    assert (np.abs(back - made)[:, 2:] <= 8 * eps * (1 + np.abs(made[:, 2:])) / variances[1]).all()


def test_encoding_is_the_formula():
    made = encode(np.array([[0.5, 0.4, 0.2, 0.1]]), np.array([[0.4, 0.4, 0.4, 0.2]]))
    np.testing.assert_allclose(made, [[0.1 / 0.4 / 0.1, 0, math.log(0.5) / 0.2, math.log(0.5) / 0.2]], atol=1e-12)


def test_a_batch_of_boxes_has_one_set_of_priors():
    rng = np.random.default_rng(0)
    encoded, prior = rng.standard_normal((2, 3, 4)), np.abs(rng.standard_normal((3, 4)))
    both = decode(encoded, prior)
    np.testing.assert_array_equal(both[1], decode(encoded[1], prior))
    assert decode(encoded.astype(np.float32), prior.astype(np.float32)).dtype == np.float32


def test_wild_logits_are_limited_if_asked():
    wild = np.array([[0.0, 0, 1e4, 1e4]])
    prior = np.array([[0.5, 0.5, 0.1, 0.1]])
    with np.errstate(over="ignore"):
        assert np.isinf(decode(wild, prior)[0, 2])
    np.testing.assert_allclose(decode(wild, prior, largest=LARGEST)[0, 2:], 6.25)
