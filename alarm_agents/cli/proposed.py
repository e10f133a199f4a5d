"""`alarm rules replay`, `approve` and `reject`: what a rule would have changed, and a person's word on it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from alarm_agents.agents.predicates import check_predicate
from alarm_agents.agents.questions import Weighed
from alarm_agents.cli.app import JsonOption, open_workspace
from alarm_agents.cli.output import console, counted, emit, note, notes, plain
from alarm_agents.cli.people import who
from alarm_agents.cli.rules import RuleArgument, commands, report
from alarm_agents.cli.watch import incident_line
from alarm_agents.cli.which import WhichScenario, rules_of
from alarm_agents.errors import ConfigurationError, ConflictError
from alarm_agents.memory.rules import RuleMemory, written_by_person
from alarm_agents.monitor.questions import weigh_questions
from alarm_agents.monitor.replay import Change, Replay
from alarm_agents.monitor.replay import replay as replayed
from alarm_agents.types import Label, Rule, RuleKind, RuleStatus
from alarm_agents.workspace import Workspace

SHOWN = 20
"""Changed cases that are printed; `--json` has them all."""


@commands.command(epilog='Examples: `alarm rules replay RULE` · `alarm rules replay --predicate "motion.ratio > 3.0"`')
def replay(
    rule: Annotated[str | None, typer.Argument(help="The rule's id, whatever its status.")] = None,
    scenario: WhichScenario = None,
    predicate: Annotated[str | None, typer.Option(help="A CEL expression to try instead of a stored rule.")] = None,
    kind: Annotated[RuleKind, typer.Option(help="What --predicate describes.")] = RuleKind.ANOMALOUS,
    json_: JsonOption = False,
) -> None:
    """Say what a rule would have changed: every stored case is judged again, with the rule and without.

    Of a guiding question it says how well its answers told reviewed cases apart.
    """
    if (rule is None) == (predicate is None):
        raise ConfigurationError("replay needs a rule or a --predicate, one of them")
    workspace = open_workspace()
    memory = rules_of(workspace, scenario, rule)
    if predicate is not None:
        check_predicate(predicate, where="--predicate")
        tried = written_by_person(predicate, kind, predicate=predicate, severity=2, author=who())
    else:
        assert rule is not None
        tried = memory.history(rule)[-1]
    if tried.kind is RuleKind.QUESTION:
        _show_weighed(weigh_questions(workspace, memory, [tried])[0], json_)
        return
    found = _replayed(workspace, memory, tried)
    if json_:
        emit(replay_document(found))
    else:
        show_replay(found, stored=predicate is None)


@commands.command()
def approve(
    rule: RuleArgument,
    scenario: WhichScenario = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_: JsonOption = False,
) -> None:
    """Let a proposed rule judge from the next window on, after showing what it would have changed."""
    if json_ and not yes:
        raise ConfigurationError("--json leaves nobody to ask", remedy="add --yes")
    workspace = open_workspace()
    memory = rules_of(workspace, scenario, rule)
    found = _replayed(workspace, memory, _proposed(memory, rule))
    if not json_:
        show_replay(found)
    if not yes and not _sure(rule):
        note(f"{rule} stays proposed")
        return
    approved = _decided(memory, rule, RuleStatus.ACTIVE, f"approved by {who()}")
    if json_:
        emit({**replay_document(found), "rule": approved.model_dump(mode="json")})
    else:
        report(approved, json_)


@commands.command()
def reject(
    rule: RuleArgument,
    scenario: WhichScenario = None,
    note_: Annotated[str, typer.Option("--note", help="Why, in your words.")] = "",
    json_: JsonOption = False,
) -> None:
    """Turn a proposed rule down; it stays on record."""
    memory = rules_of(open_workspace(), scenario, rule)
    said = f"rejected by {who()}" + (f": {note_}" if note_ else "")
    report(_decided(memory, rule, RuleStatus.REJECTED, said), json_)


def replay_document(found: Replay) -> dict[str, Any]:
    """A replay as one JSON document."""
    return {
        "rule": found.rule.model_dump(mode="json"),
        "cases": found.cases,
        "covered": found.covered,
        "moved": found.moved,
        "asked": found.asked,
        "by_models": found.by_models,
        "undecided": found.undecided,
        "answered": {"agreed": found.agreed, "disagreed": found.disagreed},
        "changes": [
            {
                "case": change.case,
                "source": change.source,
                "start": change.start,
                "end": change.end,
                "title": change.title,
                "before": change.before.value,
                "after": change.after.value,
                "answer": change.said.value if change.said is not Label.UNKNOWN else None,
            }
            for change in found.changes
        ],
        "incidents_not_raised": [incident_line(incident) for incident in found.spared],
        "incidents_raised": [incident_line(incident) for incident in found.raised],
    }


def question_document(found: Weighed) -> dict[str, Any]:
    """What a question's answers are worth, as a part of JSON output."""
    rest = {name: value for name, value in vars(found).items() if name != "question"}
    return {"question": found.question.model_dump(mode="json"), **rest}


def show_replay(found: Replay, *, stored: bool = True) -> None:
    """Print a replay for people, of a rule that is stored or of one on trial."""
    rule = found.rule
    name, status = (f"{rule.id} v{rule.version}", rule.status.value) if stored else ("a trial", "not stored")
    console.print(plain(f"{name}, {rule.kind.value}, {status}: {rule.text}"), soft_wrap=True)
    console.print(plain(f"  {rule.predicate or 'no predicate: only models can apply it'}"), soft_wrap=True)
    does = f"covers {found.covered}, gives {found.moved} another p and {len(found.changes)} another label"
    console.print(f"Of {counted(found.cases, 'stored case')} it {does}.", soft_wrap=True)
    if found.asked:
        asked = f"{found.asked} of those with another p were put to a person"
        console.print(f"{asked}, who may not be asked about such ones then.", soft_wrap=True)
    if found.by_models:
        console.print(f"{found.by_models} cases were judged by models and cannot be replayed.")
    if found.undecided:
        console.print(f"{found.undecided} cases lack what it speaks of, or the rules that they were judged by.")
    console.print(
        f"Of the covered cases people have answered {found.agreed + len(found.disagreed)}: it agrees with"
        f" {found.agreed} and disagrees with {len(found.disagreed)}.",
        soft_wrap=True,
    )
    for key in found.disagreed[:SHOWN]:
        note(f"it disagrees with the answer to {key}", "yellow")
    for incidents, what in ((found.spared, "would not have been raised"), (found.raised, "would have been raised")):
        console.print(f"{counted(len(incidents), 'incident')} {what}.")
        for incident in incidents[:SHOWN]:
            span = f"  {incident.source} {incident.start:.1f}-{incident.end:.1f} s  {incident.title}"
            console.print(plain(span), soft_wrap=True)
    if found.changes:
        _print_changes(found.changes)


def _show_weighed(found: Weighed, json_: bool) -> None:
    if json_:
        emit(question_document(found))
        return
    rule = found.question
    console.print(plain(f"{rule.id} v{rule.version}, question: {rule.text}"), soft_wrap=True)
    console.print(plain(f"{found.said}. Mean answer (no 0, yes 1): {_share(found.yes_anomalous)} in anomalous cases,"))
    console.print(f"{_share(found.yes_normal)} in normal ones. `alarm induce --reviewed` keeps or retires it by that.")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _print_changes(changes: list[Change]) -> None:
    table = Table(title="changed cases", title_justify="left")
    for column in ("case", "time", "label", "answer", "what"):
        table.add_column(column, overflow="fold")
    for change in changes[:SHOWN]:
        labels = f"{change.before.value} -> {change.after.value}"
        said = "-" if change.said is Label.UNKNOWN else change.said.value
        times = f"{change.start:.1f}-{change.end:.1f} s"
        table.add_row(plain(change.case), times, labels, said, plain(change.title))
    console.print(table)
    if len(changes) > SHOWN:
        note(f"and {len(changes) - SHOWN} more: --json has them all")


def _replayed(workspace: Workspace, memory: RuleMemory, rule: Rule) -> Replay:
    total = workspace.cases.count(memory.scenario)
    with Progress(console=notes, transient=True, disable=not notes.is_terminal) as progress:
        task = progress.add_task("replaying", total=total)
        return replayed(workspace, memory, rule, lambda done: progress.update(task, completed=done))


def _proposed(memory: RuleMemory, rule: str) -> Rule:
    """The rule, which is still only proposed; raises `ConflictError` when somebody has decided on it."""
    last = memory.history(rule)[-1]
    if last.status is not RuleStatus.PROPOSED:
        remedy = f"`alarm rules enable {rule}` or `alarm rules disable {rule}` changes it"
        raise ConflictError(f"the rule is {last.status.value}, not proposed", where=rule, remedy=remedy)
    return last


def _sure(rule: str) -> bool:
    try:
        return typer.confirm(f"Let {rule} judge from now on?", err=True)
    except typer.Abort as error:
        raise ConfigurationError("nobody answered", where=rule, remedy="add --yes where nobody can") from error


def _decided(memory: RuleMemory, rule: str, status: RuleStatus, said: str) -> Rule:
    """The rule with that status, and who decided it beside what was noted before."""
    before = _proposed(memory, rule).provenance.note  # again: somebody may have decided while a person was asked
    return memory.set_status(rule, status, f"{before}; {said}" if before else said)
