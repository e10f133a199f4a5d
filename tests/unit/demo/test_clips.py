"""Clips and suites as files: made once, mended when they are not whole, and ready for `alarm test`."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from alarm_agents.demo import clips, walkway
from alarm_agents.demo.clips import make_clips, make_suites
from alarm_agents.demo.film import labels, labels_file, write_labels
from alarm_agents.demo.scene import Scene
from alarm_agents.demo.worlds import WORLDS, World
from alarm_agents.evaluation.labels import read_labels
from alarm_agents.evaluation.suite import Suite, load_suite
from alarm_agents.scenario import load_scenario


def short(scene: Scene) -> Scene:
    return Scene(1.0, scene.seed, scene.draw)


def test_clips_are_rendered_once_and_mended_when_they_are_not_whole(tmp_path: Path) -> None:
    world = World("walkway", lambda seed: short(walkway.normal(seed)), lambda seed: short(walkway.watched(seed)))
    made = make_clips(tmp_path, world, 0)
    there = {file: file.stat().st_mtime_ns for file in (made.normal, made.watched)}
    make_clips(tmp_path, world, 0)
    assert there == {file: file.stat().st_mtime_ns for file in there}
    labels_file(made.watched).unlink()
    make_clips(tmp_path, world, 0)
    assert labels_file(made.watched).exists()
    assert made.watched.stat().st_mtime_ns > there[made.watched]


@pytest.fixture
def suites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Suite]:
    """As written, with clips that nobody has rendered."""

    def shoot(scene: Scene, file: Path) -> None:
        file.touch(exist_ok=False)
        write_labels(labels_file(file), labels(scene.implanted, scene.frames))

    monkeypatch.setattr(clips, "shoot", shoot)
    return {file.stem: load_suite(file) for file in make_suites(tmp_path, list(WORLDS.values()), 2)}


def anomalies(suite: Suite) -> int:
    """How many stretches its labels mark."""
    found = 0
    for source in suite.labelled_sources():
        marked = [label for _, label in sorted(read_labels(source.labels).items())]
        found += sum(after > before for before, after in pairwise([0, *marked]))
    return found


def test_there_is_a_suite_for_each_world_and_one_where_cyclists_are_normal(suites: dict[str, Suite]) -> None:
    assert {name: anomalies(suite) for name, suite in suites.items()} == {
        "walkway": 4,
        "walkway_cyclists_normal": 2,
        "conveyor": 4,
        "walkway_mllm": 16,  # four clips: second looks are few
    }
    least = {name: suite.expect["frame_auroc"].min for name, suite in suites.items()}
    assert least == {**dict.fromkeys(suites, 0.97), "walkway_mllm": 0.9}
    assert all(suite.reference_paths() for suite in suites.values())


def test_the_definition_differs_in_words_references_and_labels_but_not_in_what_is_watched(
    suites: dict[str, Suite],
) -> None:
    usual, other = suites["walkway"], suites["walkway_cyclists_normal"]
    assert other.labelled_sources()[0].path == usual.labelled_sources()[0].path
    assert other.reference_paths() != usual.reference_paths()
    told, before = load_scenario(other.scenario_location), load_scenario(usual.scenario_location)
    assert "cyclists ride" in told.normal
    kept = {"folder", "name", "normal"}
    assert told.model_dump(exclude=kept) == before.model_dump(exclude=kept)
