"""What a tool may know of the case that it is called for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from alarm_agents.errors import ToolError
from alarm_agents.sources.media import Media
from alarm_agents.tools.expert import Expert
from alarm_agents.types import SimilarCase, Window


@dataclass(frozen=True)
class Work:
    """The window at hand, its media, the fitted experts and the memory of resolved cases."""

    window: Window
    media: Media
    experts: Mapping[str, Expert[Any]]
    similar: Callable[[str, int], Sequence[SimilarCase]]


_current: ContextVar[Work | None] = ContextVar("alarm_work", default=None)


@contextmanager
def working_on(work: Work) -> Iterator[None]:
    """Make `work` what `current` gives inside the block."""
    token = _current.set(work)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Work:
    """The work at hand; raises `ToolError` when a tool is called outside a case."""
    work = _current.get()
    if work is None:
        raise ToolError(
            "this tool looks at a case and none is open",
            remedy="call it from a graph node or an agent, or with `alarm tools run --case CASE`",
        )
    return work
