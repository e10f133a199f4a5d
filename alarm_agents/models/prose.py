"""Reading `key: value` prose, which small models write where JSON was asked for. A pure function.

Nothing is guessed: every key of the schema that stands at the beginning of a line counts, one that stands there twice
is a choice that nobody made, and values that are not text are read as JSON or not at all.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import AliasChoices, BaseModel

from alarm_agents.models.jsontext import Unusable, read_value


def read_prose(text: str, schema: type[BaseModel]) -> dict[str, Any] | None:
    """The values under the schema's keys; None where a required one is not there. Raises `Unusable` for a key twice.

    A text runs to the next key of the schema. Marks of Markdown around a key are looked over.
    """
    names = {spelling: name for name, field in schema.model_fields.items() for spelling in _spellings(name, field)}
    pattern = re.compile(rf"^[ \t#*_>-]{{0,6}}({'|'.join(map(re.escape, names))})[*_]{{0,3}}:", re.MULTILINE)
    marks = list(pattern.finditer(text))
    if not marks:
        return None
    found: dict[str, Any] = {}
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        name = names[mark[1]]
        if name in (names[key] for key in found):
            raise Unusable("a key stands twice in the prose")
        value = text[mark.end() : after.start() if after else len(text)].strip(" \t\r\n*")
        found[mark[1]] = value if schema.model_fields[name].annotation is str else _plain(value)
    known = {names[key] for key in found}
    wanted = {name for name, field in schema.model_fields.items() if field.is_required()}
    return found if found and wanted <= known else None


def _spellings(name: str, field: Any) -> list[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return [alias if isinstance(alias, str) else name]


def _plain(value: str) -> Any:
    """The value as JSON, else as it stands: a word may be what the schema asks for, too."""
    try:
        return read_value(value)
    except ValueError:
        return value
