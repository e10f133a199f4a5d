"""The records that say how sure a verdict is (part of `alarm_agents.types`)."""

from __future__ import annotations

from pydantic import Field

from alarm_agents.enums import Decision, Label
from alarm_agents.record import Probability, Record


class Uncertainty(Record):
    """The signals (each in [0, 1], None where there is nothing to measure), their combination, the decision."""

    comprehension: Probability | None = None
    analysis: Probability | None = None
    reflection: Probability | None = None
    memory: Probability | None = None
    ambiguity: Probability | None = None
    critic: Probability | None = None
    dispersion: Probability | None = None
    mutual_information: Probability | None = None
    vote_entropy: Probability | None = None
    weights: dict[str, float] = Field(default_factory=dict)
    fit: int = 0
    """The number of the fit that the weights are from; 0 for those that hold until labels suffice."""
    score: Probability
    decision: Decision
    reason: str = ""
    drawn: Probability | None = None
    """With which probability an accepted case was to be drawn for audit, where it was; None elsewhere."""
    withheld: bool = False
    """Whether a person is asked before anybody is told of an incident, to keep the false alarms promised."""


class Acceptance(Record):
    """The uncertainty under which verdicts of each class are accepted; None where no promise says so."""

    normal: float | None = None
    anomalous: float | None = None
    fit: int = 0
    """The fit of weights that uncertainty is by."""
    drift: int = 0
    """How often the source has drifted so far."""
    narrowed: bool = False
    """Whether it has drifted, and labels since then do not yet bear out what is accepted."""


class SimilarCase(Record):
    """A resolved case that resembles the one at hand."""

    case: str
    label: Label
    similarity: float
    text: str = ""


class Precedent(Record):
    """What similar resolved cases say of a case, see `alarm_agents.memory.remembered`."""

    p: Probability
    """p_M: the members' p and the neighbours' labels together; the members' p itself where memory is silent."""
    members: Probability
    """The mean p of the members alone."""
    trust: Probability
    """The share of p_M that is the members' p; 1 where memory is silent."""
    neighbours: int
    """Resolved cases that it goes by; 0 where none is like this one, and memory is silent."""
    anomalous: int
    """How many of these people answered "anomalous"."""
    cases: int
    """Resolved cases that are remembered in all."""

    @property
    def text(self) -> str:
        """What they say, in words."""
        if not self.neighbours:
            return f"none of {self.cases} resolved cases is like this one"
        was = f"of {self.neighbours} similar resolved cases {self.anomalous} were anomalous"
        return f"{was}: p is {self.p:.2f} instead of {self.members:.2f}"

    def of(self, members: float) -> float:
        """p_M, had the members' p been this."""
        return min(1.0, max(0.0, self.p + self.trust * (members - self.members)))
