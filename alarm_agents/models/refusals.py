"""Telling a refusal from an answer that merely is not in the asked form.

A refusal is never "normal" and never repaired; both it and an unparsed answer raise uncertainty, so a refusal in a
language not listed here costs one repair turn and nothing else.
"""

from __future__ import annotations

import re

_MAX_LENGTH = 600
"""Refusals are short; a long text that says "sorry" somewhere is an answer of the wrong form."""

_VERBS = (
    r"(?:assist|help|comply|provide|fulfil+|engage|identify|describe|discuss|answer|process|analy[sz]e|continue|"
    r"generate|create|support|participate|complete|view|see images|do (?:that|this|so)|with (?:that|this))"
)
_CANNOT = r"(?:can'?t|cannot|can not|unable|won'?t|will not|not able|don'?t)"
_I = r"(?:I|I'm|I am|we|we're|we are)"
_PATTERNS = (
    # English: an apology that leads to inability; inability to do what assistants refuse to do; the stock opening.
    rf"\b(?:sorry|apologi[sz]e|apologies|regret|unfortunately)\b.{{0,60}}?\b{_I} {_CANNOT}\b",
    rf"\b{_I} {_CANNOT} (?:to )?(?:\w+ly )?{_VERBS}\b(?! any)",
    rf"\bas an? (?:AI|artificial|(?:large )?language model|assistant)\b.{{0,80}}?\b{_CANNOT}\b",
    r"\b(?:against|violates?) (?:my|our|the) (?:\w+ ){0,2}(?:guidelines|polic(?:y|ies)|programming)\b",
    # German, French, Spanish, Italian, Portuguese, Dutch
    r"\b(?:es tut mir leid|tut mir leid|entschuldigung|leider)\b.{0,60}?\b(?:nicht|kein\w*)\b",
    r"\b(?:désolée?|je regrette)\b.{0,60}?\b(?:ne peux|ne suis pas|impossible)\b",
    r"\b(?:lo siento|lamento|disculp\w+)\b.{0,60}?\bno (?:puedo|me es posible|estoy)\b",
    r"\b(?:mi dispiace|spiacente)\b.{0,60}?\bnon (?:posso|sono)\b",
    r"\b(?:desculpe|sinto muito|lamento)\b.{0,60}?\bnão (?:posso|consigo|sou)\b",
    r"\b(?:het spijt me|sorry)\b.{0,60}?\b(?:kan|mag)\b.{0,30}?\bniet\b",
    # Russian, Chinese, Japanese, Korean
    r"(?:извините|простите|к сожалению).{0,60}?не (?:могу|в состоянии)",
    r"(?:抱歉|对不起|對不起|很遗憾).{0,40}?(?:无法|無法|不能|不便)",
    r"(?:申し訳|すみません|恐れ入り).{0,60}?(?:できません|できない|お答え|いたしかね)",
    r"(?:죄송|미안).{0,60}?(?:없습니다|없어요|어렵습니다)",
)
_REFUSAL = re.compile("|".join(_PATTERNS), re.IGNORECASE | re.DOTALL)
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'"})


def is_refusal(text: str) -> bool:
    """Whether short prose declines to answer; to be asked only about text without JSON."""
    text = text.strip()
    return len(text) <= _MAX_LENGTH and _REFUSAL.search(text.translate(_APOSTROPHES)) is not None
