"""Two kinds of things among the references: each is normal in its own way."""

from __future__ import annotations

import numpy as np

from alarm_agents.agents.kinds import split_kinds
from alarm_agents.agents.predicates import judge
from alarm_agents.agents.quantiles import quantile_rules
from alarm_agents.types import Label, Measurement, Provenance, Rule, RuleKind

REFERENCES = Provenance(origin="references", author="embedded")
Things = list[tuple[float, float, float]]


def seen(things: Things, seed: int = 0) -> Measurement:
    """What the motion expert measures where the fastest thing of each frame is (speed ratio, height, width)."""
    noise = np.exp(np.random.default_rng(seed).normal(0, 0.05, (len(things), 3)))
    columns = (np.array(things) * noise).T.tolist()
    frames = dict(zip(("ratio", "tall", "wide"), map(tuple, columns), strict=True))
    return Measurement(expert="motion", score="ratio", frames=frames)


WALKER, RIDER, RUNNER = (1.4, 1.0, 0.4), (3.4, 1.0, 1.1), (2.6, 1.0, 0.45)


def rules_of(*references: Measurement) -> list[Rule]:
    kinds = split_kinds([(reference,) for reference in references], REFERENCES, "")
    return [*quantile_rules(kinds.rest, REFERENCES, ""), *kinds.rules]


def label_of(rules: list[Rule], *things: tuple[float, float, float]) -> Label:
    return judge("embedded", rules, [seen(list(things), seed=99)], ()).label


WALKING = [seen([WALKER] * 16, seed=i) for i in range(16)]
RIDING = [seen([WALKER] * 4 + [RIDER] * 8 + [WALKER] * 4, seed=100 + i) for i in range(4)]


def test_without_riders_among_the_references_riders_and_runners_are_anomalous() -> None:
    rules = rules_of(*WALKING)
    assert {rule.id for rule in rules} >= {"motion-ratio-high"}
    assert "motion-kind" not in {rule.id for rule in rules}
    assert [label_of(rules, *[thing] * 8) for thing in (WALKER, RIDER, RUNNER)] == ["normal", "anomalous", "anomalous"]


def test_with_riders_among_the_references_riders_are_normal_and_runners_are_not() -> None:
    rules = rules_of(*WALKING, *RIDING)
    kind = next(rule for rule in rules if rule.id == "motion-kind")
    assert kind.kind is RuleKind.NORMAL
    assert "times the usual speed" in kind.text
    assert "of 4 references" in kind.provenance.note
    assert [label_of(rules, *[thing] * 8) for thing in (WALKER, RIDER, RUNNER)] == ["normal", "normal", "anomalous"]


def test_a_runner_among_riders_is_told_frame_by_frame() -> None:
    rules = rules_of(*WALKING, *RIDING)
    verdict = judge("embedded", rules, [seen([RIDER] * 6 + [RUNNER] * 6, seed=7)], ())
    assert verdict.label is Label.ANOMALOUS
    assert [p >= 0.5 for p in verdict.frames] == [False] * 6 + [True] * 6
    assert verdict.beyond == ("motion.ratio",)


def test_what_the_edge_cuts_is_told_by_its_speed() -> None:
    rules = rules_of(*WALKING, *RIDING)
    assert label_of(rules, *[(3.4, 0.0, 0.0)] * 3) == "normal"
    assert label_of(rules, *[(7.0, 0.0, 0.0)] * 3) == "anomalous"


def test_riders_who_come_and_go_or_are_half_hidden_make_no_runner_normal() -> None:
    coming = [(1.4, 1.0, 0.4), (2.0, 0.0, 0.0), (2.6, 0.0, 0.0)]
    hidden = [seen([*coming, *[RIDER] * 10, (2.6, 1.0, 0.5), *[RIDER] * 2], seed=200 + i) for i in range(6)]
    rules = rules_of(*WALKING, *hidden)
    assert label_of(rules, *[RIDER] * 8) == "normal"
    assert label_of(rules, *[RUNNER] * 8) == "anomalous"
    assert label_of(rules, *[(1.9, 1.0, 0.4)] * 8) == "anomalous", "slower than riders, but faster than people walk"


def test_kinds_that_nobody_has_seen_whole_are_not_told_apart() -> None:
    riding = [seen([WALKER] * 4 + [(3.4, 0.0, 0.0)] * 8, seed=100 + i) for i in range(4)]
    assert split_kinds([(reference,) for reference in [*WALKING, *riding]], REFERENCES, "").rules == ()


def test_a_faster_thing_of_the_same_shape_is_still_anomalous() -> None:
    rules = rules_of(*WALKING, *RIDING)
    assert label_of(rules, *[(7.0, 1.0, 1.1)] * 8) == "anomalous"


def test_one_thing_that_varies_is_one_kind() -> None:
    speeds = np.exp(np.random.default_rng(3).normal(0.4, 0.25, (20, 16)))
    varied = [seen([(float(speed), 1.0, 0.4) for speed in row], seed=i) for i, row in enumerate(speeds)]
    assert split_kinds([(reference,) for reference in varied], REFERENCES, "").rules == ()


def test_once_seen_is_no_kind() -> None:
    rules = rules_of(*WALKING, RIDING[0])
    assert "motion-kind" not in {rule.id for rule in rules}
