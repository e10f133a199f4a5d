"""A suite's result as tables for people.

Names come from file names and models' configuration, which nobody vetted: they are shown as plain text, never
as Rich markup, and without control characters, which could rewrite what the terminal shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

DID = ("windows", "anomalous", "auroc", "accuracy", "deferred", "accepted_error", "missed")
"""What is told of each source, zone and category."""
UNDEFINED = "–"
DEFERRED = (0.0, 0.1, 0.2, 0.3, 0.5)
"""The shares deferred at which a terminal shows how accurate the rest is."""


def render(result: Mapping[str, Any]) -> RenderableType:
    """The result of `alarm test` (the object that `--json` prints) as a summary and tables.

    Keys: suite, passed, seconds, frames, windows, fps, models, metrics, curves, by, expectations, cases; `unscored`,
    the number of frames that got no score, `rows`, metrics of other ways to score the same frames, `promise` and
    `flip`, where there are any.
    """
    if "recorded" in result:
        metrics = _spread(result["metrics"], result["metrics_sd"])
        parts: list[RenderableType] = [_recorded(result), metrics, _compared(result)]
    else:
        parts = [_summary(result), _metrics(result["metrics"], result.get("rows", {}))]
    if result.get("flip"):
        parts.append(_flip(result["flip"]))
    if result["expectations"]:
        parts.append(_expectations(result["expectations"]))
    unit = "cases" if "recorded" in result else "frames"
    parts += [_reliability(result["curves"]["reliability"], unit), _rejection(result["curves"]["rejection"])]
    if "recorded" in result:
        return Group(*parts, _groups(result["metrics"]["by_group"]))
    # A single source did as the whole suite did, which the metrics tell.
    parts += [_part(name, rows) for name, rows in result["by"].items() if len(rows) > (name == "source")]
    return Group(*parts, _cases(result["cases"]))


def compared(result: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """The system and what is put beside it, by name, with the metrics that the latter have; empty without any."""
    rows: Mapping[str, Mapping[str, Any]] = result.get("rows", {})
    columns = list(dict.fromkeys(column for values in rows.values() for column in values))
    every = {"this system": flat(result["metrics"]), **rows} if rows else {}
    return {name: {column: values.get(column) for column in columns} for name, values in every.items()}


def promised(found: Mapping[str, Any]) -> str:
    """How a suite's promise fared, in words."""
    said = f"promise {found['name']} {found['bound']:g}, confidence {1 - found['delta']:.0%}: "
    said += f"given in {found['promised']:.0%} of splits"
    if found["promised"]:
        said += f", broken in {number(found['broken'], '.0%')} of these (on {found['anomalous']:.0f} anomalous cases); "
        said += f"missed {number(found['missed'])}, deferred {number(found['deferred'])}, "
        said += f"accepted error {number(found['accepted_error'])}"
    return said + (f"; else it {found['reason']}" if found["promised"] < 1 else "")


def flipped(flip: Mapping[str, Any]) -> tuple[str, dict[str, Mapping[str, float | None]]]:
    """What a table of a suite's flip is called, and its rows: what was before and after."""
    return f"With '{flip['says']}' among the references", {name: flip[name] for name in ("false_alarms", "rest_auroc")}


def _reliability(bins: Sequence[Mapping[str, Any]], unit: str) -> Table:
    """How often what had that p was anomalous."""
    table = _table("Reliability", "p", *(f"{each['p']:.2f}" for each in bins))
    table.add_row("share anomalous", *(number(each["share"], ".2f") for each in bins))
    table.add_row(unit, *(number(each["count"]) for each in bins))
    return table


def _rejection(points: Sequence[Mapping[str, Any]]) -> Table:
    """How accurate the rest is where the least sure share is put to a person."""
    shown = [each for each in points if each["deferred"] in DEFERRED]
    table = _table("Accuracy and rejection", "deferred", *(f"{each['deferred']:.0%}" for each in shown))
    table.add_row("accuracy of the rest", *(number(each["accuracy"]) for each in shown))
    return table


def _part(name: str, rows: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table(f"By {name}", name, *DID)
    for one, did in rows.items():
        table.add_row(Text(_plain(one), overflow="fold"), *(number(did[key]) for key in DID))
    return table


def _summary(result: Mapping[str, Any]) -> Text:
    models = ", ".join(result["models"]) or "no model took part"
    lines = Text.assemble(
        (f"{_plain(result['suite'])}: ", "bold"),
        _verdict(result["passed"]),
        f"\n{result['frames']} frames in {result['windows']} windows, {number(result['seconds'], '.1f')} s",
        f" ({number(result['fps'], '.1f')} frames a second); models: {_plain(models)}",
    )
    if result.get("unscored"):
        lines.append(f"\n{result['unscored']} frames got no score and are in no metric that needs one", "yellow")
    return lines


def _metrics(metrics: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("Metrics", "metric", "value")
    for name, value in flat(metrics).items():
        table.add_row(Text(_plain(name)), number(value))
    for row, values in rows.items():
        for name, value in values.items():
            table.add_row(Text(f"{_plain(name)} {_plain(row)}"), number(value))
    return table


def _recorded(result: Mapping[str, Any]) -> Text:
    lines = Text.assemble(
        (f"{_plain(result['suite'])}: ", "bold"),
        _verdict(result["passed"]),
        f"\n{result['recorded']} recorded cases, {result['splits']} splits, {number(result['seconds'], '.1f')} s; ",
        "members: ",
        ", ".join(f"{_plain(name)} ({count} answers missing)" for name, count in result["missing"].items()),
    )
    if result["dropped"]:
        names = ", ".join(map(_plain, result["dropped"]))
        lines.append(f"\nleft out, as their verdict never changes: {names}", "yellow")
    if "promise" in result:
        lines.append(f"\n{promised(result['promise'])}")
    return lines


def _spread(metrics: Mapping[str, Any], deviation: Mapping[str, Any]) -> Table:
    table, spreads = _table("Metrics", "metric", "mean", "sd"), flat(deviation)
    for name, value in flat(metrics).items():
        table.add_row(Text(name), number(value), number(spreads.get(name)))
    return table


def _compared(result: Mapping[str, Any]) -> Table:
    rows = compared(result)
    table = _table("On the same splits", "", *rows["this system"])
    for name, values in rows.items():
        table.add_row(name, *map(number, values.values()))
    return table


def _groups(groups: Mapping[str, Mapping[str, Any]]) -> Table:
    columns = ("cases", "case_accuracy", "aurc", "missed", "over_majority")
    table = _table("Groups", "group", *columns)
    for name, values in groups.items():
        table.add_row(Text(_plain(name), overflow="fold"), *(number(values[key]) for key in columns))
    return table


def _flip(flip: Mapping[str, Any]) -> Table:
    title, rows = flipped(flip)
    table = _table(_plain(title), "", "before", "after")
    for name, values in rows.items():
        table.add_row(name, number(values["before"]), number(values["after"]))
    table.add_row("false alarms fell by", "", number(flip["fell"]))
    return table


def flat(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """The metrics one by one, as expectations name them; those with several values as `name.key`. None by group."""
    found: dict[str, float | None] = {}
    for name, value in metrics.items():
        if name != "by_group":
            values = value if isinstance(value, Mapping) else {"": value}
            found |= {f"{name}.{key}" if key else name: one for key, one in values.items()}
    return found


def _expectations(expectations: Iterable[Mapping[str, Any]]) -> Table:
    table = _table("Expectations", "metric", "min", "max", "value", "")
    for one in expectations:
        # Enough digits that a value just short of its bound doesn't look equal to it.
        numbers = [number(one[key], ".6g") for key in ("min", "max", "value")]
        table.add_row(Text(_plain(one["metric"])), *numbers, _verdict(one["passed"]))
    return table


def _cases(cases: Iterable[Mapping[str, Any]]) -> Table:
    columns = ("frame_auroc", "frames", "windows", "incidents", "deferred")
    table = _table("Cases", "source", *columns)
    for case in cases:
        table.add_row(Text(_plain(case["source"]), overflow="fold"), *(number(case[key]) for key in columns))
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _verdict(passed: bool) -> Text:
    return Text("pass", "bold green") if passed else Text("FAIL", "bold red")


def number(value: float | None, form: str = ".3f") -> str:
    """Counts as they are, measures in that format, a dash for None."""
    if value is None:
        return UNDEFINED
    return str(value) if isinstance(value, int) else format(value, form)


def _plain(text: object) -> str:
    """The text with whatever doesn't print (escapes, line breaks, direction overrides) replaced."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(text))
