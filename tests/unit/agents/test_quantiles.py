"""Limits from what references measure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_agents.agents.quantiles import (
    FLOOR,
    P_REFERENCE,
    USUAL_SPREAD,
    held_out_count,
    limits,
    quantile_rules,
    warm_up_limits,
)
from alarm_agents.types import Measurement, Provenance, Rule, RuleKind
from support.records import fast, motion

VALUES = st.lists(st.floats(0.0, 1e4), min_size=1, max_size=20)
REFERENCES = Provenance(origin="references", author="embedded")


def series(values: list[float]) -> list[np.ndarray]:
    return [np.array([value]) for value in values]


def rules_of(*references: Measurement, source: str = "", origin: str = "references") -> list[Rule]:
    given_ = REFERENCES.model_copy(update={"origin": origin})
    return quantile_rules([[reference] for reference in references], given_, source)


@pytest.mark.parametrize("of", [limits, warm_up_limits])
@settings(deadline=None)
@given(values=VALUES)
def test_the_limit_lies_above_the_typical_value(of, values) -> None:  # type: ignore[no-untyped-def]
    typical, limit = of(series(values))
    assert typical * 1.000001 >= FLOOR
    assert typical < limit
    assert math.isfinite(limit)
    assert typical <= max(*values, FLOOR) * 1.000001


@pytest.mark.parametrize("of", [limits, warm_up_limits])
@settings(deadline=None)
@given(values=st.lists(st.floats(0.1, 1e3), min_size=1, max_size=20), unit=st.floats(1, 1e3))
def test_another_unit_gives_the_same_limits_in_that_unit(of, values, unit) -> None:  # type: ignore[no-untyped-def]
    typical, limit = of(series(values))
    assert of(series([value * unit for value in values])) == pytest.approx((typical * unit, limit * unit))


def test_references_that_vary_more_reach_further() -> None:
    narrow, wide = (limits(series([math.exp(s * x) for x in np.linspace(-2, 2, 25)])) for s in (0.1, 0.5))
    assert narrow[0] == pytest.approx(wide[0])
    assert narrow[1] < wide[1]


@pytest.mark.parametrize(("count", "most"), [(10, 0.03), (40, 0.02)])
def test_about_one_new_normal_window_in_a_hundred_lies_beyond_the_limit(count: int, most: float) -> None:
    rng = np.random.default_rng(3)
    beyond = []
    for _ in range(200):
        _, limit = limits(series(list(np.exp(rng.normal(0, USUAL_SPREAD, count)))))
        beyond.append(np.mean(np.exp(rng.normal(0, USUAL_SPREAD, 500)) > limit))
    assert P_REFERENCE / 3 < np.mean(beyond) < most


def test_a_minority_of_odd_frames_and_idle_stretches_do_not_move_a_warm_ups_limit_far() -> None:
    walking = np.random.default_rng(0).normal(1.0, 0.05, 200)
    clean = warm_up_limits([walking])[1]
    assert warm_up_limits([np.concatenate([walking, np.full(40, 9.0)])])[1] < 1.5 * clean < 9.0
    assert warm_up_limits([np.concatenate([walking, np.zeros(500)])])[1] == pytest.approx(clean)


def test_a_stream_in_which_nothing_moves_can_be_warmed_up_on() -> None:
    typical, limit = warm_up_limits([np.zeros(50)])
    assert 0 < typical < limit < 0.1


def test_each_expert_gets_a_rule_of_normality_and_one_of_anomaly_that_meet_at_the_limit() -> None:
    usual, odd = rules_of(motion(1.0, 2.0), motion(1.5))
    assert (usual.kind, odd.kind) == (RuleKind.NORMAL, RuleKind.ANOMALOUS)
    assert usual.threshold == odd.threshold
    assert usual.threshold is not None
    assert (usual.predicate, odd.predicate) == (
        f"motion.ratio <= {usual.threshold.limit!r}",
        f"motion.ratio > {usual.threshold.limit!r}",
    )
    assert f"{usual.threshold.limit:.2f}" in odd.text
    assert odd.severity > usual.severity == 0


def test_a_reference_counts_with_its_own_largest_value() -> None:
    assert rules_of(motion(0.1, 2.0, 0.1))[0].threshold == rules_of(motion(2.0))[0].threshold


def test_rules_of_a_source_have_names_of_their_own() -> None:
    here, there = rules_of(motion(1.0), source="yard"), rules_of(motion(1.0), source="door")
    assert not {found.id for found in here} & {found.id for found in there}
    assert {found.source for found in here} == {"yard"}


def test_nothing_measured_gives_no_rules() -> None:
    assert rules_of() == rules_of(motion()) == []


def test_each_reference_is_tried_against_the_limit_that_the_others_set() -> None:
    steady = [[motion(value)] for value in np.exp(np.random.default_rng(1).normal(0, 0.1, 19))]
    high = fast()
    assert held_out_count(high, steady) == (19, 0)
    assert held_out_count(high, [*steady, [motion(6.0)]]) == (20, 1)


def test_a_single_reference_cannot_be_tested() -> None:
    assert held_out_count(fast(), [[motion(1.0)]]) == (0, 0)
    assert held_out_count(fast(), []) == (0, 0)
    assert held_out_count(fast().model_copy(update={"threshold": None}), [[motion(1.0)], [motion(2.0)]]) == (0, 0)
