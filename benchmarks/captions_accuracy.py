"""How well captions are judged without a language model: offline and causal, with and without vocabulary, over seeds.

    python benchmarks/captions_accuracy.py [SUITE...] [--seeds 10] [--first 0]

What `alarm test SUITE --seed N` measures, without the monitor around it, so that many draws of the references are
quick: frame AUROC over all frames but the references, smoothed offline and causally. SUITEs are suites of captions; by
default those in `suites/` whose data is there. Printed are the first seed's value, then mean, least and largest over
the seeds. Exit code 1 where a suite's own bar is missed on average, or causal is more than 0.03 below offline.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from alarm_agents.errors import ScenarioError
from alarm_agents.evaluation.labels import read_labels
from alarm_agents.evaluation.metrics import frame_auroc
from alarm_agents.evaluation.suite import Suite, load_suite
from alarm_agents.memory.embedders import default_embedder
from alarm_agents.memory.preset import rules_of
from alarm_agents.scenario import load_scenario
from alarm_agents.sources.captions import Caption, CaptionSource
from alarm_agents.tools.captions import Captions
from alarm_agents.tools.smoothing import CAUSAL, OFFLINE, Smoothing

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


def aurocs(suite: Suite, read: Sequence[Stream], seed: int) -> dict[tuple[str, str], float]:
    """The frame AUROC by row and way, with the references that this seed draws."""
    chosen = suite.chosen_references(seed) or {}
    expert = Captions(default_embedder())
    expert.follow(rules_of(load_scenario(suite.scenario_location)))
    expert.fit([[c] for path, captions, _ in read for c in captions if c.index in chosen.get(path, ())])
    truth: list[int] = []
    values: dict[tuple[str, str], list[float]] = {(row, way): [] for row in ROWS for way in WAYS}
    for path, captions, labels in read:
        kept = [i for i, c in enumerate(captions) if c.index in labels and c.index not in chosen.get(path, ())]
        truth += [labels[captions[i].index] for i in kept]
        measured = expert.measure(captions, 0).frames
        for (row, way), found in values.items():
            series, smoothing = list(measured[ROWS[row]]), WAYS[way]
            whole = smoothing.forward if smoothing.causal else smoothing.whole
            smoothed = whole(series, "captions", *(() if smoothing.causal else (captions[0].fps,)))
            found += [smoothed[i] for i in kept]
    return {key: frame_auroc(np.array(truth), np.array(found)) or 0.0 for key, found in values.items()}


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


def main(given: Iterable[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=10, help="how many draws of the references")
    parser.add_argument("--first", type=int, default=0, help="the first of the seeds")
    options = parser.parse_args(given)
    found, bars = {}, {}
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
        found[suite.name] = [aurocs(suite, read, seed) for seed in seeds]
        bound = suite.expect.get("frame_auroc")
        bars[suite.name] = bound.min if bound else None
    sys.exit(not report(found, bars))


if __name__ == "__main__":
    main()
