"""Guiding questions, from the inducer over perceivers and people back to the inducer, on scripted models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alarm_agents.graphs.casework import answered
from alarm_agents.graphs.load import load_monitor
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.models import build_models
from alarm_agents.monitor.teach import Taught, teach
from alarm_agents.types import Case, CaseStatus, Resolution, Rule, RuleKind, RuleStatus
from alarm_agents.workspace import Workspace
from support.alarm import Alarm
from support.clips import clip, write_folder
from support.scenarios import always, judged, watch, write_scenario

FRAMES, COUNT = 2, 24
TELLING, IDLE = "Does anybody ride?", "Is there daylight?"
RULES = [{"kind": "normal", "text": "People walk along the path."}]


def eye() -> list[dict[str, Any]]:
    """Sees somebody ride in every other window, and daylight in all of them, where it is asked."""

    def seen(place: int) -> dict[str, Any]:
        answers = {TELLING: place % 2 == 0, IDLE: True}
        return {
            "caption": "a man",
            "facts": [{"subject": "question", "attribute": text, "value": said} for text, said in answers.items()],
        }

    return [
        {"when": f"taken at {place * FRAMES / 10:.2f} s", "reply": seen(place), "times": None} for place in range(COUNT)
    ]


@pytest.fixture
def alarm(tmp_path: Path) -> Alarm:
    return Alarm(tmp_path)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    asks = {"rules": RULES, "questions": [TELLING, IDLE]}
    models = {"eye": eye(), "mind": [{"when": "You derive rules", "reply": asks, "times": None}, *always(judged(0.1))]}
    agents = {"perceivers": ["eye"], "reasoners": ["mind"], "inducer": "mind"}
    return write_scenario(tmp_path, models, agents=agents, source={"fps": 10, "frames": FRAMES})


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "footage", clip(FRAMES * COUNT))


async def taught(workspace: Path, scenario: Path, footage: Path) -> Taught:
    found, _ = load_monitor(scenario)
    models = build_models(found.models, found.folder)
    return await teach(Workspace(workspace), found, models, [str(footage)])


def questions(workspace: Path) -> dict[str, Rule]:
    memory = RuleMemory(Workspace(workspace).engine, "yard")
    return {rule.text: rule for rule in memory.latest() if rule.kind is RuleKind.QUESTION}


def review(workspace: Workspace, cases: list[Case]) -> None:
    """People find every other window anomalous."""
    for place, case in enumerate(cases):
        answer = Resolution(answer="normal" if place % 2 else "anomalous")
        told = answered(case, answer).model_copy(update={"status": CaseStatus.DONE})
        workspace.cases.save(told, workspace.cases.run_of(case.id))


async def test_questions_are_proposed_asked_and_kept_by_what_people_found(
    scenario: Path, footage: Path, alarm: Alarm
) -> None:
    await taught(alarm.workspace, scenario, footage)
    proposed = questions(alarm.workspace)
    assert set(proposed) == {TELLING, IDLE}
    assert {rule.provenance.votes for rule in proposed.values()} == {2}

    cases, _, workspace = await watch(scenario, footage, alarm.workspace)
    assert len(cases) == COUNT
    for place, case in enumerate(cases):
        told = {fact.attribute: fact.value for p in case.perceptions for fact in p.facts}
        assert told == {proposed[TELLING].id: place % 2 == 0, proposed[IDLE].id: True}
        assert not {ref.id for ref in case.rules} & {rule.id for rule in proposed.values()}  # they judge nothing
    review(workspace, cases)
    weighed = alarm("rules", "replay", proposed[TELLING].id, "-s", "yard", "--json").document
    assert (weighed["outcome"], weighed["auroc"], weighed["anomalous"], weighed["normal"]) == ("kept", 1.0, 12, 12)
    assert questions(alarm.workspace) == proposed  # a replay changes nothing

    again = await taught(alarm.workspace, scenario, footage)
    assert {each.question.text: each.outcome for each in again.weighed} == {TELLING: "kept", IDLE: "retired"}
    now = questions(alarm.workspace)  # both were proposed again
    assert {text: rule.status for text, rule in now.items()} == {
        TELLING: RuleStatus.ACTIVE,
        IDLE: RuleStatus.REJECTED,
    }
    assert "did not tell them apart: AUROC 0.50" in now[IDLE].provenance.note
    listed = alarm("rules", "list", "-s", "yard", "--json").document["rules"]
    assert [rule["text"] for rule in listed if rule["kind"] == "question"] == [TELLING]


async def test_a_question_that_is_disabled_is_asked_no_more_and_people_can_ask_their_own(
    scenario: Path, footage: Path, alarm: Alarm
) -> None:
    alarm("rules", "add", "Is the gate open?", "--kind", "question", "-s", scenario)
    _, _, workspace = await watch(scenario, footage, alarm.workspace)
    (mine,) = questions(alarm.workspace).values()
    assert (mine.kind, mine.provenance.origin) == (RuleKind.QUESTION, "person")
    memory = RuleMemory(workspace.engine, "yard")
    assert [rule.text for rule in memory.questions()] == ["Is the gate open?"]
    assert mine not in memory.active()
    alarm("rules", "disable", mine.id, "-s", "yard")
    assert memory.questions() == []
    refused = alarm("rules", "add", "Is it?", "--kind", "question", "--predicate", "true", "-s", scenario, code=2)
    assert "has no predicate" in refused.err
