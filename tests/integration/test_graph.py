"""The whole graph, on scripted models and on experts: from windows to cases, through reflection and people."""

from __future__ import annotations

import json
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import pytest

from alarm_agents.agents.base import load_prompt
from alarm_agents.graphs.load import load_monitor
from alarm_agents.memory.rules import RuleMemory, written_by_person
from alarm_agents.monitor.run import Monitor
from alarm_agents.observability.store import SpanStore
from alarm_agents.types import Case, CaseStatus, Decision, Label, Parse, RuleKind
from alarm_agents.workspace import Workspace
from support.alarm import Alarm
from support.records import motion, resolved
from support.scenarios import (
    TEAM,
    WINDOWS,
    again,
    always,
    checkpoints,
    judged,
    team,
    watch,
    write_scenario,
)

PIXELS = (b"data:image", b"\xff\xd8\xff\xe0", b"/9j/4AAQ", b"\x89PNG", b"iVBORw0KGgo")
"""How pictures begin: data URLs, JPEG and PNG, plain and in base64."""
FIRST, SECOND = "from 0.0 s", "from 0.8 s"


def spans(workspace: Path, case: Case) -> list[Any]:
    store = SpanStore(workspace / "traces.db")
    try:
        return store.trace(case.trace_id)
    finally:
        store.close()


async def test_all_four_agents_work_on_models(source: Path, tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, team(mind=always(judged(0.4))), agents=TEAM)
    cases, incidents, _ = await watch(scenario, source, tmp_path / "ws")
    assert len(cases) == WINDOWS
    assert incidents == []
    for case in cases:
        assert case.status is CaseStatus.DONE
        assert case.models == ("eye", "lens", "mind")
        assert {p.member: p.parse for p in case.perceptions} == {"eye": Parse.PARSED, "lens": Parse.PARSED}
        assert {v.member for v in case.verdicts} == {"eye", "mind"}
        assert case.score == pytest.approx(0.21)
        assert case.decision is Decision.ACCEPT
        told = case.uncertainty
        assert told.dispersion == pytest.approx(0.0, abs=1e-5), "both perceivers say the same"
        assert told.mutual_information is not None
        assert 0 < told.mutual_information < 0.3, "0.02 and 0.4 are not one opinion"
        assert told.vote_entropy == 0.0, "but one vote"
        assert case.prompts == {role: load_prompt(role).label for role in ("perceiver", "reasoner")}
    agents = {span.attributes["gen_ai.agent.name"] for span in spans(tmp_path / "ws", cases[0]) if span.kind == "agent"}
    assert agents == {"perceiver", "reasoner"}
    assert checkpoints(tmp_path / "ws") == {}


async def test_an_uncertain_verdict_is_reflected_on_and_the_second_look_stands(source: Path, tmp_path: Path) -> None:
    unsure = [{"when": SECOND, "reply": judged(0.5), "times": 1}, *always(judged(0.02))]
    scenario = write_scenario(
        tmp_path, team(mind=unsure, lens=always(again(0.97))), agents={**TEAM, "reasoners": ["mind"]}, tools=["zoom"]
    )
    (first, second, third), incidents, _ = await watch(scenario, source, tmp_path / "ws")
    assert [v.round for v in first.verdicts] == [v.round for v in third.verdicts] == [0]
    assert [(v.member, v.round, v.p_anomaly) for v in second.verdicts] == [("mind", 0, 0.5), ("lens", 1, 0.97)]
    assert (second.label, second.score, second.severity) == (Label.ANOMALOUS, 0.97, 3)
    assert second.uncertainty.reflection == pytest.approx(0.47)
    assert second.decision is Decision.ACCEPT
    assert [incident.cases for incident in incidents] == [(second.id,)]
    tools = [span for span in spans(tmp_path / "ws", second) if span.kind == "tool" and span.name == "zoom"]
    assert len(tools) == 1
    assert not tools[0].error


async def test_the_reflector_asks_perceivers_a_sharper_question_and_judges_by_the_answer(
    source: Path, tmp_path: Path
) -> None:
    sharper = {"question": "Does he carry a bag?", "region": [0.2, 0.2, 0.8, 0.8]}
    asked = {"label": "look", "calls": [{"tool": "ask_perceiver", "arguments": sharper}]}
    answer = {"caption": "a rucksack", "facts": [{"subject": "question", "attribute": "q1", "value": True}]}
    scripts = {
        "eye": [{"when": "Only the region 0.20", "expect": sharper["question"], "reply": answer, "times": None}],
        "lens": [{"when": f"{sharper['question']} yes", "reply": again(0.97), "times": None}, *always(asked)],
        "mind": always(judged(0.5)),
    }
    scripts["eye"] += always({"caption": "a man walks", "facts": []})
    agents = {"perceivers": ["eye"], "reasoners": ["mind"], "reflector": "lens"}
    cases, _, _ = await watch(write_scenario(tmp_path, scripts, agents=agents), source, tmp_path / "ws")
    for case in cases:
        assert [(v.member, v.round, v.p_anomaly) for v in case.verdicts] == [("mind", 0, 0.5), ("lens", 1, 0.97)]
        assert case.label is Label.ANOMALOUS
    called = [span for span in spans(tmp_path / "ws", cases[0]) if span.kind == "tool" and span.name == "ask_perceiver"]
    assert [span.error for span in called] == [""]


async def test_a_reflector_is_told_what_perceivers_saw_before_the_window(source: Path, tmp_path: Path) -> None:
    agents = {"perceivers": ["eye"], "reasoners": ["mind"], "reflector": "lens"}
    scripts = {
        "eye": [
            {"when": "0.00 s", "reply": {"caption": "a man lifts a bag", "facts": []}, "times": None},
            *always({"caption": "a bag stands alone", "facts": []}),
        ],
        "lens": [{"when": "eye: a man lifts a bag", "reply": again(0.03), "times": None}, *always(again(0.97))],
        "mind": always(judged(0.5)),
    }
    scenario = write_scenario(tmp_path, scripts, agents=agents, graph={"reflection": {"earlier": 1}})
    (first, second, third), _, _ = await watch(scenario, source, tmp_path / "ws")
    assert [case.score for case in (first, second, third)] == [0.97, 0.03, 0.97]
    called = [span for span in spans(tmp_path / "ws", second) if span.name == "perceive_earlier"]
    assert [span.error for span in called] == [""]


async def test_experts_that_look_again_join_the_models_and_do_not_overrule_them(source: Path, tmp_path: Path) -> None:
    agents = {**TEAM, "reasoners": ["mind", "eye"], "reflector": "embedded"}
    scripts = team(mind=always(judged(0.6, why="a bicycle")), eye=always(judged(0.6, why="somebody rides")))
    cases, _, _ = await watch(write_scenario(tmp_path, scripts, agents=agents), source, tmp_path / "ws")
    for case in cases:
        second = {verdict.member for verdict in case.verdicts if verdict.round == 1}
        assert second == {"mind", "eye", "embedded"}
        assert "a bicycle" in case.explanation
        second_look = [verdict.p_anomaly for verdict in case.verdicts if verdict.round == 1]
        assert case.score == pytest.approx(sum(filter(None, second_look)) / 3)


@pytest.mark.parametrize(("weight", "p"), [(1, 0.4), (2, 0.3), (None, 0.0)])
async def test_a_reflector_counts_for_its_weight_also_where_its_model_has_a_voice_already(
    source: Path, tmp_path: Path, weight: float | None, p: float
) -> None:
    agents = {**TEAM, "reasoners": ["mind", "lens"]}
    scripts = team(
        mind=always(judged(0.6)), lens=[{"when": "You take a second look", "reply": again(0.0), "times": None}]
    )
    scripts["lens"] += always(judged(0.6))
    graph = {"reflection": {"weight": weight}}
    cases, _, _ = await watch(write_scenario(tmp_path, scripts, agents=agents, graph=graph), source, tmp_path / "ws")
    for case in cases:
        second = {verdict.member: verdict.p_anomaly for verdict in case.verdicts if verdict.round == 1}
        assert second == ({"mind": 0.6, "lens": 0.6, "reflector": 0.0} if weight else {"lens": 0.0})
        assert case.score == pytest.approx(p)
        assert case.frame_scores == pytest.approx((p,) * len(case.window.frames))


async def test_a_draft_that_a_rule_speaks_against_is_rechecked_and_both_are_on_the_case(
    source: Path, tmp_path: Path
) -> None:
    scripts = team(mind=[{"when": "Your answer is a draft", "reply": judged(0.9, why="it is"), "times": None}])
    scripts["mind"] += always(judged(0.1, why="it is not"))
    scenario = write_scenario(
        tmp_path,
        scripts,
        agents={"perceivers": ["eye"], "reasoners": ["mind"], "reasoners_recheck": True},
        rules=[{"text": "something moves", "predicate": "motion.moving >= 0.0"}],
    )
    cases, _, workspace = await watch(scenario, source, tmp_path / "ws")
    for case in cases:
        (found,) = workspace.cases.get(case.id).verdicts
        assert case.uncertainty.critic == 1.0
        assert found.draft is not None
        assert (found.p_anomaly, found.draft.p_anomaly, found.draft.rationale) == (0.9, 0.1, "it is not")
        assert any("say anomalous: something moves" in objection for objection in found.draft.objections)
        assert "first normal (p 0.10), but the rules" in case.explanation
        assert case.prompts["recheck"] == load_prompt("recheck").label


NODE = """
from pydantic import BaseModel
from alarm_agents.agents import Agent, Prompt

class Advice(BaseModel):
    call: bool

class Guard(Agent):
    role = "guard"

async def guard(state, runtime):
    agent = Guard(runtime.context.models["mind"], Prompt("Guard.\\n---\\nSeen."))
    with agent.working():
        answer = await agent.ask(Advice)
    return {"notes": {"guard": answer.value.model_dump()}}
"""


async def test_a_model_that_only_a_scenarios_own_node_asks_took_part(source: Path, tmp_path: Path) -> None:
    (tmp_path / "guard.py").write_text(NODE)
    graph = {
        "nodes": {"guard": "guard.py:guard"},
        "edges": [{"from": "reason", "to": "guard"}, {"from": "guard", "to": "uncertainty"}],
    }
    scenario = write_scenario(tmp_path, {"mind": always({"call": True})}, graph=graph)
    cases, _, _ = await watch(scenario, source, tmp_path / "ws")
    for case in cases:
        assert case.notes == {"guard": {"call": True}}
        assert case.models == ("mind",)
        assert "No model took part" not in case.explanation


async def test_two_reflections_that_settle_nothing_end_with_a_person(source: Path, tmp_path: Path) -> None:
    scripts = team(mind=always(judged(0.5)), lens=always(again(0.5)))
    scenario = write_scenario(tmp_path, scripts, agents={**TEAM, "reasoners": ["mind"]}, graph={"max_reflections": 2})
    cases, _, _ = await watch(scenario, source, tmp_path / "ws")
    for case in cases:
        assert [v.round for v in case.verdicts] == [0, 1, 2]
        assert (case.status, case.decision, case.deferred) == (CaseStatus.PENDING, Decision.DEFER, True)
        assert not case.anomalies


async def test_a_verdict_that_cites_an_unknown_rule_is_handed_to_a_person(source: Path, tmp_path: Path) -> None:
    cited = {"when": FIRST, "reply": judged(0.01, "rule-17"), "times": None}
    scenario = write_scenario(tmp_path, team(mind=[cited, *always(judged(0.01))]), agents=TEAM)
    (first, second, _), _, _ = await watch(scenario, source, tmp_path / "ws")
    assert first.score is not None
    assert first.score < 0.1, "by itself the verdict is a sure one"
    # One of two reasoners cannot be relied on: less sure than the next, yet it is the trace that asks a person.
    assert second.uncertainty.score + 0.2 < first.uncertainty.score < 0.6
    assert first.decision is Decision.DEFER
    assert "rule it was not given" in first.uncertainty.reason
    assert (first.status, first.deferred) == (CaseStatus.PENDING, True)
    assert [v.unknown_rules for v in first.verdicts if v.member == "mind"] == [("rule-17",)]
    assert second.status is CaseStatus.DONE
    assert "unknown_rule" in {anomaly.kind for anomaly in first.anomalies}


async def test_a_half_done_case_is_run_afresh_and_nothing_is_doubled(source: Path, tmp_path: Path) -> None:
    """The first run breaks off after perceiving: the reasoner's script foresees no call."""
    scenario = write_scenario(tmp_path, team(mind=[{"when": "never said", "reply": "x"}]), agents=TEAM)
    with pytest.raises(AssertionError, match="no step answers"):
        await watch(scenario, source, tmp_path / "ws")
    assert checkpoints(tmp_path / "ws") == {}, "what is cut off leaves nothing to go on from"
    (tmp_path / "mind.json").write_text(json.dumps(always(judged(0.04))), encoding="utf-8")
    cases, _, _ = await watch(scenario, source, tmp_path / "ws")
    assert len(cases) == WINDOWS
    for case in cases:
        assert sorted(p.member for p in case.perceptions) == ["eye", "lens"]
        assert sorted(v.member for v in case.verdicts) == ["eye", "mind"]
    assert checkpoints(tmp_path / "ws") == {}


NODES = """
from alarm_agents.types import Label

def broken(state):
    raise ZeroDivisionError("the plate reader is\\x1b[31m on fire " + "x" * 1000)

def nonsense(state):
    return "a sentence, where what it adds was asked for"

def pixels(state):
    import numpy
    return {"notes": {"pixels": {"speed": numpy.zeros((480, 640, 3))}}}

async def unknown(state):
    return {"colour": "red"}

def fine(state, runtime):
    return {"notes": {"fine": {"windows": 1, "scenario": runtime.context.scenario.name}}}
"""


@pytest.mark.parametrize("name", ["broken", "nonsense", "pixels", "unknown"])
async def test_a_scenarios_own_node_that_fails_loses_no_window(name: str, source: Path, tmp_path: Path) -> None:
    (tmp_path / "my_nodes.py").write_text(NODES, encoding="utf-8")
    graph = {
        "nodes": {"mine": f"my_nodes.py:{name}"},
        "edges": [{"from": "reason", "to": "mine"}, {"from": "mine", "to": "uncertainty"}],
    }
    scenario = write_scenario(tmp_path, team(), agents=TEAM, graph=graph)
    cases, _, workspace = await watch(scenario, source, tmp_path / "ws")
    assert len(cases) == WINDOWS
    for case in cases:
        assert (case.status, case.deferred) == (CaseStatus.PENDING, True)
        errors = [anomaly for anomaly in workspace.cases.get(case.id).anomalies if anomaly.kind == "node_error"]
        assert any(anomaly.severe and "'mine' failed" in anomaly.text for anomaly in errors)
        assert all(len(anomaly.text) < 400 for anomaly in errors)
        assert case.score == pytest.approx(0.03)  # what the agents found is kept
    assert not any(mark in (tmp_path / "ws" / "checkpoints.db").read_bytes() for mark in PIXELS)


async def test_a_scenarios_own_node_leaves_notes(source: Path, tmp_path: Path) -> None:
    (tmp_path / "my_nodes.py").write_text(NODES, encoding="utf-8")
    graph = {
        "nodes": {"mine": "my_nodes.py:fine"},
        "edges": [{"from": "reason", "to": "mine"}, {"from": "mine", "to": "uncertainty"}],
    }
    cases, _, _ = await watch(write_scenario(tmp_path, graph=graph), source, tmp_path / "ws")
    assert [case.notes for case in cases] == [{"fine": {"windows": 1, "scenario": "yard"}}] * WINDOWS


async def test_without_models_a_waiting_case_is_small_and_a_concluded_one_leaves_nothing(
    source: Path, tmp_path: Path
) -> None:
    settings = {"uncertainty": {"accept_below": 0.0}, "source": {"frames": 16}}  # everything waits
    cases, _, _ = await watch(write_scenario(tmp_path, **settings), source, tmp_path / "ws")
    sizes = checkpoints(tmp_path / "ws")
    assert set(sizes) == {case.id for case in cases}
    assert all(case.models == () and "No model took part" in case.explanation for case in cases)
    assert max(sizes.values()) <= 8 * 1024
    calm, _, _ = await watch(write_scenario(tmp_path, name="calm"), source, tmp_path / "calm")
    assert {case.status for case in calm} == {CaseStatus.DONE}
    assert checkpoints(tmp_path / "calm") == {}


async def test_no_picture_is_kept_anywhere_but_in_the_source_and_as_evidence(source: Path, tmp_path: Path) -> None:
    scripts = team(mind=always(judged(0.55)), lens=always(again(0.55)))
    agents = {**TEAM, "reasoners": ["mind"]}
    cases, _, workspace = await watch(
        write_scenario(tmp_path, scripts, agents=agents, tools=["zoom", "motion"]), source, tmp_path / "ws"
    )
    assert all(case.status is CaseStatus.PENDING for case in cases)
    workspace.close()
    evidence = tmp_path / "ws" / "evidence"
    kept = [path for path in (tmp_path / "ws").rglob("*") if path.is_file() and not path.is_relative_to(evidence)]
    assert {"alarm.db", "checkpoints.db", "traces.db"} <= {path.name for path in kept}
    with sqlite3.connect(tmp_path / "ws" / "checkpoints.db") as connection:
        packed = connection.execute("SELECT checkpoint FROM checkpoints UNION ALL SELECT value FROM writes").fetchall()
    unpacked = b"".join(zlib.decompress(data) for (data,) in packed)
    assert b"a man walks" in unpacked, "this is what checkpoints hold"
    assert [mark for mark in PIXELS if mark in unpacked] == []
    assert {path.name: mark for path in kept for mark in PIXELS if mark in path.read_bytes()} == {}
    assert all(sum(len(str(span.attributes)) for span in spans(tmp_path / "ws", case)) < 8 * 1024 for case in cases)


async def test_a_suite_never_waits(source: Path, tmp_path: Path) -> None:
    scripts = team(mind=always(judged(0.55)), lens=always(again(0.55)))
    scenario = write_scenario(tmp_path, scripts, agents={**TEAM, "reasoners": ["mind"]})
    cases, _, _ = await watch(scenario, source, tmp_path / "ws", ask_people=False, namespace="suite")
    assert {(case.status, case.deferred, case.score) for case in cases} == {(CaseStatus.DONE, True, 0.55)}
    assert checkpoints(tmp_path / "ws") == {}


async def test_an_audited_share_of_certain_cases_is_shown_to_a_person_too(source: Path, tmp_path: Path) -> None:
    all_, _, _ = await watch(write_scenario(tmp_path, promise={"audit_rate": 1.0}), source, tmp_path / "ws")
    assert all(case.status is CaseStatus.PENDING and case.uncertainty.reason == "drawn for audit" for case in all_)


@pytest.mark.parametrize(
    ("measure", "answered", "closed"),
    [
        pytest.param("speed", 6, True, id="enough labels"),
        pytest.param("speed", 3, False, id="too few labels"),
        pytest.param("ratio", 6, False, id="labels of another measure"),
    ],
)
async def test_the_gate_concludes_without_a_model_only_what_labels_bear_out(
    measure: str, answered: int, closed: bool, source: Path, tmp_path: Path
) -> None:
    models = {} if closed else team()  # a call that no script foresees would be an error
    scripts = {name: models.get(name, [{"when": "never said", "reply": "x"}]) for name in ("eye", "lens", "mind")}
    scenario = write_scenario(tmp_path, scripts, agents=TEAM, graph={"gate": {"expert": "motion", "max_missed": 0.5}})
    workspace = Workspace(tmp_path / "ws")
    for number in range(answered):
        labelled = resolved(f"old-{number}", "a car", "anomalous")
        workspace.cases.save(labelled.model_copy(update={"measurements": (motion(50.0, name=measure),)}), "old")
    calm = written_by_person("calm", RuleKind.NORMAL, predicate="motion.speed < 9.0", severity=0, author="me")
    RuleMemory(workspace.engine, "yard").add([calm])
    cases, _, _ = await watch(scenario, source, tmp_path / "ws")
    assert [case.models == () for case in cases] == [closed] * WINDOWS
    assert all("the gate is closed" in case.uncertainty.reason for case in cases) == closed


async def test_recorded_captions_are_perceived_already_whatever_the_perceivers(tmp_path: Path) -> None:
    rows = "".join(f"{frame},a man walks past\n" for frame in range(16))
    (tmp_path / "said.csv").write_text("frame,caption\n" + rows, encoding="utf-8")
    scenario = write_scenario(tmp_path, team(), agents=TEAM)
    cases, _, _ = await watch(scenario, tmp_path / "said.csv", tmp_path / "ws")
    for case in cases:
        assert [(p.member, p.parse) for p in case.perceptions] == [("recorded", Parse.RECORDED)]
        assert case.models == ("eye", "mind")


async def test_a_rule_that_another_process_disables_no_longer_judges(source: Path, tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path)
    alarm = Alarm(tmp_path)
    everything = ("rules", "add", "everything is odd", "-s", scenario, "--predicate", "motion.speed >= 0.0", "--json")
    rule = alarm(*everything).document
    found, builder = load_monitor(scenario)
    found = found.model_copy(update={"source": found.source.model_copy(update={"frames": 1})})
    labels: list[Label] = []
    async with Monitor(Workspace(alarm.workspace), found, builder) as monitor:
        async for watched in monitor.watch(str(source)):
            if isinstance(watched.record, Case):
                labels.append(watched.record.label)
                if len(labels) == 3:
                    alarm("rules", "disable", rule["id"], "-s", scenario)
    assert labels[:3] == [Label.UNKNOWN, Label.ANOMALOUS, Label.ANOMALOUS]  # the first frame has none before it
    assert set(labels[13:]) == {Label.NORMAL}  # at most `AT_ONCE` windows were at work already
