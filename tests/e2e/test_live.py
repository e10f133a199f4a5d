"""A camera watched by the command: it goes blind, it is lost, and Ctrl-C ends the watch in good order."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from support.alarm import Alarm
from support.clips import clip
from support.mjpeg import STALL, camera

SCENARIO = "name: gate\nsource: {fps: 20, frames: 16}\n"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_lost_camera_is_an_incident_of_its_own_and_signals_end_the_watch(how: signal.Signals, tmp_path: Path) -> None:
    alarm = Alarm(tmp_path)
    (tmp_path / "gate.yaml").write_text(SCENARIO, encoding="utf-8")
    with camera(clip(40)) as cam:
        address = cam.url.replace("//", "//me:hunter2@")
        running = alarm.start("watch", address, "--scenario", "gate.yaml", "--json")
        cases = []
        for case in running.lines():
            cases.append(case)
            if len(cases) == 1:
                cam.then(STALL)
            if case["title"].startswith("No picture has come"):
                break
        running.send(how)
        done = running.done()
    assert done.code == 0
    assert cases[0]["label"] != "unknown"
    lost = cases[-1]
    assert (lost["label"], lost["decision"], lost["deferred"], lost["severity"]) == ("unknown", "accept", False, 3)
    assert lost["facts"] == ["no picture has come for 3 s"]
    (incident,) = [i for i in done.of("incident") if i["kind"] == "camera"]
    assert lost["id"] in incident["cases"]
    assert alarm.rows("SELECT finished FROM runs") == [(1,)]
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"hunter2" not in file.read_bytes(), file
    assert "stopping: what is in flight is judged first" in done.err
    assert "its connection hangs and is given up within 10 s" in done.err


def test_a_live_source_is_not_learned_from(tmp_path: Path) -> None:
    done = Alarm(tmp_path)("induce", "rtsp://me:hunter2@cam/1", code=3)
    assert "rtsp://cam/1: a live source has no end to learn from" in done.err
    assert "hunter2" not in done.err
