"""How the reflector's model works with tools: what it is told of them, what it may use up, and whom it can ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any

from langchain_core.tools import StructuredTool
from pydantic import BaseModel, Field

from alarm_agents.agents.base import seen_text
from alarm_agents.agents.perceiver import Perceiver
from alarm_agents.agents.reasoner import Question
from alarm_agents.models import Answer, delimit
from alarm_agents.scenario import Scenario
from alarm_agents.settings import EARLIEST, ReflectionSettings
from alarm_agents.sources.media import Media
from alarm_agents.tools.function import tool
from alarm_agents.tools.look import Region
from alarm_agents.tools.registry import Toolbox
from alarm_agents.types import Perception, Window

LONGEST = 8_000
"""Characters that the tools' descriptions may take in a prompt."""


class ToolCall(BaseModel):
    """One call that a model asks for, in its JSON answer or natively."""

    tool: str = Field(max_length=100)
    arguments: dict[str, Any] = {}


class Allowance:
    """What one second look may use up: turns of the model, calls of tools, tokens (where the server counts them)."""

    def __init__(self, limits: ReflectionSettings) -> None:
        self.limits = limits
        self.turns = self.calls = self.tokens = 0
        self.instructions = 0
        """Results of tools that read like instructions."""
        self.ended = ""
        """What was used up, in words; empty while the model may go on looking."""

    @property
    def calls_left(self) -> int:
        """How many calls may still be made."""
        return self.limits.calls - self.calls

    @property
    def last(self) -> bool:
        """Whether the next turn is the last one, in which the model must end."""
        return self.limits.rounds - self.turns < 2 or self.calls_left < 1

    def took(self, answer: Answer[Any]) -> None:
        """Count one turn, and find out whether it was the last."""
        self.turns += 1
        self.tokens += (answer.input_tokens or 0) + (answer.output_tokens or 0)
        if self.tokens > self.limits.tokens:
            self.ended = f"{self.limits.tokens} tokens"
        elif self.turns >= self.limits.rounds:
            self.ended = f"{self.limits.rounds} turns"
        elif self.calls_left < 1:
            self.ended = f"{self.limits.calls} calls"

    def said(self) -> str:
        """What is left, as the model is told."""
        if self.last:
            return "This is your last turn: end now, without calls."
        turns = self.limits.rounds - self.turns
        return f"You have {turns} turns left, the last one to end in, and {self.calls_left} calls."


def tools_text(toolbox: Toolbox) -> str:
    """The tools in words; their descriptions may come from a server, so they are delimited."""
    lines = [
        f"{tool.name}: {tool.description} Arguments: {json.dumps(tool.arguments.get('properties', {}))}"
        for tool in toolbox.describe()
    ]
    return delimit("\n".join(lines), "tools", limit=LONGEST) if lines else "(none)"


def offered(toolbox: Toolbox) -> list[dict[str, Any]]:
    """The tools as models with native tool calls are offered them (OpenAI's form)."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.arguments},
        }
        for tool in toolbox.describe()
    ]


def perceivers_tool(
    perceivers: Sequence[Perceiver], case: Question, media: Media, scenario: Scenario
) -> StructuredTool:
    """The tool that asks the perceivers about the window again: one sharper question, about a region or all of it."""

    async def ask_perceiver(
        question: Annotated[str, Field(min_length=3, max_length=300, description="What to look for, in one question.")],
        region: Region | None = None,
    ) -> str:
        """Let the perceivers look at the window's pictures again, to answer one sharper question about them."""
        asked = (
            perceiver.perceive(
                case.window, case.measurements, media, scenario, questions={question: question}, region=region
            )
            for perceiver in perceivers
        )
        return seen_text(await asyncio.gather(*asked))

    return tool(ask_perceiver)


def earlier_tool(perceivers: Sequence[Perceiver], window: Window, media: Media, scenario: Scenario) -> StructuredTool:
    """The tool that asks the perceivers what came before: what lies there now may have moved, or not been there."""

    async def perceive_earlier(stretches: Annotated[int, Field(ge=1, le=EARLIEST)] = 1) -> str:
        """Let the perceivers tell what is to be seen right before the window, in stretches as long as it is."""
        found = await asyncio.to_thread(media.before, window, stretches)
        asked = [
            asyncio.gather(*(perceiver.perceive(earlier, (), held, scenario) for perceiver in perceivers))
            for earlier, held in found
        ]
        told = await asyncio.gather(*asked)
        return earlier_text(window, [(earlier, seen) for (earlier, _), seen in zip(found, told, strict=True)])

    return tool(perceive_earlier)


def earlier_text(window: Window, told: Sequence[tuple[Window, Sequence[Perception]]]) -> str:
    """What the perceivers said of stretches before the window, in a line each: more of them would not fit a prompt."""
    lines = []
    for earlier, seen in told:
        lines.append(f"{window.start - earlier.start:.1f} s to {window.start - earlier.end:.1f} s before:")
        for one in seen:
            said = " ".join(one.caption.split()) if one.parse.usable else "gave no usable answer"
            lines.append(f"{one.member}: {said}")
    return "\n".join(lines) or "there is nothing before"
