"""Guiding questions held against what people have answered to the cases in which perceivers were asked them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from alarm_agents.agents.questions import Weighed, weigh
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.types import Rule
from alarm_agents.workspace import Workspace


def weigh_questions(workspace: Workspace, memory: RuleMemory, questions: Sequence[Rule]) -> list[Weighed]:
    """What the answers to each question are worth by the reviewed cases; nothing is stored."""
    if not questions:
        return []
    reviewed = workspace.cases.find(namespace=memory.namespace, scenario=memory.scenario, answered=True)

    @cache
    def asked(revision: int) -> frozenset[str]:
        return frozenset(question.id for question in memory.questions(revision=revision))

    return [
        weigh(question, [case for case in reviewed if question.id in asked(case.revision)]) for question in questions
    ]
