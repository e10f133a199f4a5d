"""Whether promises are kept, and drift is told in time, in simulated deployments on recorded cases.

    python benchmarks/promises.py [SUITE] [--runs 500] [--rate 0.05] [--seed 0] [--other SUITE]
        [--parts missed alarms drift] [--prevalences 0.5 0.01 0.001]

The suite is run once; its cases (uncertainty, label by the agents, true label, words) are what deployments draw from,
at 50%, 1% and 0.1% of anomalous cases. Without a suite, and without `../shared/data`, cases are generated. In ten
rounds a deployment decides by the thresholds that it has learned so far, labels come from deferred cases and from the
random audit share, and it learns again (`alarm_agents/uncertainty/promises.py`, as the monitor). A promise is broken
where any threshold that was ever promised misses more than it says on the population. In other deployments cases come
half way from one group (a clip, a category) that was not seen before; there the promise is broken once more than that
share of all anomalies so far was missed. What comes half way is, in a row each, another clip of the suite, and what
`--other` watched (by default captions of another place and, for recorded cases, another category).
Exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from alarm_agents.evaluation.calibration import Calibration, splits
from alarm_agents.evaluation.judging import by_system
from alarm_agents.evaluation.labels import read_labels
from alarm_agents.evaluation.recorded import Panel
from alarm_agents.evaluation.run import run_suite
from alarm_agents.evaluation.suite import Suite, load_suite
from alarm_agents.memory.embedders import default_embedder
from alarm_agents.memory.texts import description
from alarm_agents.monitor.promises import EARLIER, FEATURES, KNOWN
from alarm_agents.uncertainty.drift import Drift, Sights
from alarm_agents.uncertainty.promises import Labels, alarms_promise, missed_promise
from alarm_agents.workspace import Workspace

MAX_MISSED, DELTA, ACCEPT_BELOW = 0.10, 0.1, 0.6
PREVALENCES = (0.5, 0.01, 0.001)
PARTS = ("missed", "alarms", "drift")
ANOMALIES = 3_000
"""Anomalous cases of a deployment, on average: at 0.1% these are three million cases."""
ROUNDS = 10
LABELS = 300
"""Anomalous cases that the threshold of a deployment with a shift was learned from."""
HALF = 500
"""Cases before a shift, and as many after it, half of them anomalous."""
FEWEST_ODD = 10
"""Anomalous cases without which a group is no place to shift to."""
A_DAY, CASES_A_DAY, WEEKS = 20, 54_000, 4
SUITE = Path(__file__).parent.parent / "suites" / "captions_avenue.yaml"
OTHERS = [SUITE.with_name("captions_ubnormal.yaml"), SUITE.with_name("smarthome.yaml")]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Population:
    """Recorded cases, a row each."""

    p: Floats
    uncertainty: Floats
    anomalous: NDArray[np.bool_]
    group: NDArray[np.int_]
    words: NDArray[np.float32]
    """Unit vectors of what was seen."""

    def missed(self, threshold: float) -> float:
        """The share of anomalous cases that are accepted as normal under that threshold."""
        return float(np.mean((self.p < 0.5)[self.anomalous] & (self.uncertainty < threshold)[self.anomalous]))

    def asked(self, threshold: float, prevalence: float) -> float:
        """The share of all cases that are deferred where "normal" is accepted under that threshold."""
        deferred = self.uncertainty >= np.where(self.p < 0.5, threshold, ACCEPT_BELOW)
        odd = float(np.mean(deferred[self.anomalous]))
        return prevalence * odd + (1 - prevalence) * float(np.mean(deferred[~self.anomalous]))


def population_of(file: Path) -> Population:
    """The cases of a suite, watched (or, where they are recorded, judged) once."""
    suite = load_suite(file)
    return judged(suite) if suite.recorded else watched(suite, file)


def judged(suite: Suite) -> Population:
    """Recorded cases, judged with half of the labels; groups are categories."""
    panel = Panel.read([(source.path, source.annotations) for source in suite.labelled_sources()])
    outcome = by_system(panel, splits(suite.calibration or Calibration(), panel.groups)[0])
    parts = (outcome.calibration, outcome.rest)
    rows, p, score = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "p", "score"))
    there = np.isfinite(p)
    rows, names = rows[there], sorted(set(panel.groups))
    group = np.array([names.index(panel.groups[row]) for row in rows])
    words = default_embedder().embed([". ".join(filter(None, panel.seen[row])) for row in rows])
    return Population(p[there], score[there], panel.labels[rows] == 1, group, words)


def watched(loaded: Suite, suite: Path) -> Population:
    """Cases of frames or captions; one is anomalous where any of its frames is labelled so. Groups are clips."""
    rows: list[tuple[float, float, bool, int]] = []
    texts: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        result = asyncio.run(run_suite(workspace, loaded, suite))
        for place, source in enumerate(result["cases"]):
            labels = read_labels(suite.parent / source["source"])
            for case in workspace.cases.of_run(source["run"]):
                known = [labels[frame] for frame in case.window.frames if frame in labels]
                if known and case.score is not None:
                    rows.append((case.score, case.uncertainty.score, bool(max(known)), place))
                    texts.append(description(case))
    p, uncertainty, anomalous, group = (np.array(column) for column in zip(*rows, strict=True))
    return Population(p, uncertainty, anomalous, group, default_embedder().embed(texts))


def generated(rng: np.random.Generator, count: int = 4_000) -> Population:
    """Cases of four groups whose scores overlap as those of a fair detector (AUROC 0.86 on average), with a seed."""
    anomalous, group = rng.random(count) < 0.5, rng.integers(0, 4, count)
    p = 1 / (1 + np.exp(-rng.normal(np.where(anomalous, 1.0 - 0.3 * group, -1.2), 1.2)))
    words = rng.normal(size=(count, 64)) + 3 * rng.normal(size=(4, 64))[group]
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    return Population(p, 1 - np.abs(2 * p - 1), anomalous, group, words.astype(np.float32))


@dataclass(frozen=True)
class Outcome:
    """How one deployment went: its last threshold (None where nothing was promised), the worst promise, its labels."""

    threshold: float | None
    worst: float
    reviewed: int


def deployment(
    population: Population, prevalence: float, rate: float, rng: np.random.Generator, audited: bool = True
) -> Outcome:
    """One deployment in rounds. Normal cases never count for `max_missed`: of them only how many there are is drawn."""
    odd = np.flatnonzero(population.anomalous)
    limit, worst, reviewed, promised = ACCEPT_BELOW, 0.0, 0, None
    columns: list[list[Floats]] = [[], [], []]
    windows = 0
    for _ in range(ROUNDS):
        count = round(ANOMALIES / prevalence / ROUNDS)
        found = rng.choice(odd, rng.binomial(count, prevalence))
        p, uncertainty = population.p[found], population.uncertainty[found]
        deferred = uncertainty >= np.where(p < 0.5, limit, ACCEPT_BELOW)
        kept = deferred | (rng.random(len(found)) < rate) if audited else deferred
        columns[0].append(uncertainty[kept])
        columns[1].append((p >= 0.5)[kept])
        columns[2].append(np.where(deferred, 1.0, rate)[kept])
        windows += count
        share = population.asked(limit, prevalence)
        reviewed += round(count * (share + (1 - share) * rate * audited))
        unsure, alarm, probability = (np.concatenate(each) for each in columns)
        labels = Labels(unsure, alarm.astype(bool), np.ones(len(unsure)), probability, windows, rate if audited else 0)
        promise = missed_promise(labels, MAX_MISSED, DELTA)
        promised = promise.threshold
        limit = ACCEPT_BELOW if promised is None else promised
        worst = max(worst, population.missed(limit) if promise.kept else 0.0)
    return Outcome(promised, worst, reviewed)


def promises(
    population: Population,
    prevalences: Sequence[float],
    *,
    runs: int,
    rate: float,
    rng: np.random.Generator,
    console: Console,
) -> bool:
    """Print how promises fared at each prevalence; whether they were kept."""
    table = Table(title=f"max_missed {MAX_MISSED}, delta {DELTA}, audit_rate {rate}: {runs} deployments each")
    for name in ("prevalence", "cases", "reviewed", "promised", "broken", "deferred", "missed", "without promise"):
        table.add_column(name, justify="right")
    kept = True
    for prevalence in prevalences:
        outcomes = [deployment(population, prevalence, rate, rng) for _ in range(runs)]
        given = [outcome.threshold for outcome in outcomes if outcome.threshold is not None]
        broken = float(np.mean([outcome.worst > MAX_MISSED for outcome in outcomes]))
        shares = [population.asked(threshold, prevalence) for threshold in given]
        missed = [population.missed(threshold) for threshold in given]
        kept &= broken <= DELTA
        table.add_row(
            f"{prevalence:.1%}",
            f"{ANOMALIES / prevalence:,.0f}",
            f"{np.median([outcome.reviewed for outcome in outcomes]):,.0f}",
            f"{len(given) / runs:.0%}",
            f"{broken:.1%}",
            f"{np.mean(shares):.1%}" if shares else "-",
            f"{np.mean(missed):.3f}" if missed else "-",
            f"deferred {population.asked(ACCEPT_BELOW, prevalence):.1%}, missed {population.missed(ACCEPT_BELOW):.3f}",
        )
    console.print(table)
    alone = [deployment(population, prevalence, rate, rng, audited=False) for prevalence in prevalences]
    silent = all(outcome.threshold is None for outcome in alone)
    console.print(f"labels from deferred cases alone: {'nothing is promised' if silent else 'A PROMISE IS GIVEN'}")
    return kept and silent


def shifted(population: Population, group: int, rng: np.random.Generator) -> tuple[int | None, int | None, bool]:
    """After how many cases of a group not seen before drift is told and the promise broken, and whether it was told
    before there was any; None for never.
    """
    within = np.flatnonzero(population.group != group)
    odd = rng.choice(within[population.anomalous[within]], LABELS)
    unsure, alarm = population.uncertainty[odd], population.p[odd] >= 0.5
    labels = Labels(unsure, alarm, np.ones(LABELS), np.ones(LABELS), LABELS, 1.0)
    limit = missed_promise(labels, MAX_MISSED, DELTA).threshold
    assert limit is not None
    first = _half(population, within, HALF, rng)
    second = _half(population, np.flatnonzero(population.group == group), HALF, rng)
    known = Sights(population.words[first[:KNOWN]])
    drift = Drift(len(FEATURES), _features(population, first[KNOWN : KNOWN + EARLIER], known))
    for row in _features(population, first[KNOWN + EARLIER :], known):
        drift.take(row, rng.random())
    falsely = drift.found
    told = broken = None
    for place, row in enumerate(_features(population, second, known)):
        drift.take(row, rng.random())
        if told is None and drift.found:
            told = place
        so_far = np.concatenate([first, second[: place + 1]])
        so_far = so_far[population.anomalous[so_far]]
        missed = (population.p[so_far] < 0.5) & (population.uncertainty[so_far] < limit)
        if broken is None and missed.mean() > MAX_MISSED:
            broken = place
    return told, broken, falsely


def _half(population: Population, among: NDArray[np.int_], count: int, rng: np.random.Generator) -> NDArray[np.int_]:
    """So many of these cases, half of them anomalous as far as there are any, mixed."""
    odd, normal = among[population.anomalous[among]], among[~population.anomalous[among]]
    parts = [rng.choice(part, count // 2) for part in (odd, normal) if len(part)]
    return rng.permutation(np.concatenate(parts))


def _features(population: Population, cases: NDArray[np.int_], known: Sights) -> Sequence[Sequence[float]]:
    columns = (population.p[cases], population.uncertainty[cases], known.of(population.words[cases]))
    return np.column_stack(columns).tolist()


def joined(before: Population, after: Population) -> Population:
    """Cases of two populations: the first is group 0, the second group 1."""
    columns = ((getattr(each, name) for each in (before, after)) for name in ("p", "uncertainty", "anomalous", "words"))
    p, uncertainty, anomalous, words = (np.concatenate(list(column)) for column in columns)
    return Population(p, uncertainty, anomalous, np.repeat([0, 1], [len(before.p), len(after.p)]), words)


def shifts(
    name: str, population: Population, groups: Sequence[int], *, runs: int, rng: np.random.Generator, console: Console
) -> bool:
    """Print how soon drift was told; whether that was before the promise was broken in nine runs of ten."""
    found = [shifted(population, int(rng.choice(groups)), rng) for _ in range(runs)]
    late = [broken is not None and (told is None or told >= broken) for told, broken, _ in found]
    broken = [broken for _, broken, _ in found if broken is not None]
    told = [told for told, _, _ in found if told is not None]
    in_time = 1 - float(np.mean(late))
    console.print(
        f"a shift to {name} ({len(groups)} of them), {runs} runs: drift told before the promise was broken, or "
        f"never broken: {in_time:.1%}; broken in {len(broken)}, after {np.median(broken or [np.nan]):.0f} cases, of "
        f"which told too late: {sum(late)}; told {len(told) / runs:.0%}, after {np.median(told or [np.nan]):.0f}, "
        f"and in {np.mean([falsely for *_, falsely in found]):.1%} of runs before the shift"
    )
    return in_time >= 0.9


def large(population: Population) -> list[int]:
    """The groups with anomalous cases enough to tell what is missed of them."""
    return [
        int(g) for g in np.unique(population.group) if population.anomalous[population.group == g].sum() >= FEWEST_ODD
    ]


def false_alarms(population: Population, runs: int, rate: float, rng: np.random.Generator, console: Console) -> bool:
    """Print how `false_alarms_per_day` fared where one case in a thousand is anomalous; whether it was kept."""
    share, loud = A_DAY / CASES_A_DAY, population.p >= 0.5
    odd, normal = np.flatnonzero(population.anomalous & loud), np.flatnonzero(~population.anomalous & loud)
    chances = [PREVALENCES[-1] * len(odd) / population.anomalous.sum()]
    chances.append((1 - PREVALENCES[-1]) * len(normal) / (~population.anomalous).sum())

    def raised(threshold: float) -> float:
        """The share of cases that are false alarms which nobody is asked about."""
        return chances[1] * told(normal, threshold) if len(normal) else 0.0

    def told(cases: NDArray[np.int_], threshold: float) -> float:
        """The share of these cases that are told at once, and are no question first."""
        return float(np.mean(population.uncertainty[cases] < threshold))

    broken, given = 0, list[float]()
    for _ in range(runs):
        limit, promised, worst = ACCEPT_BELOW, None, 0.0
        columns: list[list[Floats]] = [[], [], []]
        for week in range(1, WEEKS + 1):
            counts = rng.binomial(7 * CASES_A_DAY, chances)
            found = np.concatenate([rng.choice(each, n) for each, n in zip((odd, normal), counts, strict=True) if n])
            unsure = population.uncertainty[found]
            kept = (deferred := unsure >= limit) | (rng.random(len(found)) < rate)
            columns[0].append(unsure[kept])
            columns[1].append(population.anomalous[found][kept].astype(float))
            columns[2].append(np.where(deferred, 1.0, rate)[kept])
            unsure, truth, probability = (np.concatenate(each) for each in columns)
            labels = Labels(unsure, np.ones(len(unsure), bool), truth, probability, week * 7 * CASES_A_DAY, rate)
            promise = alarms_promise(labels, share, DELTA, a_day=A_DAY)
            promised = promise.threshold
            limit = ACCEPT_BELOW if promised is None else promised
            worst = max(worst, raised(limit) if promise.kept else 0.0)
        broken += worst > share
        given += [] if promised is None else [promised]
    alarms = [raised(threshold) * CASES_A_DAY for threshold in given]
    real = [told(odd, threshold) for threshold in given]
    console.print(
        f"false_alarms_per_day {A_DAY} of {CASES_A_DAY:,} cases, delta {DELTA}, {WEEKS} weeks, {runs} deployments: "
        f"promised in {len(given) / runs:.0%}, broken in {broken / runs:.1%}; false alarms a day "
        f"{np.mean(alarms or [np.nan]):.1f}, without a promise {raised(ACCEPT_BELOW) * CASES_A_DAY:,.0f}; of the right "
        f"ones {np.mean(real or [np.nan]):.0%} are told at once, without a promise {told(odd, ACCEPT_BELOW):.0%}; "
        f"drawn from {len(normal)} false alarms, each for {chances[1] * CASES_A_DAY / max(1, len(normal)):.0f} a day"
    )
    return broken <= DELTA * runs


def drift(population: Population, others: Sequence[Path], shifted_to: Callable[..., bool]) -> bool:
    """Shift to another clip, and to each of the other suites; whether drift was told in time."""
    good = shifted_to("another clip", population, large(population))
    for other in others:
        after = population_of(other)
        good &= shifted_to(f"cases of {other.stem}", joined(population, after), [1])
        if load_suite(other).recorded:
            good &= shifted_to(f"another category of {other.stem}", after, large(after))
    return good


def main() -> None:
    """Measure, print, and exit with 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", nargs="?", type=Path, help=f"default: {SUITE.name}, where its data is there")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rate", type=float, default=0.05, help="the audit rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--other", type=Path, help="what comes after a shift to something else altogether")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to simulate; default: all")
    parser.add_argument("--prevalences", nargs="+", type=float, default=PREVALENCES, help="shares of anomalous cases")
    options = parser.parse_args()
    rng, console = np.random.default_rng(options.seed), Console(width=140)
    real = (SUITE.parent / "../../shared/data/captions").is_dir()
    suite = options.suite or (SUITE if real else None)
    population = population_of(suite) if suite else generated(rng)
    odd, groups = int(population.anomalous.sum()), len(np.unique(population.group))
    console.print(
        f"{suite.name if suite else 'generated'}: {len(population.p)} cases, {odd} anomalous, {groups} groups"
    )
    good, runs, rate = True, options.runs, options.rate
    if "missed" in options.parts:
        asked = options.prevalences
        good &= promises(population, asked, runs=runs, rate=rate, rng=rng, console=console)
    if "alarms" in options.parts:
        good &= false_alarms(population, runs, rate, rng, console)
    if "drift" in options.parts:
        others = [options.other] if options.other else OTHERS if real else []
        good &= drift(population, others, partial(shifts, runs=runs, rng=rng, console=console))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
