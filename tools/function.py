"""A typed function with a docstring as a tool, thinly over LangChain's `StructuredTool`.

    from alarm_agents.tools import tool

    @tool
    def read_plate(region: str) -> str:
        '''Read the number plate in the region.'''

A function that is not async runs in a thread of its own. One that returns `tuple[..., Artifact]` gives facts and
pictures beside its text; anything but a string becomes JSON.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_type_hints

import numpy as np
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import ConfigDict, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import to_json

from alarm_agents.errors import ConfigurationError
from alarm_agents.sources.picture import Picture
from alarm_agents.types import Fact

MAX_FACTS, MAX_PICTURES = 256, 64
TAKEN = frozenset({"config", "callbacks", "run_manager"})
"""Names of arguments that LangChain passes itself; a tool's own would be lost."""


@dataclass(frozen=True)
class Artifact:
    """What a tool gives beside its text. It stays in memory: never in state, spans or the database."""

    facts: tuple[Fact, ...] = ()
    pictures: tuple[Picture, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for values, kind, most in ((self.facts, Fact, MAX_FACTS), (self.pictures, Picture, MAX_PICTURES)):
            if len(values) > most:
                raise ValueError(f"an artifact holds at most {most} {kind.__name__}s, not {len(values):,}")
            if not isinstance(values, tuple) or not all(isinstance(value, kind) for value in values):
                raise TypeError(f"an artifact holds a tuple of {kind.__name__}s")


def tool(function: Callable[..., Any]) -> StructuredTool:
    """Make a tool of a typed function with a docstring; agents are told its name, docstring and arguments.

    Raises `ConfigurationError` for a function that does not say what it does or takes.
    """
    name, where = getattr(function, "__name__", "?"), _where(function)
    description = inspect.getdoc(function)
    if not description:
        raise ConfigurationError(
            f"the tool {name} has no docstring, which is all that an agent knows of it", where=where, remedy="add one"
        )
    try:
        hints = get_type_hints(function, include_extras=True)
        arguments = create_model(
            name,
            __config__=ConfigDict(extra="forbid", protected_namespaces=()),
            **_fields(function, hints, where),
        )
    except (NameError, TypeError, PydanticUserError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(
            f"the arguments of the tool {name} cannot be described to an agent ({reason})",
            where=where,
            remedy="annotate them with plain types: str, int, float, bool, list, dict",
        ) from error
    paired = Artifact in get_args(hints.get("return"))
    finish = _pair if paired else as_text

    def now(**values: Any) -> Any:
        return finish(function(**values))

    async def later(**values: Any) -> Any:
        try:
            return finish(await function(**values))
        except SystemExit as error:  # in a task it would take the event loop, and everything else, with it
            raise RuntimeError(f"it tried to exit ({error})") from error

    awaited = inspect.iscoroutinefunction(function)
    return StructuredTool(
        name=name,
        description=description,
        args_schema=arguments,
        func=None if awaited else now,
        coroutine=later if awaited else None,
        response_format="content_and_artifact" if paired else "content",
    )


def as_tool(found: object, where: str) -> BaseTool:
    """The tool that a user's object is: a LangChain tool, or a function that becomes one."""
    if isinstance(found, BaseTool):
        return found
    if inspect.isfunction(found):
        return tool(found)
    raise ConfigurationError(
        f"a {type(found).__name__} is no tool",
        where=where,
        remedy="name a typed function with a docstring, or a LangChain tool",
    )


def as_text(value: object) -> str:
    """A tool's result as text: strings as they are, else JSON; raises `TypeError` for what is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"a tool gives text or what JSON can say, and this gave {type(value).__name__}")
    return to_json(value, fallback=_plain, inf_nan_mode="strings").decode()


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a tool gives text or what JSON can say, and this gave {type(value).__name__}")


def _pair(result: object) -> tuple[str, Artifact]:
    if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], Artifact):
        raise TypeError("its return annotation promises a pair of text and Artifact, and it gave something else")
    return as_text(result[0]), result[1]


def _fields(function: Callable[..., Any], hints: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The function's arguments as fields for `create_model`."""
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigurationError(f"'{parameter}' is an argument without a name of its own", where=where)
        if name not in hints:
            raise ConfigurationError(f"the argument {name} has no type", where=where, remedy=f"write {name}: str")
        if name in TAKEN:
            raise ConfigurationError(f"the argument {name} has a name that LangChain keeps for itself", where=where)
        fields[name] = (hints[name], ... if parameter.default is parameter.empty else parameter.default)
    return fields


def _where(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)
