"""Expressions: what is refused when it is written, and that what passes can be decided."""

from __future__ import annotations

import pytest

from alarm_agents import expressions
from alarm_agents.errors import ExpressionError

VALUES = {"motion": {"speed": 2.0}, "zones": ["road"], "facts": [{"value": 3.0, "text": "object 1 moves"}]}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("motion.speed > 1.0", True),
        ("'road' in zones && size(zones) < 2", True),
        ("facts.exists(f, f.value > 5.0)", False),
        ("facts.all(f, f.text.startsWith('object'))", True),
        ("has(motion.ratio) ? motion.ratio > 1.0 : motion.speed > 9.0", False),
    ],
)
def test_what_is_known_passes_and_is_decided(expression: str, value: bool) -> None:
    expressions.check(expression, VALUES)
    assert expressions.holds(expression, VALUES) is value


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("motion.speed >", "not a valid expression"),
        ("", "not a valid expression"),
        ("weather > 1", "uses weather, which is not known here"),
        ("f.value > 1.0 || facts.exists(g, g.value > 1.0)", "uses f,"),
        ("sizee(zones) > 1", "calls sizee, which CEL does not have"),
        ("__import__('os')", "calls __import__"),
    ],
)
def test_what_could_never_be_decided_is_refused(expression: str, said: str) -> None:
    with pytest.raises(ExpressionError, match="--predicate") as refused:
        expressions.check(expression, VALUES, where="--predicate")
    assert said in str(refused.value)


@pytest.mark.parametrize("expression", ["motion.ratio > 1.0", "motion.speed", "facts[3].value > 1.0"])
def test_what_cannot_be_decided_here_is_never_taken_for_false(expression: str) -> None:
    with pytest.raises(ExpressionError):
        expressions.holds(expression, VALUES)
