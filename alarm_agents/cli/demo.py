"""`alarm demo`: rendered worlds through teaching and watching, and whether what was implanted was found, and why."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from alarm_agents.cli.app import JsonOption, app, open_workspace, run_traced
from alarm_agents.cli.output import console, emit, note, notes, plain
from alarm_agents.cli.report import write as write_report
from alarm_agents.cli.teaching import show_rules, taught_document
from alarm_agents.cli.watch import announce, case_line, follow, incident_line, show
from alarm_agents.demo.clips import Clips, make_clips, make_suites
from alarm_agents.demo.compare import Found, compare, false_cases
from alarm_agents.demo.worlds import WORLDS, World
from alarm_agents.errors import ConfigurationError
from alarm_agents.graphs.load import load_monitor
from alarm_agents.monitor.incidents import Watched
from alarm_agents.monitor.run import Monitor
from alarm_agents.monitor.teach import Taught, open_media, teach
from alarm_agents.scenario import Scenario
from alarm_agents.types import Case, Incident, Label
from alarm_agents.workspace import Workspace


@dataclass
class Told:
    """What teaching and watching one world told, in order."""

    world: World
    scenario: Scenario
    clips: Clips
    taught: Taught
    run: str = ""
    cases: list[Case] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)

    def add(self, watched: Watched) -> None:
        """Keep one more record."""
        if isinstance(watched.record, Case):
            self.cases.append(watched.record)
        elif isinstance(watched.record, Incident):
            self.incidents.append(watched.record)

    def compared(self) -> tuple[list[Found], list[Incident]]:
        """What was implanted with what was told of it, and the incidents without cause."""
        return compare(self.clips.implanted, self.incidents, self.cases)


@app.command(
    epilog="Examples: `alarm demo` · `alarm demo --world conveyor --seed 3` · `alarm demo --render-only clips`, then "
    "`alarm test clips/conveyor.yaml`"
)
def demo(
    world: Annotated[
        Literal["walkway", "conveyor", "both", "walkway_mllm"],
        typer.Option(help="What to look at; walkway_mllm: the walkway, on models of `alarm models train-tiny`."),
    ] = "both",
    seed: Annotated[int, typer.Option(min=0, help="Other people and parts, other anomalies, at other times.")] = 0,
    render_only: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Only write the clips, their labels and suites for `alarm test` there."),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """See it work: render a walkway and a conveyor, teach their normal, watch what is odd, compare with the truth.

    On the walkway cyclists and a runner pass and a bag is left behind; on the conveyor a part is missing, one lies
    askew, one is damaged, and the belt jams. Clips, cases, a picture and a report of it all are kept in the workspace.
    """
    started = time.monotonic()
    worlds = [each for each in WORLDS.values() if world in (each.name, "" if each.models else "both")]
    if render_only is not None:
        _render(render_only, worlds, seed, json_=json_)
        return
    workspace = open_workspace()
    monitors = [_monitor(workspace, each) for each in worlds]
    announce(monitors[0].scenario)
    told = [_show(workspace, *each, seed, quiet=json_) for each in zip(worlds, monitors, strict=True)]
    picture = workspace.folder / "overview.png"
    _draw(picture, told)
    page = workspace.folder / "report.html"
    spans = {each.run: [(span.kind, span.start, span.end) for span in each.clips.implanted] for each in told}
    write_report(workspace, list(spans), page, labelled=spans)
    if json_:
        head: dict[str, Any] = {"seed": seed, "seconds": round(time.monotonic() - started, 1)}
        head |= {"overview": str(picture), "report": str(page)}
        emit({**head, "worlds": {each.world.name: _document(each) for each in told}})
    else:
        for each in told:
            _conclude(each)
        _lead_on(told, picture)


def _render(folder: Path, worlds: Sequence[World], seed: int, *, json_: bool) -> None:
    """Write clips, labels and suites, and say how to run these."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with notes.status("rendering"):
            suites = make_suites(folder, worlds, seed)
    except OSError as error:
        raise ConfigurationError(
            f"the clips cannot be written ({error.strerror})", where=str(folder), remedy="name a folder of your own"
        ) from error
    if json_:
        emit({"seed": seed, "suites": [str(suite) for suite in suites]})
    else:
        console.print("\n".join(f"alarm test {suite}" for suite in suites), soft_wrap=True, markup=False)


def _monitor(workspace: Workspace, world: World) -> Monitor:
    scenario, builder = load_monitor(world.name)
    for name, settings in scenario.models.items():
        if world.models and not Path(settings.model).expanduser().is_dir():
            raise ConfigurationError(f"the model {name} is not trained yet", remedy="run alarm models train-tiny")
    _refuse_other_footage(workspace, scenario)
    return Monitor(workspace, scenario, builder)


def _show(workspace: Workspace, world: World, monitor: Monitor, seed: int, *, quiet: bool) -> Told:
    """Teach and watch one world; what is told goes on screen, too, unless `quiet`."""
    if not quiet:
        console.print(Text(f"\n{world.name}: {monitor.scenario.normal}", style="bold"), soft_wrap=True)
    with notes.status(f"rendering two clips of the {world.name}"):
        clips = make_clips(workspace.media, world, seed)
    note(f"normal life: {clips.normal}")
    note(f"to watch:    {clips.watched}")
    return run_traced(workspace, _teach_and_watch(monitor, workspace, world, clips, quiet=quiet))


def _refuse_other_footage(workspace: Workspace, scenario: Scenario) -> None:
    """Keep what a person has taught the same scenario in this workspace from being replaced by rendered footage."""
    sources = workspace.runs.references(scenario.name, "main").details.get("sources", [])
    if any(Path(source).resolve().parent != workspace.media for source in sources):
        raise ConfigurationError(
            f"scenario '{scenario.name}' has been taught from other footage, which the demo would replace",
            where=str(workspace.folder),
            remedy="try it in a workspace of its own: alarm --workspace demo demo",
        )


async def _teach_and_watch(monitor: Monitor, workspace: Workspace, world: World, clips: Clips, *, quiet: bool) -> Told:
    """As `alarm induce` and then `alarm watch`."""
    with notes.status("teaching") as status:
        taught = await teach(workspace, monitor.scenario, monitor.models, [str(clips.normal)], progress=status.update)
    for failure in taught.failures:
        note(failure, "yellow")
    if not quiet:
        show_rules(taught, monitor.scenario.name)
    told = Told(world, monitor.scenario, clips, taught)

    def tell(watched: Watched) -> None:
        told.add(watched)
        if not quiet and not _dull(watched):
            show(watched, workspace.folder)

    await follow(monitor, workspace, str(clips.watched), tell)
    told.run = monitor.run
    return told


def _dull(watched: Watched) -> bool:
    record = watched.record
    return isinstance(record, Case) and record.label is Label.NORMAL and not record.deferred


def _draw(file: Path, told: Sequence[Told]) -> None:
    from alarm_agents.demo.overview import Showing, draw_overview  # half a second, which other verbs need not wait for

    draw_overview(
        file,
        [
            Showing(
                open_media(str(each.clips.watched), each.scenario, Path()).source,
                each.cases,
                each.incidents,
                each.clips.implanted,
            )
            for each in told
        ],
    )


def _document(told: Told) -> dict[str, Any]:
    found, false = told.compared()
    return {
        "clips": {"normal": str(told.clips.normal), "watched": str(told.clips.watched)},
        **taught_document(told.taught, told.scenario.name),
        "cases": [case_line(case) for case in told.cases],
        "incidents": [incident_line(incident) for incident in told.incidents],
        "implanted": [
            {
                "kind": each.span.kind,
                "start": each.span.start,
                "end": each.span.end,
                "found": bool(each.incidents),
                "incidents": [incident.id for incident in each.incidents],
                "facts": each.facts,
                "facts_naming_the_cause": each.right,
                "cause_named": each.named,
            }
            for each in found
        ],
        "facts": sum(each.facts for each in found),
        "facts_naming_the_cause": sum(each.right for each in found),
        "false_incidents": [incident.id for incident in false],
        "false_cases": [case.id for case in false_cases(told.clips.implanted, told.cases)],
    }


def _conclude(told: Told) -> None:
    """Print what was implanted in a world, whether it was found, and whether for the right reason."""
    found, false = told.compared()
    calm = sum(case.label is Label.NORMAL for case in told.cases)
    head = (
        f"\n{told.world.name}: {calm} of {len(told.cases)} windows were held to be normal. Implanted, and found or not:"
    )
    console.print(head, soft_wrap=True)
    for each in found:
        line = Text(f"  {each.span.kind:8} {each.span.start:5.1f}-{each.span.end:.1f} s  ")
        times = ", ".join(f"{incident.start:.1f}-{incident.end:.1f} s" for incident in each.incidents)
        line.append(f"found: incident {times}" if times else "missed", style="green" if times else "bold red")
        if times:
            style = "green" if each.named else "yellow"
            line.append(f"; {each.right} of {each.facts} facts name its cause", style=style)
        console.print(line, soft_wrap=True)
    facts, right = sum(each.facts for each in found), sum(each.right for each in found)
    console.print(f"  facts that name the right cause: {right} of {facts}")
    wrong = false_cases(told.clips.implanted, told.cases)
    text = f"  where nothing was implanted: {len(false)} incidents, {len(wrong)} windows held to be anomalous"
    console.print(Text(text, style="yellow" if wrong else "green"))


def _lead_on(told: Sequence[Told], picture: Path) -> None:
    """Say where the picture is, and where to go from here."""
    console.print(Text("\npicture: ").append_text(plain(picture)), soft_wrap=True)
    cases = [case for each in told for case in each.cases]
    odd = [case for case in cases if case.label is Label.ANOMALOUS] or cases
    console.print("\nnext:")
    for command, what in (
        ("alarm review list", "what it was not sure of and asks you"),
        (f"alarm traces show {odd[0].id}" if odd else "alarm traces list", "who did what to judge a case"),
        (f"alarm rules list -s {told[0].scenario.name}", "what it holds to be normal"),
        ("alarm watch YOUR.mp4", "your own footage; teach it first with `alarm induce` if you have normal footage"),
    ):
        console.print(Text.assemble("  ", (command, "bold"), f"  {what}"), soft_wrap=True)
