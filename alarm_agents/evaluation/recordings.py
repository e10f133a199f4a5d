"""Running a suite of recorded cases: judge every split, measure, and put what is compared side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from alarm_agents.errors import ScenarioError
from alarm_agents.evaluation.calibration import Calibration, Split, splits
from alarm_agents.evaluation.casewise import case_metrics, spread
from alarm_agents.evaluation.expectations import check
from alarm_agents.evaluation.judging import WAYS, Outcome, by_system, records
from alarm_agents.evaluation.promised import by_promise, fitting, told
from alarm_agents.evaluation.recorded import Panel
from alarm_agents.evaluation.reliability import rejection, reliability
from alarm_agents.evaluation.suite import Suite
from alarm_agents.graphs.load import load_monitor
from alarm_agents.memory.preset import rules_of

COMPARED = ("majority", "label-free", "tfidf")
"""What is put beside the system where nothing else is asked for."""


def run_recorded(
    suite: Suite,
    *,
    seed: int | None = None,
    compare: Sequence[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The result, as `alarm test --json` prints it. Raises `AlarmError` for what cannot be run.

    `metrics` are means over the splits, `metrics_sd` their standard deviations, `promise` how a promise fared, if one
    is asked for; `records` are the cases of the first split, both parts.
    """
    started = time.monotonic()
    scenario, _ = load_monitor(suite.scenario_location)
    settings = suite.calibration or Calibration(fraction=0)
    beside = _beside(compare, settings)
    settings = settings if seed is None else settings.model_copy(update={"seed": seed})
    files = [(source.path, source.annotations) for source in suite.labelled_sources()]
    panel = Panel.read(files, rules_of(scenario))
    try:
        parts = splits(settings, panel.groups)
    except ValueError as error:
        raise ScenarioError(f"calibration: {error}", where=str(suite.folder)) from error
    progress(f"judging {len(panel.cases)} cases, {len(parts)} splits")
    accept_below = scenario.uncertainty.accept_below
    asked = suite.promise
    given = parts if asked is None else [fitting(part) for part in parts]
    rows = {name: _row(panel, given, name, accept_below) for name in beside}  # first: it says what cannot be compared
    promise = [by_promise(panel, part, asked) for part in parts] if asked is not None else []
    outcomes = [outcome for outcome, _ in promise] if promise else [by_system(panel, part) for part in parts]
    found = [_metrics(panel, outcome, outcome.rest.rows, accept_below) for outcome in outcomes]
    metrics, deviation = _over(found)
    expectations = check(suite.expect, metrics)
    return {
        "suite": suite.name,
        "scenario": scenario.name,
        "passed": all(expectation.passed for expectation in expectations),
        "seconds": round(time.monotonic() - started, 3),
        "recorded": len(panel.cases),
        "splits": len(parts),
        "members": list(panel.members),
        "dropped": list(panel.dropped),
        "missing": dict(zip(panel.members, np.isnan(panel.votes).sum(axis=0).tolist(), strict=True)),
        "models": [*panel.members, *panel.dropped],
        "metrics": {**metrics, "by_group": _by_group(panel, outcomes, accept_below)},
        "metrics_sd": deviation,
        **({"promise": told(panel, promise, found)} if promise else {}),
        "weights": spread([dict(outcome.weights) for outcome in outcomes])[0],
        "rows": rows,
        "curves": _curves(panel, outcomes),
        "expectations": [expectation.model_dump() for expectation in expectations],
        "records": {
            "calibration": records(panel, outcomes[0].calibration),
            "rest": records(panel, outcomes[0].rest),
        },
        "cases": [],
    }


def _beside(compare: Sequence[str], settings: Calibration) -> Sequence[str]:
    """What is put beside the system, `COMPARED` where nothing is asked for; raises `ScenarioError` if it is unknown."""
    unknown = [name for name in compare if name not in WAYS]
    if unknown:
        known = ", ".join(WAYS)
        raise ScenarioError(f"there is no signal or baseline '{unknown[0]}'", where="--compare", remedy=f"use {known}")
    return compare or [name for name in COMPARED if name != "tfidf" or settings.fraction]


def _curves(panel: Panel, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The curves of `alarm_agents.evaluation.reliability` over the measured parts of all splits together."""
    p, score = (np.concatenate([getattr(each.rest, name) for each in outcomes]) for name in ("p", "score"))
    labels, there = panel.labels[np.concatenate([each.rest.rows for each in outcomes])], np.isfinite(p)
    wrong = (p[there] >= 0.5) != labels[there]
    return {"reliability": reliability(labels[there], p[there]), "rejection": rejection(wrong, score[there])}


def _over(found: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metrics over splits: their means, with the least gain over the majority, and their standard deviations."""
    mean, deviation = spread(found)
    gains = [each["over_majority"] for each in found if each["over_majority"] is not None]
    mean["over_majority_worst"] = min(gains, default=None)
    return mean, deviation


def _metrics(panel: Panel, outcome: Outcome, wanted: Any, accept_below: float) -> dict[str, Any]:
    judged = outcome.rest
    chosen = np.isin(judged.rows, wanted)
    rows, verdict = judged.rows[chosen], judged.verdict[chosen]
    found = case_metrics(
        panel.labels[rows],
        judged.p[chosen],
        judged.score[chosen],
        panel.majority[rows],
        accept_below=accept_below,
        normal_below=outcome.normal_below,
    )
    if panel.reasons is None:
        return found
    said, p = verdict[:, None], panel.p_members[rows]
    sure = np.where(said == 1, p, 1 - p)
    return found | panel.reasons.metrics(rows, verdict == panel.labels[rows], panel.votes[rows] == said, sure)


def _row(panel: Panel, parts: Sequence[Split], name: str, accept_below: float) -> dict[str, Any]:
    """One thing that is compared, fitted on the cases that the system is; a ranking of no unit has no coverage."""
    outcomes = [WAYS[name](panel, part) for part in parts]
    mean, _ = _over([_metrics(panel, outcome, outcome.rest.rows, accept_below) for outcome in outcomes])
    kept = ("case_accuracy", "case_auroc", "aurc")
    return {**{key: mean[key] for key in kept}, "accuracy_at_deferral.0.3": mean["accuracy_at_deferral"]["0.3"]}


def _by_group(panel: Panel, outcomes: Sequence[Outcome], accept_below: float) -> dict[str, dict[str, Any]]:
    """The metrics of each group's cases, as a mean over the splits that measure any of them."""
    names = np.asarray(panel.groups, str)
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(set(panel.groups)):
        rows = np.flatnonzero(names == name)
        there = [outcome for outcome in outcomes if np.isin(rows, outcome.rest.rows).any()]
        if there:
            mean, _ = spread([_metrics(panel, outcome, rows, accept_below) for outcome in there])
            found[name or "(none)"] = {"cases": len(rows), **mean}
    return found
