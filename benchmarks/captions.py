"""How many captions a second are judged without a language model, on one core and from a cold start of all caches.

    python benchmarks/captions.py [FILE...] [--repeat N]

The baseline, in the same run, embeds each caption as a whole (what matching whole captions would cost at least). Both
take windows of 16 captions. FILEs are captions files; without any, captions are generated. The library's `walkway`
gives the rules, the first ten captions are the references. Exit code 1 where the bar is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from alarm_agents.memory.embedders import WordLlamaEmbedder
from alarm_agents.memory.preset import rules_of
from alarm_agents.scenario import load_scenario
from alarm_agents.settings import SourceSettings
from alarm_agents.sources.captions import Caption, CaptionSource
from alarm_agents.tools import clauses, deduction
from alarm_agents.tools.captions import Captions

BAR = 3_000
"""Captions a second."""
WINDOW = 16
DOES = [
    "walking",
    "standing",
    "sitting",
    "running",
    "riding a bicycle",
    "carrying a bag",
    "looking",
    "talking",
    "waiting",
]
WHERE = [
    "near the stairs",
    "towards the entrance",
    "on the grass",
    "with a backpack",
    "away from the building",
    "alone",
]


def generated(count: int) -> list[Caption]:
    """Captions of two to nine people each, with a seed."""
    draw = np.random.default_rng(0)
    texts = []
    for _ in range(count):
        acts = [f"person {i} is {draw.choice(DOES)} {draw.choice(WHERE)}" for i in range(draw.integers(2, 10))]
        texts.append(f"There are people in the image. {', '.join(acts)}. Other than people, there are trees and signs.")
    return [Caption(text, i, i / 10, 10.0) for i, text in enumerate(texts)]


def windows(captions: Sequence[Caption]) -> list[Sequence[Caption]]:
    """The captions as the stage hands them over."""
    return [captions[i : i + WINDOW] for i in range(0, len(captions), WINDOW)]


def deduced(captions: Sequence[Caption]) -> None:
    """Judge all captions with nothing remembered from before."""
    for remembered in (clauses.canonical, clauses._part, deduction.stem):
        remembered.cache_clear()
    expert = Captions(WordLlamaEmbedder())
    expert.fit([[caption] for caption in captions[:10]])
    expert.follow(rules_of(load_scenario("walkway")))
    started = time.process_time()
    for window in windows(captions):
        expert.measure(window, 0)
    report.append(time.process_time() - started)


def embedded(captions: Sequence[Caption]) -> None:
    """Embed all captions as they are."""
    embedder = WordLlamaEmbedder()
    started = time.process_time()
    for window in windows(captions):
        embedder.embed([caption.text for caption in window])
    report.append(time.process_time() - started)


report: list[float] = []


def rate(work: Callable[[Sequence[Caption]], None], captions: Sequence[Caption], repeat: int) -> float:
    """Captions a CPU second, the median of so many runs."""
    report.clear()
    for _ in range(repeat):
        work(captions)
    return len(captions) / statistics.median(report)


def main() -> None:
    """Measure and print."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    settings = SourceSettings(kind="captions")
    read = [caption for path in given.files for caption in CaptionSource(path, settings, name=path.name).frames()]
    captions = read or generated(5_000)
    judged, baseline = (rate(work, captions, given.repeat) for work in (deduced, embedded))
    table = Table(title=f"{len(captions)} captions, {len({c.text for c in captions})} different", title_justify="left")
    for column in ("", "captions a second", "bar"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("judged clause by clause, cold", f"{judged:,.0f}", f"{BAR:,}")
    table.add_row("baseline: whole captions embedded", f"{baseline:,.0f}", "")
    table.add_row("ratio to the baseline", f"{judged / baseline:.2f}", "")
    Console(width=120).print(table)
    sys.exit(judged < BAR)


if __name__ == "__main__":
    main()
