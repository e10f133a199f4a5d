from __future__ import annotations

import numpy as np
import pytest

from alarm_agents.evaluation.reliability import broken_down, rejection, reliability
from alarm_agents.types import Label
from alarm_agents.uncertainty.risk import excess_aurc
from support.records import case, fact, window


def test_p_that_is_a_frequency_lies_on_the_diagonal() -> None:
    draw = np.random.default_rng(1)
    p = draw.random(50_000)
    for each in reliability((draw.random(50_000) < p).astype(int), p):
        assert each["share"] == pytest.approx(each["p"], abs=0.03)


def test_bins_that_nothing_is_in_are_left_out() -> None:
    (only,) = reliability(np.array([1, 0]), np.array([1.0, 0.95]))
    assert only == {"p": 0.975, "share": 0.5, "count": 2}
    assert reliability(np.array([], int), np.array([])) == []


def test_an_order_that_knows_the_errors_has_no_excess() -> None:
    wrong = np.array([True, False, False, True])
    assert excess_aurc(wrong, np.array([0.9, 0.1, 0.2, 0.8])) == pytest.approx(0.0)
    assert (excess_aurc(wrong, np.array([0.1, 0.9, 0.8, 0.2])) or 0.0) > 0.3
    assert excess_aurc(np.array([], bool), np.array([])) is None


def test_accuracy_rises_as_errors_are_rejected_first() -> None:
    wrong = np.array([True] * 2 + [False] * 8)
    points = rejection(wrong, np.linspace(1, 0, 10))
    assert points[0] == {"deferred": 0.0, "accuracy": pytest.approx(0.8)}
    assert points[-1]["accuracy"] == pytest.approx(1.0)


def test_zones_sources_and_categories_are_told_apart() -> None:
    road = fact("a truck", zones=("road",))
    cases = [
        case(0.0, 0.9, road),
        case(1.0, 0.2, road),
        case(2.0, 0.2).model_copy(update={"deferred": True}),
        case(3.0, None, window=window(3.0).model_copy(update={"category": "traffic"})),
    ]
    labels = {frame: 1 for one in cases for frame in one.window.frames}
    found = broken_down([("clip", labels, cases)])
    assert found["zone"]["road"]["windows"] == 2
    assert found["zone"]["road"]["missed"] == 0.5
    whole = found["source"]["clip"]
    assert whole["missed"] == 0.25  # one accepted as normal: a deferred one is not missed, nor one that nobody judged
    assert whole["accepted_error"] == 0.5
    assert whole["accuracy"] == pytest.approx(1 / 3)
    assert whole["auroc"] is None
    assert {name: did["windows"] for name, did in found["category"].items()} == {"traffic": 1}
    assert cases[3].label is Label.UNKNOWN


def test_what_has_no_label_is_in_no_part() -> None:
    assert broken_down([("clip", {}, [case(0.0)])]) == {"source": {}, "zone": {}, "category": {}}
