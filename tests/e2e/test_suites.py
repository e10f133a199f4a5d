"""`alarm test`: suites of frames and of captions, what they print, and that they leave everything else alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from support.alarm import Alarm
from support.clips import clip, write_folder, write_labels

from .conftest import FAST, FRAMES, Clips

KEYS = {"suite", "passed", "seconds", "frames", "windows", "fps", "models", "metrics", "expectations", "cases"}
METRICS = [
    *("frame_auroc", "frame_ap", "accuracy", "precision", "recall", "f1", "false_alarms_per_hour"),
    *("ece", "brier", "aurc", "eaurc", "uncertainty_auroc", "deferred", "accuracy_at_deferral"),
    *("members", "gain_over_best_member", "reflections"),
]
WALKS = ["a person walks along the path", "two people walk past a tree", "a woman stands on the path", "a man walks"]
RIDES = ["a man rides a motorcycle across the lawn", "a truck drives over the lawn at high speed"]


@pytest.fixture
def suite(alarm: Alarm, clips: Clips) -> Path:
    """Two clips, one of them all normal, and references to learn from."""
    write_labels(alarm.folder / "walkers.csv", FRAMES, FAST)
    write_folder(alarm.folder / "calm", clip(48, seed=2))
    write_labels(alarm.folder / "calm.csv", 48, ())
    (alarm.folder / "suite.yaml").write_text(
        f"""
version: 1
name: generated
scenario: walkway
references: {{sources: [{json.dumps(str(clips.normal))}], frames: 12, seed: 0}}
cases:
  - {{source: {json.dumps(str(clips.folder))}, labels: walkers.csv}}
  - {{source: calm, labels: calm.csv}}
expect: {{frame_auroc: {{min: 0.95}}, recall: {{min: 0.9}}}}
"""
    )
    return alarm.folder / "suite.yaml"


def captions(path: Path, texts: list[tuple[int, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("frame", "label", "caption"), *((i, *row) for i, row in enumerate(texts))])
    return path


def test_a_suite_prints_one_object_with_all_that_was_promised(alarm: Alarm, suite: Path, clips: Clips) -> None:
    result = alarm("test", suite, "--json").document
    assert result.keys() >= KEYS
    assert list(result["metrics"]) == METRICS
    assert set(result["metrics"]["accuracy_at_deferral"]) == {"0.1", "0.2", "0.3"}
    assert (result["suite"], result["passed"], result["models"]) == ("generated", True, [])
    assert (result["frames"], result["windows"]) == (FRAMES + 48, FRAMES // 16 + 3)
    assert result["fps"] == pytest.approx(result["frames"] / result["seconds"], rel=0.01)
    assert [(one["source"], one["frames"]) for one in result["cases"]] == [(str(clips.folder), FRAMES), ("calm", 48)]
    assert result["cases"][0]["frame_auroc"] >= 0.95
    assert result["cases"][1]["frame_auroc"] is None, "undefined where there is one class only, not 0"
    assert [(one["metric"], one["min"], one["max"], one["passed"]) for one in result["expectations"]] == [
        ("frame_auroc", 0.95, None, True),
        ("recall", 0.9, None, True),
    ]
    assert [one["value"] for one in result["expectations"]] == [result["metrics"][m] for m in ("frame_auroc", "recall")]


def test_an_expectation_that_is_not_met_is_exit_code_1(alarm: Alarm, suite: Path) -> None:
    suite.write_text(suite.read_text().replace("recall: {min: 0.9}", "recall: {max: 0.01}"))
    result = alarm("test", suite, "--json", code=1).document
    assert (result["passed"], [one["passed"] for one in result["expectations"]]) == (False, [True, False])
    shown = alarm("test", suite, code=1).out
    assert "FAIL" in shown
    assert "recall" in shown


def test_a_suite_repeats_itself_and_seeds_never_meet(alarm: Alarm, suite: Path, clips: Clips) -> None:
    write_folder(alarm.folder / "odd", clip(32, fast=range(16, 24), seed=2))
    write_labels(alarm.folder / "odd.csv", 32, range(16, 24))
    text = suite.read_text()
    first = next(line for line in text.splitlines() if str(clips.folder) in line)
    suite.write_text(text.replace(first, "  - {source: odd, labels: odd.csv}"))
    alarm("induce", clips.normal, "-s", "walkway")
    alarm("rules", "add", "mine alone", "--predicate", "motion.speed > 100.0", "-s", "walkway")
    alarm("watch", clips.folder, "-s", "walkway", "--json")
    tables = ("cases", "incidents", "rules")
    mine = {table: alarm.records(table) for table in tables}
    spaces: set[str] = set()
    metrics: list[Any] = []
    for seed in (0, 1, 2, 3, 4):
        metrics.append(alarm("test", suite, "--seed", seed, "--json", code=None).document["metrics"])
        known = {name for (name,) in alarm.rows("SELECT DISTINCT namespace FROM cases")}
        assert len(known - spaces) == (2 if seed == 0 else 1), "each seed has cases of its own"
        spaces = known
    counts = alarm.rows("SELECT namespace, count(*) FROM cases GROUP BY namespace")
    assert {count for name, count in counts if name != "main"} == {2 + 3}
    assert alarm("test", suite, "--seed", 0, "--json", code=None).document["metrics"] == metrics[0]
    assert {name for (name,) in alarm.rows("SELECT DISTINCT namespace FROM cases")} == spaces
    assert len({json.dumps(one) for one in metrics}) > 1, "other seeds draw other references"
    assert {table: alarm.records(table) for table in tables} == mine
    assert alarm("watch", clips.folder, "-s", "walkway", "--json").out == "", "what was watched stays watched"
    assert "mine-alone" not in json.dumps([alarm.records("cases", name) for name in spaces - {"main"}])


def test_a_suite_never_waits_for_people_but_counts_what_it_would_ask(alarm: Alarm, suite: Path) -> None:
    (alarm.folder / "asking.yaml").write_text("name: asking\npromise: {audit_rate: 1.0}\n")
    suite.write_text(suite.read_text().replace("scenario: walkway", "scenario: asking.yaml"))
    result = alarm("test", suite, "--json").document
    assert result["metrics"]["deferred"] == 1.0
    assert sum(case["deferred"] for case in result["cases"]) == result["windows"]
    assert alarm("review", "list", "--json").document == []
    assert alarm.rows("SELECT count(*) FROM checkpoints", file="checkpoints.db") == [(0,)]


@pytest.mark.parametrize("taught", [True, False], ids=["with-references", "without"])
def test_captions_are_perceptions_to_any_scenario(alarm: Alarm, taught: bool) -> None:
    # Warm-up takes the first seconds, so that the rides come later.
    rows = [(int(300 <= i < 340), (RIDES if 300 <= i < 340 else WALKS)[i // 4 % 2]) for i in range(400)]
    captions(alarm.folder / "day.csv", rows)
    captions(alarm.folder / "normal.csv", [(0, WALKS[i // 4 % 4]) for i in range(200)])
    references = "references: {sources: [normal.csv]}" if taught else ""
    (alarm.folder / "words.yaml").write_text(
        f"name: words\nscenario: walkway\n{references}\ncases: [{{source: {{kind: captions, path: day.csv}}}}]\n"
    )
    result = alarm("test", "words.yaml", "--json").document
    assert result["frames"] == 400
    assert result["metrics"]["frame_auroc"] > 0.95
    assert result["models"] == []
    (space,) = {name for (name,) in alarm.rows("SELECT DISTINCT namespace FROM cases")}
    perceptions = [p for case in alarm.records("cases", space) for p in case["perceptions"]]
    assert {p["parse"] for p in perceptions} == {"recorded"}
    assert any(RIDES[0] in p["caption"] for p in perceptions)


def test_what_joins_the_references_stops_alarming_and_the_rest_is_still_told(alarm: Alarm) -> None:
    rides, jumps = "a man rides a motorcycle across the lawn", "a woman throws stones at a car"
    odd = {4: rides, 6: jumps, 8: rides}  # stretches of 80 captions
    texts = [odd.get(i // 80, WALKS[i // 4 % 4]) for i in range(800)]
    captions(alarm.folder / "day.csv", [(int(text in odd.values()), text) for text in texts])
    text = """
name: flips
scenario: walkway
references: {kind: captions, path: day.csv, frames: 40, guard: 25}
cases: [{source: {kind: captions, path: day.csv}}]
flip: {says: motorcycle, frames: 10}
expect: {flip.fell: {min: 0.8}, flip.rest_moved: {max: 0.02}}
"""
    (alarm.folder / "flips.yaml").write_text(text)
    result = alarm("test", "flips.yaml", "--json").document
    assert result["passed"]
    assert result["flip"]["false_alarms"]["before"] > 0.3
    (alarm.folder / "flips.yaml").write_text(text.replace("flip: {says: motorcycle, frames: 10}", ""))
    assert not alarm("test", "flips.yaml", "--json", code=1).document["passed"]  # what is not measured is not met


REFUSALS = {
    "unknown key": ("cases:", "casses: []\ncases:", "casses: unknown key; did you mean 'cases'?"),
    "unknown metric": ("frame_auroc:", "frame_aurok:", "did you mean 'frame_auroc'?"),
    "missing source": ("source: calm", "source: clam", "cases.1.source: there is no file or folder clam"),
    "missing labels": ("labels: calm.csv", "labels: none.csv", "cases.1.labels: there is no file none.csv"),
    "unknown scenario": ("scenario: walkway", "scenario: walkwy", "there is no scenario 'walkwy'"),
    "missing references": ("sources: [", "sources: [nothing, ", "references.sources.0"),
    "no cases": ("cases:", "cases: []\nextra:", "cases: "),
}


@pytest.mark.parametrize(("old", "new", "said"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_suite_that_cannot_run_is_refused_before_anything_runs(
    alarm: Alarm, suite: Path, old: str, new: str, said: str
) -> None:
    suite.write_text(suite.read_text().replace(old, new, 1))
    done = alarm("test", suite, "--json", code=2)
    assert (done.out, done.err.count("\n")) == ("", 1)
    assert "suite.yaml" in done.err or "scenario" in done.err
    assert said in done.err
    assert not alarm.workspace.exists() or alarm.records("cases") == []


def test_labels_that_are_wrong_are_named_by_line(alarm: Alarm, suite: Path) -> None:
    (alarm.folder / "calm.csv").write_text("frame,label\n0,0\n1,maybe\n")
    assert "calm.csv:3: 'maybe' is not a label" in alarm("test", suite, code=2).err


def test_recorded_answers_are_measured_by_case_and_reported(alarm: Alarm) -> None:
    cases = [
        {
            "id": str(n),
            "label": n % 2,
            "outputs": {"a": f"anomaly: {n % 2}", "b": json.dumps({"anomaly": int(n % 3 == 0)})},
        }
        for n in range(60)
    ]
    (alarm.folder / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))
    source = "{kind: recorded, path: cases.jsonl}"
    text = (
        f"version: 1\nname: said\nscenario: smart_home\ncases: [{{source: {source}}}]\ncalibration: {{fraction: 0}}\n"
    )
    (alarm.folder / "said.yaml").write_text(text)
    result = alarm("test", "said.yaml", "--json", "--report", "said.html").document
    assert (result["recorded"], result["members"]) == (60, ["a", "b"])
    assert "recorded cases" in (alarm.folder / "said.html").read_text()
