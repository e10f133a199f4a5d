"""Case memory in the live monitor: what people have answered moves the verdicts on windows like those."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from alarm_agents.graphs.load import load_monitor
from alarm_agents.memory.remembered import FEWEST, NEIGHBOURS
from alarm_agents.monitor.run import Monitor
from alarm_agents.observability import tracing
from alarm_agents.types import Case, Decision, Label, Resolution
from alarm_agents.workspace import Workspace
from support.alarm import Alarm
from support.scenarios import always, judged, write_scenario

P = 0.37
"""What the scripted reasoner says of everything: unsure enough to be asked about, unless cases like it were normal."""
WALKERS = ("a man walks past the gate", "a woman walks past the gate", "two people walk past the gate together")
FIRE = "smoke and flames rise from the kitchen stove"


def captions(path: Path, texts: Sequence[str]) -> Path:
    """A recording in which each text is said of every frame of one window."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["frame", "caption"])
        rows.writerows([8 * place + frame, text] for place, text in enumerate(texts) for frame in range(8))
    return path


def scenario_in(folder: Path) -> Path:
    return write_scenario(
        folder,
        {"mind": always(judged(P))},
        agents={"reasoners": ["mind"]},
        graph={"max_reflections": 0},
        uncertainty={"accept_below": 0.72},
        rules=[{"text": "nobody sings here"}],
        source={"kind": "captions"},
    )


async def watched(monitor: Monitor, path: Path) -> list[Case]:
    return [each.record async for each in monitor.watch(str(path)) if isinstance(each.record, Case)]


async def test_answers_move_windows_like_those_from_the_next_one_on_and_leave_others_alone(tmp_path: Path) -> None:
    alarm = Alarm(tmp_path)
    found, builder = load_monitor(scenario_in(tmp_path))
    workspace = Workspace(alarm.workspace)
    before = captions(tmp_path / "before.csv", [WALKERS[place % 3] for place in range(FEWEST)])
    with tracing.start(workspace.traces):
        async with Monitor(workspace, found, builder) as monitor:
            asked = await watched(monitor, before)
            assert {(case.decision, case.score) for case in asked} == {(Decision.DEFER, P)}
            for case in asked[:-1]:
                await monitor.resolve(case.id, Resolution(answer="normal"))
            (too_early,) = await watched(monitor, captions(tmp_path / "early.csv", WALKERS[:1]))
            assert (too_early.precedent, too_early.score, too_early.decision) == (None, P, Decision.DEFER)
            # The last answer that memory needs is given by another process, while this one goes on.
            await asyncio.to_thread(alarm, "review", "resolve", asked[-1].id, "--as", "normal")
            known, strange = await watched(monitor, captions(tmp_path / "later.csv", [WALKERS[0], FIRE]))
    assert known.precedent is not None
    assert (known.precedent.neighbours, known.precedent.anomalous, known.precedent.cases) == (NEIGHBOURS, 0, FEWEST)
    assert known.score == known.precedent.p < P
    assert known.frame_scores == (known.score,) * 8
    assert known.uncertainty.memory == pytest.approx(P - known.precedent.p, abs=1e-3)
    assert known.uncertainty.analysis == pytest.approx(2 * known.precedent.p, abs=1e-3)
    assert known.decision is Decision.ACCEPT
    assert strange.precedent is not None
    assert (strange.precedent.neighbours, strange.score, strange.uncertainty.memory) == (0, P, None)
    assert strange.decision is Decision.DEFER
    said = " ".join(alarm("explain", known.id).out.split())
    assert f"of {NEIGHBOURS} similar resolved cases 0 were anomalous: p is {known.score:.2f} instead of {P}" in said
    assert f"none of {FEWEST} resolved cases is like this one" in " ".join(alarm("explain", strange.id).out.split())
    assert "nothing yet: at least 50 are needed" in " ".join(alarm("review", "show", too_early.id).out.split())


async def test_anomalies_that_people_found_turn_a_verdict_over_and_the_alarm_says_so(tmp_path: Path) -> None:
    found, builder = load_monitor(scenario_in(tmp_path))
    workspace = Workspace(tmp_path / "ws")
    texts = [WALKERS[0], "a man climbs over the gate"]
    before = captions(tmp_path / "before.csv", [texts[place % 2] for place in range(2 * FEWEST)])
    with tracing.start(workspace.traces):
        async with Monitor(workspace, found, builder) as monitor:
            for case in await watched(monitor, before):
                climbs = "climbs" in case.perceptions[0].caption
                await monitor.resolve(case.id, Resolution(answer="anomalous" if climbs else "normal"))
            walks, climbs_ = await watched(monitor, captions(tmp_path / "later.csv", texts))
    assert walks.precedent is not None
    assert climbs_.precedent is not None
    assert (walks.precedent.anomalous, climbs_.precedent.anomalous) == (0, NEIGHBOURS)
    assert (walks.score, climbs_.score) == (walks.precedent.p, climbs_.precedent.p)
    # What the model states of everything is worth nothing by now, so that memory alone tells the two apart.
    assert walks.precedent.members == climbs_.precedent.members
    assert (walks.label, climbs_.label) == (Label.NORMAL, Label.ANOMALOUS)
