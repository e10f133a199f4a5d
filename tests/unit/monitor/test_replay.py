"""Replaying a rule on stored cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alarm_agents.agents.predicates import judge
from alarm_agents.graphs.casework import answered
from alarm_agents.memory.rules import RuleMemory, written_by_person
from alarm_agents.monitor.replay import Replay, replay
from alarm_agents.monitor.teach import open_media
from alarm_agents.scenario import Scenario, parse_scenario
from alarm_agents.types import Case, CaseStatus, Label, Resolution, Rule, RuleKind, RuleStatus
from alarm_agents.workspace import Workspace
from support.clips import clip, write_folder
from support.records import SCENARIO, fast, motion, resolved, verdict, window

SCORES = [1.0, 6.0, 7.0, 1.1, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 30.0, 1.2]
"""motion.ratio of windows of a second each: two incidents, further apart than the cool-down."""


def yard_scenario() -> Scenario:
    return parse_scenario({"version": 1, "name": SCENARIO}, where="", folder=Path())


class Yard:
    """A workspace with cases as a watch would have stored them."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace(folder / ".alarm")
        self.rules = RuleMemory(self.workspace.engine, SCENARIO)

    def watched(self, path: str = "clip.mp4", *, models: bool = False) -> list[Case]:
        """The cases of a run, judged by the rules as they are now."""
        scenario = yard_scenario()
        revision = self.rules.revision()
        run = self.workspace.runs.start(
            scenario, namespace="main", source="clip", path=path, fingerprint=path, references="", revision=revision
        )
        cases = []
        for second, ratio in enumerate(SCORES):
            said = judge("embedded", self.rules.active(), [motion(ratio)], ())
            said = verdict(said.p_anomaly, "mind") if models else said
            seen = {"measurements": (motion(ratio),), "perceptions": (), "verdicts": (said,), "rules": said.rules}
            told = {"label": said.label, "score": said.p_anomaly, "revision": revision, "resolution": None}
            case = resolved(f"clip-{run.id}-{second:06}", "", scenario=SCENARIO)
            cases.append(case.model_copy(update={"window": window(float(second), 10), **seen, **told}))
            self.workspace.cases.save(cases[-1], run.id)
        return cases

    def replay(self, rule: Rule) -> Replay:
        return replay(self.workspace, self.rules, rule)


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    opened = Yard(tmp_path)
    yield opened
    opened.workspace.close()


def by_person(predicate: str, kind: RuleKind = RuleKind.NORMAL) -> Rule:
    return written_by_person("as a person says", kind, predicate=predicate, severity=2, author="ann")


def test_it_says_which_cases_and_incidents_a_rule_of_normality_would_have_spared(yard: Yard) -> None:
    yard.rules.add([fast(2.0)])
    cases = yard.watched()
    told: list[int] = []
    found = replay(yard.workspace, yard.rules, by_person("motion.ratio < 10.0 && motion.ratio > 5.0"), told.append)
    assert told == list(range(1, len(SCORES) + 1))
    assert (found.cases, found.covered, found.by_models, found.undecided) == (len(SCORES), 2, 0, 0)
    assert (found.moved, found.asked) == (2, 2)  # all cases of the yard have been put to a person
    assert [change.case for change in found.changes] == [cases[1].id, cases[2].id]
    assert {(change.before, change.after) for change in found.changes} == {(Label.ANOMALOUS, Label.NORMAL)}
    assert [(incident.start, incident.end) for incident in found.spared] == [(1.0, 3.0)]
    assert found.raised == []


def test_it_says_what_a_rule_of_anomaly_would_have_raised(yard: Yard) -> None:
    yard.rules.add([fast(100.0, typical=50.0)])
    yard.watched()
    found = yard.replay(by_person("motion.ratio > 5.0", RuleKind.ANOMALOUS))
    assert [change.start for change in found.changes] == [1.0, 2.0, 14.0]
    assert [incident.start for incident in found.raised] == [1.0, 14.0]
    assert found.spared == []


def test_cases_are_judged_by_the_rules_of_their_time(yard: Yard) -> None:
    yard.rules.add([fast(2.0)])
    yard.watched("before.mp4")
    yard.rules.set_status("faster-than-2.0", RuleStatus.DISABLED)
    yard.rules.add([fast(20.0, typical=4.0)])
    yard.watched("after.mp4")
    found = yard.replay(by_person("motion.ratio > 5.0"))
    assert found.covered == 6
    assert [change.start for change in found.changes].count(14.0) == 2
    assert len(found.changes) == 4, "6 and 7 had alarmed under the earlier limit only"


def test_a_rule_that_judges_already_is_compared_with_its_absence(yard: Yard) -> None:
    yard.rules.add([fast(2.0), by_person("motion.ratio > 5.0")])
    cases = yard.watched()
    assert {case.label for case in cases} == {Label.NORMAL}
    found = yard.replay(yard.rules.active()[0])
    assert [(change.before, change.after) for change in found.changes] == [(Label.ANOMALOUS, Label.NORMAL)] * 3
    assert len(found.spared) == 2


def test_answers_are_compared_with_what_the_rule_makes_of_them(yard: Yard) -> None:
    yard.rules.add([fast(2.0)])
    cases = yard.watched()
    for place, said in ((1, "normal"), (2, "anomalous"), (14, "unsure")):
        case = yard.workspace.cases.resolve(cases[place].id, Resolution(answer=said))
        done = answered(case, Resolution(answer=said)).model_copy(update={"status": CaseStatus.DONE})
        yard.workspace.cases.save(done, yard.workspace.cases.run_of(case.id))
    found = yard.replay(by_person("motion.ratio > 5.0"))
    assert (found.covered, found.agreed, found.disagreed) == (3, 1, [cases[2].id])
    assert len(found.changes) == 3, "the answer does not hide that it had alarmed"


def test_cases_that_models_judged_are_counted_and_left_alone(yard: Yard) -> None:
    yard.rules.add([fast(2.0)])
    yard.watched(models=True)
    found = yard.replay(by_person("motion.ratio > 5.0"))
    assert (found.by_models, found.covered, found.changes, found.spared) == (len(SCORES), 0, [], [])


def test_what_was_not_measured_is_undecided_not_unchanged(yard: Yard) -> None:
    yard.rules.add([fast(2.0)])
    yard.watched()
    assert yard.replay(by_person("presence.stays > 5.0")).undecided == len(SCORES)


def test_rules_of_single_sources_are_told_apart_by_the_source_itself(yard: Yard, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "clip", clip(2))
    here = open_media(str(path), yard_scenario()).identity
    yard.rules.add([fast(2.0, source=here), fast(50.0, source="clip-000000", id="elsewhere")])
    yard.watched(str(path))
    tried = by_person("motion.ratio > 5.0")
    assert len(yard.replay(tried).changes) == 3
    yard.rules.set_status("faster-than-2.0", RuleStatus.DISABLED)
    yard.rules.add([fast(20.0, source=here)])
    (path / "0000.jpg").unlink()  # now nobody can tell which of the two sources it was
    found = yard.replay(tried)
    assert (found.undecided, found.changes) == (len(SCORES), [])
