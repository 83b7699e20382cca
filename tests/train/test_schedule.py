"""Learning rates by step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.train.schedule import darknet_steps, warmup_cosine


def test_warmup_cosine_at_its_corners():
    rates = [warmup_cosine(s, total=110, peak=2.0, warmup=10, floor=0.5) for s in range(130)]
    assert rates[:3] == pytest.approx([0.2, 0.4, 0.6])
    assert rates[9] == rates[10] == 2.0
    assert rates[60] == pytest.approx(1.25)  # half way down
    assert rates[110:] == pytest.approx([0.5] * 20)
    assert warmup_cosine(0, total=1, peak=3.0) == 3.0


@given(st.integers(2, 500), st.floats(1e-6, 10), st.data())
def test_warmup_cosine_rises_then_falls(total, peak, data):
    warmup = data.draw(st.integers(0, total - 1))
    rates = [warmup_cosine(s, total=total, peak=peak, warmup=warmup) for s in range(total + 1)]
    assert max(rates) == peak
    assert min(rates) >= 0
    up, down = rates[: warmup + 1], rates[warmup:]
    assert up == sorted(up)
    assert down == sorted(down, reverse=True)


def test_darknets_steps():
    def rate(step: int) -> float:
        return darknet_steps(step, lr=1e-3, steps=(400000, 450000), scales=(0.1, 0.1))

    assert rate(0) == 0
    assert rate(500) == pytest.approx(1e-3 / 16)
    assert rate(999) < 1e-3
    assert rate(1000) == rate(399_999) == 1e-3
    assert rate(400_000) == rate(449_999) == pytest.approx(1e-4)
    assert rate(450_000) == pytest.approx(1e-5)


def test_bad_schedules_are_refused():
    with pytest.raises(ValueError, match="warmup"):
        warmup_cosine(0, total=10, peak=1, warmup=10)
    with pytest.raises(ValueError, match="pairs"):
        darknet_steps(0, lr=1, steps=(1,))
