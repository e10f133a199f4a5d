from __future__ import annotations

from pathlib import Path

import pytest

from alarm_agents.errors import ScenarioError
from alarm_agents.evaluation.labels import read_labels


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        "frame,label\n0,0\n2,1\n",
        "\ufeffframe,label\r\n0,0\r\n2,1\r\n",
        "label,note,frame\n0,x,0\n1,y,2\n",
        'frame,label,caption\n0,0,"two\nlines, here"\n2,1,z\n',
        "frame,label\n0, 0\n\n2 ,1",
    ],
)
def test_read(tmp_path: Path, content: str) -> None:
    assert read_labels(written(tmp_path, content)) == {0: 0, 2: 1}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "labels.csv:1: the first line must name the columns frame and label"),
        ("0,1\n1,0\n", "labels.csv:1: the first line must name"),
        ("frame,label\n", "labels.csv: there are no labels"),
        ("frame,label\n0,0\n1,2\n", "labels.csv:3: '2' is not a label; use 0 (normal) or 1 (anomalous)"),
        ("frame,label\n0,normal\n", "labels.csv:2: 'normal' is not a label"),
        ("frame,label\n0\n", "labels.csv:2: '' is not a label"),
        ("frame,label\n0,1.0\n", "labels.csv:2: '1.0' is not a label"),
        ("frame,label\n-1,0\n", "labels.csv:2: '-1' is not a frame number"),
        ("frame,label\n1.5,0\n", "labels.csv:2: '1.5' is not a frame number"),
        ("frame,label\n\u0663,0\n", "is not a frame number"),
        ("frame,label\n0,0\n0,1\n", "labels.csv:3: frame 0 is labelled twice"),
        (b"frame,label\n0,\xff\n", "labels.csv: the labels can't be read"),
        (f'frame,label\n0,"{"1" * 200_000}"\n', "labels.csv: the labels can't be read"),
    ],
)
def test_bad_labels_are_refused_with_file_and_line(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_labels(written(tmp_path, content))
    assert sentence in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ScenarioError, match="can't be read"):
            read_labels(path)
