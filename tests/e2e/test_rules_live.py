"""A rule that is changed from another process counts in a monitor that runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.alarm import Alarm
from support.clips import clip, write_folder

READ = 6
AHEAD = 16
"""Windows that may have been judged, or be on their way, when a line is read: eight graphs, and what the pipe holds."""


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Something fast crosses it all the time."""
    return write_folder(tmp_path_factory.mktemp("live") / "busy", clip(160, fast=range(160), seed=4))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scenario and a workspace that was taught it; to be copied."""
    alarm = Alarm(tmp_path_factory.mktemp("before"))
    (alarm.folder / "close.yaml").write_text("name: close\nsource: {frames: 8, stride: 4}\n")
    alarm("induce", write_folder(alarm.folder / "normal", clip(64, seed=4)), "-s", "close.yaml")
    return alarm.folder


@pytest.fixture
def taught(alarm: Alarm, before: Path) -> Alarm:
    shutil.copytree(before, alarm.folder, dirs_exist_ok=True)
    return alarm


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (["disable", "motion-ratio-high"], "motion-ratio-high"),
        (["add", "anything at all moves", "--predicate", "motion.speed > 0.0"], "anything-at-all-moves"),
    ],
    ids=["disable", "add"],
)
def test_a_change_counts_from_the_next_windows_on(taught: Alarm, busy: Path, change: list[str], rule: str) -> None:
    running = taught.start("watch", busy, "-s", "close.yaml", "--json")
    before = running.read(READ)
    taught("rules", *change, "-s", "close.yaml")
    after = running.done()
    assert after.code == 0, after.err
    revision = taught("rules", "list", "-s", "close.yaml", "--json").document["revision"]
    cases = sorted(taught.records("cases"), key=lambda case: case["window"]["start"])
    assert len(cases) > READ + 2 * AHEAD
    revisions = [case["revision"] for case in cases]
    assert revisions == sorted(revisions), "no window goes back to the rules as they were"
    assert set(revisions[:READ]) == {revision - 1}
    assert set(revisions[READ + AHEAD :]) == {revision}

    def cited(case: dict[str, object]) -> bool:
        return any(ref["id"].startswith(rule) for ref in case["rules"])  # type: ignore[attr-defined]

    added = change[0] == "add"
    assert [cited(case) for case in cases] == [(case["revision"] == revision) == added for case in cases]
    assert len(before) == READ
    # Finished under the new rules, it is not watched again; under yet newer ones it is, as a run of its own.
    assert taught("watch", busy, "-s", "close.yaml", "--json").out == ""
    taught("rules", "add", "another rule", "-s", "close.yaml")
    again = taught("watch", busy, "-s", "close.yaml", "--json").of("case")
    assert len(again) == len(cases)
    assert {case["id"] for case in again}.isdisjoint(case["id"] for case in cases)


def test_a_rule_with_a_time_of_day_counts_while_a_watch_runs_and_can_be_taken_back(alarm: Alarm) -> None:
    """From 21:50 on one window a minute says bicycle; what was normal is not after ten, once somebody says so."""
    (alarm.folder / "gate.yaml").write_text(
        "name: gate\nsource: {kind: captions, fps: 0.5, frames: 6, starts: '21:50'}\n"
        "rules: [{kind: normal, text: People ride bicycles, predicate: 'captions.novelty >= 0.0'}]\n"
    )
    said = "A person rides a bicycle through the gate."
    rows = "".join(f"{frame},{said}\n" for frame in range(6 * 200))
    (alarm.folder / "gate.csv").write_text(f"frame,caption\n{rows}")
    running = alarm.start("watch", "gate.csv", "-s", "gate.yaml", "--json", "--all")
    running.read(READ)
    added = alarm("rules", "add", "no bicycles between 22:00 and 1:00", "-s", "gate")
    assert "understood: a caption or a model's fact says 'bicycles' and it is between 22:00 and 1:00" in added.err
    seen = running.read(60)
    (rule,) = [each["id"] for each in alarm.records("rules") if each["provenance"]["origin"] == "person"]
    alarm("rules", "disable", rule, "-s", "gate")
    assert running.done().code == 0
    cases = sorted(alarm.records("cases"), key=lambda case: case["window"]["start"])
    revisions = sorted({case["revision"] for case in cases})
    assert len(revisions) == 3, "before, with the rule, and after it was taken back"
    assert len(seen) == 60
    for case in cases:
        late = not 1.0 <= case["window"]["hour"] < 22.0
        odd = late and case["revision"] == revisions[1]
        assert case["label"] == ("anomalous" if odd else "normal"), (case["window"]["hour"], case["revision"])
    assert {case["label"] for case in cases} == {"normal", "anomalous"}
