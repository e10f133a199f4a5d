"""Running a suite: teach from its references, watch its cases, measure."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alarm_agents.errors import ScenarioError
from alarm_agents.evaluation.expectations import check
from alarm_agents.evaluation.flip import compare
from alarm_agents.evaluation.labels import read_labels
from alarm_agents.evaluation.members import of_members
from alarm_agents.evaluation.metrics import FrameTable, compute, frame_auroc
from alarm_agents.evaluation.recordings import run_recorded
from alarm_agents.evaluation.references import Chosen, choose, merged, spoken
from alarm_agents.evaluation.reliability import broken_down, curves
from alarm_agents.evaluation.suite import LabelledSource, Suite
from alarm_agents.evaluation.vocabulary import without_vocabulary
from alarm_agents.graphs.load import load_monitor
from alarm_agents.monitor.run import Monitor
from alarm_agents.monitor.teach import teach
from alarm_agents.scenario import Scenario
from alarm_agents.types import Case, Incident
from alarm_agents.workspace import Workspace

Progress = Callable[[str], None]


@dataclass
class Outcome:
    """What watching one labelled source gave."""

    source: LabelledSource
    labels: Mapping[int, int]
    run: str = ""
    cases: list[Case] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)


async def run_suite(
    workspace: Workspace,
    suite: Suite,
    file: Path,
    *,
    seed: int | None = None,
    compare: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """The result of one run, as `alarm test --json` prints it; also kept in the workspace.

    Each suite and seed has a namespace of its own, emptied first, so that runs never meet. Suites never block: a
    deferred case keeps the score it had and counts as deferred. Raises `AlarmError` for what cannot be run.
    """
    if suite.recorded:
        result = run_recorded(suite, seed=seed, compare=compare, progress=progress)
        workspace.runs.save_suite_result(suite.name, result)
        return result
    if compare:
        raise ScenarioError("only recorded cases can be compared", where="--compare", remedy="leave it out")
    started = time.monotonic()
    chosen = seed if seed is not None else (suite.references.seed if suite.references else suite.seed)
    scenario, _ = load_monitor(suite.scenario_location)
    sources = suite.labelled_sources()
    outcomes = [Outcome(source, read_labels(source.labels)) for source in sources]  # all labels before any work
    space = "test-" + hashlib.sha256(f"{file.resolve()} {chosen}".encode()).hexdigest()[:8]
    references = suite.chosen_references(chosen)
    await _run(workspace, suite, outcomes, references, seed=chosen, namespace=space, progress=progress)
    if references is not None:  # what was learned from is no test
        for outcome in outcomes:
            kept = references.get(outcome.source.path, frozenset())
            outcome.labels = {frame: label for frame, label in outcome.labels.items() if frame not in kept}
    flip: dict[str, Any] = {}
    if suite.flip is not None and references is not None:
        flip = await _flipped(workspace, suite, outcomes, references, seed=chosen, namespace=space + "-flip")
    result = _result(suite, scenario, outcomes, flip, time.monotonic() - started)
    workspace.runs.save_suite_result(suite.name, result)
    return result


async def _run(
    workspace: Workspace,
    suite: Suite,
    outcomes: Sequence[Outcome],
    references: Chosen | None,
    *,
    seed: int,
    namespace: str,
    progress: Progress = lambda _: None,
) -> None:
    """Teach from the references and watch every source, in a namespace that is emptied first."""
    workspace.cases.forget(namespace)
    scenario, builder = load_monitor(suite.scenario_location)
    monitor = Monitor(workspace, scenario, builder, namespace=namespace, ask_people=False, smoothing=suite.smoothing)
    async with monitor:
        if suite.references is not None:
            paths = [str(path) for path in (references or suite.reference_paths())]
            await teach(
                workspace,
                scenario,
                monitor.models,
                paths,
                frames=suite.references.frames,
                seed=seed,
                chosen=None if references is None else {str(path): each for path, each in references.items()},
                namespace=namespace,
                progress=progress,
            )
        for place, outcome in enumerate(outcomes):
            progress(f"watching {outcome.source.name} ({place + 1} of {len(outcomes)})")
            await _watch(monitor, outcome)


async def _flipped(
    workspace: Workspace,
    suite: Suite,
    before: Sequence[Outcome],
    references: Chosen,
    *,
    seed: int,
    namespace: str,
) -> dict[str, Any]:
    """What changes when frames that say something join the references: see `alarm_agents.evaluation.flip`."""
    assert suite.flip is not None
    paths = [outcome.source.path for outcome in before]
    added = choose(paths, label=None, says=suite.flip.says, frames=suite.flip.frames, guard=0, seed=seed)
    after = [Outcome(outcome.source, outcome.labels) for outcome in before]
    await _run(workspace, suite, after, merged([references, added]), seed=seed, namespace=namespace)
    learned = [added.get(path, frozenset()) for path in paths]
    said = [spoken(path, suite.flip.says) for path in paths]
    tables = [(_rows(0, was)[0], _rows(0, now)[0]) for was, now in zip(before, after, strict=True)]
    labels = [outcome.labels for outcome in before]
    return {"says": suite.flip.says, **compare(labels, tables, said, learned)}


async def _watch(monitor: Monitor, outcome: Outcome) -> None:
    async for watched in monitor.watch(str(outcome.source.path), category=outcome.source.category):
        if isinstance(watched.record, Case):
            outcome.cases.append(watched.record)
        elif isinstance(watched.record, Incident):
            outcome.incidents.append(watched.record)
    outcome.run = monitor.run


def _result(
    suite: Suite, scenario: Scenario, outcomes: Sequence[Outcome], flip: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    tables = [_rows(place, outcome) for place, outcome in enumerate(outcomes)]
    table = FrameTable(*(np.concatenate(columns) for columns in zip(*tables, strict=True)))
    spans, start = [], 0
    for outcome, columns in zip(outcomes, tables, strict=True):
        spans += [[start + row for row in rows] for rows in _incident_rows(outcome)]
        start += len(columns[0])
    metrics = compute(table, spans)
    metrics |= of_members([(outcome.labels, outcome.cases) for outcome in outcomes], metrics["frame_auroc"])
    expectations = check(suite.expect, {**metrics, "flip": flip})
    cases = [case for outcome in outcomes for case in outcome.cases]
    frames = len(table.scores)
    return {
        "suite": suite.name,
        "scenario": scenario.name,
        "passed": all(expectation.passed for expectation in expectations),
        "seconds": round(seconds, 3),
        "frames": frames,
        "windows": len(cases),
        "fps": round(frames / seconds, 1),
        "models": sorted({model for case in cases for model in case.models}),
        "unscored": int(np.sum(table.unscored)),
        "metrics": metrics,
        "curves": curves(table),
        "by": broken_down([(outcome.source.name, outcome.labels, outcome.cases) for outcome in outcomes]),
        "rows": without_vocabulary([(outcome.labels, outcome.cases) for outcome in outcomes]),
        "expectations": [expectation.model_dump() for expectation in expectations],
        **({"flip": flip} if flip else {}),
        "cases": [_case_summary(outcome, columns) for outcome, columns in zip(outcomes, tables, strict=True)],
    }


def _case_summary(outcome: Outcome, columns: Sequence[np.ndarray[Any, Any]]) -> dict[str, Any]:
    scores, labels = columns[0], columns[1]
    return {
        "source": outcome.source.name,
        "run": outcome.run,
        "frame_auroc": frame_auroc(labels, scores),
        "frames": len(scores),
        "windows": len(outcome.cases),
        "incidents": len(outcome.incidents),
        "deferred": sum(case.deferred for case in outcome.cases),
        "labelled": labelled_spans(outcome.labels, outcome.cases),
    }


def labelled_spans(labels: Mapping[int, int], cases: Sequence[Case]) -> list[tuple[str, float, float]]:
    """The stretches whose frames are labelled anomalous: a name, and from when to when, in seconds."""
    windows = [case.window for case in cases]
    times = {
        frame: (time, 1 / window.fps)
        for window in windows
        for frame, time in zip(window.frames, window.times, strict=True)
    }
    found: list[tuple[str, float, float]] = []
    before = 0
    for frame in sorted(times):
        (time, lasts), label = times[frame], labels.get(frame, 0)
        if label and before:
            found[-1] = ("anomalous", found[-1][1], time + lasts)
        elif label:
            found.append(("anomalous", time, time + lasts))
        before = label
    return found


def _rows(place: int, outcome: Outcome) -> tuple[np.ndarray[Any, Any], ...]:
    """One row a labelled frame, in the order of `FrameTable`'s columns.

    A frame's score is the maximum over the windows that cover it, where a member tells frames apart the frame's own.
    """
    order = sorted(outcome.labels)
    row = {frame: i for i, frame in enumerate(order)}
    scores, deferred = np.full(len(order), np.nan), np.zeros(len(order), bool)
    unsure, seconds = np.ones(len(order)), np.full(len(order), 0.1)
    for case in outcome.cases:
        seconds[:] = 1.0 / case.window.fps
        for i, frame in enumerate(case.window.frames):
            at = row.get(frame)
            if at is None:
                continue
            deferred[at] |= case.deferred
            if case.score is not None:
                score = case.frame_scores[i]
                if not scores[at] >= score:  # also where nothing stands yet
                    scores[at], unsure[at] = score, case.uncertainty.score
    labels = np.array([outcome.labels[frame] for frame in order])
    predicted = np.nan_to_num(scores, nan=0.0) >= 0.5
    return scores, labels, predicted, deferred, unsure, seconds, np.full(len(order), place)


def _incident_rows(outcome: Outcome) -> list[list[int]]:
    row = {frame: i for i, frame in enumerate(sorted(outcome.labels))}
    cases = {case.id: case for case in outcome.cases}
    return [
        [row[frame] for key in incident.cases for frame in cases[key].window.frames if frame in row]
        for incident in outcome.incidents
    ]
