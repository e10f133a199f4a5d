"""The weights of uncertainty's signals, fitted from answered cases of the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alarm_agents.monitor.promises import Labelled, Promises
from alarm_agents.monitor.weights import NEEDED, Weights, by_members, unsure
from alarm_agents.scenario import Scenario
from alarm_agents.types import Case, CaseStatus, Decision, Precedent, Resolution, Uncertainty
from alarm_agents.uncertainty.monitor import USUAL, scored, signals_of
from alarm_agents.workspace import Workspace
from support.records import case, verdict


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws")


def scenario(**promise: Any) -> Scenario:
    return Scenario(name="yard", promise=promise)


def started(workspace: Workspace, found: Scenario) -> str:
    given = {"source": "clip", "path": "clip", "fingerprint": "f", "references": "", "revision": 1}
    return workspace.runs.start(found, namespace="main", **given).id


def weights_of(workspace: Workspace, found: Scenario) -> Weights:
    return Weights(workspace, found, "main", "")


def put(workspace: Workspace, run: str, number: int, draw: np.random.Generator, **given: Any) -> Case:
    """A case that people were asked about; where memory objects the agents are wrong, margins say nothing."""
    wrong, p = bool(draw.random() < 0.3), float(draw.uniform(0.3, 0.7))
    truth = (p >= 0.5) != wrong
    found = {"analysis": 1 - abs(2 * p - 1), "memory": float(np.clip(0.6 * wrong + draw.uniform(0, 0.4), 0, 1))}
    score = scored(found, (), USUAL)
    made = case(
        20.0 * number,
        p,
        id=f"{run}-{number}",
        deferred=True,
        status=CaseStatus.DONE,
        decision=Decision.DEFER,
        uncertainty=Uncertainty(**found, score=score, decision=Decision.DEFER),
        resolution=Resolution(answer="anomalous" if truth else "normal"),
        **given,
    )
    workspace.cases.save(made, run)
    return made


def test_enough_answers_fit_weights_that_find_the_errors(workspace: Workspace) -> None:
    found = scenario()
    run, draw, weights = started(workspace, found), np.random.default_rng(0), weights_of(workspace, found)
    cases = [put(workspace, run, number, draw) for number in range(NEEDED - 1)]
    assert weights.learn() is None
    assert weights.latest() == 0
    assert weights.combination(0) is USUAL
    assert f"until at least {NEEDED} more cases" in weights.text
    cases.append(put(workspace, run, NEEDED, draw))
    fit = weights.learn()
    assert fit is not None
    assert (weights.latest(), fit.revision, fit.labels) == (1, 1, NEEDED // 2)
    assert fit.weights["memory"] > 0.7
    assert sum(fit.weights.values()) == pytest.approx(1.0)
    elsewhere = weights_of(Workspace(workspace.folder), found)  # as another process reads it
    made = elsewhere.combination(elsewhere.latest())
    usual = [case.uncertainty.score for case in cases]
    now = [unsure(case, made, 1) for case in cases]
    assert np.mean(np.array(now) < 0.6) == pytest.approx(np.mean(np.array(usual) < 0.6), abs=0.05)
    assert "fit 1 of 50 answers" in elsewhere.text
    assert weights.learn() is None  # not again before twice as many are answered
    assert made.score({"analysis": 1.1, "memory": 1.1}) == 1.0  # beyond all that was seen
    assert weights_of(workspace, found.model_copy(update={"normal": "Nobody is here."})).latest() == 0


def test_where_the_agents_are_never_wrong_there_is_nothing_to_fit_and_that_is_said(workspace: Workspace) -> None:
    found = scenario()
    run = started(workspace, found)
    for number in range(NEEDED):
        made = case(20.0 * number, 0.4, id=f"{run}-{number}", deferred=True, resolution=Resolution(answer="normal"))
        workspace.cases.save(made, run)
    weights = weights_of(workspace, found)
    assert weights.learn() is None
    assert "until at least 10 more" in weights.text


def test_answers_that_nobody_asked_for_do_not_count(workspace: Workspace) -> None:
    found = scenario()
    run, draw = started(workspace, found), np.random.default_rng(0)
    for number in range(NEEDED):
        made = put(workspace, run, number, draw)
        workspace.cases.save(made.model_copy(update={"deferred": False}), run)
    weights = weights_of(workspace, found)
    assert weights.learn() is None
    assert f"until at least {NEEDED} more" in weights.text


def test_promises_are_tested_on_what_came_after_the_fit_by_its_weights(workspace: Workspace) -> None:
    found = scenario(max_missed=0.3, audit_rate=0.5)
    run, draw = started(workspace, found), np.random.default_rng(0)
    cases = [put(workspace, run, number, draw) for number in range(2 * NEEDED)]
    labelled = Labelled(workspace, found, "main", "")
    before = labelled.labels()
    promises = Promises(labelled, "clip")
    assert promises.acceptance().fit == 0
    assert len(before.uncertainty) == before.windows == 2 * NEEDED
    assert weights_of(workspace, found).learn() is not None
    after = labelled.labels()
    assert len(after.uncertainty) == after.windows == NEEDED
    made = labelled.weights.combination(1)
    assert after.uncertainty.tolist() == [unsure(case, made, 1) for case in cases[NEEDED:]]
    assert promises.acceptance().fit == 1
    assert promises.acceptance().normal == labelled.promises()[0].threshold


def test_drift_is_looked_for_in_what_members_say_and_no_answer_changes_that() -> None:
    voice = verdict(0.3)
    plain = case(0.0, 0.3, verdicts=(voice,), uncertainty=Uncertainty(analysis=0.6, score=0.6, decision=Decision.DEFER))
    assert by_members(plain) == (0.3, 0.6)
    moved = plain.model_copy(
        update={
            "score": 0.2,
            "precedent": Precedent(p=0.2, members=0.3, trust=0.8, neighbours=25, anomalous=0, cases=60),
            "uncertainty": Uncertainty(analysis=0.4, memory=0.1, score=0.9, fit=3, decision=Decision.DEFER),
        }
    )
    assert by_members(moved) == (pytest.approx(0.3), pytest.approx(0.6))
    assert signals_of(moved.uncertainty)["memory"] == 0.1
