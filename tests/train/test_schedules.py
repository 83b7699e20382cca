"""Learning rates as functions of the step: their ends, their shapes, and what they refuse."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.train import schedule

rates = st.floats(1e-6, 10)
totals = st.integers(1, 10**6)
steps = st.integers(0, 2 * 10**6)


@given(steps, rates)
def test_constant(step, lr):
    assert schedule.constant(step, lr=lr) == lr


@given(rates, totals, st.floats(0, 1), st.sampled_from([schedule.cosine, schedule.linear]))
def test_falling_from_the_peak_to_the_floor_and_staying(lr, total, share, fall):
    rate = partial(fall, lr=lr, total=total, floor=share * lr)
    assert rate(0) == pytest.approx(lr, rel=1e-12)
    assert rate(total) == pytest.approx(share * lr, rel=1e-12, abs=1e-15 * lr)
    assert rate(total + 5) == rate(total)
    path = [rate(round(i * total / 20)) for i in range(21)]
    assert all(a >= b - 1e-12 * lr for a, b in pairwise(path))


@given(rates, st.integers(1, 1000))
def test_the_middle_of_both(lr, half):
    assert schedule.linear(half, lr=lr, total=2 * half) == pytest.approx(lr / 2, rel=1e-12)
    assert schedule.cosine(half, lr=lr, total=2 * half) == pytest.approx(lr / 2, rel=1e-12)
    third = 1 / 2 + math.sqrt(3) / 4  # a third of the way to the middle: cos(pi / 6)
    assert schedule.cosine(half, lr=lr, total=6 * half) == pytest.approx(lr * third, rel=1e-12)


@given(rates, st.integers(1, 1000), st.floats(0.01, 1), st.integers(0, 20), st.data())
def test_steps_are_powers(lr, every, factor, passed, data):
    within = data.draw(st.integers(0, every - 1))
    found = schedule.step_decay(passed * every + within, lr=lr, every=every, factor=factor)
    assert found == pytest.approx(lr * factor**passed, rel=1e-12)


def test_multi_step_by_hand():
    rate = partial(schedule.multi_step, lr=2.0, at=[10, 20], factors=[0.5, 0.1])
    assert [rate(s) for s in (0, 9, 10, 19, 20, 10**9)] == [2.0, 2.0, 1.0, 1.0, pytest.approx(0.1), pytest.approx(0.1)]


@given(rates, st.integers(1, 500), st.floats(0.5, 4))
def test_warm_up_reaches_the_peak_without_a_wasted_step(peak, warmup, power):
    rate = partial(schedule.warmed, after=lambda s: peak / (1 + s), warmup=warmup, power=power)
    assert rate(0) > 0
    path = [rate(s) for s in range(warmup)]
    assert path == sorted(path)
    assert path[-1] == pytest.approx(peak)
    assert path[0] == pytest.approx(peak * (1 / warmup) ** power)
    assert rate(warmup) == peak
    assert rate(warmup + 3) == peak / 4


def test_warm_up_of_power_four_is_darknet_s_burn_in_a_step_later():
    ours = [schedule.warmed(s, after=lambda _: 1e-3, warmup=1000, power=4) for s in range(1000)]
    theirs = [schedule.darknet_steps(s, lr=1e-3) for s in range(1, 1001)]
    assert ours == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda: schedule.step_decay(0, lr=1, every=0),
        lambda: schedule.multi_step(0, lr=1, at=[1], factors=[]),
        lambda: schedule.cosine(0, lr=1, total=0),
        lambda: schedule.linear(0, lr=1, total=0),
        lambda: schedule.warmed(0, after=lambda s: 1.0, warmup=-1),
    ],
)
def test_what_makes_no_schedule_is_refused(call):
    with pytest.raises(ValueError, match=r"found|pairs"):
        call()
