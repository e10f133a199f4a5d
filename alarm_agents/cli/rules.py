"""`alarm rules`: what is held to be normal and anomalous, in versions."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.syntax import Syntax
from rich.table import Table

from alarm_agents.agents.predicates import check_predicate
from alarm_agents.cli.app import JsonOption, open_workspace
from alarm_agents.cli.output import console, emit, note, plain
from alarm_agents.cli.people import who
from alarm_agents.errors import ConfigurationError
from alarm_agents.graphs.load import load_monitor
from alarm_agents.memory.rules import RuleMemory, scenarios_with, written_by_person
from alarm_agents.types import Rule, RuleKind, RuleStatus

commands = typer.Typer(no_args_is_help=True, help="What is held to be normal and anomalous, in versions.")
RuleArgument = Annotated[str, typer.Argument(help="The rule's id.")]


WhichScenario = Annotated[
    str | None,
    typer.Option(
        "--scenario", "-s", help="The scenario's name or file [default: the one that has the rule, or was used last]"
    ),
]


def _memory(scenario: str | None, rule: str | None = None) -> RuleMemory:
    """The rules of the scenario that is meant: the one named, the one that has the rule, or the one used last."""
    workspace = open_workspace()
    if scenario is None:
        holders = scenarios_with(workspace.engine, rule) if rule else []
        if len(holders) > 1:
            raise ConfigurationError(
                f"several scenarios have a rule '{rule}'", remedy=f"say -s {' or -s '.join(holders)}"
            )
        name = holders[0] if holders else workspace.runs.latest_scenario() or "generic"
    else:
        name = scenario if scenario in scenarios_with(workspace.engine) else load_monitor(scenario)[0].name
    return RuleMemory(workspace.engine, name)


@commands.command("list")
def list_(
    scenario: WhichScenario = None,
    everything: Annotated[bool, typer.Option("--everything", help="Disabled and rejected rules too.")] = False,
    json_: JsonOption = False,
) -> None:
    """List the rules that judge."""
    memory = _memory(scenario)
    found = memory.latest() if everything else memory.active()
    if json_:
        emit(
            {
                "scenario": memory.scenario,
                "revision": memory.revision(),
                "rules": [rule.model_dump(mode="json") for rule in found],
            }
        )
        return
    table = Table(
        title=f"{len(found)} rules of '{memory.scenario}', revision {memory.revision()}", title_justify="left"
    )
    for column in ("rule", "kind", "severity", "status", "from", "text"):
        table.add_column(column, overflow="fold")
    for rule in found:
        origin = f"{rule.provenance.origin} ({rule.provenance.author})"
        text = plain(f"{rule.id} v{rule.version}"), rule.kind.value, str(rule.severity), rule.status.value
        table.add_row(*text, plain(origin), plain(rule.text))
    console.print(table)


@commands.command()
def show(rule: RuleArgument, scenario: WhichScenario = None, json_: JsonOption = False) -> None:
    """Show a rule in all its versions, with where it comes from."""
    found = _memory(scenario, rule).history(rule)
    if json_:
        emit([version.model_dump(mode="json") for version in found])
        return
    for version in found:
        console.print(Syntax(version.model_dump_json(indent=2), "json", word_wrap=True, background_color="default"))


@commands.command(
    epilog='Example: `alarm rules add "nothing moves three times as fast as usual" --predicate "motion.ratio > 3.0"`'
)
def add(
    text: Annotated[str, typer.Argument(help="The rule in words: models read it.")],
    scenario: WhichScenario = None,
    predicate: Annotated[
        str | None, typer.Option(help="A CEL expression that is true when the rule applies; needed without models.")
    ] = None,
    kind: Annotated[
        RuleKind, typer.Option(help="Whether it describes what is normal or anomalous.")
    ] = RuleKind.ANOMALOUS,
    severity: Annotated[int, typer.Option(min=0, max=4, help="0 harmless to 4 danger to life.")] = 2,
    json_: JsonOption = False,
) -> None:
    """Add a rule; it counts from the next window on, also in a monitor that is running."""
    if predicate is not None:
        check_predicate(predicate, where="--predicate")
    else:
        note("this rule has no --predicate: only models can apply it, experts cannot", "yellow")
    written = written_by_person(text, kind, predicate=predicate, severity=severity, author=who())
    _report(_memory(scenario).add([written])[0], json_)


@commands.command()
def disable(rule: RuleArgument, scenario: WhichScenario = None, json_: JsonOption = False) -> None:
    """Stop applying a rule; it stays on record."""
    _report(_memory(scenario, rule).set_status(rule, RuleStatus.DISABLED), json_)


@commands.command()
def enable(rule: RuleArgument, scenario: WhichScenario = None, json_: JsonOption = False) -> None:
    """Apply a disabled or rejected rule again."""
    _report(_memory(scenario, rule).set_status(rule, RuleStatus.ACTIVE), json_)


@commands.command()
def diff(
    rule: RuleArgument,
    old: Annotated[int, typer.Argument(help="A version.")],
    new: Annotated[int, typer.Argument(help="Another version.")],
    scenario: WhichScenario = None,
) -> None:
    """Show what changed between two versions of a rule."""
    text = _memory(scenario, rule).diff(rule, old, new)
    console.print(Syntax(text, "diff", word_wrap=True, background_color="default") if text else "no difference")


@commands.command()
def rollback(
    rule: RuleArgument,
    version: Annotated[int, typer.Argument(help="The version to return to.")],
    scenario: WhichScenario = None,
    json_: JsonOption = False,
) -> None:
    """Make an earlier version the latest again (as a new version)."""
    _report(_memory(scenario, rule).rollback(rule, version), json_)


@commands.command()
def export(scenario: WhichScenario = None) -> None:
    """Print all versions of all rules as one JSON document."""
    memory = _memory(scenario)
    rules = [version for rule in memory.latest() for version in memory.history(rule.id)]
    emit(
        {
            "scenario": memory.scenario,
            "revision": memory.revision(),
            "rules": [rule.model_dump(mode="json") for rule in rules],
        }
    )


def _report(rule: Rule, json_: bool) -> None:
    if json_:
        emit(rule.model_dump(mode="json"))
    else:
        console.print(plain(f"{rule.id} v{rule.version} is {rule.status.value}: {rule.text}"))
