"""The experts that measure each kind of source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from alarm_agents.errors import ExpressionError
from alarm_agents.memory.embedders import default_embedder
from alarm_agents.sources.base import Kind
from alarm_agents.tools.appearance import Appearance
from alarm_agents.tools.camera import Camera
from alarm_agents.tools.captions import Captions
from alarm_agents.tools.expert import Expert
from alarm_agents.tools.geometry import Geometry
from alarm_agents.tools.motion import Motion
from alarm_agents.tools.presence import Presence
from alarm_agents.tools.scene import Scene

MEASURES = {
    "motion": ("speed", "moving", "ratio", "still", "tall", "wide"),
    "geometry": ("shape", "crowding"),
    "appearance": ("look",),
    "presence": ("stays", "left", "absent"),
    "captions": ("oddity", "novelty"),
}
"""What each expert measures (all but `speed`, `moving` and those of captions only once references have taught it).

What the camera expert finds is no matter of rules: a window in which the camera is blind is not judged at all.
"""
NAMES = tuple(MEASURES)
UNTAUGHT = ("motion", "captions", "camera")
"""Experts that measure without references, too."""


_NAMED = re.compile(rf"\b({'|'.join(MEASURES)})\.(\w+)")


def named_measures(expression: str) -> set[str]:
    """The measures that an expression speaks of, as `motion.ratio`."""
    return {f"{expert}.{measure}" for expert, measure in _NAMED.findall(expression)}


def check_measures(expression: str, *, where: str) -> None:
    """Raise `ExpressionError` where the expression speaks of a measure that no expert takes, as `motion.sped`."""
    for expert, measure in _NAMED.findall(expression):
        if measure not in MEASURES[expert]:
            known = ", ".join(f"{expert}.{name}" for name in MEASURES[expert])
            raise ExpressionError(f"there is no measure {expert}.{measure}", where=where, remedy=f"use {known}")


def experts_for(kind: Kind) -> dict[str, Expert[Any]]:
    """Fresh experts for sources of `frames` or `captions`, by name."""
    if kind != "frames":
        return {"captions": Captions(default_embedder())}
    scene = Scene()
    experts = (Motion(scene), Geometry(scene), Appearance(scene), Presence(scene), Camera())
    return {expert.name: expert for expert in experts}


def taught_experts(kind: Kind, states: Mapping[str, Mapping[str, NDArray[Any]]]) -> dict[str, Expert[Any]]:
    """Those with what they learned before; the ones that can say something untaught are always among them."""
    found = {}
    for name, expert in experts_for(kind).items():
        if states.get(name):
            expert.restore(states[name])
        if states.get(name) or name in UNTAUGHT:
            found[name] = expert
    return found
