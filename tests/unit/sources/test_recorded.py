"""Recorded cases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alarm_agents.errors import SourceError
from alarm_agents.sources.recorded import read_case_labels, read_recorded
from alarm_agents.types import Label, Parse


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_an_answer_that_is_none_is_missing_and_never_normal(tmp_path: Path) -> None:
    outputs = {
        "a": '{"anomaly": 0}',
        "b": '{"anomaly": ',
        "c": "I'm sorry, I cannot help with that.",
        "d": "anomaly: 1",
    }
    (case,) = read_recorded(write(tmp_path / "x.jsonl", {"id": "1", "label": 1, "outputs": outputs}))
    assert {name: verdict.label for name, verdict in case.verdicts.items()} == {
        "a": Label.NORMAL,
        "b": Label.UNKNOWN,
        "c": Label.UNKNOWN,
        "d": Label.ANOMALOUS,
    }
    assert [case.verdicts[name].parse for name in "bc"] == [Parse.UNPARSED, Parse.REFUSED]
    assert case.verdicts["b"].p_anomaly is None


LOOPS = [
    "Nothing unusual happens, the scene is normal. " * 400,
    '{"video_description": "a man walks' + " and walks" * 2_000,
    '{"anomaly": 0, "reasoning": "' + "nothing unusual happens, " * 800,
    '{"anomaly": 0}\n' * 300,
    '{"anomaly": 0}\n' * 100,
    '{"anomaly": 0, "reasoning": "' + "nothing unusual happens, " * 80 + '"}',
    "anomaly: 0\nreasoning: " + "nothing unusual happens, " * 80,
    "anomaly: 0\n" * 500,
    "anomaly: 0 " * 500,
    "normal " * 900,
]


@pytest.mark.parametrize("text", LOOPS, ids=lambda text: text[:20].strip())
def test_an_answer_that_loops_to_the_token_limit_is_missing_and_never_normal(tmp_path: Path, text: str) -> None:
    (case,) = read_recorded(write(tmp_path / "x.jsonl", {"id": "1", "label": 1, "outputs": {"a": text}}))
    verdict = case.verdicts["a"]
    assert (verdict.label, verdict.parse, verdict.p_anomaly) == (Label.UNKNOWN, Parse.UNPARSED, None)
    assert case.perceptions["a"].parse is Parse.UNPARSED


def test_a_category_may_stand_in_annotations(tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", {"id": "1", "label": 0, "outputs": {}}, {"id": "2", "label": 1, "outputs": {}})
    more = write(tmp_path / "more.jsonl", {"id": "2", "category": "Pets", "label": "Abnormal"})
    assert [case.category for case in read_recorded(file, more)] == ["", "Pets"]
    assert read_case_labels(file) == {"1": 0, "2": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"id": "1"}', "an id and outputs"),
        ('{"id": "1", "outputs": {"a": 1}}', "outputs are texts"),
        ("", "no case"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(SourceError, match=said):
        read_recorded(tmp_path / "x.jsonl")


def test_a_label_must_be_0_or_1(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"0 \(normal\) or 1"):
        read_case_labels(write(tmp_path / "x.jsonl", {"id": "1", "label": "Abnormal", "outputs": {}}))
