"""Frame labels from CSV files."""

from __future__ import annotations

import csv
from pathlib import Path

from alarm_agents.errors import ScenarioError

COLUMNS = ("frame", "label")


def read_labels(path: Path) -> dict[int, int]:
    """Label (0 normal, 1 anomalous) by frame number, from a CSV file whose header has `frame` and `label`.

    Other columns are ignored, so that a captions file can be read too. Raises `ScenarioError` naming file and
    line for anything but a frame number >= 0 that wasn't there before and a label 0 or 1.
    """
    labels: dict[int, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not set(COLUMNS) <= set(rows.fieldnames or ()):
                raise ScenarioError("the first line must name the columns frame and label", where=f"{path}:1")
            for row in rows:
                frame, label = _entry(row, where=f"{path}:{rows.line_num}")
                if frame in labels:
                    raise ScenarioError(f"frame {frame} is labelled twice", where=f"{path}:{rows.line_num}")
                labels[frame] = label
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScenarioError("the labels can't be read", where=str(path), remedy="it must be a CSV file") from error
    if not labels:
        raise ScenarioError("there are no labels below the header", where=str(path))
    return labels


def _entry(row: dict[str, str | None], *, where: str) -> tuple[int, int]:
    frame, label = ((row[column] or "").strip() for column in COLUMNS)
    # isdecimal alone would let other scripts' digits through.
    if not (frame.isascii() and frame.isdecimal()):
        raise ScenarioError(f"'{frame}' is not a frame number", where=where, remedy="count frames from 0")
    if label not in ("0", "1"):
        raise ScenarioError(f"'{label}' is not a label", where=where, remedy="use 0 (normal) or 1 (anomalous)")
    return int(frame), int(label)
