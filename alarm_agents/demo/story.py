"""The demo's story: a clip of normal life, a clip to watch, what is implanted in it, and whether it was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from alarm_agents.demo.render import Anomaly, Span, labels, labels_file, render_walkway, spans
from alarm_agents.errors import ScenarioError
from alarm_agents.evaluation.labels import read_labels
from alarm_agents.types import Case, Incident, Label

NORMAL_SECONDS, WATCHED_SECONDS = 36.0, 55.0
CYCLISTS, RUNNERS = (3.5, 4.0), (2.9, 3.4)  # metres a second; people walk at 1.35


@dataclass(frozen=True)
class Clips:
    """The two clips of a seed, and what is implanted in the watched one."""

    normal: Path
    watched: Path
    implanted: tuple[Span, ...]


@dataclass(frozen=True)
class Found:
    """An implanted anomaly and the incidents that overlap it; none means that it was missed."""

    span: Span
    incidents: tuple[Incident, ...]


def plan(seed: int) -> tuple[Anomaly, ...]:
    """What is implanted for a seed: a cyclist, a runner, another cyclist the other way.

    They are further apart than the cool-down that merges what happens in a row into one incident, so that each must
    raise an incident of its own.
    """
    rng = np.random.default_rng([seed, 5])
    way: Literal[1, -1] = 1 if rng.random() < 0.5 else -1
    back: Literal[1, -1] = -1 if way == 1 else 1
    depths = [float(rng.uniform(128, 145)), float(rng.uniform(150, 170)), float(rng.uniform(180, 205))]
    first, second, third = (float(row) for row in rng.permutation(depths))
    return (
        Anomaly("cyclist", float(rng.uniform(4.0, 4.5)), float(rng.uniform(*CYCLISTS)), first, way),
        Anomaly("runner", float(rng.uniform(24.5, 25.0)), float(rng.uniform(*RUNNERS)), second, way),
        Anomaly("cyclist", float(rng.uniform(46.0, 46.5)), float(rng.uniform(*CYCLISTS)), third, back),
    )


def make_clips(folder: Path, seed: int) -> Clips:
    """Render the clips of a seed into the folder; those that are there already are taken as they are."""
    normal, watched = (folder / f"walkway-{name}-seed{seed}.mp4" for name in ("normal", "watched"))
    anomalies = plan(seed)
    _render(normal, NORMAL_SECONDS, 2 * seed, ())
    _render(watched, WATCHED_SECONDS, 2 * seed + 1, anomalies)  # other people than in the normal clip
    return Clips(normal, watched, tuple(spans(anomalies, WATCHED_SECONDS)))


def compare(implanted: Sequence[Span], incidents: Sequence[Incident]) -> tuple[list[Found], list[Incident]]:
    """Each implanted anomaly with the incidents that overlap it, and the incidents that overlap none."""
    found = [
        Found(span, tuple(each for each in incidents if _overlap(span, each.start, each.end))) for span in implanted
    ]
    false = [each for each in incidents if not any(_overlap(span, each.start, each.end) for span in implanted)]
    return found, false


def false_cases(implanted: Sequence[Span], cases: Sequence[Case]) -> list[Case]:
    """The anomalous cases of windows in which nothing was implanted."""
    odd = [case for case in cases if case.label is Label.ANOMALOUS]
    return [case for case in odd if not any(_overlap(span, case.window.start, case.window.end) for span in implanted)]


def _overlap(span: Span, start: float, end: float) -> bool:
    return start < span.end and span.start < end


def _render(file: Path, seconds: float, seed: int, anomalies: Sequence[Anomaly]) -> None:
    wanted = dict(enumerate(labels(anomalies, seconds).tolist()))
    try:
        there = file.exists() and read_labels(labels_file(file)) == wanted
    except ScenarioError:
        there = False
    if not there:
        render_walkway(file, seconds=seconds, seed=seed, anomalies=anomalies)
