"""References of a suite that are drawn from labelled captions: frames by their label, away from any anomaly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from alarm_agents.errors import ScenarioError
from alarm_agents.evaluation.labels import read_labels
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.captions import CaptionSource

Chosen = dict[Path, frozenset[int]]


def choose(paths: Sequence[Path], *, label: int | None, says: str, frames: int | None, guard: int, seed: int) -> Chosen:
    """The frame numbers to learn from, by captions file: `frames` of those that qualify (all, when None or fewer).

    A frame qualifies by its label (any, when None) and, with `says`, by words that its caption holds; a normal one
    only from `guard` frames on from any that is labelled anomalous. Raises `ScenarioError` where none does.
    """
    found = [(path, frame) for path in paths for frame in _qualified(path, label, says, guard)]
    if not found:
        where = ", ".join(str(path) for path in paths[:3])
        raise ScenarioError("references: no frame qualifies", where=where, remedy="lower guard, or widen where")
    count = len(found) if frames is None else min(frames, len(found))
    drawn = np.random.default_rng(seed).choice(len(found), count, replace=False)
    chosen: dict[Path, set[int]] = {}
    for place in drawn:
        path, frame = found[int(place)]
        chosen.setdefault(path, set()).add(frame)
    return {path: frozenset(numbers) for path, numbers in chosen.items()}


def merged(parts: Sequence[Mapping[Path, frozenset[int]]]) -> Chosen:
    """All frames of several draws."""
    found: Chosen = {}
    for part in parts:
        for path, frames in part.items():
            found[path] = found.get(path, frozenset()) | frames
    return found


def _qualified(path: Path, label: int | None, says: str, guard: int) -> list[int]:
    labels = read_labels(path)
    odd = np.array(sorted(frame for frame, value in labels.items() if value), int)
    texts = spoken(path, says) if says else frozenset(labels)
    return [
        frame
        for frame, value in sorted(labels.items())
        if label in (None, value)
        and frame in texts
        and (value or not len(odd) or int(np.abs(odd - frame).min()) >= guard)
    ]


def spoken(path: Path, says: str) -> frozenset[int]:
    """The frames of a captions file whose caption holds these words, in any case."""
    source = CaptionSource(path, SourceSettings(kind="captions"), name=path.name)
    return frozenset(caption.index for caption in source.frames() if says.lower() in caption.text.lower())
