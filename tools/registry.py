"""Which tools there are, where they come from, and how agents call them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import Any

from langchain_core.tools import BaseTool

from alarm_agents.errors import ConfigurationError, ScenarioError, ToolError
from alarm_agents.observability import tracing
from alarm_agents.plugins import load_object
from alarm_agents.tools.arguments import check_arguments, schema_of
from alarm_agents.tools.call import ToolResult, call
from alarm_agents.tools.experts import NAMES
from alarm_agents.tools.function import as_tool
from alarm_agents.tools.look import context, zoom
from alarm_agents.tools.mcp_server import PREFIX, server_name, server_tools
from alarm_agents.tools.measure import measure_again
from alarm_agents.tools.similar_cases import similar_cases
from alarm_agents.types import Record

GROUP = "alarm_agents.tools"
"""The entry point group in which installed packages offer tools."""
TIME_LIMIT = 30.0
"""Seconds that a tool may take."""

BUILT_IN: Mapping[str, BaseTool] = {
    tool.name: tool for tool in (zoom, context, similar_cases, *map(measure_again, NAMES))
}


class ToolDescription(Record):
    """What an agent, and a person, is told of a tool; `arguments` is a JSON schema."""

    name: str
    origin: str
    """`built in`, a package, a file and name in it, or a tool server."""
    description: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A tool and where it comes from."""

    tool: BaseTool
    origin: str
    time_limit: float | None = None
    """Seconds that it may take, where that is not what all may."""


class Toolbox:
    """The tools of a scenario by name. It holds nothing of the case at hand: see `alarm_agents.tools.work`."""

    def __init__(self, entries: Iterable[Entry] = (), *, time_limit: float = TIME_LIMIT) -> None:
        """Raises `ConfigurationError` when two tools have one name."""
        self._entries: dict[str, Entry] = {}
        self._time_limit = time_limit
        for entry in entries:
            other = self._entries.setdefault(entry.tool.name, entry)
            if other is not entry:
                raise ConfigurationError(
                    f"two tools are named '{entry.tool.name}': {other.origin} and {entry.origin}",
                    where="tools",
                    remedy="rename or leave out one of them",
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The tools' names, in the order of the scenario (those of servers last)."""
        return tuple(self._entries)

    def including(self, *entries: Entry) -> Toolbox:
        """These tools and more; one of a name that is taken already is left out."""
        more = [entry for entry in entries if entry.tool.name not in self._entries]
        return Toolbox([*self._entries.values(), *more], time_limit=self._time_limit)

    def describe(self) -> list[ToolDescription]:
        """What each tool does and takes."""
        return [
            ToolDescription(
                name=name,
                origin=entry.origin,
                description=entry.tool.description,
                arguments=schema_of(entry.tool),
            )
            for name, entry in self._entries.items()
        ]

    async def run(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Call a tool. Raises `ToolError` when it is not there, refuses its arguments, fails or takes too long."""
        with tracing.span(name, "tool") as span:
            if name not in self._entries:
                raise ToolError(f"there is no tool '{name[:100]}'", where="tools", remedy=_nearest(name, self.names))
            tool = self._entries[name].tool
            check_arguments(tool, arguments)
            result = await call(tool, arguments, self._entries[name].time_limit or self._time_limit)
            span.set_attribute("alarm.result_length", result.length)
            return result

    async def try_run(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """As `run`, for an agent that goes on without: a failure is a result that is not `ok` and says why."""
        try:
            return await self.run(name, arguments)
        except ToolError as error:
            return ToolResult(text=str(error), ok=False)


def available() -> tuple[str, ...]:
    """The names of the tools that need no path: built in, or offered by installed packages."""
    return tuple(dict.fromkeys([*BUILT_IN, *(point.name for point in entry_points(group=GROUP))]))


async def load_tools(names: Sequence[str], base: Path, *, time_limit: float = TIME_LIMIT) -> Toolbox:
    """The tools that a scenario names; paths start at its folder, `base`.

    A name is that of a tool that is built in or offered by an installed package, `my_tools.py:read_plate`,
    `package.module:name`, or `mcp:` with the address or command of a server, whose tools are all taken (and named
    after it too where another tool has the name). Raises `ConfigurationError` for what cannot be found or used, and
    `ToolError` when a server does not answer.
    """
    wanted = list(dict.fromkeys(names))
    packaged = entry_points(group=GROUP)  # once: it reads what every installed package says of itself
    entries = [_entry(name, base, packaged) for name in wanted if not name.startswith(PREFIX)]
    for spec in (name for name in wanted if name.startswith(PREFIX)):
        taken = {entry.tool.name for entry in entries}
        entries += [Entry(_apart(tool, taken, spec), spec) for tool in await server_tools(spec, base)]
    return Toolbox(entries, time_limit=time_limit)


def _entry(name: str, base: Path, packaged: EntryPoints) -> Entry:
    if ":" in name:
        return Entry(as_tool(load_object(name, base, "a tool"), name), name)
    offered = list(packaged.select(name=name))
    origins = [*(["built in"] if name in BUILT_IN else []), *(_package(point) for point in offered)]
    if not origins:
        raise ScenarioError(f"tools: there is no tool '{name}'", where=str(base), remedy=_nearest(name, available()))
    if len(origins) > 1:
        raise ConfigurationError(
            f"two tools are named '{name}': {origins[0]} and {origins[1]}",
            where="tools",
            remedy="uninstall one of the packages, or name its function as package.module:name",
        )
    if not offered:
        return Entry(BUILT_IN[name], origins[0])
    point = offered[0]
    found = as_tool(load_object(f"{point.module}:{point.attr}", base, f"the tool {name}"), origins[0])
    # It is known by the name that its package offers it under, whatever its function is called.
    return Entry(found if found.name == name else found.model_copy(update={"name": name}), origins[0])


def _package(point: EntryPoint) -> str:
    return f"package {point.dist.name} {point.dist.version}" if point.dist else f"package {point.module}"


def _apart(tool: BaseTool, taken: set[str], spec: str) -> BaseTool:
    return tool.model_copy(update={"name": f"{server_name(spec)}_{tool.name}"}) if tool.name in taken else tool


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"there are {', '.join(known)}" if known else "there are none"
