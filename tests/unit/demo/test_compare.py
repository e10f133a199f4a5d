"""Whether what was implanted was found, and whether for the right reason."""

from __future__ import annotations

from typing import Any

import pytest

from alarm_agents.demo.compare import CAUSES, compare, false_cases
from alarm_agents.demo.scene import Span
from alarm_agents.demo.worlds import WORLDS
from alarm_agents.types import Box, Case, Fact, Incident, Label
from support.records import fact, perception, resolved, verdict, window

LEFT: Box = (0.0, 0.4, 0.2, 0.6)
RIGHT: Box = (0.8, 0.4, 1.0, 0.6)
RUNNER = Span("runner", 2.0, 2.4, (LEFT, LEFT, RIGHT, RIGHT))
BAG = Span("bag", 20.0, 20.2, (LEFT, LEFT))


def case(start: float, *facts: Fact, label: Label = Label.ANOMALOUS) -> Case:
    seen = perception("experts").model_copy(update={"facts": facts})
    told: dict[str, Any] = {"window": window(start), "label": label, "perceptions": (seen,)}
    told["verdicts"] = (verdict(0.9, beyond=("motion.ratio",)),)
    return resolved(f"case-{start}", "").model_copy(update=told)


def incident(start: float, end: float) -> Incident:
    known: dict[str, Any] = {"scenario": "yard", "source": "clip", "severity": 2, "title": "", "score": 0.9}
    return Incident(id=f"incident-{start}", start=start, end=end, cases=(), **known)


def fast(**values: Any) -> Fact:
    return fact("it is fast", **{"attribute": "speed ratio", "measure": "motion.ratio", **values})


def test_an_anomaly_is_found_by_the_incidents_that_overlap_it_and_others_are_false() -> None:
    during, after, elsewhere = incident(1.6, 3.2), incident(2.4, 4.0), incident(9.0, 11.0)
    (runner, bag), false = compare([RUNNER, BAG], [during, after, elsewhere], [])
    assert runner.incidents == (during,)
    assert (bag.incidents, bag.named) == ((), False)
    assert false == [after, elsewhere]


@pytest.mark.parametrize(
    ("told", "right"),
    [
        (fast(time=2.1, region=LEFT), 1),
        (fast(time=2.1, region=RIGHT), 0),  # about somebody else
        (fast(time=2.3, region=RIGHT), 1),
        (fast(time=2.1), 1),
        (fast(region=RIGHT), 1),  # of the window's middle
        (fact("it stays", attribute="stays", measure="motion.ratio", time=2.1, region=LEFT), 0),
    ],
)
def test_a_fact_names_the_cause_by_its_attribute_and_its_place(told: Fact, right: int) -> None:
    (runner,), _ = compare([RUNNER], [incident(2.0, 2.4)], [case(2.0, told)])
    assert (runner.facts, runner.right, runner.named) == (1, right, bool(right))


def test_facts_that_no_verdict_rests_on_do_not_count() -> None:
    (runner,), _ = compare([RUNNER], [], [case(2.0, fast(time=2.1, measure="motion.speed"))])
    assert runner.facts == 0


def test_only_facts_of_anomalous_cases_while_it_is_to_be_seen_count() -> None:
    cases = [
        case(2.0, fast(time=2.1), fast(time=1.9), fast(time=2.4)),
        case(2.0, fast(time=2.1), label=Label.NORMAL),
        case(9.0, fast()),
    ]
    (runner, _), _ = compare([RUNNER, BAG], [incident(2.0, 2.4)], cases)
    assert (runner.facts, runner.right) == (1, 1)
    assert false_cases([RUNNER, BAG], cases) == [cases[2]]


def test_every_kind_that_is_implanted_has_a_cause() -> None:
    kinds = {span.kind for world in WORLDS.values() for seed in range(3) for span in world.watched(seed).implanted}
    assert kinds == CAUSES.keys()
