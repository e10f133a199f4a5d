"""A person's rule in words as a predicate, by the inducer's model: proposed to that person, never taken at its word."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import BaseModel, Field

from alarm_agents import expressions
from alarm_agents.agents.inducer import Inducer
from alarm_agents.agents.predicates import check_predicate
from alarm_agents.agents.quantiles import PHRASES
from alarm_agents.agents.wording import Understood
from alarm_agents.errors import ExpressionError
from alarm_agents.models import delimit


class Read(BaseModel):
    """What a model makes of a rule. An empty predicate: it sets no condition that can be checked."""

    predicate: str = Field(max_length=400)
    meaning: str = Field("", max_length=300)


async def read_rule(inducer: Inducer, text: str, zones: Collection[str]) -> Understood:
    """The predicate that the inducer's model proposes for a rule; None with the reason where it proposes none.

    Only what compiles in the safe language, speaks of what exists and depends on what is observed is proposed.
    """
    measures = "\n".join(f"  {name}: {phrase.format('x')}" for name, phrase in PHRASES.items())
    asked = {"measures": measures, "zones": ", ".join(sorted(zones)) or "(none)", "rule": delimit(text, "rule")}
    with inducer.working():
        answer = await inducer.ask(Read, turn="predicate", **asked)
    if answer.value is None:
        return Understood(None, f"{inducer.member} gave no usable answer ({answer.note})")
    predicate = answer.value.predicate.strip()
    if not predicate:
        return Understood(None, f"{inducer.member} finds no condition in it that could be checked")
    try:
        check_predicate(predicate, where=inducer.member)
    except ExpressionError as error:
        return Understood(None, f"what {inducer.member} proposed cannot be used: {error.message}")
    if not expressions.names(predicate):
        return Understood(None, f"what {inducer.member} proposed does not depend on what is seen: {predicate}")
    return Understood(predicate, answer.value.meaning or predicate)
