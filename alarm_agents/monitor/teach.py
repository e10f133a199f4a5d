"""Teaching a scenario its normal: references are drawn, experts fitted, rules induced."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from alarm_agents.agents.inducer import Inducer, Reference
from alarm_agents.agents.perceiver import Perceiver
from alarm_agents.agents.questions import Weighed
from alarm_agents.agents.reasoner import Reasoner
from alarm_agents.errors import SourceError
from alarm_agents.graphs.induction import InductionContext, build_induction, failures
from alarm_agents.memory.embedders import default_embedder
from alarm_agents.memory.preset import adopt
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.models import Model
from alarm_agents.monitor.questions import weigh_questions
from alarm_agents.monitor.references import Clip, divided, draw, picked
from alarm_agents.monitor.reviewed import read_reviewed
from alarm_agents.monitor.stage import Stage
from alarm_agents.observability import tracing
from alarm_agents.scenario import Scenario
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.base import Kind
from alarm_agents.sources.held import HeldSource
from alarm_agents.sources.media import Media
from alarm_agents.sources.open import open_source
from alarm_agents.tools.experts import experts_for, taught_experts
from alarm_agents.types import Rule, RuleKind, RuleStatus
from alarm_agents.workspace import Workspace
from alarm_agents.workspace.runs import References

FOLDS = 5
"""Parts that references are measured in, each by experts that learned from the others."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Taught:
    """What teaching gave: the stored references, the rules as stored, and what failed on the way."""

    references: References
    rules: tuple[Rule, ...]
    clips: int
    failures: tuple[str, ...]
    weighed: tuple[Weighed, ...]
    """What reviewed cases say of the guiding questions that there were before."""


def open_media(path: str, scenario: Scenario, base: Path = Path(), category: str = "") -> Media:
    """The media of one source, with the scenario's masks and sizes; `category` is what kind of source it is."""
    return Media(open_source(path, scenario.source, base), scenario.source.max_side, category)


async def teach(
    workspace: Workspace,
    scenario: Scenario,
    models: Mapping[str, Model],
    sources: Sequence[str],
    *,
    base: Path = Path(),
    frames: int | None = None,
    seed: int = 0,
    chosen: Mapping[str, frozenset[int]] | None = None,
    namespace: str = "main",
    progress: Progress = lambda _: None,
) -> Taught:
    """Fit the experts on references from `sources`, induce rules, and store both.

    `chosen` names the frames to learn from, by source, where they have been drawn already.
    Raises `SourceError` for a source that cannot be read or when sources of several kinds are mixed.
    """
    medias = [open_media(path, scenario, base) for path in sources]
    for media in medias:
        if media.source.live:
            remedy = "record normal footage to a file; or just watch it, and its first seconds set the threshold"
            raise SourceError("a live source has no end to learn from", where=media.source.name, remedy=remedy)
    kinds = {media.kind for media in medias}
    if len(kinds) != 1:
        raise SourceError("references mix pictures and captions", remedy="teach from sources of one kind")
    progress("reading references")
    kind = medias[0].kind
    if chosen is None:
        clips = await asyncio.to_thread(draw, medias, frames, seed)
    else:
        clips = await asyncio.to_thread(picked, medias, [chosen.get(path, frozenset()) for path in sources])
    reviewed = await asyncio.to_thread(read_reviewed, workspace, scenario, kind, namespace)
    clips += reviewed.clips
    memory = RuleMemory(workspace.engine, scenario.name, namespace)
    adopt(scenario, memory)
    weighed = await asyncio.to_thread(weigh_questions, workspace, memory, memory.questions())
    memory.add([each.question for each in weighed])
    rules_now = active_rules(memory)
    references = await asyncio.to_thread(_cross_measured, clips, kind, scenario.source, rules_now, progress)
    progress("teaching the experts")
    states = await asyncio.to_thread(_fitted, clips, kind)
    by_slug = {**reviewed.media, **{media.source.slug: media for media in medias}}
    context = induction_context(workspace, scenario, models, by_slug, namespace=namespace)
    progress("inducing rules")
    rules, failed = await induce(context, references)
    details = {
        "sources": [_findable(path, base) for path in sources],
        "fingerprint": hashlib.sha256("".join(m.source.fingerprint for m in medias).encode()).hexdigest(),
        "frames": frames,
        "seed": seed,
        "clips": len(clips),
        "scenario": scenario.digest,
        **({"reviewed": reviewed.cases} if reviewed.cases else {}),
    }
    stored = workspace.runs.teach(scenario.name, namespace, details, states)
    return Taught(stored, tuple(rules), len(clips), (*reviewed.notes, *failed), tuple(weighed))


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
        inducer=Inducer(None) if warm_up else Inducer.of(scenario, agents.inducer, models),
        perceiver=Perceiver.of(scenario, agents.perceivers[0], models),
        reasoner=Reasoner.of(scenario, agents.reasoners[0], models),
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


def active_rules(
    memory: RuleMemory, source: str | None = None, *, taken_back: bool = False
) -> Callable[[], Sequence[Rule]]:
    """What gives the rules that judge `source` (all, when None) as they are at each call, read when they changed.

    With `taken_back` what counts as normal no longer is among them, for experts that learned it.
    """
    known: tuple[int, list[Rule]] = (-1, [])

    def now() -> Sequence[Rule]:
        nonlocal known
        revision = memory.revision(source)
        if revision != known[0]:
            known = (revision, [*memory.active(source), *(memory.taken_back(source) if taken_back else ())])
        return known[1]

    return now


def teaches(rule: Rule) -> bool:
    """Whether a rule is one by which references let a window be judged.

    Questions judge nothing; nor does the rule of normality that is left of a limit which fires on the references.
    """
    judges = rule.status is RuleStatus.ACTIVE and rule.kind is not RuleKind.QUESTION
    half = rule.threshold is not None and rule.kind is RuleKind.NORMAL
    return rule.provenance.origin == "references" and judges and not half


def _findable(path: str, base: Path) -> str:
    """The path as it is found from any folder, where there is something at it (a pattern or an address stays)."""
    place = base / path
    return str(place.absolute()) if place.exists() else path


def _cross_measured(
    clips: Sequence[Clip],
    kind: Kind,
    settings: SourceSettings,
    rules: Callable[[], Sequence[Rule]],
    progress: Progress,
) -> list[Reference]:
    """Every window of every clip as experts measure it that learned from the others: what normal is when it is new."""
    parts = divided(clips, FOLDS)
    folds = min(FOLDS, len(parts))
    touching = settings.model_copy(update={"stride": None})
    measured: dict[int, list[Reference]] = {}
    for fold in range(folds):
        progress(f"measuring {len(clips)} references ({fold + 1} of {folds})")
        experts = experts_for(kind)
        rest = [part.frames for i, part in enumerate(parts) if i % folds != fold or folds == 1]
        for expert in experts.values():
            expert.fit(rest)
        taught = taught_experts(kind, {name: expert.state() for name, expert in experts.items()})
        for i in range(fold, len(parts), folds):
            media = Media(HeldSource(parts[i].frames, parts[i].source, kind), settings.max_side)
            stage = Stage(media, touching, taught, rules=rules)
            found = [Reference(window, measurements) for window, measurements in stage]
            longest = max(len(reference.window.frames) for reference in found)
            # A rest of a few frames at the end says little of windows.
            measured[i] = [each for each in found if 2 * len(each.window.frames) >= longest]
    return [reference for i in sorted(measured) for reference in measured[i]]


def _fitted(clips: Sequence[Clip], kind: Kind) -> dict[str, dict[str, NDArray[Any]]]:
    experts = experts_for(kind)
    for expert in experts.values():
        expert.fit([part.frames for part in divided(clips, FOLDS)])
    return {name: state for name, expert in experts.items() if (state := expert.state())}
