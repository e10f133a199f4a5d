"""What a scenario asks of its models, and whether they carry it: calls and tokens a minute, on its own prompts."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import urlsplit

import cv2
import numpy as np
from langchain_core.messages import BaseMessage
from pydantic import BaseModel

from alarm_agents.agents.focus import MOST as FOCUSED
from alarm_agents.agents.perceiver import Perceiver
from alarm_agents.agents.reasoner import Question, Reasoner
from alarm_agents.models import Answer, Model, ollama
from alarm_agents.monitor.teach import open_media
from alarm_agents.scenario import Scenario
from alarm_agents.settings import EMBEDDED, ModelSettings
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
    """What it carries: calls that gave a usable answer."""


class Need(Record):
    """What the scenario's windows ask of one model in one role."""

    role: str
    model: str
    place: str
    """Where the model computes: models of one place share it."""
    calls_a_minute: float
    tokens_a_minute: float | None = None
    share: float | None = None
    """Of what the model carries in that role; None where that was not measured, or no call gave a usable answer."""
    at_most: bool = False
    """Whether it counts what is not asked at every window: second looks for all turns, a second word on all drafts."""


def needs(scenario: Scenario, loads: Sequence[Load]) -> list[Need]:
    """The calls a minute of each model in each role, for one source, sized by the loads; `second_looks` come on top.

    With `reasoners_recheck`, each sample may cost a second call: they are counted as if all did.
    """
    windows, agents = 60.0 * scenario.source.fps / scenario.source.step, scenario.agents
    members = [("perceiver", name, 1) for name in agents.perceivers if scenario.source.kind != "captions"]
    closer = 1 + FOCUSED if agents.reasoners_focus else 0
    again = agents.samples if agents.reasoners_recheck else 0
    members += [("reasoner", name, agents.samples + again + closer) for name in agents.reasoners]
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
                place=_place(name, scenario.models[name]),
                calls_a_minute=calls * windows,
                tokens_a_minute=None if tokens is None else tokens * calls * windows,
                share=_share(calls * windows, load),
                at_most=role == "reasoner" and again > 0,
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
            place=_place(name, scenario.models[name]),
            calls_a_minute=calls,
            tokens_a_minute=None if tokens is None else min(tokens, graph.reflection.tokens / turns) * calls,
            share=_share(calls, load),
            at_most=True,
        )
    ]


def _share(calls: float, load: Load | None) -> float | None:
    return calls / load.calls_a_minute if load is not None and load.calls_a_minute else None


def _place(name: str, settings: ModelSettings) -> str:
    """The server's host and port, or this machine; a model of which neither is known is a place of its own."""
    if settings.backend in ("transformers", "llamacpp"):
        return "on this machine"
    usual = ollama.ADDRESS if settings.model == ollama.CLASS else ""
    host = urlsplit(str(settings.base_url or settings.extra.get("base_url") or usual)).netloc.rpartition("@")[2]
    return f"at {host.lower().replace('localhost', '127.0.0.1')}" if host else name


def advice(scenario: Scenario, found: Sequence[Need], loads: Sequence[Load]) -> list[str]:
    """Which models were not measured or failed, and, for each place that is asked for more than it has, what to lower.

    Shares add up: each was measured with the place to itself.
    """
    measured = {(load.role, load.model): load for load in loads}
    said = []
    for need in found:
        load = measured.get((need.role, need.model))
        if load is None:
            said.append(f"{need.model}: not measured yet; add --measure")
        elif load.failed:
            which = f"{load.failed} of {load.calls} calls as {need.role}"
            said.append(f"{need.model}: no usable answer in {which}; `alarm models probe {need.model}` says why")
    for place in dict.fromkeys(need.place for need in found):
        mine = [need for need in found if need.place == place]
        if (total := sum(need.share or 0.0 for need in mine)) > 1.0:
            said.append(_relief(scenario, mine, total))
    return list(dict.fromkeys(said))


def _relief(scenario: Scenario, mine: Sequence[Need], total: float) -> str:
    """What to lower where the needs of one place come to `total` times what it has."""
    source, agents, remedies = scenario.source, scenario.agents, []
    names = list(dict.fromkeys(need.model for need in mine))
    if agents.samples > 1 and any(need.role == "reasoner" for need in mine):
        remedies.append("lower agents.samples")
    if any(need.at_most for need in mine):
        remedies.append("leave out agents.reasoners_recheck")
    if any(need.role == "perceiver" and scenario.models[need.model].images.max > 1 for need in mine):
        remedies.append("lower images.max or images.max_side")
    if (stride := math.ceil(source.step * total)) <= source.frames:
        remedies.append(f"raise source.stride to {stride}")
    else:
        fps = source.fps * source.step / source.frames / total
        remedies.append(f"lower source.fps to {fps:.2g}, without stride")
    if len(names) > 1:
        remedies.append("serve one of them elsewhere")
    who = f"{names[0]}: asked" if len(names) == 1 else f"{', '.join(names)} {mine[0].place}: asked together"
    at_most = "up to " if any(need.at_most for need in mine) else ""
    carries = "it carries" if len(names) == 1 else "is carried there"
    return f"{who} for {at_most}{total:.1f} times what {carries}; {', or '.join(remedies)}"


async def measure(scenario: Scenario, models: Mapping[str, Model], rules: Sequence[Rule]) -> list[Load]:
    """Ask each perceiver and reasoner about a generated window, as often at once as its `max_concurrency` says.

    The prompts are the scenario's own, with its rules; the pictures are made up. Each agent is asked once before that,
    unmeasured, since weights may be loaded only then. Raises `SourceError` where the scenario's source settings admit
    no generated window.
    """
    loads = []
    with TemporaryDirectory() as folder:
        media, first, second = await asyncio.to_thread(_generated, Path(folder), scenario)
        for need in needs(scenario, ()):
            model = _Counting(models[need.model])
            work = _work(need.role, model, scenario, media, rules)
            # Another window: asked about the same one again, a server would have most of the prompt in its cache.
            await work(first)
            model.answers.clear()
            loads.append(await _load(need.role, model, partial(work, second)))
    return loads


def _work(
    role: str, model: Model, scenario: Scenario, media: Media, rules: Sequence[Rule]
) -> Callable[[Window], Awaitable[object]]:
    """What a perceiver or reasoner with this model does about a window."""
    if role == "perceiver":
        perceiver = Perceiver.of(scenario, model.name, {model.name: model})
        return lambda window: perceiver.perceive(window, (), media, scenario)
    reasoner = Reasoner.of(scenario, model.name, {model.name: model})
    return lambda window: reasoner.reason(_question(scenario, media, window, rules))


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
    usable = sum(answer.value is not None for answer in answers)
    return Load(
        role=role,
        model=model.name,
        calls=len(answers),
        failed=len(answers) - usable,
        input_tokens=_mean([answer.input_tokens for answer in answers]),
        output_tokens=_mean([answer.output_tokens for answer in answers]),
        calls_a_minute=60.0 * usable / max(seconds, 1e-6),
    )


def _question(scenario: Scenario, media: Media, window: Window, rules: Sequence[Rule]) -> Question:
    """What a reasoner is asked about the window: six facts of each perceiver, about as many as there usually are."""
    facts = [Fact(subject=f"person {k}", attribute="gait", value="walks", text=f"person {k}: walks") for k in range(6)]
    told = {"facts": tuple(facts), "caption": "People walk along the path.", "parse": Parse.PARSED}
    seen = [Perception(member=name, model=name, **told) for name in scenario.agents.perceivers]
    shown = media if scenario.agents.reasoners_see else None
    return Question(window, scenario.normal, (), seen, rules, (), media=shown)


def _generated(folder: Path, scenario: Scenario) -> tuple[Media, Window, Window]:
    """Two windows of made-up frames, a square that moves on noise, cut as the scenario's source is."""
    settings = scenario.source
    frames = settings.frames + settings.step
    if settings.kind == "captions":
        path = folder / "captions.csv"
        rows = (f"{frame},people walk along the path" for frame in range(frames))
        path.write_text("frame,caption\n" + "\n".join(rows), encoding="utf-8")
    else:
        path, noise = folder, np.random.default_rng(0)
        width, height = settings.max_side, max(16, settings.max_side * 9 // 16)
        for frame in range(frames):
            image = noise.integers(90, 130, (height, width, 3)).astype(np.uint8)
            left = frame * (width - height // 4) // frames
            image[height // 3 : height // 3 + height // 4, left : left + height // 4] = (200, 160, 90)
            cv2.imwrite(str(folder / f"{frame:05d}.jpg"), image)
    kind = "captions" if settings.kind == "captions" else "folder"
    taken = scenario.model_copy(update={"source": settings.model_copy(update={"kind": kind})})
    media = open_media(str(path), taken)
    cuts = cut(media.source.frames(), source=media.source.slug, size=settings.frames, step=settings.step)
    (first, seen, _), (second, seen_next, _) = islice(cuts, 2)
    media.keep(first, seen)
    media.keep(second, seen_next[-settings.frames :])
    return media, first, second


def _mean(counts: Sequence[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return sum(known) / len(known) if known else None
