"""The demo's clips as files, with their labels, and suites that `alarm test` can measure on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from alarm_agents.demo import walkway
from alarm_agents.demo.film import labels, labels_file, shoot, write_labels
from alarm_agents.demo.scene import Scene, Span
from alarm_agents.demo.worlds import WORLDS, World
from alarm_agents.errors import ScenarioError
from alarm_agents.evaluation.labels import read_labels
from alarm_agents.scenario import library
from alarm_agents.yamlfile import read_yaml

EXPECTED = {"frame_auroc": {"min": 0.97}}
EXPECTED_OF_MODELS = {
    "frame_auroc": {"min": 0.9},
    "gain_over_best_member": {"min": 1e-6},
    "uncertainty_auroc": {"min": 0.75},
    "reflections.net": {"min": 1},
}
CLIPS_FOR_MODELS = 4
"""Watched clips in the suite of a world on models: second looks are few in one."""
WITH_CYCLISTS = "walkway_with_cyclists"
DEFINITION = "People walk and stand on a walkway, and cyclists ride through. Nobody runs, and nothing is left behind."


@dataclass(frozen=True)
class Clips:
    """The two clips of a world for a seed, and what is implanted in the watched one."""

    normal: Path
    watched: Path
    implanted: tuple[Span, ...]


def make_clips(folder: Path, world: World, seed: int) -> Clips:
    """Render the clips of a seed into the folder; those that are there already are taken as they are."""
    normal = folder / f"{world.name}-normal-seed{seed}.mp4"
    _make(normal, world.normal(2 * seed))
    return Clips(normal, *_watched(folder, world, seed))


def _watched(folder: Path, world: World, seed: int) -> tuple[Path, tuple[Span, ...]]:
    """The watched clip of a seed, and what is implanted in it."""
    file, scene = folder / f"{world.name}-watched-seed{seed}.mp4", world.watched(2 * seed + 1)  # other people and parts
    _make(file, scene)
    return file, scene.implanted


def make_suites(folder: Path, worlds: Sequence[World], seed: int) -> list[Path]:
    """Render the worlds' clips into the folder and write a suite for each, ready for `alarm test`; returns the suites.

    The walkway has a second suite, `walkway_cyclists_normal`: it learns from a clip in which cyclists are normal, and
    in its labels those of the watched clip are, too.
    """
    found = []
    for world in worlds:
        found.append(make_suite(folder, world, seed))
        if world is WORLDS["walkway"]:
            found.append(_cyclists_normal(folder, make_clips(folder, world, seed), seed))
    return found


def make_suite(folder: Path, world: World, seed: int) -> Path:
    """The world's own suite alone."""
    clips = make_clips(folder, world, seed)
    watched = [clips.watched]
    if world.models:
        watched += [_watched(folder, world, seed + more)[0] for more in range(1, CLIPS_FOR_MODELS)]
    expected = EXPECTED_OF_MODELS if world.models else EXPECTED
    labelled = [(clip, labels_file(clip)) for clip in watched]
    return _suite(folder / f"{world.name}.yaml", world.name, clips.normal, labelled, expected)


def _cyclists_normal(folder: Path, clips: Clips, seed: int) -> Path:
    """The suite by another definition of normal: in words, in references and in labels."""
    normal = folder / f"{WITH_CYCLISTS}-normal-seed{seed}.mp4"
    _make(normal, walkway.normal_with_cyclists(2 * seed))
    odd = [span for span in clips.implanted if span.kind != "cyclist"]
    labelled = folder / f"{WITH_CYCLISTS}-watched-seed{seed}.csv"
    write_labels(labelled, labels(odd, len(read_labels(labels_file(clips.watched)))))
    scenario = folder / f"{WITH_CYCLISTS}.yaml"
    ready = read_yaml(library()["walkway"])
    assert isinstance(ready, dict)
    _write(scenario, {**ready, "name": WITH_CYCLISTS, "normal": DEFINITION})
    return _suite(folder / "walkway_cyclists_normal.yaml", scenario.name, normal, [(clips.watched, labelled)], EXPECTED)


def _suite(
    file: Path, scenario: str, normal: Path, watched: Sequence[tuple[Path, Path]], expected: dict[str, Any]
) -> Path:
    document = {
        "version": 1,
        "name": file.stem,
        "scenario": scenario,
        "references": {"sources": [normal.name]},
        "cases": [{"source": clip.name, "labels": labelled.name} for clip, labelled in watched],
        "expect": expected,
    }
    _write(file, document)
    return file


def _write(file: Path, document: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _make(file: Path, scene: Scene) -> None:
    wanted = dict(enumerate(labels(scene.implanted, scene.frames).tolist()))
    try:
        there = file.exists() and read_labels(labels_file(file)) == wanted
    except ScenarioError:
        there = False
    if not there:
        shoot(scene, file)
