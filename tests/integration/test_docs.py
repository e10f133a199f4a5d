"""Documents (and what the code says to people) speak of files, commands and options that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from alarm_agents.cli import app
from support.wheel import ROOT

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = ("alarm_agents", "agents", "graphs", "memory", "observability", "tools")
CODE = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
PLACES = (*FOLDERS, "benchmarks", "docs", "suites", "tests")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def links(text: str) -> Iterator[str]:
    """The relative targets of Markdown links and pictures."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            yield target.partition("#")[0]


def paths(text: str) -> Iterator[str]:
    """What stands in backticks and looks like a path of this repository."""
    for code in re.findall(r"`([\w./-]+)`", text):
        if "/" in code and code.partition("/")[0] in PLACES:
            yield code


def commands(text: str) -> Iterator[str]:
    """The `alarm` and `make` commands in shell blocks and in backticks."""
    for block in re.findall(r"```(?:sh|bash|console)\n(.*?)```", text, re.DOTALL):
        yield from re.findall(r"^(?:\$ )?((?:alarm|make) .*)$", block.replace("\\\n", " "), re.MULTILINE)
    yield from re.findall(r"(?<!`)`((?:alarm|make) [^`\n]+)`", text)


def complaint(command: str) -> str | None:
    """What is wrong with a command, if anything."""
    program, *words = shlex.split(command, comments=True)
    if program == "make":
        wrong = [word for word in words if word not in TARGETS]
        return f"make has no {wrong}" if wrong else None
    here: Any = typer.main.get_command(app)
    known = {"--help"}
    for word in words:
        known |= {name for parameter in here.params for name in parameter.opts}
        if word in {"|", ">", "&", "&&"}:
            break
        if word.startswith("-"):
            if word.partition("=")[0] not in known:
                return f"alarm has no {word} there"
        elif verbs := getattr(here, "commands", None):
            wrong = [verb for verb in word.split("|") if verb not in verbs]
            if wrong:
                return f"alarm has no {wrong} there"
            here = verbs[word.partition("|")[0]]
    return None


@pytest.mark.parametrize("document", DOCUMENTS, ids=short)
def test_links_and_paths_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    missing = [target for target in links(text) if not (document.parent / target).exists()]
    missing += [path for path in paths(text) if not (ROOT / path).exists()]
    assert missing == []


@pytest.mark.parametrize("file", [*DOCUMENTS, *CODE], ids=short)
def test_commands_and_options_exist(file: Path) -> None:
    said = {command: complaint(command) for command in commands(file.read_text())}
    assert {command: wrong for command, wrong in said.items() if wrong} == {}


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("alarm watch clip.mp4 --json", False),
        ("alarm rules list|show", False),
        ("alarm wacth clip.mp4", True),
        ("alarm watch clip.mp4 --jsn", True),
        ("make test", False),
        ("make tests", True),
    ],
)
def test_the_check_itself(command: str, wrong: bool) -> None:
    assert bool(complaint(command)) is wrong
