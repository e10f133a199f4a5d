"""`kill -9` at any moment, then the same command again: nothing is lost, nothing is there twice."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from support.alarm import Alarm
from support.clips import clip, write_folder

SCENARIO = "name: audited\nsource: {frames: 16}\npromise: {audit_rate: 0.5}\n"
"""Half of the cases are handed to a person; which ones follows from their ids."""
PAUSED = """
name: paused
source: {frames: 16}
promise: {audit_rate: 1}
graph:
  nodes: {pause: "nodes.py:pause"}
  edges: [EDGES]
"""
PAUSE = """
import os

def pause(state):
    gate = os.environ.get("GATE")
    if gate:
        with open(gate, "w") as file:  # a named pipe: waits until the test looks
            file.write("here")
        with open(gate) as file:  # waits to be killed
            file.read()
    return {}
"""
BEFORE_CONCLUDE = "{from: hand_off, to: pause}, {from: pause, to: self_check}"
AFTER_CONCLUDE = "{from: conclude, to: pause}, {from: pause, to: __end__}"


def kept(alarm: Alarm) -> dict[str, Any]:
    """All cases and incidents, without trace ids and clock times."""

    def timeless(record: Any) -> Any:
        if isinstance(record, dict):
            return {key: timeless(value) for key, value in record.items() if key not in ("trace_id", "span", "at")}
        return [timeless(value) for value in record] if isinstance(record, list) else record

    found = {"cases": timeless(alarm.records("cases")), "incidents": timeless(alarm.records("incidents"))}
    assert found["cases"]
    return found


def kill_at(alarm: Alarm, lines: int, after: float, *command: object) -> None:
    """Run the command, and kill it so many seconds after its so-manieth line."""
    running = alarm.start(*command)
    running.read(lines)
    time.sleep(after)  # not to wait for anything: it is the moment
    running.send(signal.SIGKILL)
    running.done()


@pytest.fixture(scope="module")
def two_incidents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fast = [*range(64, 96), *range(240, 272)]
    return write_folder(tmp_path_factory.mktemp("kill") / "walkers", clip(320, fast=fast, seed=2))


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_again_and_again_it_ends_as_if_never_killed(tmp_path: Path, two_incidents: Path, seed: int) -> None:
    whole, killed = (Alarm(tmp_path / name) for name in ("whole", "killed"))
    for alarm in (whole, killed):
        alarm.folder.mkdir()
        (alarm.folder / "audited.yaml").write_text(SCENARIO)
    command = ("watch", two_incidents, "-s", "audited.yaml", "--json")
    whole(*command)
    rng = random.Random(seed)
    for _ in range(4):
        kill_at(killed, rng.randint(0, 4), rng.uniform(0, 0.2), *command)
    killed(*command)
    assert kept(killed) == kept(whole)
    assert len(kept(whole)["incidents"]) == 2
    waiting = [case["id"] for case in whole.records("cases") if case["status"] == "pending"]
    assert 0 < len(waiting) < 20
    assert [case["id"] for case in killed("review", "list", "--json").document] == waiting
    threads = killed.rows("SELECT DISTINCT thread_id FROM checkpoints ORDER BY 1", file="checkpoints.db")
    assert [thread for (thread,) in threads] == waiting, "checkpoints of concluded cases are gone"


def test_a_waiting_case_outlives_a_kill_and_goes_on_once(alarm: Alarm, two_incidents: Path) -> None:
    (alarm.folder / "audited.yaml").write_text(SCENARIO)
    command = ("watch", two_incidents, "-s", "audited.yaml", "--json")
    running = alarm.start(*command)
    lines = [line for line in running.read(6) if line["deferred"]]
    running.send(signal.SIGKILL)
    running.done()
    case = lines[0]["id"]
    alarm(*command)
    first, second = (
        alarm.start("review", "resolve", case, "--as", answer, "--json") for answer in ("normal", "unsure")
    )
    ended = [first.done(), second.done()]
    assert sorted(one.code for one in ended) == [0, 2], ended
    (record,) = (one for one in alarm.records("cases") if one["id"] == case)
    assert (record["status"], record["deferred"]) == ("done", True)
    assert record["resolution"]["answer"] == ("normal" if ended[0].code == 0 else "unsure")
    refused = alarm("review", "resolve", case, "--as", "anomalous", code=2)
    assert case in refused.err
    alarm(*command)
    assert next(one for one in alarm.records("cases") if one["id"] == case) == record
    assert case not in [one["id"] for one in alarm("review", "list", "--json").document]


@pytest.mark.parametrize("edges", [BEFORE_CONCLUDE, AFTER_CONCLUDE], ids=["before-conclude", "after-conclude"])
def test_an_answer_that_was_cut_off_is_finished_by_the_next_look_at_the_queue(
    alarm: Alarm, two_incidents: Path, edges: str
) -> None:
    (alarm.folder / "nodes.py").write_text(PAUSE)
    (alarm.folder / "paused.yaml").write_text(PAUSED.replace("EDGES", edges))
    done = alarm("watch", two_incidents, "-s", "paused.yaml", "--json")
    incidents = {case: incident["id"] for incident in done.of("incident") for case in incident["cases"]}
    case = next(one["id"] for one in done.of("case") if one["deferred"] and one["id"] in incidents)
    gate = alarm.folder / "gate"
    os.mkfifo(gate)
    running = alarm.start("review", "resolve", case, "--as", "normal", GATE=str(gate))
    assert gate.read_text() == "here"
    running.send(signal.SIGKILL)
    assert running.done().code == -signal.SIGKILL
    assert alarm.rows("SELECT status FROM cases WHERE id = ?", case) == [("resolved",)]
    waiting = [one["id"] for one in alarm("review", "list", "--json").document]
    (record,) = (one for one in alarm.records("cases") if one["id"] == case)
    assert case not in waiting
    assert (record["status"], record["label"], record["incident"]) == ("done", "normal", None)
    (incident,) = (one for one in alarm.records("incidents") if one["id"] == incidents[case])
    assert case not in incident["cases"], "it has left its incident"


@pytest.mark.data
def test_killed_at_ten_moments_of_real_footage(tmp_path: Path, data: Path) -> None:
    clip_ = data / "ped2" / "test" / "02"
    whole = Alarm(tmp_path / "whole")
    whole.folder.mkdir()
    scenario = tmp_path / "audited.yaml"
    scenario.write_text(SCENARIO.replace("0.5", "0.3"))
    command = ("watch", clip_, "-s", scenario, "--json")
    whole(*command)
    rng = random.Random(0)
    for moment in range(10):
        killed = Alarm(tmp_path / f"killed-{moment}")
        killed.folder.mkdir()
        kill_at(killed, rng.randint(0, 11), rng.uniform(0, 0.5), *command)
        killed(*command)
        assert kept(killed) == kept(whole)
