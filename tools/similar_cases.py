"""What came of cases like the one at hand, from the memory of resolved ones."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from alarm_agents.tools.function import tool
from alarm_agents.tools.work import current


@tool
def similar_cases(
    text: Annotated[str, Field(min_length=1, max_length=2000, description="What is seen, in words.")],
    k: Annotated[int, Field(ge=1, le=20, description="How many cases at most.")] = 5,
) -> str:
    """Find resolved cases that resemble a description, and how each was resolved: normal or anomalous."""
    found = current().similar(text, k)[:k]
    lines = [f"{case.case}: {case.label.value}, similarity {case.similarity:.2f}, {case.text}" for case in found]
    return "\n".join(lines) or "no resolved case resembles this"
