"""Rules from numbers: what the references measure becomes a rule of normality and a rule of anomaly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from alarm_agents.types import Measurement, Provenance, Rule, RuleKind, Threshold

P_REFERENCE = 0.01
"""Share of normal windows that may measure more than the limit."""
FLOOR = 0.01
"""Measures count as at least this much: motion under 0.01 picture heights a second is the noise of the flow."""
USUAL_SPREAD, USUAL_WEIGHT = 0.12, 10
"""Standard deviation of the log of a measure from one normal window to the next, held before any is seen, and how
many windows that belief is worth. A dozen references tell where normal is, but hardly how far it reaches. Set so
that about one normal window in a hundred of Ped2's training clips lies beyond the limit that ten others set."""
WARM_UP_SPREAD, WARM_UP_REACH = 0.12, 3.0
"""For a warm-up: the least robust spread of the log of a measure, and how many of them lie within the limit."""

PHRASES = {
    "motion.ratio": "the fastest thing moves at {} times the speed that is usual at its place",
    "motion.speed": "the fastest thing moves at {} picture heights a second",
    "captions.novelty": "what captions say differs by {} from what they usually say (0 the same)",
}


def limits(series: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """The typical value of normal windows and the limit that `P_REFERENCE` of them exceed; one series a reference.

    What counts is each reference's own maximum. Typical is their median; the limit is the tail of a log-normal
    around it, whose spread is the references' own mixed with `USUAL_SPREAD` (a weighted mean of variances).
    """
    logs = np.log([max(FLOOR, float(values.max())) for values in series])
    weights = (USUAL_WEIGHT, len(logs))
    spread = math.sqrt(np.average([USUAL_SPREAD**2, float(np.var(logs))], weights=weights))
    typical = float(np.exp(np.median(logs)))
    return typical, typical * math.exp(NormalDist().inv_cdf(1.0 - P_REFERENCE) * spread)


def warm_up_limits(series: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """As `limits`, from a stream's own first windows, which may hold anomalies.

    Median and median absolute deviation, which a minority of odd frames cannot move far, are taken over the frames
    in which there was anything to measure: idle stretches say nothing about what moves in between.
    """
    values = np.concatenate([np.zeros(0), *series])
    busy = np.log(values[values > FLOOR]) if (values > FLOOR).any() else np.log([FLOOR])
    typical = float(np.median(busy))
    spread = max(WARM_UP_SPREAD, 1.4826 * float(np.median(np.abs(busy - typical))))
    return math.exp(typical), math.exp(typical + WARM_UP_REACH * spread)


def quantile_rules(references: Sequence[Sequence[Measurement]], provenance: Provenance, source: str) -> list[Rule]:
    """For each expert a rule of normality and one of anomaly on the measure it stands by."""
    rules: list[Rule] = []
    for measure in dict.fromkeys(f"{m.expert}.{m.score}" for measurements in references for m in measurements):
        series = _series(measure, references)
        if series:
            typical, limit = (warm_up_limits if provenance.origin == "warm-up" else limits)(series)
            rules += _pair(measure, typical, limit, provenance, source)
    return rules


def held_out_count(rule: Rule, references: Sequence[Sequence[Measurement]], folds: int = 5) -> tuple[int, int]:
    """On how many references the rule's limit, set by the others, is exceeded: (tried, fired).

    The references are dealt into folds; each fold is tried against the limit that the rest sets. One reference
    alone cannot be tested: (0, 0).
    """
    if rule.threshold is None:
        return 0, 0
    series = _series(rule.threshold.measure, references)
    folds = min(folds, len(series))
    if folds < 2:
        return 0, 0
    fired = 0
    for fold in range(folds):
        _, limit = limits([values for i, values in enumerate(series) if i % folds != fold])
        fired += sum(bool(values.max() > limit) for values in series[fold::folds])
    return len(series), fired


def _series(measure: str, references: Sequence[Sequence[Measurement]]) -> list[NDArray[np.float64]]:
    """The values of one measure, one array a reference that has any."""
    expert, _, name = measure.partition(".")
    return [np.asarray(m.frames[name]) for ms in references for m in ms if m.expert == expert and m.frames.get(name)]


def _pair(measure: str, typical: float, limit: float, provenance: Provenance, source: str) -> list[Rule]:
    threshold = Threshold(measure=measure, limit=limit, typical=typical)
    phrase = PHRASES.get(measure, measure + " is {}")
    name = measure.replace(".", "-") + (f"-{source}" if source else "")
    normal = Rule(
        id=f"{name}-usual",
        kind=RuleKind.NORMAL,
        text=phrase.format(f"usually {typical:.2f} and at most {limit:.2f}"),
        predicate=f"{measure} <= {limit!r}",
        threshold=threshold,
        severity=0,
        source=source,
        provenance=provenance,
    )
    odd = {"id": f"{name}-high", "kind": RuleKind.ANOMALOUS, "severity": 2, "predicate": f"{measure} > {limit!r}"}
    return [normal, normal.model_copy(update={**odd, "text": phrase.format(f"more than {limit:.2f}")})]
