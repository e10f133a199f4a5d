"""What recordings must hold for a signal to be compared, and how it is said where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alarm_agents.errors import ScenarioError
from alarm_agents.memory.remembered import FEWEST

Values = Mapping[str, Sequence[float | None]]
_LABELS = f"{FEWEST} labelled cases with an answer to fit it on"
_THREE = "three members whose verdicts change, as the one pair of two is explained whole"
NEEDS = {
    "residual": _THREE,
    "alarm2025": _THREE,
    "memory": _LABELS,
    "critic": _LABELS,
    "dispersion": "two members that say what they saw",
    "set_disagreement": "two members that say what they saw",
    "mutual_information": "two members that answer the same cases",
    "ambiguity": "rules in words of both kinds in the scenario",
}
"""What must be there, by signal or baseline; every other one needs an answer only."""


def check_comparable(name: str, *parts: Values, members: Sequence[str], labels: int) -> None:
    """Raise `ScenarioError` where no case of these parts has a value of the signal or baseline.

    A constant, or another signal under its name, would mislead.
    """
    if any(value is not None for values in parts for value in values.get(name, ())):
        return
    here = f"members {', '.join(members)}; {labels} labels"
    why = f"'{name}' cannot be told from these recordings ({here}): it needs {NEEDS.get(name, 'an answer')}"
    raise ScenarioError(why, where="--compare", remedy="leave it out")
