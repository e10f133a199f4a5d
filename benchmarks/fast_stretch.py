"""Real footage as it is, and with a stretch of it played at four times the speed: incidents a minute, and which.

    python benchmarks/fast_stretch.py VIDEO [--at 0.6] [--seconds 6] [--teach]

Nothing is known to be odd in the footage as it is: at most six incidents a minute is the bar. The stretch, of which
every fourth frame is kept, must raise one of its own, which a window that shows some of it opens. With `--teach` the
first 40% of the footage are the references, and the rest is watched; without, the source's own first seconds set the
threshold. Exit code 1 where either is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from alarm_agents.monitor.run import Monitor
from alarm_agents.monitor.teach import open_media, teach
from alarm_agents.observability import tracing
from alarm_agents.scenario import Scenario, load_scenario
from alarm_agents.sources.encode import encode
from alarm_agents.sources.picture import Picture
from alarm_agents.types import Incident
from alarm_agents.workspace import Workspace

FASTER = 4
MOST = 240.0  # frames a second
TAUGHT = 0.4  # share of the footage that references are taken from
INCIDENTS_BAR = 6.0  # a minute


def incidents(video: Path, scenario: Scenario, workspace: Workspace, normal: Path | None) -> list[Incident]:
    """The incidents of watching the video, taught by `normal` where it is given."""

    async def work() -> list[Incident]:
        async with Monitor(workspace, scenario) as monitor:
            if normal is not None:
                await teach(workspace, scenario, monitor.models, [str(normal)])
            return [told.record async for told in monitor.watch(str(video)) if isinstance(told.record, Incident)]

    with tracing.start(workspace.traces):
        return asyncio.run(work())


def measure(source: Path, folder: Path, at: float, seconds: float, *, taught: bool) -> tuple[Table, bool]:
    """One table: the footage as it is, and with the stretch; whether both bars are met."""
    scenario = load_scenario("generic")
    # Every frame of it: what is watched is sampled from the clips, which are as the camera would have recorded them.
    whole = scenario.model_copy(update={"source": scenario.source.model_copy(update={"fps": MOST})})
    frames = [frame for frame in open_media(str(source), whole).source.frames() if isinstance(frame, Picture)]
    rate, normal = frames[0].fps, None
    if taught:
        cut = round(TAUGHT * len(frames))
        normal = folder / "normal.mp4"
        encode(normal, (frame.image for frame in frames[:cut]), rate)
        frames = frames[cut:]
    first, last = round(at * len(frames)), round(at * len(frames) + seconds * rate)
    clips = {"as it is": frames, "with the stretch": [*frames[:first], *frames[first:last:FASTER], *frames[last:]]}
    start, end = first / rate, first / rate + seconds / FASTER
    table = Table(title=f"{source.name}, a stretch at {start:.1f} to {end:.1f} s", title_justify="left")
    for name in ("", "incidents", "a minute", "when", "verdict"):
        table.add_column(name)
    met = True
    for name, pictures in clips.items():
        file = folder / f"{name.replace(' ', '-')}.mp4"
        encode(file, (picture.image for picture in pictures), rate)
        workspace = Workspace(folder / name)
        found = incidents(file, scenario, workspace, normal)
        each = 60 * len(found) / (len(pictures) / rate)
        if name == "as it is":
            good, verdict = each <= INCIDENTS_BAR, "within 6 a minute" if each <= INCIDENTS_BAR else "OVER 6 a minute"
        else:
            opening = [workspace.cases.get(incident.cases[0]).window for incident in found]
            own = any(window.start < end and start < window.end for window in opening)
            inside = any(incident.start < end and start < incident.end for incident in found)
            good, verdict = own, "raised" if own else "WITHIN ANOTHER" if inside else "NOT RAISED"
        met &= good
        times = ", ".join(f"{incident.start:.1f}-{incident.end:.1f} s" for incident in found)
        table.add_row(name, str(len(found)), f"{each:.1f}", times, verdict)
    return table, met


def main() -> None:
    """Print the table; exit with 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="a video")
    parser.add_argument("--at", type=float, default=0.6, help="where the stretch begins, as a share of the footage")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long it is before it is played faster")
    parser.add_argument("--teach", action="store_true", help="learn from the first 40%% of the footage")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        table, met = measure(chosen.source, Path(name), chosen.at, chosen.seconds, taught=chosen.teach)
    Console(width=110).print(table)
    sys.exit(not met)


if __name__ == "__main__":
    main()
