"""`when_models_fail: hold`: windows wait for a model, and none is lost, doubled or taken for normal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from alarm_agents.errors import ConflictError, ModelError
from alarm_agents.graphs.load import load_monitor
from alarm_agents.models.breaker import Breaker
from alarm_agents.monitor import holding
from alarm_agents.monitor.run import Monitor
from alarm_agents.types import Case, CaseStatus, Incident, Label, Resolution
from alarm_agents.workspace import Workspace
from support.clips import clip
from support.mjpeg import camera
from support.openai_server import OpenAIServer, Reply
from support.scenarios import SEEN, again, judged

WINDOWS = 24
PERIOD = 0.05


class Server:
    """A model that is up or down, and sees something wrong in the windows named."""

    def __init__(self) -> None:
        self.up = True
        self.wrong: tuple[int, ...] = ()
        self.up_after = 0
        """Requests after which the model is back by itself; 0 for never."""
        self.refused = 0

    def __call__(self, _: str, messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> str | Reply:
        if not self.up:
            self.refused += 1
            if self.refused != self.up_after:
                return Reply(status=503)
            self.up = True
        assert schema is not None
        wrong = any(f"window {number} " in json.dumps(messages) for number in self.wrong)
        replies = {"Seen": SEEN, "Judged": judged(0.97 if wrong else 0.02), "Reconsidered": again(0.97)}
        return json.dumps(replies[schema["title"]])


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def base_url(server: Server) -> Iterator[str]:
    with OpenAIServer(server) as running:
        yield running.base_url


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    rows = [f"{frame},window {frame // 8} shows a man" for frame in range(8 * WINDOWS)]
    path = tmp_path / "captions.csv"
    path.write_text("frame,caption\n" + "\n".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def scenario(tmp_path: Path, base_url: str) -> Path:
    model = {"backend": "openai", "base_url": base_url, "model": "tiny", "retries": 0, "max_concurrency": 1}
    blocks = {
        "name": "yard",
        "source": {"kind": "captions", "fps": 10, "frames": 8},
        "models": {"mind": model},
        "agents": {"reasoners": ["mind"], "reflector": "mind"},
        "when_models_fail": "hold",
    }
    path = tmp_path / "yard.yaml"
    path.write_text(yaml.safe_dump(blocks), encoding="utf-8")
    return path


async def watch(scenario: Path, source: Path, workspace: Workspace) -> tuple[list[Case], list[Incident], str]:
    """What is new, in the order in which it is told, and the error at the end."""
    found, builder = load_monitor(scenario)
    cases: list[Case] = []
    incidents: list[Incident] = []
    async with Monitor(workspace, found, builder) as monitor:
        for model in monitor.models.values():
            model.breaker = Breaker(failures=2, period_s=PERIOD)
        try:
            async for watched in monitor.watch(str(source)):
                if not watched.known:
                    record = watched.record
                    cases.append(record) if isinstance(record, Case) else incidents.append(record)
        except ModelError as error:
            return cases, incidents, str(error)
    return cases, incidents, ""


def every_window_once(cases: list[Case]) -> bool:
    return sorted(round(case.window.start / 0.8) for case in cases) == list(range(WINDOWS))


async def test_a_later_process_judges_what_waits(
    server: Server, scenario: Path, captions: Path, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "ws")
    server.up = False
    cases, incidents, error = await watch(scenario, captions, workspace)
    assert (cases, incidents) == ([], [])
    assert f"{WINDOWS} windows wait for a model" in error
    held = workspace.cases.find(status=CaseStatus.HELD)
    assert every_window_once(held)
    assert {(case.label, case.score, case.verdicts) for case in held} == {(Label.UNKNOWN, None, ())}
    with pytest.raises(ConflictError, match="waits for a model"):
        workspace.cases.resolve(held[0].id, Resolution(answer="normal"))

    again_down, _, error = await watch(scenario, captions, workspace)
    assert (again_down, f"{WINDOWS} windows wait" in error) == ([], True)

    server.up, server.wrong = True, (3, 4)
    cases, incidents, error = await watch(scenario, captions, workspace)
    assert error == ""
    assert every_window_once(cases)
    assert workspace.cases.find(status=CaseStatus.HELD) == []
    assert [case.label for case in cases].count(Label.ANOMALOUS) == 2
    assert [len(incident.cases) for incident in incidents] == [2]
    assert (await watch(scenario, captions, workspace))[0] == [], "nothing is told twice"


async def test_a_model_that_comes_back_is_given_what_waits(
    server: Server, scenario: Path, captions: Path, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "ws")
    server.up, server.up_after, server.wrong = False, 3, (3, 4)
    cases, incidents, error = await watch(scenario, captions, workspace)
    assert error == ""
    assert every_window_once(cases)
    assert all(case.models == ("mind",) for case in cases)
    assert [case.label for case in cases].count(Label.ANOMALOUS) == 2
    assert [len(incident.cases) for incident in incidents] == [2]


async def test_when_the_queue_is_full_people_are_told(
    server: Server, scenario: Path, captions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "MOST", 20)
    workspace = Workspace(tmp_path / "ws")
    server.up = False
    cases, incidents, error = await watch(scenario, captions, workspace)
    assert "20 windows wait" in error
    assert len(cases) == WINDOWS - 20
    assert {case.label for case in cases} == {Label.UNKNOWN}
    assert all("wait for a model already" in case.notes["hold"] for case in cases)
    (incident,) = incidents
    assert incident.cases == tuple(case.id for case in cases)


async def test_a_changed_scenario_leaves_nothing_waiting_behind(
    server: Server, scenario: Path, captions: Path, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "ws")
    server.up = False
    await watch(scenario, captions, workspace)
    server.up = True
    scenario.write_text(scenario.read_text().replace("model: tiny", "model: other"), encoding="utf-8")
    cases, incidents, error = await watch(scenario, captions, workspace)
    assert (error, incidents) == ("", [])
    assert every_window_once(cases)
    assert workspace.cases.find(status=CaseStatus.HELD) == []
    left = [case for case in workspace.cases.find() if case.id not in {new.id for new in cases}]
    assert every_window_once(left)
    assert {(case.status, case.label, "anew" in case.explanation) for case in left} == {
        (CaseStatus.DONE, Label.UNKNOWN, True)
    }


async def test_windows_of_a_live_source_are_told_as_unknown_where_its_pictures_are_gone(
    server: Server, scenario: Path, tmp_path: Path
) -> None:
    blocks = yaml.safe_load(scenario.read_text())
    blocks |= {"source": {"fps": 20, "frames": 8}, "agents": {"perceivers": ["mind"], "reasoners": ["mind"]}}
    scenario.write_text(yaml.safe_dump(blocks), encoding="utf-8")
    workspace = Workspace(tmp_path / "ws")
    server.up = False
    with camera(clip(40)) as cam:
        killed = await _live(scenario, cam.url, workspace, killed=True)
        assert killed == []
        left = {case.id for case in workspace.cases.find(status=CaseStatus.HELD)}
        assert left, "killed while windows waited"
        cases = await _live(scenario, cam.url, workspace)
    assert workspace.cases.find(status=CaseStatus.HELD) == []
    stored = workspace.cases.find()
    assert {case.id for case in cases} | left == {case.id for case in stored}
    assert {(case.status, case.label, case.explanation) for case in stored} == {
        (CaseStatus.DONE, Label.UNKNOWN, holding.GONE)
    }
    told = {case for incident in workspace.cases.incidents() for case in incident.cases}
    assert told == {case.id for case in stored}, "people are told of all of them"


async def _live(scenario: Path, url: str, workspace: Workspace, *, killed: bool = False) -> list[Case]:
    """Watch a camera until some windows wait, then end in good order, or without as much as a word."""
    found, builder = load_monitor(scenario)
    cases: list[Case] = []
    async with Monitor(workspace, found, builder) as monitor:
        monitor.models["mind"].breaker = Breaker(failures=2, period_s=PERIOD)

        def progress(_: object) -> None:
            if len(workspace.cases.find(status=CaseStatus.HELD)) >= 3:
                if killed:
                    raise Killed
                monitor.stop()

        try:
            async for watched in monitor.watch(url, progress=progress):
                if isinstance(watched.record, Case):
                    cases.append(watched.record)
        except Killed:
            return cases
    return cases


class Killed(Exception):
    """Stands in for the end of the process."""
