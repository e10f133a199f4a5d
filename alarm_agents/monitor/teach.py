"""Teaching a scenario its normal: references are drawn, experts fitted, rules induced."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alarm_agents.agents.inducer import Inducer, Reference
from alarm_agents.agents.perceiver import Perceiver
from alarm_agents.agents.reasoner import Reasoner
from alarm_agents.errors import SourceError
from alarm_agents.graphs.induction import InductionContext, build_induction, failures
from alarm_agents.memory.embedders import default_embedder
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.models import Model
from alarm_agents.observability import tracing
from alarm_agents.scenario import Scenario
from alarm_agents.sources.media import Media
from alarm_agents.sources.open import open_source
from alarm_agents.sources.windows import cut
from alarm_agents.tools.experts import experts_for
from alarm_agents.tools.smoothing import causal
from alarm_agents.types import Measurement, Rule, Window
from alarm_agents.workspace import Workspace
from alarm_agents.workspace.runs import References

MOST_WINDOWS = 40
"""Windows learned from when no number of frames is asked for; more are thinned out evenly (they lie in memory)."""
NEIGHBOURS = 1
"""Frames on either side that come with a drawn reference frame, so that motion can be seen."""
FOLDS = 5

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Clip:
    """A reference: a short run of consecutive frames; the first one is context where there is one before it."""

    window: Window
    frames: Sequence[Any]
    overlap: int


@dataclass(frozen=True)
class Taught:
    """What teaching gave: the stored references, the rules as stored, and what failed on the way."""

    references: References
    rules: tuple[Rule, ...]
    clips: int
    failures: tuple[str, ...]


def open_media(path: str, scenario: Scenario, base: Path = Path()) -> Media:
    """The media of one source, with the scenario's masks and sizes."""
    return Media(open_source(path, scenario.source, base), scenario.source.max_side)


def draw(medias: Sequence[Media], scenario: Scenario, frames: int | None, seed: int) -> list[Clip]:
    """The references: `frames` frames drawn at random over all sources, each with its neighbours; or whole windows.

    Frames are drawn without replacement with the seed; whole windows are thinned out evenly to `MOST_WINDOWS`.
    Raises `SourceError` when the sources hold no frame.
    """
    if frames is None:
        total = sum(1 for media in medias for _ in _windows(media, scenario))
        every = max(1, -(-total // MOST_WINDOWS))
        found = [
            clip for place, clip in enumerate(c for m in medias for c in _windows(m, scenario)) if place % every == 0
        ]
    else:
        found = _drawn(medias, frames, seed)
    if not found:
        raise SourceError("the references hold no frames", remedy="name sources of normal data")
    return found


async def teach(
    workspace: Workspace,
    scenario: Scenario,
    models: Mapping[str, Model],
    sources: Sequence[str],
    *,
    base: Path = Path(),
    frames: int | None = None,
    seed: int = 0,
    namespace: str = "main",
    progress: Progress = lambda _: None,
) -> Taught:
    """Fit the experts on references from `sources`, induce rules, and store both.

    Raises `SourceError` for a source that cannot be read or when sources of several kinds are mixed.
    """
    medias = [open_media(path, scenario, base) for path in sources]
    kinds = {media.kind for media in medias}
    if len(kinds) != 1:
        raise SourceError("references mix pictures and captions", remedy="teach from sources of one kind")
    progress("reading references")
    clips = await asyncio.to_thread(draw, medias, scenario, frames, seed)
    progress(f"measuring {len(clips)} references")
    references = await asyncio.to_thread(_cross_measured, clips, kinds.pop())
    states = await asyncio.to_thread(_fitted, clips, medias[0].kind)
    context = induction_context(
        workspace, scenario, models, {media.source.slug: media for media in medias}, namespace=namespace
    )
    progress("inducing rules")
    rules, failed = await induce(context, references)
    details = {
        "sources": list(sources),
        "fingerprint": hashlib.sha256("".join(m.source.fingerprint for m in medias).encode()).hexdigest(),
        "frames": frames,
        "seed": seed,
        "clips": len(clips),
        "scenario": scenario.digest,
    }
    stored = workspace.runs.teach(scenario.name, namespace, details, states)
    return Taught(stored, tuple(rules), len(clips), tuple(failed))


def induction_context(
    workspace: Workspace,
    scenario: Scenario,
    models: Mapping[str, Model],
    media: Mapping[str, Media],
    *,
    namespace: str,
    warm_up: str = "",
) -> InductionContext:
    """What the induction graph works with; `warm_up` names the one source that its rules are for."""
    agents = scenario.agents
    return InductionContext(
        scenario=scenario,
        # A stream's own first windows may hold anomalies, which a model would write down as normal.
        inducer=Inducer(None if warm_up else models.get(agents.inducer)),
        perceiver=Perceiver(models.get(agents.perceivers[0])),
        reasoner=Reasoner(models.get(agents.reasoners[0])),
        fallback=Inducer(None),
        embedder=default_embedder(),
        memory=RuleMemory(workspace.engine, scenario.name, namespace),
        media=media,
        origin="warm-up" if warm_up else "references",
        source=warm_up,
    )


async def induce(context: InductionContext, references: Sequence[Reference]) -> tuple[list[Rule], list[str]]:
    """Run the induction graph: the rules as stored, and what failed."""
    with tracing.span(f"induce {context.scenario.name}", kind="window", **{"alarm.scenario": context.scenario.name}):
        graph = build_induction().compile()
        result = await graph.ainvoke({"references": tuple(references)}, context=context)
    return list(result["rules"]), failures(result["proposals"])


def _windows(media: Media, scenario: Scenario) -> Any:
    settings = scenario.source
    for window, frames, overlap in cut(
        media.source.frames(), source=media.source.slug, size=settings.frames, step=settings.frames
    ):
        if len(frames) > 1 or media.kind == "captions":
            yield Clip(window, frames, overlap)


def _drawn(medias: Sequence[Media], frames: int, seed: int) -> list[Clip]:
    """Random frames with their neighbours: two passes, the first to count, the second to collect."""
    counts = [sum(1 for _ in media.source.frames()) for media in medias]
    total = sum(counts)
    if not total:
        return []
    wanted = np.sort(np.random.default_rng(seed).choice(total, min(frames, total), replace=False))
    clips, start = [], 0
    for media, count in zip(medias, counts, strict=True):
        places = [int(i) - start for i in wanted if start <= i < start + count]
        start += count
        around = {place: range(max(0, place - NEIGHBOURS), min(count, place + NEIGHBOURS + 1)) for place in places}
        needed = {i for near in around.values() for i in near}
        held = {i: frame for i, frame in enumerate(media.source.frames()) if i in needed} if needed else {}
        for place in places:
            run = [held[i] for i in around[place]]
            window = next(cut(run, source=media.source.slug, size=len(run), step=len(run)))[0]
            clips.append(Clip(window, run, min(1, len(run) - 1) if media.kind == "frames" else 0))
    return clips


def _cross_measured(clips: Sequence[Clip], kind: str) -> list[Reference]:
    """Every clip measured by experts that were fitted on other clips: what normal looks like when it is new."""
    folds = min(FOLDS, len(clips))
    measured: dict[int, tuple[Measurement, ...]] = {}
    for fold in range(folds):
        experts = experts_for(kind)
        rest = [clip.frames for i, clip in enumerate(clips) if i % folds != fold or folds == 1]
        for expert in experts.values():
            expert.fit(rest)
        for i in range(fold, len(clips), folds):
            measured[i] = tuple(_measure(expert, clips[i], kind) for expert in experts.values())
    return [Reference(clip.window, measured[i]) for i, clip in enumerate(clips)]


def _measure(expert: Any, clip: Clip, kind: str) -> Measurement:
    expert.begin()
    found = expert.measure(clip.frames, clip.overlap)
    frames = {name: tuple(causal(values, kind)) for name, values in found.frames.items()}
    return Measurement(expert=expert.name, score=expert.score, frames=frames, facts=found.facts)


def _fitted(clips: Sequence[Clip], kind: str) -> dict[str, dict[str, NDArray[Any]]]:
    experts = experts_for(kind)
    for expert in experts.values():
        expert.fit([clip.frames for clip in clips])
    return {name: expert.state() for name, expert in experts.items()}
