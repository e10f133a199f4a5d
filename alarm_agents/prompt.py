"""Prompts: the line `version: N`, a line `---`, the instructions, a line `---`, and what changes from window to window.

What an agent fills in is written `$name`. The part that stays the same comes first, so that model servers can reuse it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template

from alarm_agents.errors import ScenarioError

PROMPT_NAMES: Mapping[str, tuple[str, ...]] = {
    "perceiver": ("normal", "zones", "questions", "pictures", "hints"),
    "inducer": ("normal", "asked", "seen"),
    "predicate": ("measures", "zones", "rule"),
    "reasoner": ("normal", "rules", "similar", "window", "seen", "pictures"),
    "region": ("normal", "rules", "seen", "pictures"),
    "focus": ("normal", "rules", "seen", "why", "region", "pictures"),
    "recheck": ("objections",),
    "reflector": (
        *("normal", "rules", "tools", "similar", "window", "seen"),
        *("verdicts", "earlier", "region", "measured", "pictures", "allowance"),
    ),
}
"""What the prompt of each agent, and of a reasoner's further turns, may speak of; `alarm_agents.agents` fills it in."""

_VERSION = re.compile(r"version: (\d{1,6})\s*\n---\n")
_LAYOUT = "write the instructions, a line '---', and what changes from window to window"


class Prompt:
    """One agent's prompt. The version is 1 where the text does not say; the hash is of all of it."""

    def __init__(self, text: str) -> None:
        text = text.replace("\r\n", "\n")
        self.hash = hashlib.sha256(text.encode()).hexdigest()[:16]
        said = _VERSION.match(text)
        self.version = int(said[1]) if said else 1
        instructions, _, question = text[said.end() if said else 0 :].partition("\n---\n")
        self.instructions, self.question = Template(instructions), Template(question)

    @property
    def label(self) -> str:
        """Version and hash, as spans, rules and cases name the prompt: `2-0f3c5a7791be4d28`."""
        return f"{self.version}-{self.hash}"


def read_prompt(path: Path, role: str, *, where: str) -> Prompt:
    """The prompt file of a role; raises `ScenarioError` at `where` for one that cannot be read, or not be filled in."""
    try:
        prompt = Prompt(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError("the prompt cannot be read as UTF-8 text", where=where, remedy="check the file") from error
    if not prompt.question.template.strip():
        raise ScenarioError("the prompt does not say what changes from window to window", where=where, remedy=_LAYOUT)
    for template in (prompt.instructions, prompt.question):
        if not template.is_valid():
            raise ScenarioError("there is a $ before what is no name", where=where, remedy="write $$ for a dollar sign")
        for name in template.get_identifiers():
            if name not in PROMPT_NAMES[role]:
                known = ", ".join(f"${known}" for known in PROMPT_NAMES[role])
                raise ScenarioError(f"there is no ${name} for the {role}", where=where, remedy=f"use {known}")
    return prompt
