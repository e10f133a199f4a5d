"""Cases that wait for a person, and what the answers do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.alarm import Alarm
from support.scenarios import (
    TEAM,
    WINDOWS,
    again,
    always,
    checkpoints,
    judged,
    team,
    write_scenario,
)


def deferred(alarm: Alarm, source: Path, **blocks: Any) -> tuple[str, list[dict[str, Any]]]:
    """A scenario whose cases all wait for a person, watched by a process of its own."""
    scripts = team(mind=always(judged(0.55)), lens=always(again(0.55)))
    scenario = write_scenario(alarm.folder, scripts, agents={**TEAM, "reasoners": ["mind"]}, **blocks)
    lines = alarm("watch", source, "--scenario", scenario, "--json").of("case")
    assert [line["status"] for line in lines] == ["pending"] * WINDOWS
    return str(scenario), lines


def test_a_person_resolves_in_another_process_exactly_once(source: Path, tmp_path: Path) -> None:
    alarm = Alarm(tmp_path)
    scenario, lines = deferred(alarm, source)
    case = lines[1]["id"]
    assert [line["id"] for line in alarm("review", "list", "--json").document] == [line["id"] for line in lines]
    before = checkpoints(alarm.workspace)
    resolved = alarm("review", "resolve", case, "--as", "normal", "--note", "the gardener", "--json").document
    assert (resolved["id"], resolved["label"], resolved["status"]) == (case, "normal", "done")
    assert resolved["score"] == lines[1]["score"]  # what the agents made of it stays on record
    second = alarm("review", "resolve", case, "--as", "anomalous", code=2)
    assert second.out == ""
    assert re.match(rf"alarm: {case}: the case .+", " ".join(second.err.split()))
    assert "Traceback" not in second.err
    (record,) = [record for record in alarm.records("cases") if record["id"] == case]
    assert (record["resolution"]["answer"], record["resolution"]["note"]) == ("normal", "the gardener")
    assert set(before) - set(checkpoints(alarm.workspace)) == {case}
    assert [line["id"] for line in alarm("review", "list", "--json").document] == [lines[0]["id"], lines[2]["id"]]
    again_ = alarm("watch", source, "--scenario", scenario, "--json", "--all").of("case")
    assert [line["status"] for line in again_] == ["pending", "done", "pending"]


def test_the_trace_of_a_case_goes_on_where_the_person_answered(source: Path, tmp_path: Path) -> None:
    alarm = Alarm(tmp_path)
    _, lines = deferred(alarm, source)
    alarm("review", "resolve", lines[0]["id"], "--as", "anomalous")
    query = "SELECT name, attributes FROM spans WHERE trace_id = ?"
    found = alarm.rows(query, lines[0]["trace_id"], file="traces.db")
    names = [name for name, _ in found]
    assert {"resolve", "hand_off", "conclude"} <= set(names)
    assert sum(json.loads(attributes).get("alarm.interrupt", False) for _, attributes in found) == 1
    assert names.count("perceive") == 2  # nobody perceived or reasoned again
    assert names.count("reason") == 1


def test_an_answer_moves_the_case_out_of_its_incident_or_into_one(source: Path, tmp_path: Path) -> None:
    alarm = Alarm(tmp_path)
    _, lines = deferred(alarm, source)
    (incident,) = alarm.records("incidents")
    assert incident["cases"] == [line["id"] for line in lines]
    for line in lines[:2]:
        alarm("review", "resolve", line["id"], "--as", "normal")
    (incident,) = alarm.records("incidents")
    assert (incident["cases"], incident["start"]) == ([lines[2]["id"]], lines[2]["start"])
    alarm("review", "resolve", lines[2]["id"], "--as", "unsure")
    (incident,) = alarm.records("incidents")
    assert incident["cases"] == [lines[2]["id"]]


@pytest.mark.parametrize("what", ["nothing-like-it-000000000", ""])
def test_resolving_what_is_not_there_is_one_sentence(what: str, tmp_path: Path) -> None:
    done = Alarm(tmp_path)("review", "resolve", what, "--as", "normal", code=2)
    assert done.out == ""
    assert "there is no such case" in done.err
