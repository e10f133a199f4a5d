"""What can be promised of verdicts that nobody checks, from the labels that people gave so far.

Learn then Test (Angelopoulos, Bates, Candes, Jordan and Lei, 2021): the thresholds on uncertainty under which verdicts
are accepted are tested one after another, from the strictest on, until one cannot be shown to keep the promise. Each
test is a bet against "this threshold breaks it" (Waudby-Smith and Ramdas, 2023; Ville's inequality): the stake stays
one on average where it does, and 1 / delta is enough to hold that it does not. A bet stays fair however thresholds were
chosen while the labels came in and however often it is looked at, and where reviewed cases are weighted by one over the
probability with which they were to be reviewed (Horvitz and Thompson, 1952), which is one for a deferred case and the
audit rate for an accepted one. Cases that were accepted and never drawn need no label.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from alarm_agents.types import Acceptance, Decision, Record, Uncertainty

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

STAKES = np.arange(1, 9) / 8 * 0.999
"""The shares of the most that may be staked, all bet on at once; the larger ones carry more of the money."""
_MONEY = np.log(STAKES / STAKES.sum())
ALL = 1.01
"""A threshold that every uncertainty is under."""
MOST_LABELS = 10_000_000
"""Labels beyond which nobody is told how many are lacking."""

Kept = Literal["max_missed", "false_alarms_per_day"]


@dataclass(frozen=True, eq=False)
class Labels:
    """The cases that were to be reviewed, in the order in which they were judged; all columns are equally long."""

    uncertainty: FloatArray
    """Of the verdict; infinite where the case is asked about whatever its uncertainty, -infinite where never."""
    alarm: BoolArray
    """Whether the agents called it anomalous."""
    anomalous: FloatArray
    """1 or 0 as a person answered; NaN where nobody has, or could."""
    probability: FloatArray
    """With which it was to be reviewed, in (0, 1]: 1 for a deferred case."""
    windows: int
    """How many cases were judged in that time, reviewed or not."""
    audit_rate: float
    """The smallest probability with which an accepted case was to be reviewed; 0 where none was."""

    def __post_init__(self) -> None:
        columns = (self.uncertainty, self.alarm, self.anomalous, self.probability)
        if any(column.shape != (len(self.uncertainty),) for column in columns):
            raise ValueError("columns of labels are one-dimensional and equally long")
        if not ((self.probability > 0) & (self.probability <= 1)).all():
            raise ValueError("a case that was reviewed had a probability of review in (0, 1]")
        if self.windows < len(self.uncertainty):
            raise ValueError("no more cases can be reviewed than were judged")


class Promise(Record):
    """One promise: whether it can be given, and what it takes."""

    name: Kept
    bound: float
    delta: float
    kept: bool
    """Whether it holds with confidence 1 - delta, for cases like those that were labelled."""
    threshold: float | None = None
    """Of uncertainty: at or above it a person is asked; None where nothing is promised, `ALL` where nobody need be."""
    labels: int = 0
    """Answered cases that count for it: anomalous ones for `max_missed`, alarms for `false_alarms_per_day`."""
    lacking: int | None = None
    """How many more answers "anomalous" (`max_missed`) or windows (`false_alarms_per_day`) it needs, if known."""
    reason: str = ""


def missed_promise(labels: Labels, max_missed: float, delta: float) -> Promise:
    """Up to which uncertainty "normal" may be accepted: at most `max_missed` of anomalous cases are, by 1 - delta.

    The loss of a case is 1 where it is anomalous and was accepted as normal, so that normal cases count for nothing
    and the promise means the same at any prevalence. Who did not answer an accepted case counts as one missed.
    """
    anomalous, unknown = labels.anomalous == 1, np.isnan(labels.anomalous)
    promise = Promise(name="max_missed", bound=max_missed, delta=delta, kept=False, labels=int(anomalous.sum()))
    if labels.audit_rate <= 0:
        return promise.model_copy(update={"reason": _UNAUDITED})
    stakes = STAKES * labels.audit_rate / (1 - max_missed)
    weight = 1 / labels.probability
    caught = np.log1p(np.outer(weight * anomalous, stakes * max_missed))  # what each case earns while it is not missed
    may_miss = (anomalous | unknown) & ~labels.alarm
    missed = np.log1p(-np.outer(weight * may_miss, stakes * (1 - max_missed)))
    start = caught.sum(axis=0)
    threshold = _tested(start, (missed - caught)[may_miss], labels.uncertainty[may_miss], delta)
    if threshold is None:
        lacking = _lacking(start, np.log1p(stakes * max_missed), delta)
        said = f"{lacking or 'far'} more answers 'anomalous' are needed"
        return promise.model_copy(update={"lacking": lacking, "reason": f"cannot be promised yet: {said}"})
    return _given(promise, threshold, "normal")


def alarms_promise(labels: Labels, share: float, delta: float, *, a_day: float) -> Promise:
    """Up to which uncertainty alarms may be raised unasked: at most `share` of windows are false ones, by 1 - delta.

    `a_day` is what the share amounts to in a day. Windows without an alarm count as they are, without a label; who did
    not answer an alarm that was to be reviewed counts as a false one.
    """
    false = labels.alarm & (labels.anomalous != 1)
    answered = int((labels.alarm & ~np.isnan(labels.anomalous)).sum())
    promise = Promise(name="false_alarms_per_day", bound=a_day, delta=delta, kept=False, labels=answered)
    if labels.audit_rate <= 0:
        return promise.model_copy(update={"reason": _UNAUDITED})
    stakes = STAKES / (1 / labels.audit_rate - share)
    start = labels.windows * np.log1p(stakes * share)
    weight = 1 / labels.probability[false]
    flips = np.log1p(-np.outer(weight, stakes) + stakes * share) - np.log1p(stakes * share)
    threshold = _tested(start, flips, labels.uncertainty[false], delta)
    if threshold is None:
        lacking = _lacking(start, np.log1p(stakes * share), delta)
        days = "" if lacking is None else f" ({lacking * share / a_day:.1f} days)"
        said = f"cannot be promised yet: {lacking or 'far'} more windows{days} have to be watched"
        return promise.model_copy(update={"lacking": lacking, "reason": said})
    return _given(promise, threshold, "anomalous")


def held_to(found: Uncertainty, p: float | None, acceptance: Acceptance | None) -> Uncertainty:
    """The decision as promises have it; the same where none is given for such a verdict, or a second look is due.

    A verdict is accepted under the threshold for its label and put to a person at or above it. While the source has
    drifted, thresholds are `Acceptance.narrowed`.
    """
    if acceptance is None or p is None or found.decision is Decision.REFLECT:
        return found
    called, limit = ("anomalous", acceptance.anomalous) if p >= 0.5 else ("normal", acceptance.normal)
    if limit is None:
        return found
    if found.score < limit:
        reason = f"uncertainty {found.score:.2f} is under {limit:.2f}, up to which '{called}' may be accepted"
        return found.model_copy(update={"decision": Decision.ACCEPT, "reason": reason})
    why = "since its source has drifted" if acceptance.narrowed else "to keep what is promised"
    reason = f"uncertainty {found.score:.2f} is not under {limit:.2f}, so a person is asked, {why}"
    withheld = p >= 0.5 and not acceptance.narrowed
    return found.model_copy(update={"decision": Decision.DEFER, "reason": reason, "withheld": withheld})


def lot(case: str, purpose: str) -> float:
    """A number in [0, 1) that is as good as random and the same whenever the case is judged again."""
    return int(hashlib.sha256(f"{purpose} {case}".encode()).hexdigest()[:8], 16) / 2**32


def _tested(start: FloatArray, flips: FloatArray, uncertainty: FloatArray, delta: float) -> float | None:
    """The largest threshold up to which every one is shown to keep the promise; None where not even the strictest is.

    `start` holds the logarithm of what each stake has come to where nothing is accepted, `flips` a row for each case
    that a larger threshold accepts wrongly, and by how much that changes it.
    """
    order = np.argsort(uncertainty, kind="stable")
    grown = np.vstack([start, start + np.cumsum(flips[order], axis=0)])
    enough = logsumexp(grown + _MONEY, axis=1) >= -math.log(delta)
    if not enough[0]:
        return None
    failed = np.flatnonzero(~enough)
    # Cases with the same uncertainty are accepted together: the one that fails takes its likes with it.
    limit = ALL if not len(failed) else float(uncertainty[order][failed[0] - 1])
    return None if limit == -math.inf else min(limit, ALL)


def _lacking(start: FloatArray, each: FloatArray, delta: float) -> int | None:
    """How many more times `each` has to be earned until the strictest threshold can be promised."""
    if logsumexp(start + _MONEY) >= -math.log(delta):
        return None  # labels are not what it fails for
    low, high = 0, 1
    while logsumexp(start + high * each + _MONEY) < -math.log(delta):
        low, high = high, high * 2
        if high > MOST_LABELS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if logsumexp(start + middle * each + _MONEY) >= -math.log(delta) else (middle, high)
    return high


def _given(promise: Promise, threshold: float, called: str) -> Promise:
    up_to = "whatever its uncertainty" if threshold >= ALL else f"under uncertainty {threshold:.3f}"
    reason = f"'{called}' is accepted {up_to}, with confidence {1 - promise.delta:.0%}"
    return promise.model_copy(update={"kept": True, "threshold": threshold, "reason": reason})


_UNAUDITED = (
    "cannot be promised: labels from deferred cases alone say nothing of what is accepted; "
    "set promise.audit_rate, so that a random share of it is reviewed, too"
)
