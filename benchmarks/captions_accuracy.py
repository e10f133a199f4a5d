"""How well captions are judged without a language model: offline and causal, with and without vocabulary, over seeds.

    python benchmarks/captions_accuracy.py [SUITE...] [--seeds 10] [--first 0]

What `alarm test SUITE --seed N` measures, without the monitor around it, so that many draws of the references are
quick: frame AUROC over all frames but the references, smoothed offline and causally. SUITEs are suites of captions; by
default those in `suites/` whose data is there. Printed are the first seed's value, then mean, least and largest over
the seeds; and what share of frames is beyond the limit that the references teach (smoothed offline, mean over seeds):
of anomalous frames, of normal ones, and of normal ones as far from any anomalous one as references have to be, since
captions speak of what comes before labels do, and smoothing spreads it. Exit code 1 where a suite's own bar is missed
on average, or causal is more than 0.03 below offline.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from alarm_agents.agents.quantiles import EXPECTED, P_REFERENCE
from alarm_agents.errors import ScenarioError
from alarm_agents.evaluation.labels import read_labels
from alarm_agents.evaluation.metrics import frame_auroc
from alarm_agents.evaluation.suite import Suite, load_suite
from alarm_agents.memory.embedders import default_embedder
from alarm_agents.memory.preset import rules_of
from alarm_agents.monitor.teach import FOLDS
from alarm_agents.scenario import load_scenario
from alarm_agents.sources.captions import Caption, CaptionSource
from alarm_agents.tools.captions import Captions
from alarm_agents.tools.smoothing import CAUSAL, OFFLINE, Smoothing
from alarm_agents.uncertainty.calibration import Calibration

WAYS: Mapping[str, Smoothing] = {"offline": OFFLINE, "causal": CAUSAL}
ROWS: Mapping[str, str] = {"with vocabulary": "oddity", "without": "novelty"}
MOST_LOST = 0.03
"""By how much causal smoothing may be below offline."""
SUITES = Path(__file__).parent.parent / "suites"
Stream = tuple[Path, Sequence[Caption], Mapping[int, int]]


def streams(suite: Suite) -> list[Stream]:
    """The captions of each source of a suite, with its labels by frame."""
    settings = load_scenario(suite.scenario_location).source.model_copy(update={"kind": "captions"})
    return [
        (source.path, list(CaptionSource(source.path, settings, name=source.name).frames()), read_labels(source.labels))
        for source in suite.labelled_sources()
    ]


def taught(suite: Suite, references: Sequence[Caption]) -> Captions:
    """The expert with the suite's rules and these references."""
    expert = Captions(default_embedder())
    expert.follow(rules_of(load_scenario(suite.scenario_location)))
    expert.fit([[caption] for caption in references])
    return expert


def limit(suite: Suite, references: Sequence[Caption]) -> float:
    """The limit that references teach, each measured by an expert that learned from others, as `alarm induce` does."""
    values: list[float] = []
    for fold in range(FOLDS):
        rest = [caption for i, caption in enumerate(references) if i % FOLDS != fold]
        values += taught(suite, rest).measure(references[fold::FOLDS], 0).frames["oddity"]
    return Calibration.of(values, values, EXPECTED["captions.oddity"]).limit(P_REFERENCE)[0]


def apart(labels: Mapping[int, int], guard: int) -> set[int]:
    """The frames that are so far from any that is labelled anomalous."""
    odd = np.array([frame for frame, label in labels.items() if label])
    return {frame for frame in labels if not len(odd) or np.abs(odd - frame).min() >= guard}


def measured(suite: Suite, read: Sequence[Stream], seed: int) -> tuple[dict[tuple[str, str], float], list[float]]:
    """With the references that this seed draws: the frame AUROC by row and way, and the shares beyond the limit."""
    chosen = suite.chosen_references(seed) or {}
    references = [c for path, captions, _ in read for c in captions if c.index in chosen.get(path, ())]
    expert, most = taught(suite, references), limit(suite, references)
    guard = suite.references.guard if suite.references else 0
    truth: list[int] = []
    far: list[bool] = []
    values: dict[tuple[str, str], list[float]] = {(row, way): [] for row in ROWS for way in WAYS}
    for path, captions, labels in read:
        kept = [i for i, c in enumerate(captions) if c.index in labels and c.index not in chosen.get(path, ())]
        truth += [labels[captions[i].index] for i in kept]
        away = apart(labels, guard)
        far += [captions[i].index in away for i in kept]
        observed = expert.measure(captions, 0).frames
        for (row, way), found in values.items():
            series, smoothing = list(observed[ROWS[row]]), WAYS[way]
            whole = smoothing.forward if smoothing.causal else smoothing.whole
            smoothed = whole(series, "captions", *(() if smoothing.causal else (captions[0].fps,)))
            found += [smoothed[i] for i in kept]
    ranked = {key: frame_auroc(np.array(truth), np.array(found)) or 0.0 for key, found in values.items()}
    odd, beyond = np.array(truth) == 1, np.array(values["with vocabulary", "offline"]) > most
    return ranked, [float(np.mean(beyond[rows])) for rows in (odd, ~odd, ~odd & np.array(far))]


def report(found: Mapping[str, Sequence[Mapping[tuple[str, str], float]]], bars: Mapping[str, float | None]) -> bool:
    """Print a row for each suite and way to judge; whether all bars are met."""
    table = Table(title="frame AUROC", title_justify="left")
    for column in ("suite", "", "smoothing", "first seed", "mean", "least", "largest", "bar"):
        table.add_column(column, justify="right" if column in ("mean", "least", "largest", "bar") else "left")
    good = True
    for name, runs in found.items():
        offline = float(np.mean([run["with vocabulary", "offline"] for run in runs]))
        for row, way in runs[0]:
            each = [run[row, way] for run in runs]
            bar = None
            if row == "with vocabulary":
                bar = bars[name] if way == "offline" else offline - MOST_LOST
            good &= bar is None or float(np.mean(each)) >= bar
            numbers = (each[0], float(np.mean(each)), min(each), max(each), bar)
            table.add_row(name, row, way, *("" if number is None else f"{number:.3f}" for number in numbers))
    Console(width=120).print(table)
    return good


def report_limits(found: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """Print what is beyond the limits."""
    table = Table(title="share of frames beyond the limit", title_justify="left")
    for column in ("suite", "anomalous", "normal", "normal, apart from anomalies"):
        table.add_column(column, justify="left" if column == "suite" else "right")
    for name, shares in found.items():
        table.add_row(name, *(f"{share:.3f}" for share in np.mean(shares, axis=0)))
    Console(width=120).print(table)


def main(given: Iterable[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=10, help="how many draws of the references")
    parser.add_argument("--first", type=int, default=0, help="the first of the seeds")
    options = parser.parse_args(given)
    found, limits, bars = {}, {}, {}
    for path in options.suites or sorted(SUITES.glob("captions_*.yaml")):
        try:
            suite = load_suite(path)
        except ScenarioError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        if suite.flip is not None:
            continue
        read = streams(suite)
        seeds = range(options.first, options.first + options.seeds)
        runs = [measured(suite, read, seed) for seed in seeds]
        found[suite.name], limits[suite.name] = [ranked for ranked, _ in runs], [shares for _, shares in runs]
        bound = suite.expect.get("frame_auroc")
        bars[suite.name] = bound.min if bound else None
    report_limits(limits)
    sys.exit(not report(found, bars))


if __name__ == "__main__":
    main()
