"""What is promised holds by simulation, needs audits and enough labels, and decides what is accepted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_agents.types import Acceptance, Decision, Uncertainty
from alarm_agents.uncertainty.promises import ALL, Labels, alarms_promise, held_to, missed_promise

DELTA = 0.1
FALSE = 0.03
"""The share of windows in which simulated agents raise a false alarm."""


def labels(
    uncertainty: list[float] | np.ndarray,
    *,
    alarm: bool | np.ndarray = False,
    anomalous: float | np.ndarray = 1.0,
    probability: float | np.ndarray = 1.0,
    windows: int | None = None,
    audit_rate: float = 1.0,
) -> Labels:
    count = len(uncertainty)
    return Labels(
        uncertainty=np.asarray(uncertainty, float),
        alarm=np.broadcast_to(np.asarray(alarm), count),
        anomalous=np.broadcast_to(np.asarray(anomalous, float), count),
        probability=np.broadcast_to(np.asarray(probability, float), count),
        windows=count if windows is None else windows,
        audit_rate=audit_rate,
    )


def reviewed(draw: np.random.Generator, count: int, limit: float, rate: float) -> Labels:
    """Of `count` anomalous cases, uncertainty uniform in [0, 1]: those deferred above the limit, and the audits."""
    unsure = draw.random(count)
    deferred = unsure >= limit
    kept = deferred | (draw.random(count) < rate)
    return labels(unsure[kept], probability=np.where(deferred, 1.0, rate)[kept], windows=count * 100, audit_rate=rate)


@pytest.mark.parametrize(("count", "limit", "rate"), [(400, 0.0, 1.0), (600, 0.4, 0.3), (1500, 0.6, 0.1)])
def test_a_promise_is_broken_no_more_often_than_it_says(count: int, limit: float, rate: float) -> None:
    draw = np.random.default_rng(3)
    found = [missed_promise(reviewed(draw, count, limit, rate), 0.1, DELTA) for _ in range(500)]
    thresholds = np.array(
        [promise.threshold for promise in found if promise.kept]
    )  # the share missed, as it is uniform
    assert np.mean(thresholds > 0.1) <= DELTA
    assert len(thresholds) > 400
    assert np.mean(thresholds) > 0.02  # it is a bound that is used


def test_labels_from_deferred_cases_alone_promise_nothing() -> None:
    found = missed_promise(labels([0.9] * 10_000, windows=10_000_000, audit_rate=0.0), 0.1, DELTA)
    assert not found.kept
    assert found.threshold is None
    assert "audit_rate" in found.reason


def test_too_few_labels_say_how_many_are_missing() -> None:
    few = missed_promise(labels([0.9] * 10), 0.1, DELTA)
    assert not few.kept
    assert few.lacking is not None
    assert f"{few.lacking} more answers" in few.reason
    assert not missed_promise(labels([0.9] * (9 + few.lacking)), 0.1, DELTA).kept
    assert missed_promise(labels([0.9] * (10 + few.lacking)), 0.1, DELTA).kept


def test_rarer_audits_need_more_labels() -> None:
    often, seldom = (missed_promise(labels([], audit_rate=rate), 0.1, DELTA).lacking for rate in (0.5, 0.05))
    assert often is not None
    assert seldom is not None
    assert often < seldom


def test_where_nothing_was_missed_nobody_need_be_asked() -> None:
    found = missed_promise(labels([0.5] * 200, alarm=True), 0.1, DELTA)
    assert found.threshold == ALL


def test_who_did_not_answer_counts_as_missed() -> None:
    base = [0.9] * 60
    answered = missed_promise(labels([0.1, 0.2, *base]), 0.1, DELTA)
    silent = missed_promise(labels([0.1, 0.2, *base], anomalous=np.array([np.nan] * 2 + [1.0] * 60)), 0.1, DELTA)
    assert silent.threshold is not None
    assert answered.threshold is not None
    assert silent.threshold <= answered.threshold


def test_what_the_gate_lets_go_unseen_can_make_a_promise_impossible() -> None:
    found = missed_promise(labels([-np.inf] * 30 + [0.9] * 60), 0.1, DELTA)
    assert not found.kept
    assert found.lacking is None


UNSURE = st.lists(st.floats(0, 1), min_size=30, max_size=80)


@settings(deadline=None, max_examples=50)
@given(unsure=UNSURE, a=st.floats(0.05, 0.5), b=st.floats(0.05, 0.5), order=st.randoms(use_true_random=False))
def test_a_stricter_promise_accepts_no_more_and_the_order_of_labels_does_not_matter(
    unsure: list[float], a: float, b: float, order: object
) -> None:
    strict, loose = (missed_promise(labels(unsure), bound, DELTA).threshold for bound in sorted((a, b)))
    assert strict is None or (loose is not None and strict <= loose)
    shuffled = list(unsure)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert missed_promise(labels(shuffled), max(a, b), DELTA).threshold == loose


def test_false_alarms_are_promised_by_how_long_was_watched() -> None:
    share = 2 / 5_400
    short = alarms_promise(labels([0.1], anomalous=0.0, alarm=True, windows=500), share, DELTA, a_day=2)
    assert not short.kept
    assert short.lacking is not None
    assert "days" in short.reason
    long = alarms_promise(labels([0.1] * 3, anomalous=0.0, alarm=True, windows=60_000), share, DELTA, a_day=2)
    assert long.threshold == ALL
    many = labels([*[0.1] * 3, *[0.5] * 500], anomalous=0.0, alarm=True, windows=60_000)
    assert alarms_promise(many, share, DELTA, a_day=2).threshold == 0.5


def watched(draw: np.random.Generator, windows: int, limit: float, rate: float) -> Labels:
    """Of so many windows with `FALSE` of false alarms, uncertainty uniform in [0, 1]: deferred alarms, and audits."""
    kind = draw.random(windows)
    alarm, false = kind < FALSE + 0.02, kind < FALSE
    unsure = draw.random(windows)
    deferred = alarm & (unsure >= limit)
    kept = deferred | (draw.random(windows) < rate)
    return labels(
        unsure[kept],
        alarm=alarm[kept],
        anomalous=np.where(alarm & ~false, 1.0, 0.0)[kept],
        probability=np.where(deferred, 1.0, rate)[kept],
        windows=windows,
        audit_rate=rate,
    )


@pytest.mark.parametrize(("windows", "limit", "rate"), [(2_000, 0.0, 1.0), (4_000, 0.25, 0.3), (10_000, 0.6, 0.1)])
def test_more_false_alarms_than_promised_are_as_rare_as_it_says(windows: int, limit: float, rate: float) -> None:
    draw, share, runs = np.random.default_rng(5), 0.01, 400
    found = [alarms_promise(watched(draw, windows, limit, rate), share, DELTA, a_day=2) for _ in range(runs)]
    raised = np.array([FALSE * min(promise.threshold, 1.0) for promise in found if promise.threshold is not None])
    assert np.sum(raised > share) / runs <= DELTA + 2 * np.sqrt(DELTA * (1 - DELTA) / runs)
    assert len(raised) > 0.8 * runs
    assert np.mean(raised) > 0.2 * share  # it is a bound that is used


def unsure(score: float, decision: Decision) -> Uncertainty:
    return Uncertainty(score=score, decision=decision, reason="as it was")


def test_thresholds_decide_by_the_label() -> None:
    acceptance = Acceptance(normal=0.2, anomalous=0.8)
    normal = held_to(unsure(0.3, Decision.ACCEPT), 0.1, acceptance)
    assert normal.decision is Decision.DEFER
    assert not normal.withheld
    assert held_to(unsure(0.3, Decision.DEFER), 0.9, acceptance).decision is Decision.ACCEPT
    alarm = held_to(unsure(0.9, Decision.DEFER), 0.9, acceptance)
    assert alarm.withheld


def test_without_a_promise_and_before_a_second_look_the_decision_stays() -> None:
    look_again = unsure(0.3, Decision.REFLECT)
    assert held_to(look_again, 0.1, Acceptance(normal=0.2)) is look_again
    accepted = unsure(0.3, Decision.ACCEPT)
    assert held_to(accepted, 0.9, Acceptance(normal=0.2)) is accepted
    assert held_to(accepted, 0.1, None) is accepted
    assert held_to(accepted, None, Acceptance(normal=0.2)) is accepted
