"""`alarm rules`: what is held to be normal and anomalous, in versions."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.syntax import Syntax

from alarm_agents.agents.inducer import Inducer
from alarm_agents.agents.predicates import check_predicate
from alarm_agents.agents.reading import read_rule
from alarm_agents.agents.wording import Understood, understand
from alarm_agents.cli.app import JsonOption, open_workspace, run_traced
from alarm_agents.cli.output import console, emit, item, note, plain
from alarm_agents.cli.people import who
from alarm_agents.cli.which import WhichScenario, rules_of
from alarm_agents.errors import AlarmError, ConflictError, NotFoundError
from alarm_agents.memory.rules import RuleMemory, proposed, written_by_person
from alarm_agents.models import build_models
from alarm_agents.scenario import Scenario
from alarm_agents.types import Rule, RuleKind, RuleStatus

commands = typer.Typer(no_args_is_help=True, help="What is held to be normal and anomalous, in versions.")
RuleArgument = Annotated[str, typer.Argument(help="The rule's id.")]


def _memory(scenario: str | None, rule: str | None = None) -> RuleMemory:
    return rules_of(open_workspace(), scenario, rule)


@commands.command("list")
def list_(
    scenario: WhichScenario = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Proposed, disabled and rejected rules too.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """List the rules that judge."""
    memory = _memory(scenario)
    known = memory.latest()
    found = [rule for rule in known if everything or rule.status is RuleStatus.ACTIVE]
    if json_:
        emit(
            {
                "scenario": memory.scenario,
                "revision": memory.revision(),
                "rules": [rule.model_dump(mode="json") for rule in found],
            }
        )
        return
    console.print(plain(f"{len(found)} rules of '{memory.scenario}', revision {memory.revision()}"))
    for rule in found:
        severity = f", severity {rule.severity}" if rule.kind is RuleKind.ANOMALOUS else ""
        origin = f"{rule.provenance.origin} ({rule.provenance.author})"
        item(rule.id, f"v{rule.version}, {rule.kind.value}{severity}, {rule.status.value}, from {origin}", rule.text)
    for rule in known:
        if rule.status is RuleStatus.PROPOSED and not everything:
            note(f"{rule.id} is proposed and judges nothing yet: alarm rules approve {rule.id}")


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
    epilog='Examples: `alarm rules add "no bicycles after 22:00"` · `alarm rules add "a crowd" --predicate "..."`'
)
def add(
    text: Annotated[str, typer.Argument(help="The rule in words: models read it.")],
    scenario: WhichScenario = None,
    predicate: Annotated[
        str | None,
        typer.Option(
            help="A CEL expression that is true when the rule applies; read from the text where it is not given."
        ),
    ] = None,
    kind: Annotated[
        RuleKind, typer.Option(help="Whether it describes what is normal or anomalous, or is asked of perceivers.")
    ] = RuleKind.ANOMALOUS,
    severity: Annotated[int, typer.Option(min=0, max=4, help="0 harmless to 4 danger to life.")] = 2,
    json_: JsonOption = False,
) -> None:
    """Add a rule; it counts from the next window on, also in a monitor that is running.

    Times of day, zones, "faster than 3 times the usual speed" and "stays longer than 30 seconds" are understood. Where
    none is found, the scenario's inducer, if it has a model, may propose a predicate; it waits for `rules approve`.
    """
    memory = _memory(scenario)
    watched = _watched(memory.scenario)
    reading = None
    if predicate is None and kind is not RuleKind.QUESTION:
        zones = watched.source.zones if watched is not None else {}
        understood = understand(text, kind, zones)
        predicate = understood.predicate
        note(f"understood: {understood.said}", "yellow" if predicate is None else "dim")
        if predicate is None and kind is RuleKind.ANOMALOUS and watched is not None:
            reading = _read(watched, text)
    if predicate is not None:
        check_predicate(predicate, where="--predicate")
    written = written_by_person(text, kind, predicate=predicate, severity=severity, author=who())
    added = memory.add([written, *([proposed(written, **reading)] if reading is not None else [])])
    if json_:
        emit({**added[0].model_dump(mode="json"), "proposed": [rule.model_dump(mode="json") for rule in added[1:]]})
        return
    for rule in added:
        report(rule, json_)
        if rule.status is RuleStatus.PROPOSED:
            note(f"see what it would have changed, and let it judge or not: alarm rules approve {rule.id}")


@commands.command()
def disable(rule: RuleArgument, scenario: WhichScenario = None, json_: JsonOption = False) -> None:
    """Stop applying a rule; it stays on record."""
    memory = _memory(scenario, rule)
    _refuse_proposed(memory, rule)
    report(memory.set_status(rule, RuleStatus.DISABLED), json_)


@commands.command()
def enable(rule: RuleArgument, scenario: WhichScenario = None, json_: JsonOption = False) -> None:
    """Apply a disabled or rejected rule again."""
    memory = _memory(scenario, rule)
    _refuse_proposed(memory, rule)
    report(memory.set_status(rule, RuleStatus.ACTIVE), json_)


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
    report(_memory(scenario, rule).rollback(rule, version), json_)


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


def _watched(scenario: str) -> Scenario | None:
    """The scenario as it was watched last; None where it has not been watched yet and is not at hand."""
    try:
        return open_workspace().runs.latest(scenario=scenario).scenario
    except NotFoundError:
        return None


def _read(scenario: Scenario, text: str) -> dict[str, str] | None:
    """The predicate that the inducer's model proposes for the rule, who it is and what it said; None without any."""
    name = scenario.agents.inducer
    if name not in scenario.models:
        return None
    try:
        models = build_models({name: scenario.models[name]}, scenario.folder)
        inducer = Inducer.of(scenario, name, models)
        found = run_traced(open_workspace(), read_rule(inducer, text, scenario.source.zones))
    except AlarmError as error:  # the rule itself needs no model
        found = Understood(None, str(error))
    if found.predicate is None:
        note(found.said, "yellow")
        return None
    note(f"{name} reads it as: {found.said}: {found.predicate}")
    return {"predicate": found.predicate, "author": name, "said": found.said}


def _refuse_proposed(memory: RuleMemory, rule: str) -> None:
    """Raise `ConflictError` for a rule that waits for a person's word."""
    if memory.history(rule)[-1].status is RuleStatus.PROPOSED:
        remedy = f"`alarm rules approve {rule}` or `alarm rules reject {rule}`"
        raise ConflictError("the rule is only proposed", where=rule, remedy=remedy)


def report(rule: Rule, json_: bool) -> None:
    """Print what has become of a rule."""
    if json_:
        emit(rule.model_dump(mode="json"))
    else:
        console.print(plain(f"{rule.id} v{rule.version} is {rule.status.value}: {rule.text}"))
