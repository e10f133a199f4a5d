"""Smoothing: what each strategy looks at, and how long."""

from __future__ import annotations

import pytest

from alarm_agents.tools.smoothing import CAUSAL, OFFLINE, Smoothing

STEP = [0.0] * 50 + [1.0] * 50


def test_the_exponential_mean_looks_back_alone_and_goes_on_where_it_was() -> None:
    smooth = Smoothing(kind="exponential", frames=9)
    whole = smooth.forward(STEP, "captions")
    assert whole[49] == 0.0
    assert whole[50] == pytest.approx(0.2)
    first = smooth.forward(STEP[:60], "captions")
    assert [*first, *smooth.forward(STEP[60:], "captions", first[-1])] == pytest.approx(whole)


@pytest.mark.parametrize("kind", ["gaussian", "majority"])
def test_others_see_both_sides(kind: str) -> None:
    smooth = Smoothing.model_validate({"kind": kind, "frames": 9})
    blip = [0.0] * 20 + [1.0] + [0.0] * 20
    assert max(smooth.whole(blip, "captions", 10.0)) < 0.5
    found = smooth.whole(STEP, "captions", 10.0)
    assert found[40] < 0.01
    assert found[60] > 0.99
    assert not smooth.causal
    assert smooth.whole([], "captions", 10.0) == []


def test_a_majority_is_neither_more_nor_less() -> None:
    assert set(Smoothing(kind="majority", frames=5).whole(STEP, "frames", 10.0)) == {0.0, 1.0}


def test_captions_are_given_longer_where_nothing_is_said() -> None:
    assert CAUSAL.forward([0.0, 1.0], "captions")[-1] < CAUSAL.forward([0.0, 1.0], "frames")[-1]
    assert max(OFFLINE.whole([0.0] * 50 + [1.0] + [0.0] * 50, "captions", 10.0)) < 0.05
