"""`alarm watch` as a person or a script meets it: what it prints, what it keeps, and how it says no."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from support.alarm import Alarm, fresh
from support.clips import clip, write_folder, write_video

from .conftest import FRAMES, Clips

CASE_KEYS = {"type", "id", "source", "start", "end", "label", "score", "decision", "models", "uncertainty"}
INCIDENT_KEYS = {"type", "id", "source", "start", "end", "severity", "title", "score", "cases"}
WINDOWS = FRAMES // 16
ODD = 6
"""The number of the one window with something fast in it."""


def test_taught_it_finds_the_fast_thing_and_says_why_in_numbers(alarm: Alarm, clips: Clips) -> None:
    alarm("induce", clips.normal)
    done = alarm("watch", clips.folder, "--json")
    cases, (incident,) = done.of("case"), done.of("incident")
    assert len(done.lines) == WINDOWS + 1
    assert all(line.keys() >= CASE_KEYS for line in cases)
    assert incident.keys() >= INCIDENT_KEYS
    assert [round(case["start"], 3) for case in cases] == [round(1.6 * i, 3) for i in range(WINDOWS)]
    assert all(case["models"] == [] and 0 <= case["score"] <= 1 for case in cases)
    assert [case["label"] for case in cases].index("anomalous") == ODD
    assert cases[ODD]["score"] == max(case["score"] for case in cases)
    assert incident["cases"][0] == cases[ODD]["id"]
    assert (incident["start"], incident["severity"] > 0) == (cases[ODD]["start"], True)
    assert all(any(character.isdigit() for character in " ".join(case["facts"])) for case in cases)
    assert "times the usual speed" in " ".join(cases[ODD]["facts"])
    assert "limit" in cases[ODD]["explanation"]
    assert "No model took part" in cases[ODD]["explanation"]
    assert cases[ODD]["rules"] == [{"id": "motion-ratio-high", "version": 1}]
    assert "no model is configured" in done.err


def test_what_kind_of_source_it_is_is_kept_and_reported(alarm: Alarm, clips: Clips) -> None:
    done = alarm("watch", clips.folder, "--json", "--category", "a <b>road</b>", "--report", "mine.html")
    assert {case["category"] for case in done.of("case")} == {"a <b>road</b>"}
    assert "a <b>road</b>" in alarm("review", "show", done.of("case")[0]["id"]).out
    assert "category a &lt;b&gt;road&lt;/b&gt;" in (alarm.folder / "mine.html").read_text()


def test_a_finished_source_gives_nothing_new_until_asked_for_all(alarm: Alarm, clips: Clips) -> None:
    first = alarm("watch", clips.folder, "--json")
    again = alarm("watch", clips.folder, "--json")
    everything = alarm("watch", clips.folder, "--json", "--all")
    assert again.out == ""
    assert "watched to its end already" in again.err
    assert sorted(everything.out.splitlines()) == sorted(first.out.splitlines())


@pytest.mark.parametrize("kind", ["folder", "video"])
def test_untaught_it_warms_up_on_the_stream(alarm: Alarm, clips: Clips, kind: str) -> None:
    done = alarm("watch", getattr(clips, kind), "--json")
    cases = done.of("case")
    assert len(cases) == WINDOWS
    assert cases[ODD]["label"] == "anomalous"
    assert cases[ODD]["score"] == max(case["score"] for case in cases)
    assert [case["label"] for case in cases[:ODD]] == ["normal"] * ODD
    assert cases[ODD]["id"] in [key for incident in done.of("incident") for key in incident["cases"]]
    assert "picture heights/s" in " ".join(cases[ODD]["facts"])


def test_taught_one_picture_it_warms_up_as_without_any(alarm: Alarm, clips: Clips, tmp_path: Path) -> None:
    assert "no limit came of it" in alarm("induce", write_folder(tmp_path / "one", clip(1))).err
    cases = alarm("watch", clips.folder, "--json").of("case")
    assert {case["label"] for case in cases} <= {"normal", "anomalous"}
    assert cases[ODD]["label"] == "anomalous"


def test_a_copy_elsewhere_is_the_same_source_and_changed_content_is_not(
    alarm: Alarm, clips: Clips, tmp_path: Path
) -> None:
    first = alarm("watch", clips.folder, "--json").of("case")
    copy = shutil.copytree(clips.folder, tmp_path / "moved" / clips.folder.name)
    assert alarm("watch", copy, "--json").out == ""
    (copy / "0000.jpg").write_bytes((copy / "0001.jpg").read_bytes())
    changed = alarm("watch", copy, "--json").of("case")
    assert len(changed) == len(first)
    assert {case["id"] for case in changed}.isdisjoint(case["id"] for case in first)


def test_people_get_lines_that_can_be_read(alarm: Alarm, clips: Clips) -> None:
    done = alarm("watch", clips.folder)
    (incident,) = (line for line in done.out.splitlines() if "INCIDENT" in line)
    assert "severity" in incident
    assert done.out.count("normal") >= ODD
    assert "limit" in done.out, "the explanation was cut off"
    assert str(alarm.workspace) in done.err


@pytest.mark.parametrize("frames", [1, 2, 5, 16])
def test_sources_of_a_window_or_less_are_watched(alarm: Alarm, tmp_path: Path, frames: int) -> None:
    pictures = clip(frames, seed=3)
    for source in (write_folder(tmp_path / "short", pictures), write_video(tmp_path / "short.mp4", pictures)):
        (case,) = alarm("watch", source, "--json").lines
        assert (case["type"], case["start"]) == ("case", 0.0)
        assert case["end"] == pytest.approx(frames / 10, abs=0.02)


def test_overlapping_windows_cover_every_frame_and_make_one_incident(alarm: Alarm, clips: Clips) -> None:
    (alarm.folder / "overlap.yaml").write_text("name: overlap\nsource: {frames: 16, stride: 4}\n")
    done = alarm("watch", clips.folder, "--json", "-s", "overlap.yaml")
    cases = done.of("case")
    assert [round(case["start"], 3) for case in cases] == [round(0.4 * i, 3) for i in range((FRAMES - 16) // 4 + 1)]
    (incident,) = done.of("incident")
    assert incident["start"] <= 9.6
    assert incident["end"] >= 11.2


def test_a_window_may_be_longer_than_the_source(alarm: Alarm, clips: Clips) -> None:
    (alarm.folder / "long.yaml").write_text("name: long\nsource: {frames: 1024}\n")
    done = alarm("watch", clips.folder, "--json", "-s", "long.yaml")
    (case,) = done.of("case")
    assert case["end"] == pytest.approx(FRAMES / 10)


@pytest.mark.parametrize("flags", [["--json"], []])
def test_the_reader_may_leave(alarm: Alarm, clips: Clips, flags: list[str]) -> None:
    running = alarm.start("watch", clips.folder, *flags)
    running.readline()
    left = running.hang_up()
    assert (left.code, left.err.count("\n")) == (0, 1), left.err


def test_what_was_kept_but_not_printed_comes_when_it_is_run_again(alarm: Alarm, clips: Clips) -> None:
    running = alarm.start("watch", clips.folder, "--json")
    first = running.read(2)
    running.send(signal.SIGKILL)
    first += running.done().whole_lines
    later = alarm("watch", clips.folder, "--json").lines
    everything = alarm("watch", clips.folder, "--json", "--all").lines
    assert {line["id"] for line in (*first, *later)} == {line["id"] for line in everything}
    twice = {line["id"] for line in first} & {line["id"] for line in later}
    assert len(twice) <= 1, "only the line that it was killed at may come again"


def test_incidents_are_printed_once_whenever_it_was_stopped(alarm: Alarm, tmp_path: Path) -> None:
    fast = [*range(64, 96), *range(240, 272)]
    source = write_folder(tmp_path / "two", clip(320, fast=fast, seed=2))
    alarm("induce", write_folder(tmp_path / "normal", clip(96, seed=2)))
    running = alarm.start("watch", source, "--json")
    first = running.read(18)  # the first incident is over
    running.send(signal.SIGKILL)
    first += running.done().whole_lines
    lines = first + alarm("watch", source, "--json").lines
    incidents = [line["id"] for line in lines if line["type"] == "incident"]
    assert len(incidents) == len(set(incidents)) == len(alarm.records("incidents")) == 2


def test_a_new_interpreter_stops_at_ctrl_c_and_goes_on_later(alarm: Alarm, clips: Clips) -> None:
    process = fresh(alarm.folder, "watch", clips.video, "--json")
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert first.startswith('{"type": "case"')
    if process.returncode != 0:  # it was not done before the signal came
        assert process.returncode == 130
        assert "goes on from here" in err
        assert "Traceback" not in err
    alarm("watch", clips.video, "--json")
    assert len(alarm.records("cases")) == WINDOWS


def test_two_cameras_with_files_of_one_name_do_not_share_a_threshold(alarm: Alarm, tmp_path: Path) -> None:
    calm = write_folder(tmp_path / "calm" / "frames", clip(96, seed=1))
    busy = write_folder(tmp_path / "busy" / "frames", clip(96, fast=range(96), seed=5))
    alarm("watch", calm)
    labels = {case["label"] for case in alarm("watch", busy, "--json").of("case")}
    assert labels == {"normal"}, "what it always shows is normal there"
    assert len({rule["source"] for rule in alarm.records("rules")}) == 2


def test_two_at_once_on_one_source_agree(taught: Alarm, clips: Clips) -> None:
    alarm = taught
    runs = [alarm.start("watch", clips.folder, "--json") for _ in range(2)]
    done = [run.done() for run in runs]
    assert [run.code for run in done] == [0, 0], done[0].err + done[1].err
    assert len(alarm.records("cases")) == WINDOWS
    (incident,) = alarm.records("incidents")
    assert len(incident["cases"]) == len(set(incident["cases"]))


def _broken_video(folder: Path) -> list[object]:
    (folder / "broken.mp4").write_bytes(b"no video " * 1000)
    return ["watch", "broken.mp4"]


def _cut_off_picture(folder: Path) -> list[object]:
    source = write_folder(folder / "pictures", clip(40, seed=1))
    (source / "0020.jpg").write_bytes((source / "0020.jpg").read_bytes()[:100])
    return ["watch", source]


def _empty_folder(folder: Path) -> list[object]:
    (folder / "empty").mkdir()
    return ["watch", "empty"]


def _scenario(text: str) -> Callable[[Path], list[object]]:
    def build(folder: Path) -> list[object]:
        (folder / "mine.yaml").write_text(text)
        return ["watch", write_folder(folder / "pictures", clip(2)), "-s", "mine.yaml"]

    return build


def _workspace_is_a_file(folder: Path) -> list[object]:
    (folder / "taken").write_text("")
    return ["-w", "taken", "rules", "list"]


def _newer_workspace(folder: Path) -> list[object]:
    (folder / "newer").mkdir()
    with sqlite3.connect(folder / "newer" / "alarm.db") as connection:
        connection.execute("CREATE TABLE schema (version INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO schema VALUES (99)")
    return ["-w", "newer", "rules", "list"]


def _damaged_workspace(folder: Path) -> list[object]:
    (folder / "damaged").mkdir()
    (folder / "damaged" / "alarm.db").write_bytes(b"not a database, whatever its name says " * 100)
    return ["-w", "damaged", "rules", "list"]


REFUSALS: dict[str, tuple[Callable[[Path], list[object]], int, str]] = {
    "no such path": (lambda _: ["watch", "nowhere/clip.mp4"], 3, "nowhere/clip.mp4: nothing is there"),
    "no path at all": (lambda _: ["watch", ""], 3, "nothing is there"),
    "empty folder": (_empty_folder, 3, "no pictures in this folder"),
    "broken video": (_broken_video, 3, "broken.mp4: this is not a video"),
    "picture cut off": (_cut_off_picture, 3, "0020.jpg: this picture is cut off"),
    "glob without match": (lambda _: ["induce", "none/*"], 3, "nothing matches"),
    "not YAML": (_scenario("name: [x"), 2, "mine.yaml:1: not valid YAML"),
    "not a mapping": (_scenario("- name"), 2, "a scenario is a mapping"),
    "unknown key": (_scenario("name: x\nsource: {framse: 3}"), 2, "source.framse: unknown key; did you mean 'frames'?"),
    "key twice": (_scenario("name: x\nname: y"), 2, "mine.yaml:2: not valid YAML: name is written twice"),
    "wrong type": (_scenario("name: x\nsource: {frames: many}"), 2, "source.frames"),
    "gaps": (_scenario("name: x\nsource: {frames: 4, stride: 5}"), 2, "stride may not exceed frames"),
    "too many frames": (_scenario("name: x\nsource: {frames: 99999}"), 2, "source.frames"),
    "no such model": (_scenario("name: x\nagents: {inducer: mind}"), 2, "'mind'"),
    "no such node file": (
        _scenario("name: x\ngraph: {nodes: {a: 'a.py:f'}}"),
        2,
        "graph.nodes.a: there is no file a.py",
    ),
    "unknown scenario": (lambda _: ["watch", "x", "-s", "walkwy"], 2, "no scenario 'walkwy'"),
    "no such scenario file": (lambda _: ["watch", "x", "-s", "gone.yaml"], 2, "gone.yaml"),
    "workspace is a file": (_workspace_is_a_file, 2, "taken: the workspace cannot be created"),
    "workspace not writable": (lambda _: ["-w", "/proc/alarm", "rules", "list"], 2, "the workspace cannot be created"),
    "newer workspace": (_newer_workspace, 2, "newer alarm-agents (schema 99"),
    "damaged workspace": (_damaged_workspace, 2, "the database cannot be opened"),
    "unknown verb": (lambda _: ["wach"], 2, "Did you mean 'watch'"),
    "unknown option": (lambda _: ["watch", "x", "--jsn"], 2, "--json"),
    "no frames to draw": (lambda _: ["induce", "x", "--frames", "0"], 2, "--frames"),
}


@pytest.mark.parametrize(("build", "code", "said"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_cannot_be_done_is_said_in_one_sentence(
    alarm: Alarm, build: Callable[[Path], list[object]], code: int, said: str
) -> None:
    done = alarm(*build(alarm.folder), code=code)
    assert said in done.err
    assert "Traceback" not in done.err
    errors = [line for line in done.err.splitlines() if line.startswith("alarm: ")]
    assert len(errors) == 1 or "Usage:" in done.err
    assert "…" not in done.err, "the sentence was cut off"


def test_what_came_before_the_damage_is_still_judged(alarm: Alarm) -> None:
    done = alarm(*_cut_off_picture(alarm.folder), "--json", code=3)
    assert [case["end"] for case in done.of("case")] == [pytest.approx(1.6), pytest.approx(2.0)]


def test_debug_shows_the_traceback(alarm: Alarm) -> None:
    assert "Traceback" in alarm("--debug", "watch", "nowhere", code=None).err


def test_a_reader_that_pauses_holds_up_nobody_else(alarm: Alarm, tmp_path: Path) -> None:
    """`alarm watch | less`: the first one waits at its full pipe while the other works on the same files."""
    long = write_folder(tmp_path / "long", clip(320, seed=2))
    paused = alarm.start("watch", long, "--json")
    paused.readline()
    other = alarm("watch", write_folder(tmp_path / "other", clip(96, seed=3)), "--json")
    assert len(other.of("case")) == 6
    assert paused.done().code == 0
    assert len(alarm.records("cases")) == 26
