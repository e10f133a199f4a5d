"""How likely each label was, from the log-probabilities of the tokens that spelled the one given. Pure functions.

Servers differ in what they give: values before the grammar or after it (forbidden tokens at -9999), tokens that are
not part of the text, labels split into several tokens, tokens with or without their bytes. What cannot be told from
what they give is None, never a guess.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from alarm_agents.models.jsontext import Unusable, without_thinking

FIELD = "label"
"""The field of a schema whose words are weighed."""
HIDDEN = 0.1
"""Share of all labels' probability that may lie on tokens which the server did not list; beyond it nothing is told."""

_VALUE = re.compile(rb'(?<!\\)"label"\s*:\s*"')
_STARTED = re.compile(rb'(?<!\\)"label"\s*:?\s*$')


@dataclass(frozen=True)
class _Token:
    """One token: its bytes and probability, and what else the server lists at its place, as it gave it."""

    text: bytes
    p: float
    others: Any

    @property
    def listed(self) -> Mapping[bytes, float]:
        """The probability of everything listed, itself included; what is no token is left out: it tells of no word."""
        alternatives = [_pair(other) for other in self.others] if isinstance(self.others, list) else []
        found: dict[bytes, float] = {}
        for text, p in filter(None, alternatives):
            found[text] = max(p, found.get(text, 0.0))
        return {self.text: self.p, **found}


def words_of(schema: type[BaseModel]) -> tuple[str, ...]:
    """The words that the schema's `label` may be; empty where it has no such field or it takes any text."""
    field = schema.model_fields.get(FIELD)
    choice = field.annotation if field is not None else None
    return tuple(map(str, get_args(choice))) if get_origin(choice) is Literal else ()


def label_odds(tokens: Sequence[Any] | None, text: str, words: Sequence[str]) -> dict[str, float] | None:
    """The probability of each of `words` as the label in `text`, summing to 1; None where the tokens don't tell.

    `tokens` are log-probabilities in OpenAI's shape: `{"token", "bytes", "logprob", "top_logprobs": [...]}`. At each
    token that spells the label, the listed alternatives that lead to one word alone are summed up, times the
    probability of the tokens before; then all is divided by the total of all words, as values from before the grammar
    include what the grammar forbids.
    """
    if not words:
        return None
    read = [_read(token) for token in tokens or ()]
    spelled = [token for token in read if token is not None]
    if not spelled or len(spelled) < len(read):
        return None
    joined = b"".join(token.text for token in spelled)
    value = _find(joined, text)
    if value is None:
        return None
    mass = dict.fromkeys(words, 0.0)
    possible, hidden, reached, start = set(words), 0.0, 1.0, 0
    for token in spelled:
        end = start + len(token.text)
        if end >= value.end():  # from the opening quote on
            before = joined[value.start() : start]
            listed = token.listed
            hidden += reached * _weigh(listed, before, possible, mass, reached)
            reached *= listed[token.text]
            possible = _leads_to(before + token.text, words)
            if len(possible) < 2:
                break
        start = end
    total = sum(mass.values())
    if total <= 0.0 or hidden > HIDDEN * total:
        return None
    return {word: found / total for word, found in mass.items()}


def _weigh(
    listed: Mapping[bytes, float], before: bytes, possible: set[str], mass: dict[str, float], reached: float
) -> float:
    """Add to `mass` what is listed at a token; returns the probability that may lie on words with nothing listed."""
    silent = set(possible)
    for alternative, p in listed.items():
        leads = _leads_to(before + alternative, possible)
        silent -= leads
        if len(leads) == 1:
            mass[next(iter(leads))] += reached * p
    if silent and len(listed) == 1:
        return math.inf  # no alternatives were asked for
    # A token that is not listed is no likelier than the least likely listed one.
    return min(max(0.0, 1.0 - sum(listed.values())), min(listed.values()) * len(silent))


def _leads_to(path: bytes, words: Collection[str]) -> set[str]:
    """The words that the text may still become, from the label's key on; empty where it becomes none of them."""
    opened = _VALUE.search(path)
    if opened is None:
        return set(words) if _STARTED.search(path) else set()
    said = path[opened.end() :]
    quoted = {word: f'{word}"'.encode() for word in words}
    return {word for word, full in quoted.items() if full.startswith(said) or said.startswith(full)}


def _find(joined: bytes, text: str) -> re.Match[bytes] | None:
    """The key and opening quote of the only label; None where there is none or a choice.

    Tokens may come before the text or after it that are not in it, so the text is searched for, from the end.
    """
    try:
        answer = without_thinking(text).strip().encode("utf-8", "surrogatepass")
    except Unusable:
        return None
    start = joined.rfind(answer)
    span = (start, start + len(answer)) if start >= 0 else (0, len(joined))
    found = list(_VALUE.finditer(joined, *span))
    return found[0] if len(found) == 1 else None


def _read(token: Any) -> _Token | None:
    """The token if it is one, else None."""
    own = _pair(token)
    return None if own is None else _Token(*own, token.get("top_logprobs"))


def _pair(token: Any) -> tuple[bytes, float] | None:
    """Bytes and probability of `{"token", "bytes", "logprob"}`."""
    if not isinstance(token, dict):
        return None
    text, raw, value = token.get("token"), token.get("bytes"), token.get("logprob")
    if isinstance(raw, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in raw):
        spelled = bytes(raw)
    elif isinstance(text, str):
        spelled = text.encode("utf-8", "surrogatepass")
    else:
        return None
    if not isinstance(value, int | float):
        return None
    try:
        return None if math.isnan(value) else (spelled, math.exp(min(0.0, value)))
    except OverflowError:  # an integer beyond all floats
        return None
