"""The live monitor's promises: learned from answered cases of the workspace, and narrowed after a drift."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alarm_agents.monitor.promises import EARLIER, KNOWN, NARROW, Labelled, Promises, standing_of
from alarm_agents.scenario import Scenario
from alarm_agents.types import Case, CaseStatus, Decision, Resolution, Uncertainty
from alarm_agents.uncertainty.drift import Drift
from alarm_agents.workspace import Workspace
from support.records import case, fact

ENOUGH = 200


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws")


def scenario(**promise: Any) -> Scenario:
    return Scenario(name="yard", promise={"max_missed": 0.1, "audit_rate": 0.5, **promise})


def started(workspace: Workspace, found: Scenario, references: str = "") -> str:
    given = {"source": "clip", "path": "clip", "fingerprint": "f", "references": references, "revision": 1}
    return workspace.runs.start(found, namespace="main", **given).id


def put(
    workspace: Workspace,
    run: str,
    number: int,
    p: float,
    unsure: float,
    answer: str | None = None,
    *,
    drawn: float | None = None,
    text: str = "a man walks",
    drift: int = 0,
) -> Case:
    """A case of the run; one with an answer, or drawn, was put to a person."""
    asked = answer is not None or drawn is not None
    decision = Decision.DEFER if asked else Decision.ACCEPT
    made = case(
        20.0 * number,
        p,
        fact(text),
        id=f"{run}-{number}",
        deferred=asked,
        status=CaseStatus.PENDING if asked and answer is None else CaseStatus.DONE,
        decision=decision,
        uncertainty=Uncertainty(score=unsure, decision=decision, drawn=drawn),
        resolution=Resolution(answer=answer) if answer else None,
        drift=drift,
    )
    workspace.cases.save(made, run)
    return made


def labelled(workspace: Workspace, found: Scenario) -> Labelled:
    return Labelled(workspace, found, "main", "")


def test_enough_answers_set_the_threshold(workspace: Workspace) -> None:
    found = scenario()
    run = started(workspace, found)
    for number in range(ENOUGH):
        put(workspace, run, number, 0.3, 0.5 + number / ENOUGH / 2, "anomalous")
    acceptance = Promises(labelled(workspace, found), "clip").acceptance()
    assert acceptance.normal is not None
    assert 0.5 <= acceptance.normal < 0.6
    assert acceptance.anomalous is None
    standing = standing_of(workspace, found)
    assert standing.promises[0].kept
    assert standing.deferred is not None
    assert standing.deferred > 0.8
    assert any("put to a person" in line for line in standing.lines)


def test_zones_are_told_apart_by_what_is_asked_and_what_is_missed_there(workspace: Workspace) -> None:
    found = scenario()
    run = started(workspace, found)
    usual = found.uncertainty.accept_below
    for number in range(8):
        zone, unsure = ("road", usual / 2) if number % 2 else ("lawn", 1.0)
        asked = put(workspace, run, number, 0.3, unsure, "anomalous", drawn=0.5 if number % 2 else None)
        seen = asked.perceptions[0].model_copy(update={"facts": (fact("a fox", zones=(zone,)),)})
        workspace.cases.save(asked.model_copy(update={"perceptions": (seen,)}), run)
    lawn, road = standing_of(workspace, found).parts  # one source alone is not told apart
    assert (lawn.kind, lawn.name, lawn.cases, lawn.deferred, lawn.missed) == ("zone", "lawn", 4, 1.0, 0.0)
    assert (road.name, road.deferred, road.anomalous, road.missed) == ("road", 0.0, 4, 1.0)
    assert road.line == "zone road: of 4 cases 0.0% put to a person; of 4 found anomalous, missed: about 100.0%"


def of_category(workspace: Workspace, run: str, found: Case, category: str) -> None:
    """Store the case again, as one of that category."""
    window = found.window.model_copy(update={"category": category})
    workspace.cases.save(found.model_copy(update={"window": window}), run)


def test_categories_are_told_apart_where_there_are_cases_of_others(workspace: Workspace) -> None:
    found = scenario()
    run = started(workspace, found)
    usual = found.uncertainty.accept_below
    cases = [put(workspace, run, n, 0.3, usual / 2 if n % 2 else 1.0, "anomalous") for n in range(6)]
    for each in cases:
        of_category(workspace, run, each, "pets")
    assert standing_of(workspace, found).parts == (), "one category of all cases says nothing new"
    for each in cases[1::2]:
        of_category(workspace, run, each, "")
    (pets,) = standing_of(workspace, found).parts
    assert (pets.kind, pets.name, pets.cases, pets.deferred, pets.missed) == ("category", "pets", 3, 1.0, 0.0)
    for each in cases[1::2]:
        of_category(workspace, run, each, "visitors")
    pets, visitors = standing_of(workspace, found).parts
    assert visitors.line == (
        "category visitors: of 3 cases 0.0% put to a person; of 3 found anomalous, missed: about 100.0%"
    )


def test_a_missed_case_that_was_drawn_stands_for_those_that_were_not(workspace: Workspace) -> None:
    found = scenario(audit_rate=0.1)
    run = started(workspace, found)
    low = found.uncertainty.accept_below / 2
    for number, (p, drawn) in enumerate([(0.3, 0.1), *[(0.9, 0.1)] * 2]):
        put(workspace, run, number, p, low, "anomalous", drawn=drawn)
    for number in range(3, 13):
        put(workspace, run, number, 0.3, 1.0, "anomalous")
    other = case(0.0, 0.1, id="other", source="porch")
    workspace.cases.save(other, run)
    clip, porch = standing_of(workspace, found).parts
    assert clip.missed == pytest.approx(10 / 40)
    assert (porch.name, porch.anomalous, porch.missed) == ("porch", 0, None)
    assert "too few answers" in porch.line


def test_too_few_answers_change_nothing_and_are_counted(workspace: Workspace) -> None:
    found = scenario()
    put(workspace, started(workspace, found), 0, 0.3, 0.7, "anomalous")
    assert Promises(labelled(workspace, found), "clip").acceptance().normal is None
    (line, _) = standing_of(workspace, found).lines
    assert "more answers 'anomalous' are needed" in line


def test_without_audits_nothing_is_promised(workspace: Workspace) -> None:
    found = scenario(audit_rate=0.0)
    run = started(workspace, found)
    for number in range(ENOUGH):
        put(workspace, run, number, 0.3, 0.7, "anomalous")
    (promise,) = labelled(workspace, found).promises()
    assert not promise.kept
    assert "deferred cases alone" in promise.reason


def test_what_comes_after_an_unanswered_audit_does_not_count_yet(workspace: Workspace) -> None:
    found = scenario()
    run = started(workspace, found)
    put(workspace, run, 0, 0.9, 0.1, "anomalous", drawn=0.5)
    put(workspace, run, 1, 0.1, 0.1, drawn=0.5)
    put(workspace, run, 2, 0.9, 0.9, "anomalous")
    labels = labelled(workspace, found).labels()
    assert labels.probability.tolist() == [0.5]
    assert labels.windows == 1


def test_answers_that_nobody_asked_for_do_not_count(workspace: Workspace) -> None:
    found = scenario()
    run = started(workspace, found)
    told = put(workspace, run, 0, 0.9, 0.1)
    workspace.cases.resolve(told.id, Resolution(answer="normal"))
    assert len(labelled(workspace, found).labels().uncertainty) == 0


def test_answers_under_other_settings_or_references_do_not_count(workspace: Workspace) -> None:
    found = scenario()
    other = found.model_copy(update={"normal": "Nobody is here."})
    for number, run in enumerate((started(workspace, other), started(workspace, found, references="taught"))):
        put(workspace, run, number, 0.3, 0.7, "anomalous")
    assert len(labelled(workspace, found).labels().uncertainty) == 0


def test_a_drift_is_told_once_narrows_what_is_accepted_and_is_relearned(workspace: Workspace) -> None:
    found = scenario()
    run = started(workspace, found)
    calm = [put(workspace, run, number, 0.1, 0.2, text="a man walks") for number in range(KNOWN + EARLIER)]
    promises = Promises(labelled(workspace, found), "clip")
    begun = promises.acceptance()
    assert not begun.narrowed
    told = []
    for number in range(len(calm), len(calm) + 60):
        later = put(workspace, run, number, 0.4, 0.6, text="smoke rises from a burning truck")
        told.append(promises.take(later))
    (drifted,) = [each for each in told if each is not None]
    assert drifted.number == 1
    acceptance = promises.acceptance()
    assert acceptance.narrowed
    assert acceptance.normal == NARROW * found.uncertainty.accept_below
    put(workspace, run, 300, 0.3, 0.9, "anomalous", drift=1)
    again = Promises(labelled(workspace, found), "clip")  # another process goes on
    assert again.acceptance().drift == 1
    assert again.acceptance().narrowed
    for number in range(301, 301 + ENOUGH):
        put(workspace, run, number, 0.3, 0.9, "anomalous", drift=1)
    relearned = again.acceptance()
    assert not relearned.narrowed
    assert relearned.drift == 1
    assert relearned.normal == 0.9


def test_neighbouring_windows_are_one_look(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    found = scenario()
    run = started(workspace, found)
    for number in range(KNOWN + EARLIER):
        put(workspace, run, number, 0.1, 0.2)
    taken = []
    monkeypatch.setattr(Drift, "take", lambda self, row, tie: taken.append(row))
    promises = Promises(labelled(workspace, found), "clip")
    for number in range(20):
        promises.take(case(5_000 + number, 0.1))
    assert len(taken) == 2


def test_a_scenario_without_a_promise_looks_at_nothing(workspace: Workspace) -> None:
    found = Scenario(name="yard")
    promises = Promises(labelled(workspace, found), "clip")
    assert promises.acceptance().normal is None
    assert promises.take(case(0.0)) is None
    assert standing_of(workspace, found).lines == []
