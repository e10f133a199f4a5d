"""`alarm review`: the queue of cases that wait for a person, and answers to these and to any other case."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from alarm_agents.cli.app import JsonOption, open_workspace, run_traced
from alarm_agents.cli.output import clock, console, counted, emit, item, note, number, plain
from alarm_agents.cli.people import who
from alarm_agents.cli.watch import case_line
from alarm_agents.cli.which import WhichScenario, scenario_name
from alarm_agents.memory.remembered import FEWEST
from alarm_agents.monitor import answers
from alarm_agents.monitor.answers import Answered
from alarm_agents.monitor.weights import Weights
from alarm_agents.types import Case, CaseStatus, Label, Resolution
from alarm_agents.uncertainty.monitor import signals_of
from alarm_agents.workspace import Workspace

commands = typer.Typer(no_args_is_help=True, help="Cases that wait for a person, and answers to any case.")


class Answer(StrEnum):
    """What a person may say."""

    NORMAL = "normal"
    ANOMALOUS = "anomalous"
    UNSURE = "unsure"


@commands.command("list")
def list_(json_: JsonOption = False) -> None:
    """List the cases that wait for an answer."""
    workspace = open_workspace()
    run_traced(workspace, answers.finish(workspace))
    waiting = workspace.cases.find(status=CaseStatus.PENDING)
    if json_:
        emit([case_line(case) for case in waiting])
        return
    if not waiting:
        note("nothing waits for an answer")
        return
    for case in waiting:
        times = f"{clock(case.window.start)} to {clock(case.window.end)}"
        said = f"{times}, {case.label.value}, p {number(case.score)}, unsure {number(case.uncertainty.score)}"
        item(case.id, said, *_asked(case))
    for line in _learning(workspace, waiting):
        note(line)
    wait = counted(len(waiting), "case") + (" waits" if len(waiting) == 1 else " wait")
    note(f"{wait}: `alarm review resolve CASE --as normal|anomalous|unsure`, `alarm explain CASE`")


@commands.command()
def show(case: Annotated[str, typer.Argument(help="The case's id.")], json_: JsonOption = False) -> None:
    """Show all that is known of a case."""
    found = open_workspace().cases.get(case)
    if json_:
        emit(found.model_dump(mode="json"))
        return
    _show(found)


@commands.command(epilog='Example: `alarm review resolve CASE --as normal --note "the gardener"`')
def resolve(
    key: Annotated[str, typer.Argument(metavar="CASE|INCIDENT", help="The id of a case, or of a whole incident.")],
    answer: Annotated[Answer, typer.Option("--as", help="What it is.")],
    note_: Annotated[str, typer.Option("--note", help="Why, in your words.")] = "",
    json_: JsonOption = False,
) -> None:
    """Answer a case or all of an incident, once; also one that nobody asked about.

    A case that waits goes on from there. Of what had alarmed and is normal, a rule is proposed, and its windows
    become references; of what was missed, a rule is proposed where a measure sets it apart.
    """
    workspace = open_workspace()
    resolution = Resolution(answer=answer.value, note=note_, by=who(), at=time.time())
    found = run_traced(workspace, answers.answer(workspace, key, resolution))
    if not json_:
        _tell(found, answer)
        return
    rule = found.suggestion.rule
    learned = {
        "rule": rule.model_dump(mode="json") if rule else None,
        "no_rule_because": found.suggestion.reason,
        "not_answered": list(found.missed),
    }
    lines = [case_line(case) for case in found.cases]
    if found.cases[0].id == key:
        emit({**lines[0], **learned})
    else:
        emit({"type": "answered", "incident": key, "cases": lines, **learned})


@commands.command()
def references(scenario: WhichScenario = None, json_: JsonOption = False) -> None:
    """List the windows that answers of "normal" have added to what `alarm induce` learns from."""
    workspace = open_workspace()
    name = scenario_name(workspace, scenario)
    kept = workspace.reviewed.find(name)
    if json_:
        emit([reviewed.model_dump(mode="json") for reviewed in kept])
        return
    table = Table(title=f"{len(kept)} reviewed windows of '{name}'", title_justify="left")
    for column in ("case", "source", "from", "to", "by", "note"):
        table.add_column(column, overflow="fold")
    for reviewed in kept:
        window, said = reviewed.window, reviewed.resolution
        times = (f"{window.start:.1f} s", f"{window.end:.1f} s")
        table.add_row(plain(reviewed.case), plain(reviewed.path), *times, plain(said.by), plain(said.note))
    console.print(table)
    if kept:
        note(f"teach with them: alarm induce --reviewed -s {name}")


def _tell(found: Answered, answer: Answer) -> None:
    """What the answer came to, and what can be done next."""
    for case in found.cases:
        said = "stays as it is" if answer is Answer.UNSURE else f"is {case.label.value}, as you said"
        console.print(plain(f"{case.id} {said}"))
    for missed in found.missed:
        note(missed, "yellow")
    rule = found.suggestion.rule
    if rule is None:
        note(f"no rule is proposed: {found.suggestion.reason}")
        return
    console.print(plain(f"proposed rule {rule.id} v{rule.version}, {rule.kind.value}: {rule.text}"), soft_wrap=True)
    if rule.predicate is not None:
        console.print(plain(f"  {rule.predicate}"), soft_wrap=True)
    console.print("it judges nothing until you approve it; what it would have changed, and then:")
    for command in ("replay", "approve"):
        console.print(plain(f"  alarm rules {command} {rule.id}"))


def _asked(case: Case) -> Iterator[str]:
    """What a person is to judge, and why they are asked."""
    told = next((fact.text for perception in case.perceptions for fact in perception.facts if fact.text), "")
    yield told if case.label is Label.NORMAL and told else case.title
    yield case.uncertainty.reason


def _learning(workspace: Workspace, waiting: Sequence[Case]) -> Iterator[str]:
    """What answers are still missing for, by scenario."""
    for case in {case.scenario: case for case in waiting}.values():
        scenario, _, references = workspace.runs.scenario_of(workspace.cases.run_of(case.id))
        missing = FEWEST - workspace.cases.count_answered(case.namespace, case.scenario)
        if missing > 0:
            yield f"{case.scenario}: case memory says nothing until {missing} more cases are answered"
        weights = Weights(workspace, scenario, case.namespace, references)
        yield f"{case.scenario}: weights of uncertainty are {weights.text}"


def precedent_text(case: Case) -> str:
    """What resolved cases say of the case, in words, also where they say nothing."""
    if case.precedent is not None:
        return case.precedent.text
    return "nothing: no member gave a p" if case.score is None else f"nothing yet: at least {FEWEST} are needed"


def _show(case: Case) -> None:
    table = Table(show_header=False, box=None)
    rows = {
        "case": case.id,
        "source": f"{case.source}, {case.window.start:.1f} s to {case.window.end:.1f} s",
        **({"category": case.window.category} if case.window.category else {}),
        "scenario": case.scenario,
        "status": case.status.value,
        "label": case.label.value,
        "p": number(case.score),
        "severity": str(case.severity),
        "decision": f"{case.decision.value}: {case.uncertainty.reason}",
        "uncertainty": ", ".join(
            f"{name} {number(value)}"
            for name, value in {**signals_of(case.uncertainty), "score": case.uncertainty.score}.items()
            if value is not None
        ),
        "weights": ", ".join(f"{name} {weight:.2f}" for name, weight in case.uncertainty.weights.items() if weight)
        + (f" (fit {case.uncertainty.fit})" if case.uncertainty.fit else ""),
        "resolved cases": precedent_text(case),
        "models": ", ".join(case.models) or "none took part",
        "rules": ", ".join(f"{ref.id} v{ref.version}" for ref in case.rules) or "none",
        "why": case.explanation,
        "trace": case.trace_id,
        "answer": f"{case.resolution.answer} {case.resolution.note}" if case.resolution else "none yet",
    }
    for name, value in rows.items():
        table.add_row(name, plain(value))
    for perception in case.perceptions:
        for fact in perception.facts:
            table.add_row("fact", plain(fact.text))
    for anomaly in case.anomalies:
        table.add_row("trace anomaly", plain(anomaly.text))
    console.print(table)
