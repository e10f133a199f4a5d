"""The definition decides: the rendered walkway where cyclists are normal, over seeds.

    python benchmarks/definition.py [--seeds 0 1 2] [--clips DIR]

For each seed the suite `walkway_cyclists_normal` that `alarm demo --render-only` writes: its references show cyclists,
so these must not alarm, and the runner and the bag left behind must. Clips are kept in DIR, if one is named, and
rendered only once there. Exit code 1 where, on any seed, more than a twentieth of the cyclists' frames is beyond the
threshold, or the runner or the bag raises no incident.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from alarm_agents.demo.clips import make_clips, make_suites
from alarm_agents.demo.compare import compare
from alarm_agents.demo.scene import FPS, Span
from alarm_agents.demo.worlds import WORLDS
from alarm_agents.evaluation.run import run_suite
from alarm_agents.evaluation.suite import load_suite
from alarm_agents.observability import tracing
from alarm_agents.types import Case
from alarm_agents.workspace import Workspace

UNDER_BAR = 0.95
"""The share of the cyclists' frames that has to be under the threshold."""


def alarmed(spans: Sequence[Span], cases: Sequence[Case]) -> float:
    """The share of the spans' frames that are beyond the threshold."""
    scores = {f: score for case in cases for f, score in zip(case.window.frames, case.frame_scores, strict=True)}
    frames = [frame for span in spans for frame in range(round(span.start * FPS), round(span.end * FPS))]
    return float(np.mean([scores[frame] >= 0.5 for frame in frames]))


def row(seed: int, clips: Path) -> tuple[list[str], bool]:
    """Teach the clip with cyclists, watch the other one, compare with what is implanted; whether the bars are met."""
    walkway = WORLDS["walkway"]
    *_, file = make_suites(clips, [walkway], seed)
    implanted = make_clips(clips, walkway, seed).implanted
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        with tracing.start(workspace.traces):
            result = asyncio.run(run_suite(workspace, load_suite(file), file, seed=seed))
        run = result["cases"][0]["run"]
        cases = list(workspace.cases.of_run(run))
        odd = [span for span in implanted if span.kind != "cyclist"]
        found, false = compare(odd, workspace.cases.incidents(namespace=cases[0].namespace, run=run), cases)
        workspace.close()
    spans = {kind: [span for span in implanted if span.kind == kind] for kind in ("cyclist", "runner", "bag")}
    shares = [alarmed(each, cases) for each in spans.values()]
    told = [sum(len(each.incidents) for each in found if each.span.kind == kind) for kind in ("runner", "bag")]
    columns = [
        str(seed),
        f"{1 - shares[0]:.2f}",
        *(f"{count} ({share:.2f})" for count, share in zip(told, shares[1:], strict=True)),
        str(len(false)),
        f"{result['metrics']['frame_auroc']:.3f}",
    ]
    return columns, 1 - shares[0] >= UNDER_BAR and min(told) > 0


def main() -> None:
    """Print a row for each seed; exit with 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--clips", type=Path, help="where to keep the clips; a folder of its own for each seed")
    asked = parser.parse_args()
    table = Table("seed", "cyclists under the threshold", "runner: incidents (frames)", "bag", "false", "frame AUROC")
    met = True
    with tempfile.TemporaryDirectory() as folder:
        for seed in asked.seeds:
            clips = (asked.clips or Path(folder)) / f"s{seed}"
            clips.mkdir(parents=True, exist_ok=True)
            columns, good = row(seed, clips)
            table.add_row(*columns)
            met &= good
    Console(width=120).print(table)
    sys.exit(not met)


if __name__ == "__main__":
    main()
