"""What a tool takes, as a JSON schema, and whether what an agent gives fits; the agent is told which part does not."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

import jsonschema
from langchain_core.tools import BaseTool
from pydantic import BaseModel, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from alarm_agents.errors import ToolError

_NOTHING_REMOTE: Registry[Any] = Registry()
"""Without it, a schema that a tool server sends could make us fetch addresses of its choice."""


def schema_of(tool: BaseTool) -> dict[str, Any]:
    """The JSON schema of the arguments that agents give (what LangChain injects is left out)."""
    schema = tool.tool_call_schema
    if isinstance(schema, dict):
        return dict(schema)
    return schema.model_json_schema() if issubclass(schema, BaseModel) else schema.schema()


def check_arguments(tool: BaseTool, arguments: Mapping[str, Any]) -> None:
    """Raise `ToolError` that names the first argument which is unknown, missing or of the wrong kind."""
    schema = tool.tool_call_schema
    if isinstance(schema, dict):
        _check_json(tool.name, schema, arguments)
        _check_names(tool, arguments)
        return
    _check_names(tool, arguments)
    if issubclass(schema, BaseModel):
        try:
            schema.model_validate(dict(arguments))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise _refused(tool.name, problem["loc"], problem["msg"].removeprefix("Value error, ")) from error


def _check_names(tool: BaseTool, arguments: Mapping[str, Any]) -> None:
    schema = schema_of(tool)
    known = list(schema.get("properties", {}))
    unknown = [name for name in arguments if name not in known]
    if not unknown or schema.get("additionalProperties") or schema.get("patternProperties"):
        return
    near = difflib.get_close_matches(unknown[0], known, n=1)
    takes = f"it takes {', '.join(known)}" if known else "it takes none"
    raise ToolError(
        f"there is no argument '{unknown[0][:100]}'",
        where=f"tool {tool.name}",
        remedy=f"did you mean '{near[0]}'?" if near else takes,
    )


def _check_json(name: str, schema: dict[str, Any], arguments: Mapping[str, Any]) -> None:
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema, registry=_NOTHING_REMOTE)
        problem = jsonschema.exceptions.best_match(validator.iter_errors(dict(arguments)))
    except (jsonschema.SchemaError, Unresolvable, re.error, RecursionError) as error:
        raise ToolError(
            "its server describes its arguments in a way that cannot be read", where=f"tool {name}"
        ) from error
    if problem is not None:
        raise _refused(name, tuple(problem.absolute_path), problem.message)


def _refused(name: str, location: tuple[Any, ...], message: str) -> ToolError:
    path = ".".join(str(part) for part in location)
    return ToolError(f"argument {path}: {message[:200]}" if path else message[:200], where=f"tool {name}")
