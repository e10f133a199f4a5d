"""The reflector: looks again when the uncertainty monitor asks (Anomaly-OV's second look, ALARM's reflection)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from alarm_agents.agents.base import Agent
from alarm_agents.agents.predicates import judge
from alarm_agents.agents.reasoner import Judged, Opinion, Question, question_values, to_verdict
from alarm_agents.models import Answer, delimit, picture_block
from alarm_agents.observability import tracing
from alarm_agents.sources.picture import Picture
from alarm_agents.tools.expert import LooksAgain
from alarm_agents.tools.registry import Toolbox
from alarm_agents.tools.smoothing import causal
from alarm_agents.tools.work import Work
from alarm_agents.types import Box, Fact, Measurement, Perception, Verdict

BEFORE = 0.5
"""Seconds before the window that the second look takes in, so that its smoothing has settled at the start."""
TOLD = 3
"""Facts of a second look that are kept: the most notable ones."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


class Reconsidered(Opinion):
    """A reflector's answer: what it makes of the verdict, and the verdict as it stands now."""

    outcome: Literal["confirm", "revise", "cannot tell"]


@dataclass(frozen=True)
class Reflection:
    """What a second look found: the verdict after it, and the facts that it brought, if any."""

    verdict: Verdict
    facts: tuple[Fact, ...] = ()


class Reflector(Agent):
    """Looks again at full resolution, all frames, the region where the most notable fact lies."""

    role = "reflector"

    async def reflect(
        self, question: Question, verdicts: Sequence[Verdict], work: Work, toolbox: Toolbox, round_: int
    ) -> Reflection:
        """The verdict of the second look; `verdicts` are those that were not certain enough."""
        region = _region(question.perceptions)
        with self.working(**{"alarm.round": round_}) as span:
            if self.model is None:
                measurements, facts = await self._measure_again(question, work)
                verdict = self._two_looks(question, measurements, facts, round_)
            else:
                verdict, facts = await self._ask_again(question, verdicts, toolbox, region, round_)
            span.set_attribute("alarm.parse", verdict.parse.value)
            span.set_attribute("alarm.unknown_rules", len(verdict.unknown_rules))
            return Reflection(verdict, facts)

    async def _measure_again(self, question: Question, work: Work) -> tuple[list[Measurement], tuple[Fact, ...]]:
        """The measurements at full resolution of all frames, for the experts that can look again.

        Each looks where its own most notable fact lies. Each frame's value is the mean of both looks: the second one
        does not outvote the first.
        """
        measurements = list(question.measurements)
        facts: tuple[Fact, ...] = ()
        for place, first in enumerate(measurements):
            expert: object = work.experts.get(first.expert)
            if work.media.kind != "frames" or not isinstance(expert, LooksAgain):
                continue
            region = _region(question.perceptions, first.expert)
            with tracing.span(first.expert, kind="tool", **{"gen_ai.tool.name": first.expert}):
                pictures = await asyncio.to_thread(work.media.native, question.window, before=BEFORE)
                again = await asyncio.to_thread(expert.look_again, pictures, region)
            if not again.frames:  # a live source has let go of the pictures
                continue
            times, wanted = [picture.time for picture in pictures], question.window.times
            frames = {}
            for name, values in first.frames.items():
                if name not in again.frames:
                    frames[name] = values
                    continue
                second = np.interp(wanted, times, causal(again.frames[name], "frames"))
                frames[name] = tuple(float(v) for v in (np.asarray(values) + second) / 2)
            measurements[place] = first.model_copy(update={"frames": frames})
            facts += tuple(
                fact.model_copy(update={"perceiver": f"{fact.perceiver} again"}) for fact in again.facts[:TOLD]
            )
        return measurements, facts

    def _two_looks(
        self, question: Question, measurements: Sequence[Measurement], facts: tuple[Fact, ...], round_: int
    ) -> Verdict:
        verdict = judge(
            self.member, question.rules, measurements, question.perceptions, round_=round_, lift=question.lift
        )
        said = "looked again at full resolution" if facts else "there is nothing more to look at"
        return verdict.model_copy(update={"rationale": f"{said}: {verdict.rationale}"})

    async def _ask_again(
        self, question: Question, verdicts: Sequence[Verdict], toolbox: Toolbox, region: Box, round_: int
    ) -> tuple[Verdict, tuple[Fact, ...]]:
        assert self.model is not None
        limits = self.model.settings.images
        closer: Sequence[Picture] = ()
        if limits.max:  # a model that reads only words is sent none
            closer = (await toolbox.try_run("zoom", {"region": region, "frames": limits.max})).pictures
        measured = await toolbox.try_run("motion", {"region": region})
        said = "\n".join(f"- {v.member}: {v.label.value}, p {v.p_anomaly}: {v.rationale}" for v in verdicts)
        answer: Answer[Any] = await self.ask(
            Reconsidered,
            [picture_block(picture.image, limits.max_side) for picture in closer],
            verdicts=delimit(said, "verdicts"),
            measured=delimit(measured.text, "measured"),
            region=", ".join(f"{edge:.2f}" for edge in region),
            **question_values(question),
        )
        judged = replace(answer, value=answer.value and _as_judged(answer.value))
        return to_verdict(self.member, self.member, judged, question.rules, round_=round_), measured.facts


def _as_judged(again: Reconsidered) -> Judged:
    told = "anomalous" if again.p_anomaly >= 0.5 else "normal"
    return Judged(
        label="cannot tell" if again.outcome == "cannot tell" else told,
        p_anomaly=again.p_anomaly,
        severity=again.severity,
        rules=again.rules,
        rationale=f"{again.outcome}: {again.rationale}",
    )


def _region(perceptions: Sequence[Perception], expert: str | None = None) -> Box:
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
