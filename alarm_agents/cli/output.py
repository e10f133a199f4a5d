"""What the command line prints: one JSON document (or JSON lines) on stdout, everything for people by Rich."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from alarm_agents.monitor.clock import UNIX
from alarm_agents.observability.tree import clean

console = Console(highlight=False)
"""Results for people: stdout."""
notes = Console(stderr=True, highlight=False)
"""Progress, hints and errors: stderr."""


def emit(document: Mapping[str, Any] | list[Any]) -> None:
    """Print one JSON document on one line of stdout; not-a-number is refused, as JSON has none."""
    typer.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))


def plain(value: object) -> Text:
    """Untrusted text (names, captions, model output) as it may be shown: no markup, no control characters."""
    return Text(clean(value, None))


def item(key: str, said: str, *lines: str) -> None:
    """One of a list: its id, whole on one line so that it can be copied, what it is, and further lines below it."""
    console.print(Text.assemble((clean(key, None), "bold"), "  ", clean(said, None)), soft_wrap=True)
    for line in lines:
        console.print(Padding(plain(line), (0, 0, 0, 4)))


def note(message: str, style: str = "dim") -> None:
    """A line for people on stderr."""
    notes.print(Text(clean(message, None), style=style), soft_wrap=True)


def counted(count: int, noun: str) -> str:
    """So many of them: "1 case", "2 cases"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def clock(seconds: float) -> str:
    """A time in a stream as people read it: seconds from its start, or the time of day where a live source gives it."""
    if seconds < UNIX:
        return f"{seconds:.1f} s"
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def number(value: float | None, digits: int = 2) -> str:
    """A number as people read it; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
