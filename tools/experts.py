"""The experts that measure each kind of source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from alarm_agents.errors import ExpressionError
from alarm_agents.memory.embedders import default_embedder
from alarm_agents.tools.expert import Expert
from alarm_agents.tools.motion import Motion
from alarm_agents.tools.novelty import Novelty

NAMES = ("motion", "captions")
MEASURES = {"motion": ("speed", "ratio", "moving"), "captions": ("novelty",)}
"""What each expert measures (`ratio` once it has been taught)."""


def check_measures(expression: str, *, where: str) -> None:
    """Raise `ExpressionError` where the expression speaks of a measure that no expert takes, as `motion.sped`."""
    for expert, measure in re.findall(rf"\b({'|'.join(MEASURES)})\.(\w+)", expression):
        if measure not in MEASURES[expert]:
            known = ", ".join(f"{expert}.{name}" for name in MEASURES[expert])
            raise ExpressionError(f"there is no measure {expert}.{measure}", where=where, remedy=f"use {known}")


def experts_for(kind: str, states: Mapping[str, Mapping[str, NDArray[Any]]] | None = None) -> dict[str, Expert[Any]]:
    """Fresh experts for sources of `frames` or `captions`, by name, with what they learned before, if anything."""
    experts: dict[str, Expert[Any]] = (
        {"motion": Motion()} if kind == "frames" else {"captions": Novelty(default_embedder())}
    )
    for name, expert in experts.items():
        if states and name in states:
            expert.restore(states[name])
    return experts
