"""Real footage as it is, and with a stretch of it played at four times the speed: incidents a minute, and which.

    python benchmarks/fast_stretch.py [VIDEO ...] [--at 0.1 0.2 ...] [--seconds 6]

Nothing is known to be odd in the footage as it is: at most six incidents a minute is the bar. Each stretch, of which
every fourth frame is kept, is watched in a clip of its own and must raise an incident, which a window that shows some
of the stretch opens; one that an incident before it has swallowed is told apart. There is a table without references,
where the source's own first seconds set the limits, and one for which the first 40% of the footage are the references,
and the rest is watched. Exit code 1 where a bar is missed. Without VIDEO it takes those of ../shared/data. A video of
people on a square that nobody here has tuned on is in Debian's opencv-doc:

    apt-get download opencv-doc && dpkg-deb --extract opencv-doc_*.deb doc
    python benchmarks/fast_stretch.py doc/usr/share/doc/opencv-doc/examples/data/vtest.avi
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from alarm_agents.monitor.run import Monitor
from alarm_agents.monitor.teach import open_media, teach
from alarm_agents.observability import tracing
from alarm_agents.scenario import Scenario, load_scenario
from alarm_agents.sources.encode import encode
from alarm_agents.sources.picture import Picture
from alarm_agents.types import Incident, Window
from alarm_agents.workspace import Workspace

VIDEOS = Path(__file__).parents[1] / "../shared/data/video"
FASTER = 4
MOST = 240.0  # frames a second
TAUGHT = 0.4  # share of the footage that references are taken from
INCIDENTS_BAR = 6.0  # a minute


def taught(video: Path, scenario: Scenario, folder: Path) -> Path:
    """The folder of a workspace in which the video is learned."""
    workspace = Workspace(folder)
    with tracing.start(workspace.traces):
        asyncio.run(teach(workspace, scenario, {}, [str(video)]))
    workspace.close()
    return folder


def openings(video: Path, scenario: Scenario, workspace: Workspace) -> list[tuple[Incident, Window]]:
    """The incidents of watching the video, each with the window that opened it."""

    async def work() -> list[Incident]:
        async with Monitor(workspace, scenario) as monitor:
            return [told.record async for told in monitor.watch(str(video)) if isinstance(told.record, Incident)]

    with tracing.start(workspace.traces):
        found = asyncio.run(work())
    return [(incident, workspace.cases.get(incident.cases[0]).window) for incident in found]


def measure(
    source: Path, folder: Path, places: Sequence[float], seconds: float, *, teaching: bool
) -> tuple[Table, bool]:
    """One table: the footage as it is, and with each stretch; whether all bars are met."""
    scenario = load_scenario("generic")
    # Every frame of it: what is watched is sampled from the clips, which are as the camera would have recorded them.
    whole = scenario.model_copy(update={"source": scenario.source.model_copy(update={"fps": MOST})})
    footage = [frame for frame in open_media(str(source), whole).source.frames() if isinstance(frame, Picture)]
    frames, rate, start = [picture.image for picture in footage], footage[0].fps, None
    if teaching:
        cut = round(TAUGHT * len(frames))
        encode(folder / "normal.mp4", frames[:cut], rate)
        frames = frames[cut:]
        start = taught(folder / "normal.mp4", scenario, folder / "taught")
    table = Table(title=f"{source.name}, {'taught' if teaching else 'without references'}", title_justify="left")
    for name in ("stretch", "incidents", "a minute", "when", "verdict"):
        table.add_column(name)
    met = True
    for number, at in enumerate((None, *places)):
        first = round((at or 0) * len(frames))
        last = first + (0 if at is None else round(seconds * rate))
        pictures = [*frames[:first], *frames[first:last:FASTER], *frames[last:]]
        begins, ends = first / rate, (first + len(range(first, last, FASTER))) / rate
        file, own = folder / f"{number}.mp4", folder / f"{number}"
        encode(file, pictures, rate)
        if start is not None:
            shutil.copytree(start, own)
        found = openings(file, scenario, Workspace(own))
        each = 60 * len(found) / (len(pictures) / rate)
        if at is None:
            good, verdict = each <= INCIDENTS_BAR, "within 6 a minute" if each <= INCIDENTS_BAR else "OVER 6 a minute"
        else:
            good = any(window.start < ends and begins < window.end for _, window in found)
            inside = any(incident.start < ends and begins < incident.end for incident, _ in found)
            verdict = "raised" if good else "WITHIN ANOTHER" if inside else "NOT RAISED"
        met &= good
        times = ", ".join(f"{incident.start:.1f}-{incident.end:.1f} s" for incident, _ in found)
        name = "as it is" if at is None else f"{begins:.1f}-{ends:.1f} s"
        table.add_row(name, str(len(found)), f"{each:.1f}", times, verdict)
    return table, met


def main() -> None:
    """Print the table; exit with 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", type=Path, help="videos [default: those of ../shared/data]")
    help_at = "where stretches begin, as shares of the footage [default: 0.1 to 0.9]"
    parser.add_argument("--at", type=float, nargs="+", default=[k / 10 for k in range(1, 10)], help=help_at)
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each is before it is played faster")
    chosen = parser.parse_args()
    sources = chosen.sources or sorted(VIDEOS.glob("*.mp4"))
    if not sources:
        parser.error(f"name a video: there are none in {VIDEOS}")
    all_met = True
    for source, teaching in itertools.product(sources, (False, True)):
        with tempfile.TemporaryDirectory() as name:
            table, met = measure(source, Path(name), chosen.at, chosen.seconds, teaching=teaching)
        Console(width=110).print(table)
        all_met &= met
    sys.exit(not all_met)


if __name__ == "__main__":
    main()
