"""What becomes of windows when the model server misbehaves: none may be lost, doubled or normal in silence.

    python benchmarks/chaos.py [--windows 2000] [--seed 0] [--share 0.3] [--eyes 2]

A real monitor graph watches captions, or pictures that so many perceivers see, through a server on this machine that is
slow, stalls, drops, is busy, answers half JSON, refuses and rambles (`tests/support/chaos_server.py`), for a share of
all requests; then fails altogether for two periods of the circuit breaker, then is healthy. `when_models_fail` is
`hold`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.chaos_run import Outcome, run


def main() -> None:
    """Run it, print the counts, and exit with 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=0.3, help="of requests that meet a fault")
    parser.add_argument("--eyes", type=int, default=0, help="perceivers, which see pictures; without any, captions")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, force=True)  # a library turned on everybody's chattiest notes
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(run(Path(folder), given.windows, seed=given.seed, share=given.share, eyes=given.eyes))
    sys.exit(0 if show(outcome) else 1)


def show(outcome: Outcome) -> bool:
    """Print the counts; whether all bars are met."""
    console, table = Console(width=120), Table("", "found", "bar")
    bars = {
        "windows lost": (len(outcome.lost), 0),
        "windows doubled": (len(outcome.doubled), 0),
        "silent normals": (len(outcome.silent_normals), 0),
        "recovered after, s": (round(outcome.recovered_s, 2), outcome.period_s),
    }
    for name, (found, bar) in bars.items():
        table.add_row(name, str(found), f"<= {bar:g}")
    told = {"windows": outcome.windows, "that waited for a model": outcome.held, "asked a person": outcome.deferred}
    for name, count in {**told, **outcome.labels, "seconds": round(outcome.seconds)}.items():
        table.add_row(name, str(count))
    console.print(table)
    console.print("requests by what was served: " + ", ".join(f"{k} {v}" for k, v in sorted(outcome.served.items())))
    return all(found <= bar for found, bar in bars.values())


if __name__ == "__main__":
    main()
