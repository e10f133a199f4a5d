"""What becomes of windows when models refuse, ramble, stall or are down: typed, unsure, and never normal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alarm_agents.errors import ModelError
from alarm_agents.types import CaseStatus, Label, Parse
from support.scenarios import SORRY, TEAM, WINDOWS, always, judged, team, watch, write_scenario

NO_ANSWERS: dict[str, list[dict[str, Any]]] = {
    "refuses": [{"refusal": True, "times": None}],
    "refuses in words": always(SORRY),
    "writes broken JSON": always('{"label": "normal", "p_anomaly": 0.0'),
    "says the same over and over": always({"label": "normal", "p_anomaly": 0.0, "rationale": "It is calm. " * 100}),
    "is silent": [{"error": "connection", "times": None}],
    "times out": [{"error": "timeout", "times": None}],
    "contradicts itself": always({"label": "normal", "p_anomaly": 0.99}),
    "cannot tell": always({"label": "cannot tell", "p_anomaly": 0.0}),
}


@pytest.mark.parametrize("how", NO_ANSWERS)
async def test_one_reasoner_that_gives_no_answer_raises_uncertainty(how: str, source: Path, tmp_path: Path) -> None:
    blocks: dict[str, Any] = {"agents": TEAM, "graph": {"max_reflections": 0}}
    reference, _, _ = await watch(write_scenario(tmp_path / "all", team(), **blocks), source, tmp_path / "a")
    scenario = write_scenario(tmp_path / "one", team(mind=NO_ANSWERS[how]), **blocks)
    cases, _, _ = await watch(scenario, source, tmp_path / "b")
    for before, after in zip(reference, cases, strict=True):
        (silent,) = [v for v in after.verdicts if v.member == "mind"]
        assert (silent.label, silent.p_anomaly) == (Label.UNKNOWN, None)
        assert after.uncertainty.score > before.uncertainty.score + 0.2
        assert after.score == pytest.approx(0.02)  # of the one that answered, not pulled to normal or anomalous
        assert (before.status, after.status) == (CaseStatus.DONE, CaseStatus.PENDING)  # one of two is no ensemble


@pytest.mark.parametrize("how", NO_ANSWERS)
async def test_where_nobody_answers_the_case_is_unknown_and_people_are_told(
    how: str, source: Path, tmp_path: Path
) -> None:
    mute = NO_ANSWERS[how]
    scenario = write_scenario(
        tmp_path,
        team(mind=mute, lens=mute),
        agents={**TEAM, "reasoners": ["mind"]},
        when_models_fail="alert",
    )
    cases, incidents, _ = await watch(scenario, source, tmp_path / "ws")
    for case in cases:
        assert (case.label, case.score, case.severity) == (Label.UNKNOWN, None, 0)
        assert (case.status, case.uncertainty.score) == (CaseStatus.PENDING, 1.0)
    assert [incident.cases for incident in incidents] == [tuple(case.id for case in cases)]


@pytest.mark.parametrize("how", NO_ANSWERS)
async def test_only_a_model_that_may_answer_later_is_waited_for(how: str, source: Path, tmp_path: Path) -> None:
    mute = NO_ANSWERS[how]
    scenario = write_scenario(
        tmp_path,
        team(mind=mute, lens=mute),
        agents={**TEAM, "reasoners": ["mind"]},
        when_models_fail="hold",
    )
    if how in ("is silent", "times out"):
        with pytest.raises(ModelError, match=f"{WINDOWS} windows wait for a model"):
            await watch(scenario, source, tmp_path / "ws")
    else:
        cases, _, _ = await watch(scenario, source, tmp_path / "ws")
        assert {(case.label, case.status) for case in cases} == {(Label.UNKNOWN, CaseStatus.PENDING)}


async def test_a_reasoner_is_not_asked_about_what_nobody_has_seen(source: Path, tmp_path: Path) -> None:
    """It would find nothing wrong with an empty description, and the window would be normal in silence."""
    scripts = {"eye": NO_ANSWERS["is silent"], "lens": NO_ANSWERS["refuses"], "mind": always(judged(0.01))}
    agents = {"perceivers": ["eye", "lens"], "reasoners": ["mind"]}
    scenario = write_scenario(tmp_path, scripts, agents=agents, when_models_fail="alert", graph={"max_reflections": 0})
    cases, _, _ = await watch(scenario, source, tmp_path / "ws")
    for case in cases:
        assert (case.label, case.models) == (Label.UNKNOWN, ())
        assert "nothing to judge by" in case.explanation


async def test_a_reflector_without_an_answer_leaves_the_first_verdict_and_a_person(
    source: Path, tmp_path: Path
) -> None:
    scripts = team(mind=always(judged(0.55)), lens=NO_ANSWERS["refuses"])
    scenario = write_scenario(tmp_path, scripts, agents={**TEAM, "reasoners": ["mind"]})
    cases, _, _ = await watch(scenario, source, tmp_path / "ws")
    for case in cases:
        assert (case.status, case.uncertainty.score) == (CaseStatus.PENDING, 1.0)
        assert (case.label, case.score) == (Label.ANOMALOUS, 0.55)


async def test_a_perceiver_without_an_answer_is_typed_and_disagrees_with_the_others(
    source: Path, tmp_path: Path
) -> None:
    scripts = team()
    scripts["lens"] = NO_ANSWERS["refuses"]
    cases, _, _ = await watch(write_scenario(tmp_path, scripts, agents=TEAM), source, tmp_path / "ws")
    for case in cases:
        assert {p.member: p.parse for p in case.perceptions} == {"eye": Parse.PARSED, "lens": Parse.REFUSED}
        assert case.uncertainty.comprehension == 1.0
        assert "lens" not in case.models
        assert "no_answer" in {anomaly.kind for anomaly in case.anomalies}


DOWN: dict[str, Any] = {name: [{"error": 503, "times": None}] for name in ("eye", "lens", "mind")}


async def test_all_models_down_leaves_the_detector_and_says_so(source: Path, tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, DOWN, agents=TEAM, when_models_fail="detector-only")
    cases, _, _ = await watch(scenario, source, tmp_path / "ws")
    for case in cases:
        (fallback,) = [v for v in case.verdicts if v.member == "embedded" and v.round == 0]
        assert fallback.rationale.startswith("no model answered (mind, eye)")
        assert (case.label, case.score) == (fallback.label, fallback.p_anomaly)
        assert case.label is not Label.UNKNOWN
        assert case.models == ()
        assert case.deferred
        assert case.uncertainty.score > 0.6


async def test_all_models_down_with_alert_tells_people_once(source: Path, tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, DOWN, agents=TEAM, when_models_fail="alert")
    cases, incidents, _ = await watch(scenario, source, tmp_path / "ws")
    assert {case.label for case in cases} == {Label.UNKNOWN}
    (incident,) = incidents
    assert incident.cases == tuple(case.id for case in cases)
    assert incident.score is None
