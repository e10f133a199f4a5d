"""`alarm init` and `alarm induce`: start a workspace, and teach a scenario its normal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from alarm_agents.cli.app import JsonOption, ScenarioOption, app, open_workspace, run_traced
from alarm_agents.cli.output import console, counted, emit, note, notes, plain
from alarm_agents.cli.proposed import question_document
from alarm_agents.cli.watch import announce
from alarm_agents.errors import ConfigurationError
from alarm_agents.graphs.scaffold import write_scenario
from alarm_agents.models import build_models
from alarm_agents.monitor.teach import Taught, teach, teaches
from alarm_agents.scenario import load_scenario
from alarm_agents.sources.open import expand
from alarm_agents.workspace import Workspace

SHOW_MORE = "show it more of what is normal"


@app.command(epilog="Example: `alarm init --scenario my_walkway.yaml`")
def init(
    scenario: Annotated[Path, typer.Option("--scenario", "-s", help="Where to write a scenario to start from.")] = Path(
        "scenario.yaml"
    ),
) -> None:
    """Make the workspace and a commented scenario file to start from."""
    workspace = open_workspace()
    if scenario.exists():
        note(f"{scenario} is there already and was left alone")
    else:
        write_scenario(scenario)
        console.print(plain(f"wrote {scenario}"))
    console.print(plain(f"workspace: {workspace.folder}"))
    for verb, source in (("induce", "NORMAL_FOOTAGE"), ("watch", "SOURCE")):
        console.print("next:" if verb == "induce" else "then:", plain(f"alarm {verb} {source} --scenario {scenario}"))


@app.command(
    epilog="Examples: `alarm induce normal.mp4 -s walkway` · `alarm induce 'train/*' -s walkway --frames 10 --seed 1`"
    " · `alarm induce --reviewed -s walkway`"
)
def induce(
    sources: Annotated[
        list[str] | None, typer.Argument(help="Sources of normal data; globs are several sources.")
    ] = None,
    scenario: ScenarioOption = "generic",
    frames: Annotated[
        int | None, typer.Option(min=1, help="Draw so many frames (each with its neighbours) instead of whole windows.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    reviewed: Annotated[
        bool, typer.Option("--reviewed", help="Learn from the same references as the last time, with answers since.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Learn what is normal: fit the experts on references and induce rules from them.

    Windows that people have answered "normal" (see `alarm review references`) are among the references.
    """
    found = load_scenario(scenario)
    workspace = open_workspace()
    models = build_models(found.models, found.folder)
    if reviewed:
        paths, frames, seed = _as_before(workspace, found.name, sources)
    else:
        paths = [path for pattern in sources or [] for path in expand(pattern)]
    if not paths:
        raise ConfigurationError("no source of normal data was named")
    announce(found)
    with notes.status("opening") as status:
        work = teach(workspace, found, models, paths, frames=frames, seed=seed, progress=status.update)
        taught = run_traced(workspace, work)
    for failure in taught.failures:
        note(failure, "yellow")
    if json_:
        emit(taught_document(taught, found.name))
    else:
        show_rules(taught, found.name)


def _as_before(workspace: Workspace, scenario: str, sources: list[str] | None) -> tuple[list[str], int | None, int]:
    """The sources, number of frames and seed that the scenario was taught with."""
    if sources:
        remedy = "without --reviewed, answers count too; with it, name no sources"
        raise ConfigurationError("--reviewed learns from the sources of the last time", remedy=remedy)
    details = workspace.runs.references(scenario, "main").details
    if not details:
        remedy = f"teach it first: alarm induce NORMAL -s {scenario}"
        raise ConfigurationError(f"scenario '{scenario}' has not been taught yet", remedy=remedy)
    return list(details["sources"]), details["frames"], details["seed"]


def taught_document(taught: Taught, scenario: str) -> dict[str, Any]:
    """What teaching gave, as a part of JSON output."""
    return {
        "scenario": scenario,
        "references": dict(taught.references.details),
        "rules": [rule.model_dump(mode="json") for rule in taught.rules],
        "questions": [question_document(each) for each in taught.weighed],
        "failures": list(taught.failures),
    }


def show_rules(taught: Taught, scenario: str) -> None:
    """Print what teaching gave for people."""
    found = f"{counted(len(taught.rules), 'rule')} for '{scenario}' from {counted(taught.clips, 'reference')}"
    table = Table(title=found, title_justify="left")
    for column in ("rule", "kind", "status", "text", "held out", "fired"):
        table.add_column(column, overflow="fold")
    for rule in taught.rules:
        origin = rule.provenance
        table.add_row(
            plain(f"{rule.id} v{rule.version}"),
            rule.kind.value,
            rule.status.value,
            plain(rule.text),
            str(origin.held_out),
            f"{origin.fired} say it" if rule.usual else str(origin.fired),
        )
    console.print(table)
    judging = [rule for rule in taught.rules if teaches(rule)]
    if not judging:
        note(f"no limit came of it, so a source's own first seconds will set them: {SHOW_MORE}", "yellow")
    elif any(rule.threshold is not None and len(rule.threshold.blocks) == 1 for rule in judging):
        note(f"limits rest on a single stretch of a few seconds: {SHOW_MORE}", "yellow")
    for each in taught.weighed:
        console.print(plain(f"question {each.outcome}: {each.question.text} ({each.said})"), soft_wrap=True)
