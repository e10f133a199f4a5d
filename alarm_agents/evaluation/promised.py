"""What can be promised of recorded cases: thresholds by Learn-then-Test on a part of its own, measured on the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field

from alarm_agents.evaluation.calibration import Split
from alarm_agents.evaluation.judging import Judged, Outcome, by_system
from alarm_agents.evaluation.recorded import Panel
from alarm_agents.settings import Block
from alarm_agents.uncertainty.promises import Labels, Promise, missed_promise


class Promised(Block):
    """The promise of a suite: at most `max_missed` of anomalous cases are accepted as normal, by 1 - `delta`."""

    max_missed: float = Field(gt=0, lt=1)
    delta: float = Field(0.1, gt=0, lt=1)


def fitting(split: Split) -> Split:
    """The split with only those calibration cases that fit memory and weights where a promise is asked for."""
    return replace(split, calibration=split.calibration[::2])


def by_promise(panel: Panel, split: Split, asked: Promised) -> tuple[Outcome, Promise]:
    """The system with the threshold under which it may accept "normal", and what is promised.

    Every second calibration case fits memory and weights (`fitting`), the others test thresholds: no label does both.
    Where there are too few nothing is promised, and the scenario's own threshold stays. The outcome's calibration
    part is what thresholds were tested on.
    """
    fit = fitting(split)
    test = np.setdiff1d(split.calibration, fit.calibration)
    found = by_system(panel, replace(fit, rest=np.concatenate([test, split.rest])))
    tested, rest = _part(found.rest, slice(len(test))), _part(found.rest, slice(len(test), None))
    promise = missed_promise(_labels(panel, tested), asked.max_missed, asked.delta)
    return replace(found, calibration=tested, rest=rest, normal_below=promise.threshold), promise


def told(panel: Panel, found: Sequence[tuple[Outcome, Promise]], metrics: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How the promise fared over the splits, ready for JSON.

    `promised` is the share of splits in which it could be given, `lacking` how many more answers "anomalous" the tests
    of the others need at most (None for none, or where that cannot be told), `reason` says so in words. `broken` is the
    share of the splits that promise in which more was missed than promised, among as many anomalous cases as were
    measured (`anomalous`, on average); `missed`, `accepted_error`, `coverage` and `deferred` are means over these.
    """
    promises = [promise for _, promise in found]
    kept = [each for each, promise in zip(metrics, promises, strict=True) if promise.kept]
    short = max(promises, key=lambda promise: (not promise.kept, promise.lacking or 0))
    names = ("missed", "accepted_error", "coverage")
    means = {name: _mean([each[name] for each in kept]) for name in names}
    return {
        "name": short.name,
        "bound": short.bound,
        "delta": short.delta,
        "promised": len(kept) / len(promises),
        "broken": _mean([each["missed"] > short.bound for each in kept if each["missed"] is not None]),
        **means,
        "deferred": None if means["coverage"] is None else 1 - means["coverage"],
        "threshold": _mean([promise.threshold for promise in promises]),
        "labels": _mean([promise.labels for promise in promises]),
        "anomalous": _mean([int(panel.labels[outcome.rest.rows].sum()) for outcome, _ in found]),
        "lacking": short.lacking,
        "reason": short.reason,
    }


def _labels(panel: Panel, judged: Judged) -> Labels:
    """All of them are labelled; who nobody could judge is asked about whatever its uncertainty."""
    there, count = np.isfinite(judged.p), len(judged.rows)
    score = np.where(there, judged.score, np.inf)
    truth = panel.labels[judged.rows].astype(float)
    return Labels(score, judged.verdict == 1, truth, np.ones(count), windows=count, audit_rate=1.0)


def _part(judged: Judged, rows: slice) -> Judged:
    return Judged(judged.rows[rows], judged.p[rows], judged.score[rows])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return float(np.mean(known)) if known else None
