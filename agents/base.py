"""What the four agents share: a member's model (or none), a versioned prompt, and a span for each piece of work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeVar

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from opentelemetry.trace import Span
from pydantic import BaseModel

from alarm_agents.errors import ConfigurationError
from alarm_agents.models import Answer, Model, delimit
from alarm_agents.models.instructions import WITHHELD, reads_like_instruction
from alarm_agents.observability import tracing
from alarm_agents.prompt import Prompt, read_prompt
from alarm_agents.scenario import Scenario
from alarm_agents.settings import EMBEDDED
from alarm_agents.types import Perception, Rule, SimilarCase

T = TypeVar("T", bound=BaseModel)
TEXT_LIMIT = 4_000
"""Characters of untrusted text that one prompt takes from one place."""


@lru_cache(maxsize=16)
def load_prompt(role: str) -> Prompt:
    """The prompt file of an agent, from `agents/prompts/`."""
    path = Path(str(files("alarm_agents.agents") / "prompts" / f"{role}.md"))
    return read_prompt(path, role, where=str(path))


def messages(prompt: Prompt, pictures: Sequence[Mapping[str, Any]], values: Mapping[str, str]) -> list[BaseMessage]:
    """The conversation to start with; raises `KeyError` for a value that the file names and nobody gives."""
    question = prompt.question.substitute(values)
    content: list[str | dict[Any, Any]] = [{"type": "text", "text": question}, *map(dict, pictures)]
    return [SystemMessage(prompt.instructions.substitute(values)), HumanMessage(content if pictures else question)]


class Agent:
    """One member of the ensemble: a role played by a model, or by the experts when `model` is None."""

    role: str

    def __init__(
        self,
        model: Model | None = None,
        prompt: Prompt | None = None,
        turns: Mapping[str, Prompt] = MappingProxyType({}),
    ) -> None:
        """The prompt is that of the role's own file unless another is given; so are those of further turns."""
        self.model = model
        self.member = model.name if model else EMBEDDED
        self.prompt = prompt or load_prompt(self.role)
        self._turns = turns

    @classmethod
    def of(cls, scenario: Scenario, member: str, models: Mapping[str, Model]) -> Self:
        """The scenario's agent: the member's model, and the scenario's own prompts where it has any."""
        own = {str(name): read_prompt(scenario.folder / p, name, where=p) for name, p in scenario.prompts.items()}
        return cls(models.get(member), own.get(cls.role), own)

    def turn(self, name: str) -> Prompt:
        """The prompt of a further turn, by the name of its file."""
        return self._turns.get(name) or load_prompt(name)

    @contextmanager
    def working(self, **attributes: str | int) -> Iterator[Span]:
        """A span for this agent's work, under which its model and tool calls appear."""
        named = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": self.role,
            "alarm.member": self.member,
            "alarm.model": self.member,
            **({"alarm.prompt": self.prompt.label} if self.model else {}),
            **attributes,
        }
        with tracing.span(f"{self.role} {self.member}", kind="agent", **named) as span:
            yield span

    async def ask(
        self, schema: type[T], pictures: Sequence[Mapping[str, Any]] = (), /, turn: str = "", **values: str
    ) -> Answer[T]:
        """The model's answer to the prompt (to that of a further turn), typed when it is none.

        Never raises for what a model does. Raises `ConfigurationError` when this member has no model.
        """
        if self.model is None:
            raise ConfigurationError(f"the {self.role} is asked for words and has no model")
        prompt = self.turn(turn) if turn else self.prompt
        answer = await self.model.ask(messages(prompt, pictures, values), schema)
        tracing.set(**{"alarm.parse": answer.parse.value})
        return answer


def rules_text(rules: Sequence[Rule]) -> str:
    """The rules as a list a model can cite from; rule texts may stem from models, so they are delimited."""
    # What a person wrote comes first: should the text be too long, it is not theirs that is cut.
    ordered = sorted(rules, key=lambda rule: rule.provenance.origin not in ("person", "review"))
    lines = [f"{rule.id} ({rule.kind.value}, severity {rule.severity}): {_told(rule)}" for rule in ordered]
    return delimit("\n".join(lines), "rules", limit=TEXT_LIMIT) if lines else "(no rules yet)"


def _told(rule: Rule) -> str:
    """The rule's words; learned ones, which may stem from what was seen, only where they do not read like orders."""
    own = rule.provenance.origin in ("person", "scenario")
    return rule.text if own or not reads_like_instruction(rule.text) else WITHHELD


def seen_text(perceptions: Sequence[Perception]) -> str:
    """What the perceivers saw, delimited, one block a perceiver; those without an answer are named as such."""
    blocks = []
    for perception in perceptions:
        if not perception.parse.usable:
            blocks.append(f"{perception.member}: gave no usable answer")
            continue
        facts = "\n".join(f"- {fact.text}" for fact in perception.facts)
        text = f"{perception.caption}\n{facts}\nText on screen: {' | '.join(perception.screen_text) or 'none'}"
        blocks.append(f"{perception.member}:\n{delimit(text, 'seen', limit=TEXT_LIMIT)}")
    return "\n".join(blocks) or "(nothing was perceived)"


def similar_text(similar: Sequence[SimilarCase]) -> str:
    """Similar resolved cases with the person's label, delimited."""
    lines = [f"- {case.label.value}: {case.text}" for case in similar]
    return delimit("\n".join(lines), "cases", limit=TEXT_LIMIT) if lines else "(none yet)"
