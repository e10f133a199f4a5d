"""Rules from numbers: what the references measure becomes a rule of normality and a rule of anomaly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from alarm_agents.types import Measurement, Provenance, Rule, RuleKind, Threshold

P_REFERENCE = 0.01
"""Share of normal frames that may lie beyond a limit."""
FLOOR = 1e-6

UNITS = {
    "motion.ratio": "times the speed that is usual at its place",
    "motion.speed": "picture heights a second",
    "captions.novelty": "novelty against the reference captions (0 the same, 1 unrelated)",
}


def limits(values: NDArray[np.float64], *, contaminated: bool = False) -> tuple[float, float]:
    """The typical value (median) and the limit beyond which `P_REFERENCE` of normal frames lie.

    The limit is the larger of the empirical quantile and that of a log-normal fit, since few references do not
    reach into their own tail. With `contaminated` the values may hold anomalies, so median and median absolute
    deviation take the place of quantile, mean and standard deviation.
    """
    logs = np.log(np.maximum(values, FLOOR))
    typical = float(np.exp(np.median(logs)))
    z = float(norm.ppf(1.0 - P_REFERENCE))
    if contaminated:
        deviation = float(np.median(np.abs(logs - np.median(logs)))) * 1.4826
        return typical, float(np.exp(np.median(logs) + z * deviation))
    tail = float(np.exp(logs.mean() + z * logs.std()))
    return typical, max(tail, float(np.quantile(values, 1.0 - P_REFERENCE)))


def quantile_rules(references: Sequence[Sequence[Measurement]], provenance: Provenance, source: str) -> list[Rule]:
    """For each expert a rule of normality and one of anomaly on the measure it stands by."""
    rules: list[Rule] = []
    measured = {m.expert: m.score for measurements in references for m in measurements}
    for expert, score in measured.items():
        series = [np.asarray(m.frames[score]) for ms in references for m in ms if m.expert == expert]
        values = np.concatenate(series) if series else np.zeros(0)
        if values.size:
            rules += _pair(f"{expert}.{score}", values, provenance, source)
    return rules


def _pair(measure: str, values: NDArray[np.float64], provenance: Provenance, source: str) -> list[Rule]:
    typical, limit = limits(values, contaminated=provenance.origin == "warm-up")
    threshold = Threshold(measure=measure, limit=limit, typical=min(typical, limit))
    unit = UNITS.get(measure, measure)
    name = measure.replace(".", "-") + (f"-{source}" if source else "")
    usual = f"{measure} is usually {typical:.2f} and at most {limit:.2f} {unit}"
    odd = f"{measure} exceeds {limit:.2f} {unit}"
    common = {"threshold": threshold, "source": source, "provenance": provenance}
    return [
        Rule(
            id=f"{name}-usual",
            kind=RuleKind.NORMAL,
            text=usual,
            predicate=f"{measure} <= {limit!r}",
            severity=0,
            **common,
        ),
        Rule(id=f"{name}-high", kind=RuleKind.ANOMALOUS, text=odd, predicate=f"{measure} > {limit!r}", **common),
    ]


def held_out_count(rule: Rule, references: Sequence[Sequence[Measurement]], folds: int = 5) -> tuple[int, int]:
    """On how many references the rule's limit, set by the others, is exceeded: (tried, fired).

    The references are dealt into folds; each fold is tried against the limit that the rest sets. One reference
    alone cannot be tested: (0, 0).
    """
    if rule.threshold is None:
        return 0, 0
    expert, _, name = rule.threshold.measure.partition(".")
    series = [np.asarray(m.frames[name]) for ms in references for m in ms if m.expert == expert and m.frames.get(name)]
    folds = min(folds, len(series))
    if folds < 2:
        return 0, 0
    contaminated = rule.provenance.origin == "warm-up"
    fired = 0
    for fold in range(folds):
        rest = np.concatenate([values for i, values in enumerate(series) if i % folds != fold])
        _, limit = limits(rest, contaminated=contaminated)
        fired += sum(bool(values.max() > limit) for values in series[fold::folds])
    return len(series), fired
