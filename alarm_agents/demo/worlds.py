"""The worlds that the demo can show; each is taught and watched by the library's scenario of its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from alarm_agents.demo import conveyor, walkway
from alarm_agents.demo.scene import Scene


@dataclass(frozen=True)
class World:
    """A place in which what is odd, and when and where, is known exactly. Everything follows from a seed."""

    name: str
    normal: Callable[[int], Scene]
    """Normal life, to teach from."""
    watched: Callable[[int], Scene]
    """Normal life in which something odd is implanted."""
    models: bool = False
    """Whether its scenario runs on models, which `alarm models train-tiny` makes."""


WORLDS = {
    world.name: world
    for world in (
        World("walkway", walkway.normal, walkway.watched),
        World("conveyor", conveyor.normal, conveyor.watched),
        World("walkway_mllm", walkway.normal, walkway.watched, models=True),
    )
}
