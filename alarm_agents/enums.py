"""The values that records take where there is a fixed choice (DESIGN section 2)."""

from __future__ import annotations

from enum import StrEnum


class Label(StrEnum):
    """What a case is held to be. `UNKNOWN` is said when nobody gave a usable answer; it is never "normal"."""

    NORMAL = "normal"
    ANOMALOUS = "anomalous"
    UNKNOWN = "unknown"


class Decision(StrEnum):
    """What the uncertainty monitor decides to do with a verdict."""

    ACCEPT = "accept"
    REFLECT = "reflect"
    DEFER = "defer"


class Parse(StrEnum):
    """How an agent's answer was obtained. The last five are not answers: they raise uncertainty."""

    EMBEDDED = "embedded"
    """By experts, without a model."""
    RECORDED = "recorded"
    """Read from a recording of an earlier perception."""
    PARSED = "parsed"
    """The model's text followed the schema."""
    REPAIRED = "repaired"
    """It did after one repair turn."""
    UNPARSED = "unparsed"
    """It did not, even after one repair turn."""
    REFUSED = "refused"
    """The model declined to answer."""
    FAILED = "failed"
    """The model did not answer at all: down, timed out, out of retries."""
    EXHAUSTED = "exhausted"
    """It looked on and on, until what it may use up was used up."""
    BLIND = "blind"
    """Nobody was asked: the camera sees nothing that could be judged."""

    @property
    def usable(self) -> bool:
        """Whether there is an answer to go by."""
        return self not in (Parse.UNPARSED, Parse.REFUSED, Parse.FAILED, Parse.EXHAUSTED, Parse.BLIND)


class CaseStatus(StrEnum):
    """Where a case stands: waiting for a model, or for a person, answered but not yet concluded, or done."""

    HELD = "held"
    PENDING = "pending"
    RESOLVED = "resolved"
    DONE = "done"


class RuleKind(StrEnum):
    """What a rule describes."""

    NORMAL = "normal"
    ANOMALOUS = "anomalous"
    QUESTION = "question"
    """It describes nothing and judges nothing: perceivers are asked it, and their answers are facts."""


class RuleStatus(StrEnum):
    """Only active rules judge; proposed ones wait for a person, rejected ones stay on record with the reason."""

    PROPOSED = "proposed"
    ACTIVE = "active"
    DISABLED = "disabled"
    REJECTED = "rejected"
