"""`alarm explain`: what was seen, why it was judged so, how severe it is, and what would have made it normal."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from alarm_agents.cli.app import JsonOption, app, open_workspace, run_traced
from alarm_agents.cli.output import clock, console, emit, number, plain
from alarm_agents.cli.review import precedent_text
from alarm_agents.cli.rules import RuleArgument, commands
from alarm_agents.cli.which import WhichScenario, rules_of
from alarm_agents.monitor import explaining
from alarm_agents.monitor.explaining import MODEL_BOUND, Explanation, Hop, Reason
from alarm_agents.types import Resolution

LISTED, NAMED = 8, 3
"""Facts, and references of a rule, that are printed; `--json` has them all."""


@app.command(epilog="Examples: `alarm explain CASE` · `alarm explain INCIDENT --json`")
def explain(
    key: Annotated[str, typer.Argument(metavar="CASE|INCIDENT", help="The id of a case, or of an incident.")],
    calls: Annotated[
        int, typer.Option(min=0, help="How often reasoners on models may be asked what would be normal.")
    ] = MODEL_BOUND,
    json_: JsonOption = False,
) -> None:
    """Say what was seen, why it was judged so, how severe it is, and what would have made it normal.

    Of an incident the case with the largest p is explained. Each rule and reference comes with the command that
    shows the next hop. What would have made it normal is found by asking the reasoner itself again.
    """
    workspace = open_workspace()
    case = explaining.find_case(workspace, key)
    found = run_traced(workspace, explaining.explain(workspace, case, bound=calls))
    if json_:
        emit(found.model_dump(mode="json"))
    else:
        console.print(render(found))


@commands.command()
def references(rule: RuleArgument, scenario: WhichScenario = None, json_: JsonOption = False) -> None:
    """List the references behind a rule, with the file and the time that each is from."""
    workspace = open_workspace()
    memory = rules_of(workspace, scenario, rule)
    latest = memory.history(rule)[-1]
    found = explaining.hops(workspace, latest, memory.scenario, memory.namespace)
    if json_:
        emit([hop.model_dump(mode="json") for hop in found])
        return
    origin = latest.provenance
    title = f"{len(found)} of {origin.reference_count} references behind {latest.id} v{latest.version}"
    table = Table(title=plain(title), title_justify="left")
    for column in ("reference", "from", "at", "case"):
        table.add_column(column, overflow="fold")
    for hop in found:
        table.add_row(plain(hop.reference), plain(hop.path or "-"), _at(hop), plain(hop.command))
    console.print(table)


def render(found: Explanation) -> RenderableType:
    """An explanation for people."""
    case = found.case
    when = f"{clock(case.window.start)} to {clock(case.window.end)}"
    head = _lines(case.title, f"{case.source}, {when}: {case.label.value}, p {number(case.score)}")
    parts = [
        _part("what", Group(*_facts(found))),
        _part("why", Group(plain(case.explanation), *map(_reason, found.reasons))),
        _part("what resolved cases say", _lines(precedent_text(case))),
        *([_part("what a person answered", _lines(_answered(case.resolution)))] if case.resolution else []),
        _part("how severe", _lines(f"{found.severity}: {found.criterion}", *found.severity_from)),
        _part("what would have made it normal", _lines(*_asked(found))),
        _part("look further", _commands(found)),
    ]
    return Group(Panel(head), *parts)


def _part(title: str, body: RenderableType) -> RenderableType:
    grid = Table.grid(padding=(0, 0, 0, 2))
    grid.add_row("", body)
    return Group(Text(title, style="bold"), grid)


def _lines(*texts: str) -> Group:
    return Group(*map(plain, texts))


def _answered(resolution: Resolution) -> str:
    said = ", by ".join(filter(None, (resolution.answer, resolution.by)))
    return ": ".join(filter(None, (said, resolution.note)))


def _facts(found: Explanation) -> list[Text]:
    texts = list(dict.fromkeys(fact.text for fact in found.facts))
    texts = texts or [perception.caption for perception in found.case.perceptions if perception.caption]
    shown = [plain(f"- {text}") for text in texts[:LISTED]] or [Text("nothing that was put into words", style="dim")]
    more = len(texts) - LISTED
    return [*shown, Text(f"and {more} more: --json", style="dim")] if more > 0 else shown


def _reason(reason: Reason) -> RenderableType:
    """A rule as a tree: the rule, where it comes from, the references."""
    rule = reason.rule
    if rule is None:
        return plain(f"rule {reason.ref.id} v{reason.ref.version}, which is not stored any more")
    tree = Tree(plain(f"rule {rule.id} v{rule.version} ({rule.kind.value}): {rule.text}"))
    if rule.predicate:
        tree.add(plain(rule.predicate))
    origin = rule.provenance
    said = f"from {origin.origin}, by {origin.author}"
    said += f", {origin.votes} of {origin.batches} votes" if origin.batches > 1 else ""
    fired = "said by" if rule.usual else "fired on"
    said += f"; {fired} {origin.fired} of {origin.held_out} held-out normal ones" if origin.held_out else ""
    tree.add(plain(said + (f"; {origin.note}" if origin.note else "")))
    if reason.references:
        branch = tree.add(plain(f"on {origin.reference_count} references, such as"))
        for hop in reason.references[:NAMED]:
            branch.add(plain(f"{hop.path or hop.reference} at {_at(hop)}"))
        branch.add(plain(reason.command.replace(" show ", " references ", 1)))
    tree.add(plain(reason.command))
    return tree


def _at(hop: Hop) -> str:
    return "-" if hop.start is None else clock(hop.start)


def _asked(found: Explanation) -> list[str]:
    would = found.would_be_normal
    return [would.text, *([f"(the reasoner was asked {would.asked} times)"] if would.asked else [])]


def _commands(found: Explanation) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for what, command in found.commands.items():
        table.add_row(plain(what), plain(command))
    return table
