from __future__ import annotations

import io
from typing import Any

import numpy as np
from rich.console import Console

from alarm_agents.evaluation.reliability import rejection
from alarm_agents.evaluation.report import DID, render

REJECTION = rejection(np.array([True] * 2 + [False] * 8), np.linspace(1, 0, 10))


def result(**changes: Any) -> dict[str, Any]:
    case = {"source": "test/01", "frame_auroc": None, "frames": 180, "windows": 12, "incidents": 2, "deferred": 0.25}
    return {
        "suite": "dev",
        "passed": False,
        "seconds": 12.34,
        "frames": 180,
        "windows": 12,
        "fps": 14.6,
        "models": [],
        "metrics": {"frame_auroc": 0.91234, "precision": None, "accuracy_at_deferral": {"0.1": 0.5, "0.2": None}},
        "expectations": [
            {"metric": "frame_auroc", "min": 0.95, "max": None, "value": 0.949996, "passed": False},
            {"metric": "recall", "min": None, "max": 1.0, "value": 0.5, "passed": True},
        ],
        "curves": {"reliability": [{"p": 0.12, "share": 0.1, "count": 150}], "rejection": REJECTION},
        "by": {"source": {}, "zone": {"road": dict.fromkeys(DID, 0.25)}, "category": {}},
        "cases": [case],
        **changes,
    }


def shown(**changes: Any) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(render(result(**changes)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def row(text: str, start: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"│ {start} ")]
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_everything_is_shown() -> None:
    text = shown()
    assert "dev: FAIL" in text
    assert "180 frames in 12 windows, 12.3 s (14.6 frames a second); models: no model took part" in text
    assert row(text, "precision") == ["precision", "–"]
    assert row(text, "accuracy_at_deferral.0.1") == ["accuracy_at_deferral.0.1", "0.500"]
    assert row(text, "accuracy_at_deferral.0.2") == ["accuracy_at_deferral.0.2", "–"]
    assert row(text, "recall") == ["recall", "–", "1", "0.5", "pass"]
    assert row(text, "share anomalous") == ["share anomalous", "0.10"]
    assert row(text, "frames") == ["frames", "150"]
    (shares,) = [line for line in text.splitlines() if line.startswith("┃ deferred ")]
    assert shares.replace("┃", "").split() == ["deferred", "0%", "10%", "20%", "30%", "50%"]
    assert row(text, "accuracy of the rest")[1:] == ["0.800", "0.889", "1.000", "1.000", "1.000"]
    assert row(text, "road")[:3] == ["road", "0.250", "0.250"]
    assert row(text, "test/01") == ["test/01", "–", "180", "12", "2", "0.250"]


def test_sources_are_told_apart_where_there_are_several() -> None:
    did = {**dict.fromkeys(DID, None), "windows": 3, "accepted_error": 0.125, "missed": 0.5}
    one, two = ({"source": dict.fromkeys(names, did), "zone": {}, "category": {}} for names in ("a", "ab"))
    assert "By source" not in shown(by=one)
    assert "By source" in shown(by=two)
    assert row(shown(by=two), "b") == ["b", "3", "–", "–", "–", "–", "0.125", "0.500"]


def test_a_value_just_short_of_its_bound_does_not_look_equal_to_it() -> None:
    assert "0.949996" in shown()


def test_unscored_frames_are_said() -> None:
    assert "got no score" not in shown(unscored=0)
    assert "7 frames got no score" in shown(unscored=7)


def test_without_expectations_there_is_no_table_of_them() -> None:
    assert "Expectations" not in shown(expectations=[])


def test_names_cannot_style_or_steer_the_terminal() -> None:
    name = "[red]a[/red] [/nope] :smile: \x1b[2J\r\n\u202egpj"
    text = shown(suite=name, models=[name], cases=[{**result()["cases"][0], "source": name}])
    assert text.count("[red]a[/red] [/nope] :smile: \ufffd[2J\ufffd\ufffd\ufffdgpj") == 3
    assert "\x1b" not in text
    assert "\u202e" not in text
