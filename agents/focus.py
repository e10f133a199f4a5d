"""Region, focus, decide: a reasoner that sees names regions, looks at each more closely, and then judges.

A prompt chain after the stages of AD-FM (Liao et al., 2025, "AD-FM: Multimodal LLMs for Anomaly Detection via
Multi-Stage Reasoning").
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel, Field

from alarm_agents.agents.base import Agent
from alarm_agents.agents.perceiver import WHOLE, box_in
from alarm_agents.agents.pictures import Shown
from alarm_agents.models import delimit
from alarm_agents.types import Box, Fact

MOST = 2
"""Regions that are looked at more closely, the first ones named."""
ROOM = 0.5
"""Of a region's width and height, what is shown around it on each side."""


class Place(BaseModel):
    """One region that may hold what is out of place, as a model names it."""

    region: tuple[float, float, float, float]
    why: str = Field("", max_length=300)


class Places(BaseModel):
    """An answer to the stage `region`."""

    places: list[Place] = Field(default=[], max_length=5)


class Closer(BaseModel):
    """An answer to the stage `focus`."""

    found: str = Field(max_length=1_000)


async def look_closer(
    agent: Agent, whole: Shown, closer: Callable[[Box], Shown], values: Mapping[str, str]
) -> tuple[Fact, ...]:
    """What the agent's model finds in the regions that it names itself, each with its region.

    `whole` is the window as it is shown, `closer` gives a region of it larger. Where the model names none, or gives
    no usable answer, there is less to judge by and the judgement goes on.
    """
    named = await agent.ask(Places, whole.blocks, turn="region", pictures=whole.said, **values)
    places = named.value.places if named.value else []
    boxes = [(box, place.why) for place in places if (box := box_in(place.region, WHOLE)) is not None]
    return tuple(filter(None, await asyncio.gather(*(_look(agent, *each, closer, values) for each in boxes[:MOST]))))


async def _look(
    agent: Agent, region: Box, why: str, closer: Callable[[Box], Shown], values: Mapping[str, str]
) -> Fact | None:
    shown = closer(_with_room(region))
    asked = {"why": delimit(why, "why") if why else "(not said)", "region": edges(region), "pictures": shown.said}
    answer = await agent.ask(Closer, shown.blocks, turn="focus", **asked, **values)
    if answer.value is None:
        return None
    found = answer.value.found
    return Fact(subject="region", attribute="found", value=found, text=found, region=region, perceiver=agent.member)


def focus_text(found: Sequence[Fact]) -> str:
    """What the closer looks found, for the stage that decides; delimited."""
    lines = [f"- region {edges(fact.region)}: {fact.text}" for fact in found if fact.region is not None]
    return f"Looked at more closely (x0, y0, x1, y1):\n{delimit(chr(10).join(lines), 'seen')}" if lines else ""


def edges(region: Box) -> str:
    """A region as prompts give it."""
    return ", ".join(f"{edge:.2f}" for edge in region)


def _with_room(region: Box) -> Box:
    x0, y0, x1, y1 = region
    dx, dy = ROOM * (x1 - x0), ROOM * (y1 - y0)
    return (max(0.0, x0 - dx), max(0.0, y0 - dy), min(1.0, x1 + dx), min(1.0, y1 + dy))
