"""Windows that a person has found to be normal, kept by reference and read again as references to teach with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from alarm_agents.errors import AlarmError, SourceError
from alarm_agents.monitor.references import Clip, as_held
from alarm_agents.scenario import Scenario
from alarm_agents.sources.media import Media
from alarm_agents.sources.open import open_source
from alarm_agents.types import Case, Resolution, Window
from alarm_agents.workspace import Workspace
from alarm_agents.workspace.reviewed import Reviewed

MOST_REVIEWED = 40
"""Reviewed windows learned from, the latest ones; they lie in memory meanwhile."""


@dataclass
class ReviewedWindows:
    """What could be read again: each window's frames, after the one before them, and its media."""

    clips: list[Clip] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    """The cases that the windows are of."""
    media: dict[str, Media] = field(default_factory=dict)
    """By the slug of the source."""
    notes: list[str] = field(default_factory=list)
    """What could not be read, and why."""


def remember(workspace: Workspace, case: Case, run: str, resolution: Resolution) -> None:
    """Keep where the case's window is, as a reference of its scenario."""
    scenario, path, _ = workspace.runs.scenario_of(run)
    try:
        source = open_source(path, scenario.source)
        fingerprint = "" if source.live else source.fingerprint
    except AlarmError:  # gone by now: it stays on record, and teaching says that it cannot be read
        fingerprint = ""
    kept = Reviewed(case=case.id, path=path, fingerprint=fingerprint, window=case.window, resolution=resolution)
    workspace.reviewed.add(kept, scenario=case.scenario, namespace=case.namespace)


def read_reviewed(workspace: Workspace, scenario: Scenario, kind: str, namespace: str = "main") -> ReviewedWindows:
    """The reviewed windows of the scenario, read again from sources of that kind (`frames` or `captions`).

    A window whose source is gone, has changed, or cannot be read twice is left out, with a note.
    """
    windows = ReviewedWindows()
    for kept in workspace.reviewed.find(scenario.name, namespace=namespace)[-MOST_REVIEWED:]:
        try:
            media = _media(kept, scenario, kind)
            frames = _frames(media, kept.window, scenario.source.max_side)
        except AlarmError as error:
            windows.notes.append(f"reviewed case {kept.case} was left out: {error.message}")
            continue
        windows.clips.append(Clip(kept.window.source, frames))
        windows.cases.append(kept.case)
        windows.media.setdefault(kept.window.source, media)
    return windows


def _media(kept: Reviewed, scenario: Scenario, kind: str) -> Media:
    source = open_source(kept.path, scenario.source)
    if source.live or not kept.fingerprint:
        raise SourceError("its source cannot be read again", where=kept.path)
    if source.kind != kind:
        raise SourceError("its source is of another kind than the references", where=kept.path)
    if source.fingerprint != kept.fingerprint:
        raise SourceError("its source has changed since it was answered", where=kept.path)
    return Media(source, scenario.source.max_side)


def _frames(media: Media, window: Window, max_side: int) -> list[Any]:
    """The window's frames with the one before them, where there is one, in the size that experts work at."""
    numbers = window.frames
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
    read = media.source.read(max(0, window.first - step), window.last, max_side=max_side)
    own = [frame for frame in read if frame.index in numbers]
    before = [frame for frame in read if frame.index < window.first][-1:] if media.kind == "frames" else []
    if len(own) < len(numbers):
        raise SourceError("frames of its window are missing")
    return [as_held(frame) for frame in (*before, *own)]
