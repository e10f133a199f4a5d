"""The second look without a model: experts measure again, finely, where their own most notable fact lies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np

from alarm_agents.agents.perceiver import WHOLE
from alarm_agents.agents.reasoner import Question
from alarm_agents.observability import tracing
from alarm_agents.tools.expert import LooksAgain
from alarm_agents.tools.scene import Floats
from alarm_agents.tools.smoothing import STEADY, causal
from alarm_agents.tools.work import Work
from alarm_agents.types import Box, Fact, Measurement, Perception

BEFORE = 0.5
"""Seconds before the window that the second look takes in, so that its smoothing has settled at the start."""
TOLD = 3
"""Facts of a second look that are kept: the most notable ones."""


async def measure_again(question: Question, work: Work) -> tuple[list[Measurement], tuple[Fact, ...]]:
    """The measurements at full resolution of all frames, for the experts that can look again.

    Each looks where its own most notable fact lies. The second look does not outvote the first (`_of_both`).
    """
    measurements = list(question.measurements)
    facts: tuple[Fact, ...] = ()
    for place, first in enumerate(measurements):
        expert: object = work.experts.get(first.expert)
        if work.media.kind != "frames" or not isinstance(expert, LooksAgain):
            continue
        region = notable_region(question.perceptions, first.expert)
        with tracing.span(first.expert, kind="tool", **{"gen_ai.tool.name": first.expert}):
            pictures = await asyncio.to_thread(work.media.native, question.window, before=BEFORE)
            again = await asyncio.to_thread(expert.look_again, pictures, region)
        if not again.frames:  # a live source has let go of the pictures
            continue
        frames = _of_both(first, again.frames, [picture.time for picture in pictures], question.window.times)
        measurements[place] = first.model_copy(update={"frames": frames})
        facts += tuple(fact.model_copy(update={"perceiver": f"{fact.perceiver} again"}) for fact in again.facts[:TOLD])
    return measurements, facts


def _of_both(
    first: Measurement, again: Mapping[str, Sequence[float]], times: Sequence[float], wanted: Sequence[float]
) -> dict[str, tuple[float, ...]]:
    """The first look's measures of the frames at the `wanted` times, with those that were taken `again` at `times`.

    They are the mean of both, but for those that have no mean, as a thing's size: these are of the look whose thing
    scores higher.
    """
    nearest = np.abs(np.subtract.outer(wanted, times)).argmin(axis=1)
    steady = {name for name in again if f"{first.expert}.{name}" in STEADY}
    both: dict[str, Floats] = {}
    for name in again.keys() & first.frames.keys():
        values = again[name]
        second = np.asarray(values)[nearest] if name in steady else np.interp(wanted, times, causal(values, "frames"))
        both[name] = np.array([first.frames[name], second])
    higher = both[first.score].argmax(axis=0), np.arange(len(wanted))
    chosen = {name: looks[higher] if name in steady else looks.mean(axis=0) for name, looks in both.items()}
    return {name: tuple(chosen[name].tolist()) if name in chosen else first.frames[name] for name in first.frames}


def notable_region(perceptions: Sequence[Perception], expert: str | None = None) -> Box:
    """Where to look: the region of the most notable fact (of that expert) with room around it, or the whole picture."""
    facts = [fact for p in perceptions if p.parse.usable for fact in p.facts if fact.region is not None]
    numbers = [fact for fact in facts if isinstance(fact.value, float) or fact.confidence is not None]
    numbers = [fact for fact in numbers if expert is None or fact.measure.startswith(f"{expert}.")]
    best = max(numbers, key=lambda f: f.value if isinstance(f.value, float) else f.confidence or 0.0, default=None)
    if best is None or best.region is None:
        return WHOLE
    x0, y0, x1, y1 = best.region
    dx, dy = x1 - x0, y1 - y0  # what moves is elsewhere a few frames later
    return (max(0.0, x0 - dx), max(0.0, y0 - dy), min(1.0, x1 + dx), min(1.0, y1 + dy))
