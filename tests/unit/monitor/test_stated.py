"""A model's stated p, as answers of people bear it out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from alarm_agents.graphs.doubt import borne_out
from alarm_agents.monitor.stated import Stated
from alarm_agents.types import Label, Resolution
from alarm_agents.uncertainty.recalibration import FEWEST
from alarm_agents.workspace import Workspace
from support.records import SCENARIO, case, verdict

SAID = {"p_from": "stated"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws")


def answer(workspace: Workspace, number: int, stated: float, label: str, *, drawn: float | None = None) -> None:
    """A case of which the model `mind` stated p, answered by a person."""
    made = case(float(number), stated, id=f"c{number}")
    said = verdict(stated, **SAID, p_stated=stated)
    unsure = made.uncertainty.model_copy(update={"drawn": drawn})
    workspace.cases.save(made.model_copy(update={"verdicts": (said,), "uncertainty": unsure}), "run")
    workspace.cases.resolve(made.id, Resolution(answer=label))  # type: ignore[arg-type]


def test_a_model_that_is_always_sure_and_often_wrong_is_believed_less(workspace: Workspace) -> None:
    stated = Stated(workspace.cases, "main", SCENARIO)
    for number in range(4 * FEWEST):
        truth = "anomalous" if number % 2 else "normal"
        right = number % 10 >= 3
        answer(workspace, number, 0.95 if right == (truth == "anomalous") else 0.05, truth)
        if number == FEWEST:
            assert stated.p("mind", 0.95) == 0.95  # too few of each kind yet
    assert 0.55 < stated.p("mind", 0.95) < 0.85
    assert 0.15 < stated.p("mind", 0.05) < 0.45
    assert stated.p("eye", 0.95) == 0.95  # nothing is known of another


def test_what_was_drawn_for_review_stands_for_the_rest(workspace: Workspace) -> None:
    for number in range(6 * FEWEST):
        sure = number % 2 == 0
        label = "anomalous" if (number // 2) % 2 == 0 else "normal"
        # what is deferred is a coin's throw; what is accepted, of which one in twenty is drawn, is nearly always right
        stated = (0.9 if label == "anomalous" else 0.1) if sure else 0.9
        answer(workspace, number, stated, label, drawn=0.05 if sure else None)
    assert Stated(workspace.cases, "main", SCENARIO).p("mind", 0.9) > 0.9


def test_the_label_follows_what_p_is_worth_and_what_was_stated_is_kept() -> None:
    context = SimpleNamespace(stated=lambda model, p: 1 - p if model == "mind" else p)
    liar, measured = verdict(0.8, **SAID, p_stated=0.8), verdict(0.8, p_from="log-probabilities")
    found = borne_out([liar, measured], context)  # type: ignore[arg-type]
    assert found[0].p_anomaly == pytest.approx(0.2)
    assert (found[0].label, found[0].p_stated) == (Label.NORMAL, 0.8)
    assert found[1] == measured
