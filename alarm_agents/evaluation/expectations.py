"""What a suite may expect of its metrics, and whether they meet it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import Field, FiniteFloat, model_validator

from alarm_agents.types import Record

DEFERRAL_SHARES = ("0.1", "0.2", "0.3")
NAMES = (
    *("frame_auroc", "frame_ap", "accuracy", "precision", "recall", "f1", "false_alarms_per_hour"),
    *("ece", "brier", "aurc", "eaurc", "uncertainty_auroc", "deferred"),
    *(f"accuracy_at_deferral.{share}" for share in DEFERRAL_SHARES),
    *("case_accuracy", "case_auroc", "coverage", "accepted_error", "missed", "over_majority", "over_majority_worst"),
    *("reason_rouge_l", "reason_similarity", "doubly_right.both"),
    *("flip.fell", "flip.rest_moved"),
    *("gain_over_best_member", "reflections.rightly", "reflections.wrongly", "reflections.net"),
)
"""The metrics of `alarm_agents.evaluation`, as a suite names them."""


class Bounds(Record):
    """What a suite expects of a metric: at least `min`, at most `max`, one of them or both."""

    min: FiniteFloat | None = None
    max: FiniteFloat | None = None

    @model_validator(mode="after")
    def _say_something(self) -> Bounds:
        if self.min is None and self.max is None:
            raise ValueError("an expectation needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max, which nothing can meet")
        return self


class Expectation(Record):
    """A metric held against its bounds (both included). An undefined metric fails whatever is expected of it."""

    metric: str
    min: float | None = None
    max: float | None = None
    value: float | None = Field(description="None where the metric is undefined")
    passed: bool


def check(expect: Mapping[str, Bounds], metrics: Mapping[str, Any]) -> list[Expectation]:
    """Each expectation with what `compute` found and whether it is met, in the order they were written."""
    return [_held(name, bounds, _look_up(metrics, name)) for name, bounds in expect.items()]


def _held(name: str, bounds: Bounds, value: float | None) -> Expectation:
    low = -math.inf if bounds.min is None else bounds.min
    high = math.inf if bounds.max is None else bounds.max
    passed = value is not None and low <= value <= high
    return Expectation(metric=name, min=bounds.min, max=bounds.max, value=value, passed=passed)


def _look_up(metrics: Mapping[str, Any], name: str) -> float | None:
    """The metric of that name, None where this kind of suite has none.

    `accuracy_at_deferral.0.1` is the entry "0.1" of `accuracy_at_deferral`.
    """
    head, _, key = name.partition(".")
    value: float | None = metrics.get(head, {}).get(key) if key else metrics.get(head)
    return value
