"""Evidence of incidents and the report, as a person or a script meets them."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import av
import cv2
import pytest

from support.alarm import Alarm
from support.clips import clip, write_folder, write_labels, write_video

from .conftest import FAST, FRAMES, Clips

NOTIFY = """
name: noisy
source: {frames: 16}
notify: [{kind: command, run: [PYTHON, note.py, "{id}", "{evidence}"]}]
"""
NOTE = "import os, sys; open('told', 'a').write(f'{sys.argv[1]} {os.path.isfile(sys.argv[2])}\\n')"


def kept(alarm: Alarm) -> list[str]:
    """The files under `evidence/`, as records refer to them."""
    found = (alarm.workspace / "evidence").rglob("*")
    return sorted(str(path.relative_to(alarm.workspace)) for path in found if path.is_file())


def test_an_incident_has_pictures_and_a_clip_and_the_report_shows_them(taught: Alarm, clips: Clips) -> None:
    alarm = taught
    done = alarm("watch", clips.video, "--json", "--report", "mine.html")
    (incident,) = done.of("incident")
    *frames, film = incident["evidence"]
    assert sorted(incident["evidence"]) == kept(alarm)
    assert 1 <= len(frames) <= 4
    assert cv2.imread(str(alarm.workspace / frames[0])) is not None
    with av.open(str(alarm.workspace / film)) as container:
        assert 10 < sum(1 for _ in container.decode(video=0)) <= 100
    assert "mine.html" in done.err
    page = (alarm.folder / "mine.html").read_text()
    assert page.count("data:image/jpeg;base64,") == len(frames)
    assert incident["title"] in page
    assert f'href=".alarm/{film}"' in page
    people = alarm("watch", clips.video, "--all")
    assert str((alarm.workspace / film).parent) in people.out


def test_the_report_is_of_the_latest_run_or_of_those_named(taught: Alarm, clips: Clips) -> None:
    alarm = taught
    alarm("watch", clips.folder)
    before = kept(alarm)
    alarm("watch", clips.normal)
    assert kept(alarm) == before != [], "when nothing happens nothing is kept"
    alarm("report")
    assert "No incident." in (alarm.folder / "report.html").read_text()
    alarm("report", clips.folder, "normal", "--out", "both.html")
    both = (alarm.folder / "both.html").read_text()
    assert both.count("<svg") == 2
    assert "No incident." in both
    assert "<article" in both


@pytest.mark.parametrize("arguments", [["report"], ["report", "nowhere.mp4"], ["report", "-s", "walkway"]])
def test_without_a_run_it_says_so(alarm: Alarm, arguments: list[str]) -> None:
    done = alarm(*arguments, code=2)
    assert "nothing has been watched" in done.err
    assert not (alarm.folder / "report.html").exists()


def test_a_program_that_is_told_finds_the_first_picture(alarm: Alarm, clips: Clips) -> None:
    (alarm.folder / "note.py").write_text(NOTE)
    (alarm.folder / "noisy.yaml").write_text(NOTIFY.replace("PYTHON", sys.executable))
    (incident,) = alarm("watch", clips.video, "-s", "noisy.yaml", "--json").of("incident")
    assert (alarm.folder / "told").read_text() == f"{incident['id']} True\n"


def test_killed_and_watched_again_nothing_is_there_twice(alarm: Alarm, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "long", clip(FRAMES, fast=range(64, 128), seed=2))
    running = alarm.start("watch", source, "--json")
    running.read(7)  # in the middle of the first incident
    running.send(signal.SIGKILL)
    running.done()
    assert kept(alarm), "the first picture is there as soon as the incident is"
    alarm("watch", source)
    assert kept(alarm) == sorted(path for record in alarm.records("incidents") for path in record["evidence"])


def test_evidence_that_cannot_be_kept_stops_nothing(taught: Alarm, clips: Clips) -> None:
    alarm = taught
    (alarm.workspace / "evidence").write_text("in the way")
    done = alarm("watch", clips.folder, "--json", "--report", "mine.html")
    (incident,) = done.of("incident")
    assert incident["evidence"] == []
    assert done.err.count("incidents stand without it") == 1


def test_what_a_person_finds_anomalous_gets_a_picture_too(alarm: Alarm, clips: Clips) -> None:
    (alarm.folder / "asks.yaml").write_text("name: asks\nsource: {frames: 16}\npromise: {audit_rate: 1.0}\n")
    done = alarm("watch", write_video(alarm.folder / "calm.mp4", clip(48, seed=2)), "-s", "asks.yaml", "--json")
    case = next(line for line in done.of("case") if line["label"] == "normal" and line["deferred"])
    alarm("review", "resolve", case["id"], "--as", "anomalous", "--note", "a fox")
    record = next(record for record in alarm.records("incidents") if record["cases"] == [case["id"]])
    assert [path for path in record["evidence"] if (alarm.workspace / path).is_file()] == record["evidence"] != []
    alarm("report")
    assert "anomalous: a fox" in (alarm.folder / "report.html").read_text()


def test_a_suite_keeps_no_evidence_and_its_report_holds_the_labels(alarm: Alarm, clips: Clips) -> None:
    labels = write_labels(alarm.folder / "labels.csv", FRAMES, FAST)
    suite = {
        "version": 1,
        "name": "mine",
        "scenario": "generic",
        "references": {"sources": [str(clips.normal)]},
        "cases": [{"source": str(clips.folder), "labels": str(labels)}],
    }
    (alarm.folder / "suite.yaml").write_text(json.dumps(suite))
    result = alarm("test", "suite.yaml", "--json", "--report", "suite.html").document
    (case,) = result["cases"]
    assert case["labelled"] == [["anomalous", pytest.approx(9.6), pytest.approx(11.2)]]
    page = (alarm.folder / "suite.html").read_text()
    assert "frame_auroc" in page
    assert "labelled there: anomalous" in page
    assert kept(alarm) == []
