"""Arrays that change are noticed, whatever changes in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.convolution.packed import Unchanged
from minidet_kernels.convolution.packed.unchanged import BLOCK, KEYS

LANES = 16


def by_definition(words):
    """Both sums of one block of words, as whole numbers of Python."""
    moved = [(int(w) + int(k)) % 2**32 for w, k in zip(words, KEYS, strict=False)]
    products = sum(a * b for a, b in zip(moved[0::2], moved[1::2], strict=True))
    return [products % 2**64, sum(map(int, words)) % 2**64]


@pytest.mark.parametrize("vectors", [1, 3, 4, 7, BLOCK, BLOCK + 1, 6 * BLOCK + 5])
def test_sums(vectors):
    words = np.random.default_rng(vectors).integers(0, 2**32, vectors * LANES, np.uint32)
    words[:: max(1, len(words) // 7)] = 2**32 - 1
    blocks = np.split(words, range(BLOCK * LANES, len(words), BLOCK * LANES))
    np.testing.assert_array_equal(Unchanged([words])._now(), [by_definition(block) for block in blocks])


#: The elements of an array, and steps between them: less than a vector, some, a block and a part of one, many blocks.
SIZES = st.sampled_from([1, 2, 15, 16, 17, 64, 100, BLOCK * LANES - 1, BLOCK * LANES, BLOCK * LANES + 33, 70_001])
DTYPES = st.sampled_from(["float32", "float64", "float16", "int8", "int64"])


@st.composite
def arrays(draw):
    """A few arrays of numbers other than 0, contiguous and not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = []
    for _ in range(draw(st.integers(1, 3))):
        step = draw(st.sampled_from([1, 1, 2, -1]))
        a = rng.integers(1, 100, draw(SIZES) * abs(step)).astype(draw(DTYPES))
        found.append(a[::step])
    return found


def one_value(a, rng):
    a[rng.integers(len(a))] += 1


def its_sign(a, rng):
    a[rng.integers(len(a))] *= -1


def all_signs(a, rng):
    a *= -1


def half_of_the_signs(a, rng):
    a[rng.permutation(len(a))[: (len(a) + 1) // 2]] *= -1


def two_change_places(a, rng):
    i, j = rng.integers(len(a), size=2)
    a[i], a[j] = a[j], a[i]


def another_order(a, rng):
    a[...] = rng.permutation(a)


def all_are_zero(a, rng):
    a[...] = 0


CHANGES = (one_value, its_sign, all_signs, half_of_the_signs, two_change_places, another_order, all_are_zero)


@given(arrays(), st.sampled_from(CHANGES), st.integers(0, 2**32))
def test_a_change_is_noticed(some, change, seed):
    rng, unchanged = np.random.default_rng(seed), Unchanged(some)
    assert unchanged()
    before = [a.copy() for a in some]
    change(some[rng.integers(len(some))], rng)
    same = all(a.tobytes() == b.tobytes() for a, b in zip(some, before, strict=True))
    assert unchanged() == same
    for a, b in zip(some, before, strict=True):
        a[...] = b
    assert unchanged()


def test_signs_that_cancel_are_noticed():
    """1 and -1 that change places: a sum of words, however weighted, may not see the highest bit."""
    a = np.ones(3 * BLOCK * LANES, np.float32)
    for distance in (1, 2, 16, 32, 64, 1024, BLOCK * LANES):
        a[...] = 1
        a[5] = -1
        unchanged = Unchanged([a])
        a[[5, 5 + distance]] = a[[5 + distance, 5]]
        assert not unchanged()


def test_nothing_at_all():
    assert Unchanged([])()
    assert Unchanged([np.zeros((0, 3), np.float32), np.zeros((), np.float32)])()


def test_one_number():
    a = np.zeros((), np.float32)
    unchanged = Unchanged([a])
    a[...] = -0.0  # the bits are what counts
    assert not unchanged()
