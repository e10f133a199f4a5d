# ruff: noqa: E501 (a pattern is read better in one line)
"""Whether text that somebody else wrote reads like an instruction to the system that judges it. Pure functions.

A sign, a caption or a log line has no business telling a model how to answer. Patterns of ours, English foremost; what
they miss is still delimited, and still has the experts against it (`speaks_of_judging`).
`benchmarks/instructions.py` prints how often ordinary captions are taken for instructions.
"""

from __future__ import annotations

import re
import unicodedata

_BY = r"(?:^|[.;:!?,\n\"'(\[*>-]\s*|\b(?:please|must|should|shall|to|and|then|now|you|always|just|only|simply|instead)\s+)"
"""What comes before an order: the start of a clause, or a word that makes one."""
_TOLD = (
    r"(?:answer|reply|respond|output|return|say|report|classify|label|mark|judge|conclude|treat|write|set|rate|cite"
    r"|consider|confirm|call|score|describe|print)"
)
_OURS = (
    r"(?:normal\b|anomal|p[_ ]anomaly|probability|severity|verdict|\blabel\b|json|cannot tell|rule ids?\b|\brules?\b"
    r"|harmless|nothing unusual|benign)"
)
_THINGS = (
    r"(?:rules?|thresholds?|prompts?|polic(?:y|ies)|limits?|scenario|alarms?|alerts?|settings?|config\w*|memory)\b"
)
_PATTERNS = [
    r"\b(?:ignore|disregard|forget|override|overrule|bypass|stop following|(?:do not|don't|never) (?:follow|apply|obey|use))"
    r"\b.{0,60}\b(?:rules?|instructions?|prompts?|previous|above|prior|everything|all that|system|polic\w+|guidelines?"
    r"|orders|pictures?|facts|text)\b",
    r"\b(?:ignorier\w*|ignorez|ignora|ignore[sz]?|missachte\w*|olvid\w+|oublie\w*)\b.{0,60}"
    r"\b(?:regel\w*|anweisung\w*|reglas?|instruc\w+|règles?|consignes?|vorher\w*|anterior\w*|précédent\w*)",
    r"(?:忽略|无视|忘记).{0,20}(?:规则|指令|提示|指示)|игнорируй\w*.{0,40}(?:правил|инструкц)",
    _BY + _TOLD + r"\b.{0,60}?" + _OURS,
    r"p[_ ]anomaly|[\"'](?:label|outcome|severity|rationale|rules|caption|facts|screen_text|calls)[\"']\s*:",
    _BY
    + r"(?:add|delete|remove|disable|change|raise|lower|approve|update|rewrite|edit|erase|drop|store|turn off|switch off)"
    r"\b.{0,40}\b" + _THINGS,
    r"\b(?:do not|don't|never|no need to)\s+(?:report|alert|raise|flag|notify|alarm|tell|defer|ask)\b",
    _BY
    + r"(?:call|use|run|invoke|execute|open|read)\b.{0,30}(?:\btools?\b|\bcommand\b|\bshell\b|\bfunction\b|\bread file\b"
    r"|/etc/|\.\./|file:)",
    r"\byou are (?:now|a|an|no longer)\b|\bas an ai\b|\b(?:ai|language) (?:model|assistant)\b|\b(?:dear|note to|attention)"
    r"\s*,?\s*(?:the\s+)?(?:ai|model|assistant|monitor|reasoner|reflector|perceiver|system|llm)\b",
    r"(?:^|\n|[.!?>\]]\s)\s*(?:system|assistant|developer|user|operator)\s*:|<\|?/?(?:system|im start|im end|assistant|inst"
    r"|untrusted|s)\b|\[/?inst\]|#{2,}\s*(?:instruction|system)",
    r"\b(?:new|updated|real|hidden|secret) (?:rules?|instructions?|system prompt|polic(?:y|ies))\b",
]
_INSTRUCTION = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.DOTALL)
_JUDGING = re.compile(
    r"\b(?:normal|abnormal|anomal\w*|ignore|rules?|instruct\w*|verdict|severity|model|assistant|prompt|answer|alarms?"
    r"|alert|authori[sz]ed|approved|harmless|permitted|drill|test|training|exercise|safe)\b"
)
_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Mn")
"""Unicode's categories of characters that are not seen, or only on top of others."""
_CONTROLS = {code: None for code in range(128) if chr(code) != "\n" and unicodedata.category(chr(code)) in _UNSEEN}
WITHHELD = "(withheld: it reads like an instruction)"


def reads_like_instruction(text: str) -> bool:
    """Whether the text tells whoever reads it how to answer, to drop rules, to change or call something."""
    return bool(_INSTRUCTION.search(_plain(text)))


def speaks_of_judging(text: str) -> bool:
    """Whether it has words of what a monitor does: no ground for suspicion alone, but together with another."""
    return bool(_JUDGING.search(_plain(text)))


def _plain(text: str) -> str:
    """Lower case without the disguises of spaced, hyphenated, full-width or invisible characters."""
    text = unicodedata.normalize("NFKC", text)
    if text.isascii():  # nearly all of it is, and the words of each window are read
        text = text.translate(_CONTROLS)
    else:
        text = "".join(c for c in text if c == "\n" or unicodedata.category(c) not in _UNSEEN)
    text = re.sub(r"(?<=\w)[-_·]+(?=\w)", " ", text.casefold())
    text = re.sub(r"\b(?:\w ){3,}\w\b", lambda match: match[0].replace(" ", ""), text)
    return re.sub(r"[^\S\n]+", " ", text)
