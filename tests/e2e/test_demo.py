"""`alarm demo` as a person or a script starts it: what is implanted is found, and what is printed is true.

The first run is a new interpreter, as theirs is; what follows shares what all commands of tests share.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import pytest

from alarm_agents.evaluation.suite import load_suite
from support.alarm import Alarm, Done, fresh

MINUTES = 600
"""Seconds that a demo may take on a busy machine."""
FINDS = {"cyclist", "runner", "bag", "missing", "rotated", "damaged", "jammed"}
"""What the experts find without fail on the clips of the default seed."""


def alarm(*arguments: str | Path, workspace: Path) -> Done:
    return Alarm(workspace.parent, hung=MINUTES)("--workspace", workspace, *arguments, code=None)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "workspace"


@pytest.fixture(scope="module")
def document(workspace: Path) -> dict[str, Any]:
    running = fresh(workspace.parent, "--workspace", workspace, "demo", "--json")
    out, err = running.communicate(timeout=MINUTES)
    assert running.returncode == 0, err
    found: dict[str, Any] = json.loads(out)  # one document, and nothing else on stdout
    return found


@pytest.fixture(scope="module")
def worlds(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = document["worlds"]
    assert list(found) == ["walkway", "conveyor"]
    return found


def test_what_is_implanted_is_found(worlds: dict[str, dict[str, Any]]) -> None:
    for world in worlds.values():
        for each in world["implanted"]:
            overlapping = {i["id"] for i in world["incidents"] if i["start"] < each["end"] and each["start"] < i["end"]}
            assert overlapping == set(each["incidents"])
            assert each["found"] == bool(overlapping)
            assert each["found"] or each["kind"] not in FINDS


def test_no_two_share_an_incident(worlds: dict[str, dict[str, Any]]) -> None:
    for world in worlds.values():
        found = [key for each in world["implanted"] for key in each["incidents"]]
        assert len(found) == len(set(found))


def test_what_is_found_is_found_for_the_right_reason(worlds: dict[str, dict[str, Any]]) -> None:
    for world in worlds.values():
        for each in world["implanted"]:
            assert 0 <= each["facts_naming_the_cause"] <= each["facts"]
            assert each["facts_naming_the_cause"] > 0 or each["kind"] not in FINDS
        assert world["facts"] == sum(each["facts"] for each in world["implanted"])
        assert world["facts_naming_the_cause"] == sum(each["facts_naming_the_cause"] for each in world["implanted"])


def test_normal_life_raises_at_most_one_incident(worlds: dict[str, dict[str, Any]]) -> None:
    for world in worlds.values():
        assert len(world["false_incidents"]) <= 1
        assert len(world["incidents"]) <= 5


def test_it_says_what_it_learned_and_that_no_model_took_part(worlds: dict[str, dict[str, Any]]) -> None:
    for world in worlds.values():
        assert {rule["kind"] for rule in world["rules"]} == {"normal", "anomalous"}
        assert all(case["models"] == [] for case in world["cases"])
        assert all(Path(clip).is_file() for clip in world["clips"].values())


def test_the_picture_is_there_and_small(document: dict[str, Any]) -> None:
    file = Path(document["overview"])
    image = cv2.imread(str(file))
    assert image is not None
    assert image.shape[1] >= 1000
    assert file.stat().st_size < 600_000


def test_what_it_suggests_next_works_and_a_second_run_tells_the_same(
    worlds: dict[str, dict[str, Any]], workspace: Path
) -> None:
    again = alarm("demo", "--world", "walkway", workspace=workspace)
    assert again.code == 0, again.err
    walkway = worlds["walkway"]
    assert again.out.count("found: incident") == sum(each["found"] for each in walkway["implanted"])
    right, told = walkway["facts_naming_the_cause"], walkway["facts"]
    assert f"facts that name the right cause: {right} of {told}" in again.out
    (shown,) = [line for line in again.out.splitlines() if "alarm traces show" in line]
    case = shown.split("alarm traces show ")[1].split()[0]
    assert case in {each["id"] for each in walkway["cases"]}
    for command in (["review", "list"], ["traces", "show", case], ["rules", "list", "-s", "walkway"]):
        done = alarm(*command, workspace=workspace)
        assert done.code == 0, done.err


def test_what_a_person_taught_is_not_replaced(worlds: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    mine, own = tmp_path / "mine.mp4", tmp_path / "own"
    mine.write_bytes(Path(worlds["conveyor"]["clips"]["normal"]).read_bytes())
    assert alarm("induce", mine, "-s", "conveyor", "--frames", "5", workspace=own).code == 0
    refused = alarm("demo", workspace=own)
    assert refused.code == 2
    assert "taught from other footage" in refused.err
    assert "Traceback" not in refused.err
    assert refused.out == "", "it is said before anything is rendered or watched"


def test_clips_and_suites_can_be_had_alone(worlds: dict[str, dict[str, Any]], workspace: Path, tmp_path: Path) -> None:
    """Those of the first run are taken as they are: a suite needs no more."""
    clips = tmp_path / "clips"
    clips.mkdir()
    for clip in map(Path, worlds["conveyor"]["clips"].values()):
        for file in (clip, clip.with_suffix(".csv")):
            (clips / file.name).write_bytes(file.read_bytes())
    done = alarm("demo", "--world", "conveyor", "--render-only", clips, workspace=tmp_path / "none")
    assert done.code == 0, done.err
    assert done.out == f"alarm test {clips / 'conveyor.yaml'}\n"
    assert load_suite(clips / "conveyor.yaml").labelled_sources()
    assert not (tmp_path / "none").exists(), "that takes no workspace"
    refused = alarm("demo", "--render-only", clips / "conveyor.yaml", workspace=tmp_path / "none")
    assert refused.code == 2
    assert "cannot be written" in refused.err
    assert "Traceback" not in refused.err
