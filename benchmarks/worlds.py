"""The rendered worlds over seeds: how well frames are ranked, what is found, and whether for the right reason.

    python benchmarks/worlds.py [--seeds 0 1 2] [--clips DIR]

For each world and seed the suite that `alarm demo --render-only` writes: frame AUROC, accuracy at the references' own
threshold, implanted anomalies with an incident, incidents without cause, and the facts told while something implanted
was to be seen that name its cause. Clips are kept in DIR, if one is named, and rendered only once there.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from alarm_agents.demo.clips import make_clips, make_suite
from alarm_agents.demo.compare import compare
from alarm_agents.demo.worlds import WORLDS, World
from alarm_agents.evaluation.run import run_suite
from alarm_agents.evaluation.suite import load_suite
from alarm_agents.observability import tracing
from alarm_agents.workspace import Workspace


class Row(NamedTuple):
    """What one world came to with one seed."""

    frame_auroc: float
    accuracy: float
    found: int
    implanted: int
    false: int
    right: int
    facts: int

    def cells(self) -> list[str]:
        """The row as it is printed."""
        ranks = f"{self.frame_auroc:.3f}", f"{self.accuracy:.2f}"
        return [*ranks, f"{self.found} of {self.implanted}", str(self.false), f"{self.right} of {self.facts}"]


def measured(world: World, seed: int, clips: Path) -> Row:
    """Teach the world's normal clip, watch the other one, compare with what is implanted."""
    file = make_suite(clips, world, seed)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        with tracing.start(workspace.traces):
            result = asyncio.run(run_suite(workspace, load_suite(file), file, seed=seed))
        run = result["cases"][0]["run"]
        implanted = make_clips(clips, world, seed).implanted
        cases = list(workspace.cases.of_run(run))
        found, false = compare(implanted, workspace.cases.incidents(namespace=cases[0].namespace, run=run), cases)
        workspace.close()
    return Row(
        result["metrics"]["frame_auroc"],
        result["metrics"]["accuracy"],
        sum(bool(each.incidents) for each in found),
        len(found),
        len(false),
        sum(each.right for each in found),
        sum(each.facts for each in found),
    )


def main() -> None:
    """Print a row for each world and seed, and the facts of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--clips", type=Path, help="where to keep the clips; a folder of its own for each seed")
    asked = parser.parse_args()
    table = Table("world", "seed", "frame AUROC", "accuracy", "found", "false incidents", "facts with the right cause")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for world in (each for each in WORLDS.values() if not each.models):
            for seed in asked.seeds:
                clips = (asked.clips or Path(folder)) / f"s{seed}"
                clips.mkdir(parents=True, exist_ok=True)
                rows.append(measured(world, seed, clips))
                table.add_row(world.name, str(seed), *rows[-1].cells())
    console = Console(width=120)
    console.print(table)
    ranked = [row.frame_auroc for row in rows]
    console.print(f"frame AUROC: mean {sum(ranked) / len(ranked):.3f}, lowest {min(ranked):.3f}")
    right, facts = sum(row.right for row in rows), sum(row.facts for row in rows)
    console.print(f"facts that name the right cause: {right} of {facts} ({right / max(1, facts):.0%})")


if __name__ == "__main__":
    main()
