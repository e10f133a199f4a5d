"""Expressions in scenarios (`when`) and in rules (predicates): CEL, by the `cel` library, never `eval`.

CEL (Common Expression Language) has no loops, no side effects and no access to Python, so that a rule
written by a person or a model can be run as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import cel

from alarm_agents.errors import ExpressionError

FUNCTIONS = frozenset(
    "size contains startsWith endsWith matches type dyn int uint double string bytes timestamp duration "
    "getFullYear getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear getHours getMinutes getSeconds "
    "getMilliseconds".split()
)
_BINDING = re.compile(r"\.\s*(?:all|exists|exists_one|filter|map)\(\s*([A-Za-z_]\w*)\s*,")
"""CEL's macros, which name a variable of their own: `facts.exists(f, f.value > 2.0)`."""


@lru_cache(maxsize=4096)
def _compiled(expression: str) -> cel.Program:
    try:
        return cel.compile(expression)
    except ValueError as error:
        reason = str(error).split("ERROR:")[-1].strip().splitlines()[0]
        raise ExpressionError(
            f"'{expression}' is not a valid expression ({reason})",
            remedy="write a CEL expression such as motion.ratio > 2.0 && 'road' in zones",
        ) from error


def check(expression: str, known: Iterable[str] = (), *, where: str = "") -> None:
    """Raise `ExpressionError` unless `expression` compiles and uses only CEL's functions and top-level names `known`.

    With none `known`, any may be used.
    """
    try:
        program = _compiled(expression)
    except ExpressionError as error:
        raise ExpressionError(error.message, where=where, remedy=error.remedy) from error
    undefined = sorted(name for name in program.functions() if name.isidentifier() and name not in FUNCTIONS)
    if undefined:
        raise ExpressionError(
            f"'{expression}' calls {', '.join(undefined)}, which CEL does not have",
            where=where,
            remedy="use size, contains, startsWith, endsWith, matches, exists, all, ...",
        )
    allowed = set(known)
    unknown = sorted(names(expression) - allowed) if allowed else []
    if unknown:
        raise ExpressionError(
            f"'{expression}' uses {', '.join(unknown)}, which is not known here",
            where=where,
            remedy=f"use one of {', '.join(sorted(allowed))}",
        )


def names(expression: str) -> set[str]:
    """The names that a valid expression speaks of: what it depends on."""
    return set(_compiled(expression).variables()) - set(_BINDING.findall(expression))


def holds(expression: str, values: Mapping[str, Any]) -> bool:
    """Whether `expression` is true of `values`.

    Raises `ExpressionError` when a name or key is missing or the result is not true or false: what cannot
    be decided is said, never taken for false.
    """
    program = _compiled(expression)
    # Every value that it is given is turned into one of CEL's, and most expressions speak of one of a dozen.
    given = {name: values[name] for name in program.variables() if name in values}
    try:
        result = program.execute(given)
    except (ValueError, RuntimeError, TypeError, LookupError, ArithmeticError) as error:
        raise ExpressionError(f"'{expression}' cannot be decided here ({error})") from error
    if not isinstance(result, bool):
        raise ExpressionError(f"'{expression}' gives {result!r}, not true or false")
    return result
