"""Reading YAML files strictly, and saying in one sentence what is wrong with one."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from alarm_agents.errors import ScenarioError


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML in which a key may not stand twice (the second would silently win)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key} is written twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> object:
    """The file's content; raises `ScenarioError` when it is missing, unreadable or not YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "cannot be read"
        raise ScenarioError(f"the file {reason}", where=str(path), remedy="check the path") from error
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        reason = getattr(error, "problem", None) or "it cannot be parsed"
        raise ScenarioError(f"not valid YAML: {reason}", where=place) from error


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """One sentence for the first thing that pydantic found wrong, with the nearest valid key for a wrong one."""
    problems = error.errors()
    problem = problems[0]
    if problem["type"] == "missing":  # perhaps because it is misspelt: then its spelling is what to mend
        beside = [p for p in problems if p["type"] == "extra_forbidden" and p["loc"][:-1] == problem["loc"][:-1]]
        problem = (beside or [problem])[0]
    location = [part for part in problem["loc"] if not str(part).startswith("function-")]
    path = ".".join(str(part) for part in location)
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if problem["type"] == "extra_forbidden":
        valid = _keys_at(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), valid, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"valid keys are {', '.join(valid)}"
        return f"{path}: unknown key; {hint}{more}"
    if problem["type"] == "missing":
        return f"{path}: this key is required{more}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{path}: {message}{more}" if path else f"{message}{more}"


def _keys_at(model: type[BaseModel], location: Sequence[object]) -> list[str]:
    """The keys that are valid at `location` inside `model`."""
    current: list[Any] = [model]
    for part in location:
        current = [inner for kind in current for inner in _step(kind, part)]
    keys: dict[str, None] = {}
    for kind in current:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys |= {field.alias or name: None for name, field in kind.model_fields.items() if not field.exclude}
    return list(keys)


def _step(kind: Any, part: object) -> list[Any]:
    """The types found one key or index deeper than `kind`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {field.alias or name: field for name, field in kind.model_fields.items()}
        return _unwrap(fields[str(part)].annotation) if str(part) in fields else [kind]
    return [kind]


def _unwrap(annotation: Any) -> list[Any]:
    """The model types inside unions, annotations, lists and mappings."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _unwrap(arguments[0])
    if origin in (typing.Union, types.UnionType, tuple, list):
        return [inner for argument in arguments for inner in _unwrap(argument)]
    if origin is dict:
        return _unwrap(arguments[1])
    return [annotation]
