"""What a scenario asks of its models, and whether they carry it: calls and tokens a minute, on its own prompts."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import cv2
import numpy as np
from langchain_core.messages import BaseMessage
from pydantic import BaseModel

from alarm_agents.agents.focus import MOST as FOCUSED
from alarm_agents.agents.perceiver import Perceiver
from alarm_agents.agents.reasoner import Question, Reasoner
from alarm_agents.models import Answer, Model
from alarm_agents.monitor.teach import open_media
from alarm_agents.scenario import EMBEDDED, Scenario
from alarm_agents.sources.media import Media
from alarm_agents.sources.windows import cut
from alarm_agents.types import Fact, Parse, Perception, Record, Rule, Window

T = TypeVar("T", bound=BaseModel)


class Load(Record):
    """What calls of one model in one role were measured to take, `max_concurrency` of them at once."""

    role: str
    model: str
    calls: int
    failed: int
    input_tokens: float | None
    output_tokens: float | None
    """Of one call, on average; None where the model does not count them."""
    calls_a_minute: float
    """What it carries."""


class Need(Record):
    """What the scenario's windows ask of one model in one role."""

    role: str
    model: str
    calls_a_minute: float
    tokens_a_minute: float | None = None
    share: float | None = None
    """Of what the model carries in that role; None where that was not measured."""
    at_most: bool = False
    """Whether it is what comes on top where every window is looked at again, for as many turns as are allowed."""


def needs(scenario: Scenario, loads: Sequence[Load]) -> list[Need]:
    """The calls a minute of each model in each role, for one source, sized by the loads; `second_looks` come on top."""
    windows, agents = 60.0 * scenario.source.fps / scenario.source.step, scenario.agents
    members = [("perceiver", name, 1) for name in agents.perceivers if scenario.source.kind != "captions"]
    closer = 1 + FOCUSED if agents.reasoners_focus else 0
    members += [("reasoner", name, agents.samples + closer) for name in agents.reasoners]
    measured = {(load.role, load.model): load for load in loads}
    found = []
    for role, name, calls in members:
        if name == EMBEDDED:
            continue
        load = measured.get((role, name))
        tokens = None if load is None or load.input_tokens is None else load.input_tokens + (load.output_tokens or 0)
        found.append(
            Need(
                role=role,
                model=name,
                calls_a_minute=calls * windows,
                tokens_a_minute=None if tokens is None else tokens * calls * windows,
                share=None if load is None else calls * windows / load.calls_a_minute,
            )
        )
    return found


def second_looks(scenario: Scenario, loads: Sequence[Load]) -> list[Need]:
    """What second looks may come to: nothing where the reflector has no model, else its turns at every window.

    A turn is taken for as long as a first judgement of the same model, or else as its longest call that was measured.
    """
    name, graph = scenario.agents.reflector, scenario.graph
    turns = graph.max_reflections * graph.reflection.rounds
    if name == EMBEDDED or not turns:
        return []
    own = [load for load in loads if load.model == name]
    load = next((load for load in own if load.role == "reasoner"), None) or min(
        own, key=lambda load: load.calls_a_minute, default=None
    )
    calls = turns * 60.0 * scenario.source.fps / scenario.source.step
    counted = load is not None and load.input_tokens is not None
    tokens = (load.input_tokens or 0) + (load.output_tokens or 0) if load is not None and counted else None
    return [
        Need(
            role="reflector",
            model=name,
            calls_a_minute=calls,
            tokens_a_minute=None if tokens is None else min(tokens, graph.reflection.tokens / turns) * calls,
            share=None if load is None else calls / load.calls_a_minute,
            at_most=True,
        )
    ]


def advice(scenario: Scenario, found: Sequence[Need]) -> list[str]:
    """For each model that is asked for more than it carries, what to lower."""
    said = []
    for name in dict.fromkeys(need.model for need in found):
        mine = [need for need in found if need.model == name]
        if any(need.share is None for need in mine):
            said.append(f"{name}: not measured yet; add --measure")
            continue
        total = sum(need.share or 0.0 for need in mine)
        if total <= 1.0:
            continue
        source, agents, remedies = scenario.source, scenario.agents, []
        if agents.samples > 1 and any(need.role == "reasoner" for need in mine):
            remedies.append("lower agents.samples")
        if any(need.role == "perceiver" for need in mine) and scenario.models[name].images.max > 1:
            remedies.append("lower images.max or images.max_side")
        if (stride := math.ceil(source.step * total)) <= source.frames:
            remedies.append(f"raise source.stride to {stride}")
        else:
            remedies.append(
                f"lower source.fps to {source.fps * source.step / source.frames / total:.2g}, without stride"
            )
        said.append(f"{name}: asked for {total:.1f} times what it carries; {', or '.join(remedies)}")
    return said


async def measure(scenario: Scenario, models: Mapping[str, Model], rules: Sequence[Rule]) -> list[Load]:
    """Ask each perceiver and reasoner about a generated window, as often at once as its `max_concurrency` says.

    The prompts are the scenario's own, with its rules; the pictures are made up. Raises `SourceError` where the
    scenario's source settings admit no generated window.
    """
    loads = []
    with TemporaryDirectory() as folder:
        media, window = await asyncio.to_thread(_generated, Path(folder), scenario)
        for need in needs(scenario, ()):
            model = _Counting(models[need.model])
            work: Callable[[], Awaitable[object]]
            if need.role == "perceiver":
                perceiver = Perceiver.of(scenario, need.model, {need.model: model})
                work = partial(perceiver.perceive, window, (), media, scenario)
            else:
                reasoner = Reasoner.of(scenario, need.model, {need.model: model})
                work = partial(reasoner.reason, _question(scenario, media, window, rules))
            loads.append(await _load(need.role, model, work))
    return loads


class _Counting(Model):
    """The model, with its answers kept."""

    def __init__(self, model: Model) -> None:
        super().__init__(model.name, model.settings, model.chat)
        self.answers: list[Answer[Any]] = []

    async def ask(
        self, messages: Sequence[BaseMessage], schema: type[T], tools: Sequence[Mapping[str, Any]] = ()
    ) -> Answer[T]:
        answer = await super().ask(messages, schema, tools)
        self.answers.append(answer)
        return answer


async def _load(role: str, model: _Counting, work: Callable[[], Awaitable[object]]) -> Load:
    started = time.monotonic()
    await asyncio.gather(*(work() for _ in range(model.settings.max_concurrency)))
    seconds = time.monotonic() - started
    answers = model.answers
    return Load(
        role=role,
        model=model.name,
        calls=len(answers),
        failed=sum(answer.value is None for answer in answers),
        input_tokens=_mean([answer.input_tokens for answer in answers]),
        output_tokens=_mean([answer.output_tokens for answer in answers]),
        calls_a_minute=60.0 * len(answers) / max(seconds, 1e-6),
    )


def _question(scenario: Scenario, media: Media, window: Window, rules: Sequence[Rule]) -> Question:
    """What a reasoner is asked about the window: six facts of each perceiver, about as many as there usually are."""
    facts = [Fact(subject=f"person {k}", attribute="gait", value="walks", text=f"person {k}: walks") for k in range(6)]
    told = {"facts": tuple(facts), "caption": "People walk along the path.", "parse": Parse.PARSED}
    seen = [Perception(member=name, model=name, **told) for name in scenario.agents.perceivers]
    shown = media if scenario.agents.reasoners_see else None
    return Question(window, scenario.normal, (), seen, rules, (), media=shown)


def _generated(folder: Path, scenario: Scenario) -> tuple[Media, Window]:
    """A window of made-up frames, a square that moves on noise, cut as the scenario's source is."""
    settings = scenario.source
    if settings.kind == "captions":
        path = folder / "captions.csv"
        rows = (f"{frame},people walk along the path" for frame in range(settings.frames))
        path.write_text("frame,caption\n" + "\n".join(rows), encoding="utf-8")
    else:
        path, noise = folder, np.random.default_rng(0)
        width, height = settings.max_side, max(16, settings.max_side * 9 // 16)
        for frame in range(settings.frames):
            image = noise.integers(90, 130, (height, width, 3)).astype(np.uint8)
            left = frame * (width - height // 4) // settings.frames
            image[height // 3 : height // 3 + height // 4, left : left + height // 4] = (200, 160, 90)
            cv2.imwrite(str(folder / f"{frame:05d}.jpg"), image)
    kind = "captions" if settings.kind == "captions" else "folder"
    taken = scenario.model_copy(update={"source": settings.model_copy(update={"kind": kind})})
    media = open_media(str(path), taken)
    window, frames, _ = next(
        iter(cut(media.source.frames(), source=media.source.slug, size=settings.frames, step=settings.step))
    )
    media.keep(window, frames)
    return media, window


def _mean(counts: Sequence[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return sum(known) / len(known) if known else None
