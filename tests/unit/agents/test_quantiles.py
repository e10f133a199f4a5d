"""Limits from what references measure."""

from __future__ import annotations

import numpy as np

from alarm_agents.agents.quantiles import held_out_count, quantile_rules
from alarm_agents.types import Measurement, Provenance, Rule, RuleKind, RuleStatus
from support.records import fast, motion

REFERENCES = Provenance(origin="references", author="embedded")


def rules_of(*references: Measurement, source: str = "", origin: str = "references") -> list[Rule]:
    given_ = REFERENCES.model_copy(update={"origin": origin})
    return quantile_rules([[reference] for reference in references], given_, source)


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


def both(ratio: float, crowd: float) -> list[Measurement]:
    return [motion(*[ratio] * 16), Measurement(expert="geometry", score="shape", frames={"crowding": (crowd,) * 16})]


def test_a_measure_that_predicts_references_badly_is_rejected_on_record() -> None:
    rng = np.random.default_rng(2)
    references = [both(np.exp(rng.normal(0, 0.1)), np.exp(rng.normal(0, 1.5))) for _ in range(20)]
    found = {found.id: found for found in quantile_rules(references, REFERENCES, "")}
    assert found["motion-ratio-high"].status is RuleStatus.ACTIVE
    crowd = found["geometry-crowding-high"]
    assert crowd.status is RuleStatus.REJECTED
    assert "times as well as the best" in crowd.provenance.note
    assert "geometry-crowding-usual" not in found


def test_measures_share_the_false_alarms_that_are_allowed() -> None:
    rng = np.random.default_rng(2)
    references = [[motion(float(np.exp(rng.normal(0, 0.1))))] for _ in range(20)]
    looks = [Measurement(expert="presence", score="stays", frames={"absent": (1.0,) * 16}) for _ in references]
    alone = {r.id: r for r in quantile_rules(references, REFERENCES, "")}["motion-ratio-high"]
    together = quantile_rules([[*r, look] for r, look in zip(references, looks, strict=True)], REFERENCES, "")
    beside = {r.id: r for r in together}["motion-ratio-high"]
    assert alone.threshold is not None
    assert beside.threshold is not None
    assert beside.threshold.limit > alone.threshold.limit
    weights = [r.threshold.weight for r in together if r.kind is RuleKind.ANOMALOUS and r.threshold is not None]
    assert sum(weights) == 1.0


def test_references_of_a_few_frames_teach_speeds_and_nothing_that_takes_longer_to_see() -> None:
    brief = Measurement(expert="geometry", score="shape", frames={"crowding": (1.0, 1.0, 1.0)})
    rules = quantile_rules([[motion(1.0, 1.0, 1.0), brief] for _ in range(10)], REFERENCES, "")
    assert {r.id for r in rules if r.status is RuleStatus.ACTIVE} == {"motion-ratio-usual", "motion-ratio-high"}
    (rejected,) = [r for r in rules if r.status is RuleStatus.REJECTED]
    assert "cannot tell" in rejected.provenance.note


def test_a_promise_of_fewer_false_alarms_moves_the_limit_out_and_says_that_it_is_an_estimate() -> None:
    references = [[motion(value)] for value in np.exp(np.random.default_rng(1).normal(0, 0.1, 19))]
    loose, tight = (quantile_rules(references, REFERENCES, "", share=share)[1].threshold for share in (0.06, 0.0001))
    assert loose is not None
    assert tight is not None
    assert loose.limit < tight.limit
    assert loose.verified
    assert not tight.verified


def test_references_of_one_stretch_are_one_block() -> None:
    references = [[motion(1.0 + 0.01 * i)] for i in range(12)]
    threshold = quantile_rules(references, REFERENCES, "", blocks=[0] * 6 + [1] * 6)[0].threshold
    assert threshold is not None
    assert np.allclose(threshold.blocks, [1.05, 1.11])


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
