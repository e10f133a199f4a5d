"""What a model's verdict is worth where it wrote its p itself: distilled, sampled, or as answers bear it out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alarm_agents.graphs.doubt import borne_out
from alarm_agents.monitor.promises import Labelled
from alarm_agents.monitor.worth import Worth
from alarm_agents.scenario import Scenario
from alarm_agents.types import Label, Resolution, Verdict
from alarm_agents.uncertainty.recalibration import FEWEST
from alarm_agents.workspace import Workspace
from support.records import case, perception, verdict

YARD = Scenario(name="yard")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws")


def worth_of(workspace: Workspace) -> Worth:
    return Worth(Labelled(workspace, YARD, "main", ""))


def said(p: float, **values: Any) -> Verdict:
    """What a model stated."""
    return verdict(p, **{"p_from": "stated", "p_stated": p, **values})


def p_of(worth: Worth, p: float, member: str = "mind") -> float:
    found = worth.verdict(said(p, member=member), "", 1).p_anomaly
    assert found is not None
    return found


def answer(workspace: Workspace, number: int, stated: float, label: str, *, drawn: float | None = None) -> None:
    """A case of which the model `mind` stated p, answered by a person."""
    made = case(float(number), stated, id=f"c{number}")
    unsure = made.uncertainty.model_copy(update={"drawn": drawn})
    workspace.cases.save(made.model_copy(update={"verdicts": (said(stated),), "uncertainty": unsure}), "run")
    workspace.cases.resolve(made.id, Resolution(answer=label))  # type: ignore[arg-type]


def test_a_model_that_is_always_sure_and_often_wrong_is_believed_less(workspace: Workspace) -> None:
    worth = worth_of(workspace)
    for number in range(4 * FEWEST):
        truth = "anomalous" if number % 2 else "normal"
        right = number % 10 >= 3
        answer(workspace, number, 0.95 if right == (truth == "anomalous") else 0.05, truth)
        if number == FEWEST:
            assert p_of(worth, 0.95) == 0.95  # too few of each kind yet
    assert 0.55 < p_of(worth, 0.95) < 0.85
    assert 0.15 < p_of(worth, 0.05) < 0.45
    assert p_of(worth, 0.95, "eye") == 0.95  # nothing is known of another


def test_what_was_drawn_for_review_stands_for_the_rest(workspace: Workspace) -> None:
    for number in range(6 * FEWEST):
        sure = number % 2 == 0
        label = "anomalous" if (number // 2) % 2 == 0 else "normal"
        # what is deferred is a coin's throw; what is accepted, of which one in twenty is drawn, is nearly always right
        stated = (0.9 if label == "anomalous" else 0.1) if sure else 0.9
        answer(workspace, number, stated, label, drawn=0.05 if sure else None)
    assert p_of(worth_of(workspace), 0.9) > 0.9


def test_answers_are_read_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    worth, read = worth_of(workspace), list[str]()
    some = workspace.cases.some
    monkeypatch.setattr(workspace.cases, "some", lambda ids: some([read.append(key) or key for key in ids]))  # type: ignore[func-returns-value]
    for number in range(3 * FEWEST):
        answer(workspace, number, 0.9, "anomalous" if number % 2 else "normal")
        p_of(worth, 0.9)
    assert len(read) == len(set(read)) > 2 * FEWEST


def watched(workspace: Workspace, count: int, *, telling: bool = True) -> None:
    """Cases that nobody answered: who rides is called anomalous nine times of ten, who walks one time of ten.

    Unless sights are telling it is five times of ten whatever is seen.
    """
    given = {"source": "clip", "path": "clip", "fingerprint": "f", "references": "", "revision": 1}
    run = workspace.runs.start(YARD, namespace="main", **given).id  # type: ignore[arg-type]
    draw = np.random.default_rng(0)
    for number in range(count):
        rides = number % 4 == 0
        odd = draw.random() < ((0.9 if rides else 0.1) if telling else 0.5)
        seen = f"somebody {'rides a bicycle' if rides else 'walks'} at place {draw.integers(1_000)}"
        made = case(float(number), 0.5, id=f"c{number}", perceptions=(perception("eye", caption=seen),))
        workspace.cases.save(made.model_copy(update={"verdicts": (said(0.8 if odd else 0.2),)}), run)


def test_verdicts_of_such_sights_tell_what_one_is_worth_and_never_turn_it_around(workspace: Workspace) -> None:
    watched(workspace, 400)
    worth = worth_of(workspace)
    rides, walks = "somebody rides a bicycle at place 7", "somebody walks at place 7"
    for sight, p, least, most in (
        (rides, 0.6, 0.7, 1.0),  # as most would say
        (rides, 0.4, 0.49, 0.5),
        (walks, 0.4, 0.0, 0.3),
        (walks, 0.9, 0.5, 0.5),  # a whim, or what only this one has understood: unsure, but an anomaly still
    ):
        found = worth.verdict(said(p), sight, 1)
        assert found.p_from == "distilled"
        assert found.p_anomaly is not None
        assert least <= found.p_anomaly <= most
        assert (found.label, found.p_stated) == (said(p).label, p)
    again = worth.verdict(said(0.9, round=1), walks, 1)
    assert (again.p_from, again.p_anomaly) == ("stated", 0.9)  # a second look has seen more
    assert worth.verdict(said(0.9), "", 1).p_from == "stated"  # nothing was said to be seen


@pytest.mark.parametrize(("count", "telling"), [(100, True), (400, False)])
def test_nothing_is_distilled_from_few_verdicts_or_where_sights_do_not_tell_them(
    workspace: Workspace, count: int, telling: bool
) -> None:
    watched(workspace, count, telling=telling)
    assert worth_of(workspace).verdict(said(0.9), "somebody walks at place 7", 1).p_from == "stated"


def test_samples_count_as_votes_until_p_can_be_distilled(workspace: Workspace) -> None:
    context = SimpleNamespace(worth=worth_of(workspace).verdict)
    samples = [said(p, member=f"mind#{n}", model="mind") for n, p in enumerate((0.6, 0.7, 0.2))]
    found = borne_out([*samples, said(0.7, member="eye")], (), context)  # type: ignore[arg-type]
    assert [each.p_anomaly for each in found] == [1.0, 1.0, 0.0, 0.7]
    assert [each.p_from for each in found] == ["sampled", "sampled", "sampled", "stated"]


def test_log_probabilities_are_left_alone_and_the_label_follows_what_a_stated_p_is_worth(workspace: Workspace) -> None:
    for number in range(4 * FEWEST):
        answer(workspace, number, 0.8, "anomalous" if number % 4 == 0 else "normal")
    liar, measured = said(0.8), verdict(0.8, p_from="log-probabilities")
    found = borne_out([liar, measured], (), SimpleNamespace(worth=worth_of(workspace).verdict))  # type: ignore[arg-type]
    assert found[0].p_anomaly == pytest.approx(0.25, abs=0.05)
    assert (found[0].label, found[0].p_stated) == (Label.NORMAL, 0.8)
    assert found[1] == measured
