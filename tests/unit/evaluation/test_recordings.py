"""Suites of recorded cases."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console

from alarm_agents.errors import ScenarioError
from alarm_agents.evaluation.recorded import Panel
from alarm_agents.evaluation.recordings import run_recorded
from alarm_agents.evaluation.report import render
from alarm_agents.evaluation.suite import load_suite

ODD = ["a fox runs over the lawn", "a man climbs the fence", "a bear opens the bin"]
CALM = ["a woman waters the lawn", "a boy rides to school", "the postman rings"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """200 cases; each of two members errs in a fifth of them, one never changes, and some answers are cut off."""
    draw = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for number in range(200):
        label = int(draw.random() < 0.5)
        seen = str(draw.choice(ODD if label else CALM))
        said = [label ^ int(draw.random() < 0.2) for _ in range(2)]
        outputs = {
            f"m{i}": json.dumps({"video_description": f"{seen} {number % 7}", "reasoning": "so", "anomaly": value})
            for i, value in enumerate(said)
        }
        if number % 40 == 0:
            outputs["m0"] = outputs["m0"][:-4]
        outputs["fixed"] = '{"result": 0}'
        rows.append({"id": str(number), "label": label, "category": f"c{number % 2}", "outputs": outputs})
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def run(file: Path, *, compare: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    source = {"kind": "recorded", "path": file.name}
    data = {"version": 1, "name": "r", "scenario": "smart_home", "cases": [{"source": source}], **changes}
    (file.parent / "s.yaml").write_text(yaml.safe_dump(data))
    return run_recorded(load_suite(file.parent / "s.yaml"), compare=compare)


def test_half_of_the_labels_beat_the_votes_on_the_other_half(file: Path) -> None:
    result = run(file, calibration={"repeats": 2}, expect={"case_accuracy": {"min": 0.8}})
    assert result["dropped"] == ["fixed"]
    assert result["missing"] == {"m0": 5, "m1": 0}
    assert result["passed"]
    assert result["metrics"]["case_accuracy"] > result["rows"]["majority"]["case_accuracy"]
    assert set(result["metrics"]["by_group"]) == {"c0", "c1"}
    assert result["metrics_sd"]["case_accuracy"] >= 0
    one = result["records"]["rest"][0]
    assert set(one) == {"id", "label", "p", "score", "group", "verdict"}
    assert len(result["records"]["rest"]) == 100
    assert json.loads(json.dumps(result, allow_nan=False))
    text = printed(result)
    assert "│ cases " in text
    assert "│ frames " not in text
    assert "│ accuracy of the rest " in text


def test_without_labels_the_labels_change_nothing_that_is_judged(file: Path) -> None:
    before = run(file, calibration={"fraction": 0})["records"]["rest"]
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("\n".join(json.dumps({**row, "label": 1 - row["label"]}) for row in rows))
    after = run(file, calibration={"fraction": 0})["records"]["rest"]
    assert [(one["p"], one["score"]) for one in before] == [(one["p"], one["score"]) for one in after]


def test_the_labels_that_are_measured_are_never_read_before(file: Path) -> None:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    before = run(file, calibration={"leave_out": 100})["records"]["rest"]
    left = {one["id"] for one in before}
    flipped = [{**row, "label": 1 - row["label"]} if row["id"] in left else row for row in rows]
    file.write_text("\n".join(map(json.dumps, flipped)))
    after = run(file, calibration={"leave_out": 100})["records"]["rest"]
    assert [(one["p"], one["score"]) for one in before] == [(one["p"], one["score"]) for one in after]


def test_signals_are_put_side_by_side(file: Path) -> None:
    add_member(file)
    names = ("margin", "residual", "alarm2025", "memory", "critic")
    assert list(run(file, compare=names, calibration={"repeats": 1})["rows"]) == list(names)
    assert list(run(file, compare=names[:3], calibration={"fraction": 0})["rows"]) == list(names[:3])
    with pytest.raises(ScenarioError, match="no signal or baseline 'x'"):
        run(file, compare=("x",))


def add_member(file: Path) -> None:
    """A third one that sees something else and errs in a fifth of the cases."""
    draw = np.random.default_rng(1)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows:
        seen = {"video_description": str(draw.choice(ODD + CALM)), "anomaly": row["label"] ^ int(draw.random() < 0.2)}
        row["outputs"]["m2"] = json.dumps(seen)
    file.write_text("\n".join(map(json.dumps, rows)))


@pytest.mark.parametrize("fraction", [0, 0.5])
@pytest.mark.parametrize("name", ["residual", "alarm2025"])
def test_what_needs_three_members_is_not_told_of_two(file: Path, name: str, fraction: float) -> None:
    with pytest.raises(ScenarioError, match=rf"'{name}' cannot .* \(members m0, m1; .* needs three members .*; leave"):
        run(file, compare=("margin", name), calibration={"fraction": fraction})


@pytest.mark.parametrize("fraction", [0, 0.1])
@pytest.mark.parametrize("name", ["memory", "critic"])
def test_what_needs_labels_is_not_told_without(file: Path, name: str, fraction: float) -> None:
    with pytest.raises(ScenarioError, match=rf"'{name}' cannot .* (0|19|20) labels\): it needs 50 labelled"):
        run(file, compare=(name,), calibration={"fraction": fraction, **({"repeats": 1} if fraction else {})})


def test_what_members_disagree_on_is_not_told_of_one(file: Path) -> None:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("\n".join(json.dumps({**row, "outputs": {"m1": row["outputs"]["m1"]}}) for row in rows))
    with pytest.raises(ScenarioError, match=r"'dispersion' cannot .* needs two members that say what they saw"):
        run(file, compare=("dispersion",), calibration={"repeats": 1})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"references": {"sources": ["cases.jsonl"]}}, "judged already"),
        ({"calibration": {"leave_out": 9, "fraction": 0.1}}, "leave_out measures"),
        ({"calibration": {"fraction": 1}}, "less than 1"),
        ({"promise": {"max_missed": 0.1}}, "tested on labels"),
        ({"promise": {"max_missed": 0.1}, "calibration": {"fraction": 0}}, "tested on labels"),
        ({"promise": {"max_missed": 0}, "calibration": {}}, "greater than 0"),
    ],
)
def test_what_makes_no_sense_is_refused(file: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        run(file, **changes)


WHY = {1: "somebody who does not live there climbs in", 0: "the people who live there water their plants"}


def with_reasons(file: Path, *, told: str) -> None:
    """People say why of each case by its number; members say the same (`right`), or a phrase that fits any case."""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for number, row in enumerate(rows):
        row["reason"] = f"{WHY[row['label']]} at window {ODD[number % 3]} number{number}"
        for member in ("m0", "m1"):
            row["outputs"][member] = row["outputs"][member].replace(
                '"so"', json.dumps(row["reason"] if told == "right" else "nothing in this video is of any concern")
            )
    file.write_text("\n".join(map(json.dumps, rows)))


def test_a_verdict_is_doubly_right_where_its_reason_is_that_of_this_case(file: Path) -> None:
    with_reasons(file, told="right")
    found = run(file, calibration={"repeats": 1}, expect={"doubly_right.both": {"min": 0.5}})["metrics"]
    assert found["reason_rouge_l"] == pytest.approx(1.0)
    assert found["reason_similarity"] == pytest.approx(1.0, abs=1e-3)
    assert found["doubly_right"]["both"] == pytest.approx(found["case_accuracy"], abs=0.05)
    assert found["doubly_right"]["verdict_alone"] == found["doubly_right"]["neither"] == 0.0
    assert sum(found["doubly_right"].values()) == pytest.approx(1.0)
    shares = {name: count / found["reasons"] for name, count in found["doubly_right_counts"].items()}
    assert shares == pytest.approx(found["doubly_right"])


def test_a_phrase_that_fits_any_case_is_no_right_reason(file: Path) -> None:
    with_reasons(file, told="anything")
    found = run(file, calibration={"repeats": 1})["metrics"]
    assert found["doubly_right"]["both"] < 0.15
    assert found["reason_rouge_l"] < 0.3


def test_where_people_gave_no_reasons_nothing_is_said_of_reasons(file: Path) -> None:
    assert "doubly_right" not in run(file, calibration={"repeats": 1})["metrics"]


def test_a_stated_p_is_worth_what_labels_make_of_it(file: Path) -> None:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows:
        odd = int('"anomaly": 1' in row["outputs"]["m1"])
        row["outputs"] = {"m1": json.dumps({"anomaly": odd, "p_anomaly": 0.99 if odd else 0.01})}
    file.write_text("\n".join(map(json.dumps, rows)))
    panel = Panel.read([(file, None)])
    stated, (known, rest) = panel.stated[:, 0], np.split(np.arange(200), 2)
    borne_out = panel.p_recalibrated(known)[rest, 0]
    assert set(np.unique(stated)) == {0.01, 0.99}
    assert np.square(borne_out - panel.labels[rest]).mean() < np.square(stated[rest] - panel.labels[rest]).mean()
    assert (panel.p_recalibrated(known[:10]) == panel.p_members).all()


def test_a_promise_is_kept_on_cases_that_it_was_not_tested_on(file: Path) -> None:
    asked = {"max_missed": 0.2, "delta": 0.1}
    result = run(file, calibration={"fraction": 0.6, "repeats": 5}, promise=asked)
    promise, metrics = result["promise"], result["metrics"]
    assert (promise["promised"], promise["broken"], promise["lacking"]) == (1.0, 0.0, None)
    assert metrics["missed"] == promise["missed"] <= 0.2
    assert promise["deferred"] == pytest.approx(1 - metrics["coverage"])
    assert len(result["records"]["calibration"]) == 60  # the half of the calibration part that tested it
    assert "given in 100% of splits, broken in 0%" in printed(result)


def test_labels_that_test_a_promise_fit_nothing_that_is_compared(file: Path) -> None:
    asked = {"calibration": {"fraction": 0.6, "repeats": 1}, "promise": {"max_missed": 0.2}}
    names = ("margin", "memory", "tfidf")
    before = run(file, compare=names, **asked)
    tested = {one["id"] for one in before["records"]["calibration"]}
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    flipped = [{**row, "label": 1 - row["label"]} if row["id"] in tested else row for row in rows]
    file.write_text("\n".join(map(json.dumps, flipped)))
    assert run(file, compare=names, **asked)["rows"] == before["rows"]


def test_a_promise_without_labels_enough_says_how_many_are_missing(file: Path) -> None:
    short = run(file, calibration={"fraction": 0.1, "repeats": 3}, promise={"max_missed": 0.05})
    promise = short["promise"]
    assert (promise["promised"], promise["missed"]) == (0.0, None)
    assert promise["lacking"] > 20
    assert f"{promise['lacking']} more answers 'anomalous' are needed" in promise["reason"]
    assert "given in 0% of splits; else it cannot be promised yet" in printed(short)


def printed(result: dict[str, Any]) -> str:
    console = Console(width=1_000, record=True, file=io.StringIO())
    console.print(render(result))
    return console.export_text()
