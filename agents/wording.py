"""A person's rule in words as a predicate, without a model: a small grammar, which says what it has understood.

It knows times of day, the scenario's zones, a few measures ("faster than 3 times the usual speed", "stays longer than
30 seconds") and words that have to be said. A rule with none of these conditions stays a rule in words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass

from alarm_agents.errors import ConfigurationError
from alarm_agents.tools.clauses import atoms, words
from alarm_agents.tools.deduction import stem
from alarm_agents.types import RuleKind

REMEDY = "write --predicate, for example \"caption.contains('bicycle') && clock.hour >= 22.0\""

_TIME = r"(?:\d{1,2}(?::[0-5]\d)?(?:\s*[ap]\.?m\b\.?)?(?:\s*o'?clock)?|noon|midnight)"
_BETWEEN = re.compile(rf"\b(?:between|from|after)\s+({_TIME})\s*(?:and|to|until|till|-)\s*({_TIME})", re.I)
_AFTER = re.compile(rf"\b(?:after|from|since)\s+({_TIME})(?:\s+on(?:wards)?\b)?", re.I)
_BEFORE = re.compile(rf"\b(?:before|until|till)\s+({_TIME})", re.I)
_VAGUE = re.compile(
    r"\b(?:at night|overnight|after dark|(?:in|during) the (?:day|night|morning|afternoon|evening)|daytime"
    r"|weekends?|weekdays?|(?:mon|tues|wednes|thurs|fri|satur|sun)days?)\b",
    re.I,
)
_NUMBER = r"(\d+(?:\.\d+)?)"
_FASTER = re.compile(rf"\bfaster than {_NUMBER} times(?: (?:as fast as usual|(?:the )?usual(?: speed)?))?", re.I)
_STAYS = re.compile(
    r"\b(stays?|stands?|waits?|remains?|left|left behind|left lying)(?: there)?(?: for)? (?:longer|more) than "
    rf"{_NUMBER} (seconds?|s|minutes?|min)\b",
    re.I,
)
_FILLING = frozenset("not never allowed forbidden permitted should must shall may be do does there here ever".split())


@dataclass(frozen=True)
class Understood:
    """What the grammar made of a rule."""

    predicate: str | None
    """A CEL expression; None where the rule sets no condition that could be checked, and is for words alone."""
    said: str
    """The reading, in words for the person who wrote it."""


def understand(text: str, kind: RuleKind, zones: Collection[str] = ()) -> Understood:
    """The predicate of a rule in words, where it names a time of day, one of `zones` or a measure.

    Raises `ConfigurationError` where it sets a condition that this grammar cannot read, never guessing at one.
    """
    if vague := _VAGUE.search(text):
        remedy = 'say from when to when, as "between 22:00 and 6:00"; days of the week are not known'
        raise ConfigurationError(f"'{vague.group()}' has no hours", where=text[:80], remedy=remedy)
    rest, conditions, said = text, [], []
    for read in (_time, _measure):
        found = read(rest)
        if found is not None:
            condition, meant, rest = found
            conditions.append(condition)
            said.append(meant)
    measured = any("clock" not in condition for condition in conditions)
    rest, zone = _zone(rest, zones)
    if not conditions and zone is None:
        return Understood(None, "a rule in words: reasoners on models and the captions expert go by it, nothing else")
    if kind is RuleKind.NORMAL:
        why = "a rule of normality with a condition would excuse all else that happens then, too"
        raise ConfigurationError(why, where=text[:80], remedy="say what is anomalous at all other times")
    if measured:
        conditions += [f"{json.dumps(zone)} in zones"] if zone else []
        said += [f"something is in the zone '{zone}'"] if zone else []
        return Understood(" && ".join(reversed(conditions)), " and ".join(reversed(said)))
    alternatives = _alternatives(rest)
    if not alternatives:
        raise ConfigurationError("it is not clear what may not be then", where=text[:80], remedy=REMEDY)
    spoken = " or ".join(f"'{' '.join(each)}'" for each in alternatives)
    where = f" of something in the zone '{zone}'" if zone else ""
    # What is said comes first: where nothing of it is, the time need not be known.
    predicate = " && ".join([f"({' || '.join(_says(each, zone) for each in alternatives)})", *conditions])
    return Understood(predicate, " and ".join([f"a caption or a model's fact says {spoken}{where}", *said]))


def _time(text: str) -> tuple[str, str, str] | None:
    """The condition on the time of day, what it means, and the text without it."""
    for pattern in (_BETWEEN, _AFTER, _BEFORE):
        if match := pattern.search(text):
            hours = [_hour(each) for each in match.groups()]
            start, end = hours if len(hours) == 2 else (hours[0], 24.0) if pattern is _AFTER else (0.0, hours[0])
            joined = "&&" if start <= end else "||"
            condition = f"(clock.hour >= {start!r} {joined} clock.hour < {end!r})"
            meant = f"it is between {_told(start)} and {_told(end)}"
            return condition, meant, text[: match.start()] + text[match.end() :]
    return None


def _hour(text: str) -> float:
    """Hours since midnight; raises `ConfigurationError` for one that no clock shows."""
    plain = text.lower().replace(".", "")
    if plain in ("noon", "midnight"):
        return 12.0 if plain == "noon" else 0.0
    digits = re.match(r"(\d{1,2})(?::(\d\d))?", plain)
    assert digits is not None
    hour, minutes = int(digits[1]), int(digits[2] or 0)
    half = re.search(r"[ap]m", plain)
    if (half and not 1 <= hour <= 12) or hour * 60 + minutes > 24 * 60:
        raise ConfigurationError(f"'{text}' is no time of day", remedy='write it as "22:00" or "10 pm"')
    hour = hour % 12 + (12 if half.group() == "pm" else 0) if half else hour
    return round(hour + minutes / 60, 4)


def _told(hour: float) -> str:
    return f"{int(hour)}:{round(hour % 1 * 60):02}"


def _measure(text: str) -> tuple[str, str, str] | None:
    """The condition on a measure, what it means, and the text without it."""
    if match := _FASTER.search(text):
        times = float(match[1])
        meant = f"something moves at more than {times:g} times its usual speed"
        return f"motion.ratio > {times!r}", meant, text[: match.start()] + text[match.end() :]
    if match := _STAYS.search(text):
        seconds = float(match[2]) * (60.0 if match[3].lower().startswith("m") else 1.0)
        measure, what = ("left", "something small") if match[1].lower().startswith("left") else ("stays", "something")
        meant = f"{what} stays for more than {seconds:g} seconds"
        return f"presence.{measure} > {seconds!r}", meant, text[: match.start()] + text[match.end() :]
    return None


def _zone(text: str, zones: Collection[str]) -> tuple[str, str | None]:
    """The text without its zone, and the zone."""
    for zone in sorted(zones, key=len, reverse=True):
        match = re.search(rf"\b(?:in|on|at|inside|within)\s+(?:the\s+)?{re.escape(zone)}\b", text, re.I)
        if match:
            return text[: match.start()] + text[match.end() :], zone
    return text, None


def _alternatives(text: str) -> list[list[str]]:
    """The words of each alternative that say what."""
    said = [[word for word in words(clause.text) if word not in _FILLING] for clause in atoms(text)]
    return [each for each in said if each]


def _says(said: list[str], zone: str | None) -> str:
    """CEL: all these words are said in the caption, or in one fact; in one of the zone where there is a zone."""
    patterns = [json.dumps(rf"(?i)\b{_root(word)}") for word in said]
    # A fact of the captions expert quotes the rules that it was held against, and would say whatever these say.
    inside = f"{json.dumps(zone)} in f.zones" if zone else "f.attribute != 'says'"
    fact = f"facts.exists(f, {' && '.join([inside, *(f'f.text.matches({pattern})' for pattern in patterns)])})"
    caption = " && ".join(f"caption.matches({pattern})" for pattern in patterns)
    return fact if zone else f"({caption}) || {fact}"


def _root(word: str) -> str:
    """The beginning that a word's forms share: "rid" of "rides" and "riding"; short words are whole."""
    root = stem(word).rstrip("eiy")
    return re.escape(root) if len(root) >= 3 else rf"{re.escape(word)}\b"
