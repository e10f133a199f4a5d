"""The state of one graph run: a window and what is known of it so far; references and small records only.

Reducers are keyed by member, so that a second run on the same thread replaces answers instead of doubling them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, final, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from typing_extensions import TypedDict  # pydantic reads it on Python 3.11, as the dev server asks it to

from alarm_agents.agents.predicates import observed
from alarm_agents.types import (
    Acceptance,
    Fact,
    Measurement,
    Perception,
    Precedent,
    Resolution,
    RuleRef,
    SimilarCase,
    TraceAnomaly,
    Uncertainty,
    Verdict,
    Window,
)
from alarm_agents.uncertainty import signals


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The reducer of all keyed parts: what is new replaces what stands under its key."""
    return {**old, **new}


def united(old: Sequence[TraceAnomaly], new: Sequence[TraceAnomaly]) -> tuple[TraceAnomaly, ...]:
    """The reducer of trace anomalies: each is kept once."""
    return tuple({(a.kind, a.agent, a.text): a for a in (*old, *new)}.values())


@final
class MonitorState(TypedDict, total=False):
    """What travels along the edges of the monitor graph."""

    case: str
    window: Window
    measurements: tuple[Measurement, ...]
    acceptance: Acceptance
    """Up to which uncertainty verdicts are accepted, as promises have it."""
    lift: float
    """What induced limits are multiplied by, for the budget of alarms or by a new usual."""
    members: tuple[str, ...]
    """The perceivers that are sent the window."""
    closed: bool
    """Whether the gate held the window to be clearly normal."""
    may_hold: bool
    """Whether the window may wait for a model where none answers."""
    down: Annotated[dict[str, str], merged]
    """The perceivers' models that did not answer but may later, and the node that asked."""
    perceptions: Annotated[dict[str, Perception], merged]
    rules: tuple[RuleRef, ...]
    revision: int
    similar: tuple[SimilarCase, ...]
    verdicts: Annotated[dict[str, Verdict], merged]
    """By `round:member`."""
    looks: Annotated[dict[str, tuple[Fact, ...]], merged]
    """The facts that each second look brought, by round."""
    round: int
    precedent: Precedent | None
    uncertainty: Uncertainty
    deferred: bool
    resolution: Resolution | None
    anomalies: Annotated[tuple[TraceAnomaly, ...], united]
    notes: Annotated[dict[str, Any], merged]
    """Where a scenario's own nodes leave what they find, by node name."""
    models: Annotated[dict[str, str], merged]
    """The models that a scenario's own nodes asked with success, and the node."""
    trace: tuple[str, str]
    """Trace id and span id of the window, under which another process goes on."""


class PerceiveTask(TypedDict):
    """What one perceiver is sent."""

    member: str
    window: Window
    measurements: tuple[Measurement, ...]


def fitting(name: str, found: object) -> dict[str, Any]:
    """What a scenario's own node gives back, as the state takes it: small records and plain notes, nothing else.

    Raises `TypeError` or `ValueError`, which say what does not fit.
    """
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise TypeError(f"it gave back a {type(found).__name__}, not what it adds to the state")
    unknown = sorted(str(key) for key in found if key not in _parts())
    if unknown:
        raise ValueError(f"the state has no '{unknown[0]}'; leave it in {{'notes': {{'{name}': ...}}}}")
    json.dumps(to_jsonable_python(found.get("notes", {})), allow_nan=False)
    try:
        return {key: _parts()[key].validate_python(value) for key, value in found.items()}
    except ValidationError as error:
        raise ValueError(f"{error.title}: {error.errors()[0]['msg']}") from error


@cache
def _parts() -> dict[str, TypeAdapter[Any]]:
    return {key: TypeAdapter(hint) for key, hint in get_type_hints(MonitorState).items()}


def rounds(state: MonitorState) -> list[list[Verdict]]:
    """The verdicts by round: the reasoners' first, then those of each reflection."""
    return signals.by_round(state.get("verdicts", {}).values())


def latest(state: MonitorState) -> list[Verdict]:
    """The verdicts that stand now: of the last round in which somebody answered, else of the last."""
    return signals.standing(state.get("verdicts", {}).values())


def final_p(state: MonitorState) -> float | None:
    """The p that stands: the members' mean, with what similar resolved cases say; None where nobody gave one."""
    p, precedent = signals.mean_p(latest(state)), state.get("precedent")
    return precedent.of(p) if p is not None and precedent is not None else p


def facts(state: MonitorState) -> list[Fact]:
    """All facts known of the window: the perceivers' and those of second looks."""
    perceived = [fact for perception in state.get("perceptions", {}).values() for fact in perception.facts]
    return perceived + [fact for found in state.get("looks", {}).values() for fact in found]


def condition_values(state: MonitorState) -> dict[str, Any]:
    """What a `when` may speak of (`alarm_agents.settings.CONDITION_NAMES`)."""
    known, verdicts = facts(state), latest(state)
    uncertainty, p = state.get("uncertainty"), final_p(state)
    return {
        **observed(state.get("measurements", ()), known, state.get("perceptions", {}).values(), state.get("window")),
        "p_anomaly": p,
        "label": "unknown" if p is None else ("anomalous" if p >= 0.5 else "normal"),
        "severity": max((verdict.severity for verdict in verdicts), default=0),
        "decision": uncertainty.decision.value if uncertainty else "",
        "uncertainty": uncertainty.score if uncertainty else None,
        "round": state.get("round", 0),
        "models": sorted({verdict.model for verdict in verdicts}),
        "notes": state.get("notes", {}),
    }
