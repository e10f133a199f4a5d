"""`alarm demo`: a rendered walkway through teaching and watching, and whether what was implanted was found."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from alarm_agents.cli.app import JsonOption, app, open_workspace, run_traced
from alarm_agents.cli.output import console, emit, note, notes, plain
from alarm_agents.cli.teaching import show_rules, taught_document
from alarm_agents.cli.watch import announce, case_line, follow, incident_line, show
from alarm_agents.demo.story import Clips, Found, compare, false_cases, make_clips
from alarm_agents.errors import ConfigurationError
from alarm_agents.graphs.load import load_monitor
from alarm_agents.monitor.incidents import Watched
from alarm_agents.monitor.run import Monitor
from alarm_agents.monitor.teach import Taught, open_media, teach
from alarm_agents.scenario import Scenario
from alarm_agents.types import Case, Incident, Label
from alarm_agents.workspace import Workspace

SCENARIO = "walkway"


@dataclass
class Told:
    """What watching told, in order."""

    cases: list[Case] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)

    def add(self, watched: Watched) -> None:
        """Keep one more record."""
        if isinstance(watched.record, Case):
            self.cases.append(watched.record)
        else:
            self.incidents.append(watched.record)


@app.command(epilog="Examples: `alarm demo` · `alarm demo --seed 3` · `alarm demo --json`")
def demo(
    seed: Annotated[int, typer.Option(min=0, help="Other people, other anomalies, at other times.")] = 0,
    json_: JsonOption = False,
) -> None:
    """See it work: render a walkway, teach its normal, watch cyclists and a runner pass, compare with the truth.

    Clips, cases and a picture of it all are kept in the workspace.
    """
    started = time.monotonic()
    scenario, builder = load_monitor(SCENARIO)
    workspace = open_workspace()
    _refuse_other_footage(workspace, scenario)
    monitor = Monitor(workspace, scenario, builder)
    announce(scenario)
    with notes.status("rendering two clips"):
        clips = make_clips(workspace.media, seed)
    note(f"normal life: {clips.normal}")
    note(f"to watch:    {clips.watched}")
    told = Told()
    taught = run_traced(workspace, _teach_and_watch(monitor, workspace, clips, told, quiet=json_))
    picture = workspace.folder / "overview.png"
    _draw(picture, scenario, clips, told)
    found, false = compare(clips.implanted, told.incidents)
    if json_:
        head = {"seed": seed, "seconds": round(time.monotonic() - started, 1), "overview": str(picture)}
        emit({**head, **_document(clips, taught, scenario.name, told, found, false)})
    else:
        _conclude(clips, told, found, false, picture)


def _refuse_other_footage(workspace: Workspace, scenario: Scenario) -> None:
    """Keep what a person has taught the same scenario in this workspace from being replaced by rendered footage."""
    sources = workspace.runs.references(scenario.name, "main").details.get("sources", [])
    if any(Path(source).resolve().parent != workspace.media for source in sources):
        raise ConfigurationError(
            f"scenario '{scenario.name}' has been taught from other footage, which the demo would replace",
            where=str(workspace.folder),
            remedy="try it in a workspace of its own: alarm --workspace demo demo",
        )


async def _teach_and_watch(monitor: Monitor, workspace: Workspace, clips: Clips, told: Told, *, quiet: bool) -> Taught:
    """As `alarm induce` and then `alarm watch`; cases and incidents go to `told`, and on screen unless `quiet`."""

    def tell(watched: Watched) -> None:
        told.add(watched)
        if not quiet and not _dull(watched):
            show(watched, workspace.folder)

    with notes.status("teaching") as status:
        taught = await teach(workspace, monitor.scenario, monitor.models, [str(clips.normal)], progress=status.update)
    for failure in taught.failures:
        note(failure, "yellow")
    if not quiet:
        show_rules(taught, monitor.scenario.name)
    await follow(monitor, workspace, str(clips.watched), tell)
    return taught


def _dull(watched: Watched) -> bool:
    record = watched.record
    return isinstance(record, Case) and record.label is Label.NORMAL and not record.deferred


def _draw(file: Path, scenario: Scenario, clips: Clips, told: Told) -> None:
    from alarm_agents.demo.overview import draw_overview  # half a second, which other verbs need not wait for

    source = open_media(str(clips.watched), scenario, Path()).source
    draw_overview(file, source, told.cases, told.incidents, clips.implanted)


def _document(
    clips: Clips, taught: Taught, scenario: str, told: Told, found: Sequence[Found], false: Sequence[Incident]
) -> dict[str, Any]:
    return {
        "clips": {"normal": str(clips.normal), "watched": str(clips.watched)},
        **taught_document(taught, scenario),
        "cases": [case_line(case) for case in told.cases],
        "incidents": [incident_line(incident) for incident in told.incidents],
        "implanted": [
            {
                "kind": each.span.kind,
                "start": each.span.start,
                "end": each.span.end,
                "found": bool(each.incidents),
                "incidents": [incident.id for incident in each.incidents],
            }
            for each in found
        ],
        "false_incidents": [incident.id for incident in false],
        "false_cases": [case.id for case in false_cases(clips.implanted, told.cases)],
    }


def _conclude(clips: Clips, told: Told, found: Sequence[Found], false: Sequence[Incident], picture: Path) -> None:
    """Print what was implanted, whether it was found, and where to go from here."""
    calm = sum(case.label is Label.NORMAL for case in told.cases)
    console.print(f"\n{calm} of {len(told.cases)} windows were held to be normal. Implanted, and found or not:")
    for each in found:
        line = Text(f"  {each.span.kind:8} {each.span.start:5.1f}-{each.span.end:.1f} s  ")
        times = ", ".join(f"{incident.start:.1f}-{incident.end:.1f} s" for incident in each.incidents)
        line.append(f"found: incident {times}" if times else "missed", style="green" if times else "bold red")
        console.print(line)
    wrong = false_cases(clips.implanted, told.cases)
    text = f"  where nothing was implanted: {len(false)} incidents, {len(wrong)} windows held to be anomalous"
    console.print(Text(text, style="yellow" if wrong else "green"))
    console.print(plain(f"picture: {picture}"), soft_wrap=True)
    odd = [case for case in told.cases if case.label is Label.ANOMALOUS] or told.cases
    console.print("\nnext:")
    for command, what in (
        ("alarm review list", "what it was not sure of and asks you"),
        (f"alarm traces show {odd[0].id}" if odd else "alarm traces list", "who did what to judge a case"),
        (f"alarm rules list -s {SCENARIO}", "what it holds to be normal"),
        ("alarm watch YOUR.mp4", "your own footage; teach it first with `alarm induce` if you have normal footage"),
    ):
        console.print(Text.assemble("  ", (command, "bold"), f"  {what}"), soft_wrap=True)
