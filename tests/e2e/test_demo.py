"""`alarm demo` as a person or a script starts it: what is implanted is found, and what is printed is true."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest


def alarm(*arguments: str | Path, workspace: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "alarm_agents", "--workspace", str(workspace), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=workspace.parent, check=False)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "workspace"


@pytest.fixture(scope="module")
def document(workspace: Path) -> dict[str, Any]:
    done = alarm("demo", "--json", workspace=workspace)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)  # one document, and nothing else on stdout
    return found


def test_every_implanted_anomaly_has_an_incident_of_its_own(document: dict[str, Any]) -> None:
    assert [each["kind"] for each in document["implanted"]] == ["cyclist", "runner", "cyclist"]
    for each in document["implanted"]:
        overlapping = {i["id"] for i in document["incidents"] if i["start"] < each["end"] and each["start"] < i["end"]}
        assert each["found"]
        assert overlapping == set(each["incidents"])
    assert len({key for each in document["implanted"] for key in each["incidents"]}) == 3


def test_normal_life_raises_at_most_one_incident(document: dict[str, Any]) -> None:
    assert len(document["false_incidents"]) <= 1
    assert len(document["incidents"]) <= 4


def test_it_says_what_it_learned_and_that_no_model_took_part(document: dict[str, Any]) -> None:
    assert {rule["kind"] for rule in document["rules"]} == {"normal", "anomalous"}
    assert all(case["models"] == [] for case in document["cases"])
    assert all(Path(clip).is_file() for clip in document["clips"].values())


def test_the_picture_is_there_and_small(document: dict[str, Any]) -> None:
    file = Path(document["overview"])
    image = cv2.imread(str(file))
    assert image is not None
    assert image.shape[1] >= 1000
    assert file.stat().st_size < 300_000


def test_what_it_suggests_next_works_and_a_second_run_tells_the_same(document: dict[str, Any], workspace: Path) -> None:
    again = alarm("demo", workspace=workspace)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("found: incident") == 3
    (shown,) = [line for line in again.stdout.splitlines() if "alarm traces show" in line]
    case = shown.split("alarm traces show ")[1].split()[0]
    assert case in {each["id"] for each in document["cases"]}
    for command in (["review", "list"], ["traces", "show", case], ["rules", "list", "-s", "walkway"]):
        done = alarm(*command, workspace=workspace)
        assert done.returncode == 0, done.stderr


def test_what_a_person_taught_is_not_replaced(document: dict[str, Any], workspace: Path, tmp_path: Path) -> None:
    mine, own = tmp_path / "mine.mp4", tmp_path / "own"
    mine.write_bytes(Path(document["clips"]["normal"]).read_bytes())
    assert alarm("induce", mine, "-s", "walkway", "--frames", "5", workspace=own).returncode == 0
    refused = alarm("demo", workspace=own)
    assert refused.returncode == 2
    assert "taught from other footage" in refused.stderr
    assert "Traceback" not in refused.stderr
