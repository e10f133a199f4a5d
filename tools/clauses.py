"""Captions and rules taken apart: who does what, one clause at a time, in words that compare.

Twelve walkers and a cyclist in one sentence look like twelve walkers, whatever whole sentences are compared by. So a
caption becomes its clauses, "the third person is also walking with a bag" becomes "walking with bag", and a rule such
as "People ride bicycles, scooters or skateboards" its alternatives. Only grammar is known here: what is odd is said by
rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["person", "thing"]

_PERSON = (
    "person|persons|people|man|men|woman|women|boy|boys|girl|girls|child|children|kid|kids|lady|ladies|guy|guys"
    "|gentleman|gentlemen|individual|individuals|pedestrian|pedestrians|somebody|someone|nobody|adult|adults"
)
_ORDINAL = (
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth"
    r"|sixteenth|last|final|next|remaining|\d+(?:st|nd|rd|th)"
)
_NUMBER = (
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\d+|several|many|numerous|multiple|some|few|couple"
    "|both|all|each|every|no"
)
_ARTICLE = "a|an|the|this|that|these|those|another|other|others|his|her|their|its"
_VERB = r"(?:is|are|was|were|appears?|seems?|also|might|may|could|can|has|have|looks?|[a-z]+ing)\b"

_SENTENCE = re.compile(r"[.!?;\n]+")
_BETWEEN = re.compile(r",\s*|\s+(?:and|or|while|but|as well as|who|which)\s+")
_SCENE = re.compile(r"^(?:other than|apart from|aside from|besides|in addition to)\b[^,]*,?\s*")
_THERE = re.compile(r"^(?:(?:and|but|while|with|where|then|on [a-z ]+,)\s+)*there(?: (?:is|are|was|were)|'s)\s+")
_ANYBODY = re.compile(
    rf"^(?:(?:{_ARTICLE}|{_ORDINAL}|{_NUMBER}|and|with|of|them|in|on|left|right|young|old|older|elderly)\s+)*?"
    rf"(?:(?:{_PERSON})\b|(?:he|she|they|others)\b)"
)
_ANOTHER = re.compile(
    rf"^(?:(?:the|and)\s+)*(?:{_ORDINAL}|another|one|other|others|some|both|each)(?:\s+(?:one|of them))?(?=\s+{_VERB})"
)
_SOMEBODY = re.compile(rf"\b(?:{_PERSON})\b")
_EMPTY = re.compile(
    r"\b(?:is|are|was|were|be|been|being|appears?|appearing|seems?|seeming|seemingly|apparently|possibly|perhaps|maybe"
    r"|likely|probably|also|currently|just|still|might|may|could|can|to be|visible|in (?:the|this) (?:image|scene"
    r"|picture|frame|photo)|so on|from left to right|starting from the left|and|but|while"
    rf"|{_ARTICLE}|{_ORDINAL}|{_NUMBER})\b"
)
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_USUAL = "usual here: "
_MINOR = frozenset(
    "in on at of to the a with and or near by from into up down towards toward for away next it them as".split()
)
"""Words that say where and how; two clauses that share only these have nothing in common."""


@dataclass(frozen=True)
class Clause:
    """One thing that a text says: of a person what they do, else what is there."""

    kind: Kind
    text: str

    @property
    def said(self) -> str:
        """The clause in words for people: "person riding bicycle", "trees"."""
        return f"person {self.text}" if self.kind == "person" else self.text


@lru_cache(maxsize=65_536)
def canonical(text: str) -> str:
    """The words of a clause without articles, numbers, auxiliaries and hedges, in lower case.

    Applied again it changes nothing.
    """
    before = None
    text = " ".join(_WORD.findall(text.lower()))
    while text != before:  # what is taken out may bring together what is to be taken out
        before, text = text, " ".join(_EMPTY.sub(" ", text).split())
    return text


def words(text: str) -> list[str]:
    """The words of a canonical text that say what; all of them where it has none of those."""
    every = text.split()
    return [word for word in every if word not in _MINOR] or every


def clauses(caption: str) -> list[Clause]:
    """What a caption says, each thing once, in its order. What follows "other than people, there are" is things."""
    found: list[Clause] = []
    for sentence in _SENTENCE.split(caption.lower()):
        found += _of_sentence(sentence.strip())
    return list(dict.fromkeys(clause for clause in found if clause.text))


def atoms(rule: str) -> list[Clause]:
    """The alternatives of a rule: what commas, "and" and "or" separate, of persons where the rule is of persons.

    "People ride bicycles or run" gives "ride bicycles" and "run"; what has no person for a subject is of things.
    """
    found: list[Clause] = []
    for sentence in _SENTENCE.split(rule.lower()):
        stated = sentence.strip().removeprefix(_USUAL)
        subject = _ANYBODY.match(stated)
        rest = stated[subject.end() :] if subject else _THERE.sub("", stated)
        kind: Kind = "person" if subject else "thing"
        found += [Clause(kind, canonical(part)) for part in _BETWEEN.split(rest)]
    return list(dict.fromkeys(clause for clause in found if clause.text))


def as_usual(clause: Clause) -> str:
    """The rule that says of a clause that it is usual; `atoms` gives the clause back, unless its words trick it."""
    return _USUAL.capitalize() + ("a " if clause.kind == "person" else "") + clause.said


def _of_sentence(sentence: str) -> list[Clause]:
    rest = _SCENE.sub("", sentence)
    listed = rest != sentence or (_THERE.match(rest) is not None and not _SOMEBODY.search(rest))
    found: list[Clause] = []
    acts = False
    for part in _BETWEEN.split(rest):
        named, text = _part(part)
        acts = acts or named
        found.append(Clause("person" if acts and not listed else "thing", text))
    return found


@lru_cache(maxsize=65_536)
def _part(part: str) -> tuple[bool, str]:
    """Whether a part of a sentence names somebody, and what it says, of them or else of whoever was named before."""
    bare = _THERE.sub("", part.strip())
    subject = _ANYBODY.match(bare) or _ANOTHER.match(bare)
    return subject is not None, canonical(bare[subject.end() :] if subject else bare)
