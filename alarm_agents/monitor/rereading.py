"""The captions that a stored case was judged by, read again, and measured with some of what they say left out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from alarm_agents.agents.counterfactual import SENTENCE, Change, Seen
from alarm_agents.errors import SourceError
from alarm_agents.memory.embedders import default_embedder
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.monitor.teach import open_media
from alarm_agents.sources.captions import Caption
from alarm_agents.tools.captions import Captions
from alarm_agents.tools.clauses import Clause, clauses
from alarm_agents.tools.smoothing import CAUSAL, CAUSAL_WEIGHT
from alarm_agents.types import Case, Measurement, Parse, Perception, Rule, Window
from alarm_agents.workspace import Workspace

FADED = 1e-4
"""The share of a smoothed value that a caption long before it may be without being read again."""
BEFORE = math.ceil(math.log(FADED) / math.log(1.0 - CAUSAL_WEIGHT["captions"]))
"""Captions before a window that still weigh in."""
ALIKE = 1e-3
"""How near to the record, in shares of the value, what is measured again has to come."""


class Reread:
    """A window's captions, and those before it that still weigh in, with the expert that measured them."""

    def __init__(self, expert: Captions, captions: Sequence[Caption], window: Window) -> None:
        """`captions` are in order, and end with those of the window."""
        self._expert, self._window = expert, window
        self._times = [caption.time for caption in captions]
        self._said = [tuple(clauses(caption.text)) for caption in captions]
        self._values: dict[tuple[Clause, ...], dict[str, float]] = {}

    def parts(self) -> list[Change]:
        """Each thing that the captions say, the oddest first."""
        said = self._expert.oddest_first([clause for each in self._said for clause in each])
        return [Change(kind="clause", what=what) for what in dict.fromkeys(clause.said for clause in said)]

    def measured(self, unsaid: frozenset[str] = frozenset()) -> Measurement:
        """The window as it is measured where nobody says these things, smoothed as it is while watching."""
        said = [tuple(clause for clause in each if clause.said not in unsaid) for each in self._said]
        own = len(self._window.frames)
        values = self._values_of(said)
        smoothed = {name: CAUSAL.forward([each[name] for each in values], "captions") for name in values[0]}
        frames = {name: tuple(series[-own:]) for name, series in smoothed.items()}
        facts = self._expert.measure_said(said[-own:], self._times[-own:]).facts
        return Measurement(expert=self._expert.name, score=self._expert.score, frames=frames, facts=facts)

    def _values_of(self, said: Sequence[tuple[Clause, ...]]) -> list[dict[str, float]]:
        """Each measure of captions that say this; most of them are what they were when the last thing was left out."""
        new = [each for each in dict.fromkeys(said) if each not in self._values]
        series = self._expert.measure_said(new, [0.0] * len(new)).frames
        self._values |= {each: {name: row[i] for name, row in series.items()} for i, each in enumerate(new)}
        return [self._values[each] for each in said]

    def heard(self, seen: Seen) -> Seen:
        """What would have been seen of the window: measured anew, where something was not said."""
        if not seen.unsaid:
            return seen
        again = self.measured(seen.unsaid)
        return Seen(
            tuple(again if measurement.expert == again.expert else measurement for measurement in seen.measurements),
            tuple(_silenced(perception, again, seen.unsaid) for perception in seen.perceptions),
        )

    def count(self, changes: Sequence[Change]) -> str:
        """How many captions say any of it, in words."""
        gone = {change.what for change in changes}
        says = [any(clause.said in gone for clause in each) for each in self._said]
        own = len(self._window.frames)
        text = f"said in {sum(says[-own:])} of its {own} captions"
        if any(says[:-own]):
            text += f" and in {sum(says[:-own])} of the {len(says) - own} before it, which still weigh in"
        return text


def reread(workspace: Workspace, case: Case, run: str, rules: Sequence[Rule]) -> Reread:
    """The captions of a case from where they came, and the expert as it was taught and ruled.

    `rules` are those that judged the case. Raises `SourceError` where the captions cannot be read any more, or are not
    measured as they were: what would have been otherwise must be told of what was.
    """
    scenario, path, key = workspace.runs.scenario_of(run)
    source = open_media(path, scenario).source
    window = case.window
    read: list[Caption] = source.read(0, window.last) if source.kind == "captions" else []
    if tuple(caption.index for caption in read[-len(window.frames) :]) != window.frames:
        raise SourceError("its captions are not where they were", where=path)
    expert = Captions(default_embedder())
    expert.restore(workspace.runs.references(case.scenario, case.namespace, key).states.get(expert.name, {}))
    memory = RuleMemory(workspace.engine, case.scenario, case.namespace)
    expert.follow([*rules, *memory.taken_back(revision=case.revision)])
    found = Reread(expert, read[-(BEFORE + len(window.frames)) :], window)
    recorded = next(each for each in case.measurements if each.expert == expert.name)
    if not _alike(found.measured(), recorded):
        raise SourceError(
            "its captions are not measured as they were: they, rules or smoothing have changed", where=path
        )
    return found


def _alike(again: Measurement, recorded: Measurement) -> bool:
    return all(
        math.isclose(value, was, rel_tol=ALIKE, abs_tol=ALIKE)
        for name, series in recorded.frames.items()
        for value, was in zip(again.frames[name], series, strict=True)
    )


def _silenced(perception: Perception, again: Measurement, unsaid: frozenset[str]) -> Perception:
    """What was recorded without the sentences that say it, and with the facts that there are then."""
    if perception.parse is not Parse.RECORDED:
        return perception
    kept = [
        sentence
        for sentence in SENTENCE.split(perception.caption)
        if unsaid.isdisjoint(clause.said for clause in clauses(sentence))
    ]
    return perception.model_copy(update={"caption": " ".join(kept), "facts": again.facts})
