"""A rule that is changed from another process counts in a monitor that runs."""

from __future__ import annotations

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


@pytest.fixture
def taught(alarm: Alarm, tmp_path: Path) -> Alarm:
    (alarm.folder / "close.yaml").write_text("name: close\nsource: {frames: 8, stride: 4}\n")
    alarm("induce", write_folder(tmp_path / "normal", clip(64, seed=4)), "-s", "close.yaml")
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
