"""What nodes work with: it travels in LangGraph's runtime context, by name, and is never saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import CoreSchema, core_schema

from alarm_agents.agents.perceiver import Perceiver
from alarm_agents.agents.reasoner import Reasoner
from alarm_agents.agents.reflector import Reflector
from alarm_agents.memory.recall import Memory
from alarm_agents.models import Model
from alarm_agents.scenario import Scenario
from alarm_agents.sources.media import Media
from alarm_agents.tools.expert import Expert
from alarm_agents.tools.registry import Toolbox
from alarm_agents.tools.work import Work
from alarm_agents.types import Acceptance, Verdict, Window
from alarm_agents.uncertainty.combination import Combination
from alarm_agents.uncertainty.monitor import USUAL
from alarm_agents.workspace.cases import CaseStore


class Live:
    """A context of live objects: in the schemas from which LangGraph's dev server makes its forms it is left open."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        """Anything goes: pydantic cannot describe a model or a database."""
        return core_schema.any_schema()


def as_stated(verdict: Verdict, _seen: str, _samples: int) -> Verdict:
    """The p that a model stated, taken at its word."""
    return verdict


@dataclass(frozen=True)
class Context(Live):
    """The scenario, its agents, models, tools and memory, and the source at hand."""

    scenario: Scenario
    namespace: str
    run: str
    perceivers: Mapping[str, Perceiver]
    reasoners: Mapping[str, Reasoner]
    reflector: Reflector
    models: Mapping[str, Model]
    tools: Toolbox
    memory: Memory
    cases: CaseStore
    media: Media
    experts: Mapping[str, Expert[Any]]
    source: str
    ask_people: bool = True
    """Whether a deferred case waits for a person; suites never block."""
    weights: Callable[[int], Combination] = field(default=lambda _: USUAL)
    """The weights of uncertainty's signals, by the number of their fit."""
    acceptance: Callable[[], Acceptance] = field(default=Acceptance)
    """Up to which uncertainty verdicts are accepted now, as promises have it."""
    worth: Callable[[Verdict, str, int], Verdict] = field(default=as_stated)
    """A verdict of which the model stated p, with what that is worth, see `alarm_agents.monitor.worth`."""
    gate_above: float | None = field(default=None)
    """The expert's score under which the gate concludes a window; None keeps the gate open."""

    def work(self, window: Window) -> Work:
        """What tools may know of the window."""
        return Work(window=window, media=self.media, experts=self.experts, similar=self.memory.similar)
