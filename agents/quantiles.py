"""Rules from numbers: what the references measure becomes a rule of normality and a rule of anomaly.

How much an expert's measure counts, the references decide: each gets a share of the false alarms that are allowed,
by how well it predicts references that it has not seen, and one that predicts them badly is rejected, on record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from alarm_agents.types import Measurement, Provenance, Rule, RuleKind, RuleStatus, Threshold
from alarm_agents.uncertainty.calibration import USUAL_SPREAD, Calibration, held_out_likelihood

P_REFERENCE = 0.01
"""Share of normal windows that may measure more than a limit, where no promise says otherwise."""
KEPT = 0.2
"""Likelihood of held-out references, in shares of the best measure's, under which a measure is rejected."""
MOST = 1.0
"""The largest value of a measure that is a share."""

PHRASES = {
    "motion.ratio": "the fastest thing moves {} times as fast as is usual at its place",
    "motion.speed": "the fastest thing moves {} picture heights a second",
    "motion.still": "the share of what is there that stands still is {}",
    "geometry.shape": "the oddest outline is {} times as unusual as most",
    "geometry.crowding": "things cover {} times as much of the picture as usual",
    "appearance.look": "the oddest thing looks {} times as unlike the references as things usually do",
    "presence.stays": "something stays for {} seconds",
    "presence.left": "something small stays for {} seconds",
    "presence.absent": "the share of a thing that should be there by now and is not is {}",
    "captions.oddity": "what captions say is {} times as odd as what references say",
}
"""The measures that rules are made of, and how they read."""
SHARES = ("motion.still",)
BRIEF = ("motion.ratio", "motion.speed", "captions.oddity")
"""Measures that a few frames teach: their prior spread allows for it."""
LONG, SEVERAL = 8, 8
"""Frames that half of the references, and blocks that all of them, must have for the other measures to be taught."""
EXPECTED = {
    "motion.still": 0.3,
    "geometry.shape": 0.3,
    "geometry.crowding": 0.5,
    "appearance.look": 0.2,
    "presence.stays": 0.3,
    "presence.left": 0.2,
    "presence.absent": 0.2,
    "captions.oddity": 0.2,
}
"""Spread of a measure held before any reference is seen, where it is not `USUAL_SPREAD`: crowds come and go slowly, and
a few minutes of them tell little of how large they get; captions of one scene are worded in many ways."""


def quantile_rules(
    references: Sequence[Sequence[Measurement]],
    provenance: Provenance,
    source: str,
    *,
    blocks: Sequence[int] | None = None,
    share: float = P_REFERENCE,
) -> list[Rule]:
    """For each measure a rule of normality and one of anomaly; only the latter, rejected, where it is not worth it.

    `blocks` says which of the references belong together (each is a block of its own otherwise); all rules together
    may fire on `share` of normal windows.
    """
    blocks = range(len(references)) if blocks is None else blocks
    if provenance.origin == "warm-up":
        return _warm_up_rules(references, provenance, source)
    calibrations: dict[str, Calibration] = {}
    likelihood: dict[str, float] = {}
    for measure in _measures(references):
        windows = {i: float(values.max()) for i, values in enumerate(series(measure, references)) if values is not None}
        largest: dict[int, float] = {}
        for i, value in windows.items():
            largest[blocks[i]] = max(value, largest.get(blocks[i], 0.0))
        values, expected = list(windows.values()), EXPECTED.get(measure, USUAL_SPREAD)
        calibrations[measure] = Calibration.of(values, list(largest.values()), expected)
        likelihood[measure] = held_out_likelihood(values, len(largest), expected)
    usable = [measure for measure in likelihood if _enough(measure, calibrations[measure], references)]
    best = max((likelihood[measure] for measure in usable or likelihood), default=0.0)
    worth = {measure: math.exp(min(0.0, value - best)) for measure, value in likelihood.items()}
    kept = sum(worth[measure] for measure in usable if worth[measure] >= KEPT) or 1.0
    rules: list[Rule] = []
    for measure, calibration in calibrations.items():
        weight = min(1.0, worth[measure] / kept)
        limit, verified = calibration.limit(share * weight)
        threshold = _threshold(measure, calibration, limit).model_copy(update={"weight": weight, "verified": verified})
        normal, odd = _pair(threshold, provenance, source)
        if measure not in usable:
            reason = f"references under {LONG} frames or {SEVERAL} blocks cannot tell how odd a whole window gets"
            rules.append(_rejected(odd, reason))
        elif worth[measure] < KEPT:
            rules.append(_rejected(odd, f"predicts references {worth[measure]:.2f} times as well as the best measure"))
        elif measure in SHARES and limit >= MOST:
            rules.append(_rejected(odd, "no window can measure more than what is normal"))
        else:
            rules += [normal, odd]
    return rules


def held_out_count(
    rule: Rule, references: Sequence[Sequence[Measurement]], share: float = P_REFERENCE, folds: int = 5
) -> tuple[int, int]:
    """On how many references the rule's limit, set by the others for `share`, is exceeded: (tried, fired).

    The references are dealt into folds; each fold is tried against the limit that the rest sets. One reference
    alone cannot be tested: (0, 0).
    """
    if rule.threshold is None:
        return 0, 0
    maxima = [float(values.max()) for values in series(rule.threshold.measure, references) if values is not None]
    folds = min(folds, len(maxima))
    if folds < 2:
        return 0, 0
    fired = 0
    for fold in range(folds):
        rest = [value for i, value in enumerate(maxima) if i % folds != fold]
        expected = EXPECTED.get(rule.threshold.measure, USUAL_SPREAD)
        limit, _ = Calibration.of(rest, rest, expected).limit(share * rule.threshold.weight)
        fired += sum(value > limit for value in maxima[fold::folds])
    return len(maxima), fired


def series(measure: str, references: Sequence[Sequence[Measurement]]) -> list[NDArray[np.float64] | None]:
    """The values of one measure for each reference; None for those that have none."""
    expert, _, name = measure.partition(".")
    found: list[NDArray[np.float64] | None] = []
    for measurements in references:
        frames = next((m.frames.get(name, ()) for m in measurements if m.expert == expert), ())
        found.append(np.asarray(frames, float) if frames else None)
    return found


def _measures(references: Sequence[Sequence[Measurement]]) -> list[str]:
    """The measures to make rules of; the speed as such only where there is no usual one to compare it with."""
    taken = {f"{m.expert}.{name}" for ms in references for m in ms for name, values in m.frames.items() if values}
    return [name for name in PHRASES if name in taken and not (name == "motion.speed" and "motion.ratio" in taken)]


def _enough(measure: str, calibration: Calibration, references: Sequence[Sequence[Measurement]]) -> bool:
    """Whether the references are long and many enough to teach the measure."""
    lengths = [len(values) for values in series(measure, references) if values is not None]
    return measure in BRIEF or (len(calibration.blocks) >= SEVERAL and float(np.median(lengths or [0])) >= LONG)


def _warm_up_rules(references: Sequence[Sequence[Measurement]], provenance: Provenance, source: str) -> list[Rule]:
    rules: list[Rule] = []
    for measure in _measures(references):
        values = [found for found in series(measure, references) if found is not None]
        calibration = Calibration.warm_up(np.concatenate(values))
        rules += _pair(_threshold(measure, calibration, calibration.reach()), provenance, source)
    return rules


def _threshold(measure: str, calibration: Calibration, limit: float) -> Threshold:
    values: Mapping[str, object] = vars(calibration)
    return Threshold.model_validate({"measure": measure, "limit": limit, **values})


def _rejected(rule: Rule, note: str) -> Rule:
    provenance = rule.provenance.model_copy(update={"note": note})
    return rule.model_copy(update={"status": RuleStatus.REJECTED, "provenance": provenance})


def _pair(threshold: Threshold, provenance: Provenance, source: str) -> tuple[Rule, Rule]:
    measure, limit = threshold.measure, threshold.limit
    phrase = PHRASES.get(measure, measure + " is {}")
    name = measure.replace(".", "-") + (f"-{source}" if source else "")
    normal = Rule(
        id=f"{name}-usual",
        kind=RuleKind.NORMAL,
        text=phrase.format(f"usually {threshold.typical:.2f} and at most {limit:.2f}"),
        predicate=f"{measure} <= {limit!r}",
        threshold=threshold,
        severity=0,
        source=source,
        provenance=provenance,
    )
    odd = {"id": f"{name}-high", "kind": RuleKind.ANOMALOUS, "severity": 2, "predicate": f"{measure} > {limit!r}"}
    return normal, normal.model_copy(update={**odd, "text": phrase.format(f"more than {limit:.2f}")})
