"""The page: what was gathered, through a template that escapes all text, as one HTML file with its pictures in it.

File names, captions, facts and rationales are untrusted: Jinja2 escapes every value, control characters are dropped,
and the page's own policy forbids scripts and every load from elsewhere.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from alarm_agents import __version__
from alarm_agents.errors import ConfigurationError
from alarm_agents.evaluation.report import DID, compared, flat, flipped, number, promised
from alarm_agents.observability.tree import clean
from alarm_agents.report.chapter import FACTS, LISTED, RULES, Chapter, gather, settings
from alarm_agents.report.figures import draw_curves
from alarm_agents.report.plot import THRESHOLD, Limits, Span, draw
from alarm_agents.types import SEVERITIES
from alarm_agents.workspace import Workspace
from alarm_agents.workspace.files import write_whole

PICTURE_BYTES = 4_000_000
"""Bytes of key frames in a report at most; what does not fit is left out, and the report says how many."""
LONGEST = 2000
"""Characters shown of a single text."""


def write_report(
    workspace: Workspace,
    runs: Sequence[str],
    file: Path,
    *,
    labelled: Mapping[str, Sequence[Span]] | None = None,
    result: Mapping[str, Any] | None = None,
) -> None:
    """Write the report on these runs (ids) to `file`, whole or not at all.

    `labelled` holds by run id what is known to be there: name, start and end in seconds. `result` is a suite's, whose
    metrics are shown too. Raises `NotFoundError` for an unknown run, `ConfigurationError` for a `file` that cannot be
    written.
    """
    known = labelled or {}
    chapters = [gather(workspace, workspace.runs.latest(run), known.get(run, ())) for run in runs]
    pictures = Pictures(workspace.folder, file.absolute().parent)
    page = (
        _environment()
        .get_template("page.html")
        .render(
            chapters=chapters,
            pictures=pictures,
            drawings={chapter.run.id: _drawing(chapter) for chapter in chapters},
            settings=settings,
            severities=SEVERITIES,
            result=result,
            columns=DID,
            curves=draw_curves(result["curves"]) if result else Markup(""),
            metrics=flat(result["metrics"]) if result else {},
            compared=compared(result) if result else {},
            promised=promised(result["promise"]) if result and "promise" in result else "",
            flipped=flipped(result["flip"]) if result and "flip" in result else None,
            made=time.strftime("%Y-%m-%d %H:%M"),
            version=__version__,
            limits={"facts": FACTS, "rules": RULES, "listed": LISTED},
        )
    )
    try:
        write_whole(file, page.encode())
    except OSError as error:
        reason = (error.strerror or "the system gives no reason").lower()
        remedy = "choose another file with --out or --report"
        raise ConfigurationError(f"the report cannot be written ({reason})", where=str(file), remedy=remedy) from error


class Pictures:
    """Key frames as data URIs and clips as links, as long as there is room; `left_out` counts the others."""

    def __init__(self, workspace: Path, beside: Path) -> None:
        self._workspace, self._beside, self._room, self.left_out = workspace, beside, PICTURE_BYTES, 0

    def inline(self, reference: str) -> Markup | None:
        """The picture as a data URI; None where it is gone, or there is no more room for it."""
        file = self._file(reference)
        content = file.read_bytes() if file is not None else b""
        if not content or len(content) > self._room:
            self.left_out += 1
            return None
        self._room -= len(content)
        return Markup("data:image/jpeg;base64,{}").format(base64.b64encode(content).decode())

    def link(self, reference: str) -> str | None:
        """Where the file is, as seen from the report; None where it is gone."""
        file = self._file(reference)
        return quote(os.path.relpath(file, self._beside)) if file is not None else None

    def _file(self, reference: str) -> Path | None:
        """The file, if it is there and within the workspace."""
        file = (self._workspace / reference).resolve()
        return file if file.is_relative_to(self._workspace) and file.is_file() else None


def _drawing(chapter: Chapter) -> Markup:
    incidents = [(each.title, each.start, each.end) for each in chapter.incidents]
    limits = Limits(THRESHOLD, chapter.scenario.uncertainty.accept_below)
    name = f"p{chapter.run.id}"
    return draw(chapter.curve, incidents, chapter.labelled, limits=limits, clock=chapter.clock, name=name)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("alarm_agents.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.filters["number"] = lambda value, digits=2: "–" if value is None else f"{value:.{digits}f}"
    environment.filters["measure"] = number
    return environment


def _harmless(value: object) -> object:
    """Text without control characters and of bounded length; drawings and pictures, which are ours, as they are."""
    return value if isinstance(value, Markup) else clean(value, LONGEST)
