"""The records of the system (DESIGN section 2): immutable, small, free of pixels.

They travel through graph state, checkpoints, the database and JSON output, so they hold references to
data and never the data itself. Times are seconds from the start of the stream (Unix seconds for live
sources); regions are `(x0, y0, x1, y1)` in fractions of the picture's width and height, in [0, 1].
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from alarm_agents.assessment import Acceptance as Acceptance
from alarm_agents.assessment import Precedent as Precedent
from alarm_agents.assessment import SimilarCase as SimilarCase
from alarm_agents.assessment import Uncertainty as Uncertainty
from alarm_agents.enums import CaseStatus as CaseStatus
from alarm_agents.enums import Decision as Decision
from alarm_agents.enums import Label as Label
from alarm_agents.enums import Parse as Parse
from alarm_agents.enums import RuleKind as RuleKind
from alarm_agents.enums import RuleStatus as RuleStatus
from alarm_agents.record import Probability as Probability
from alarm_agents.record import Record as Record

Box = tuple[Probability, Probability, Probability, Probability]
Severity = Annotated[int, Field(ge=0, le=4)]
SEVERITIES = (
    "harmless: nobody has to do anything",
    "odd: worth a look when there is time",
    "unusual: somebody should look today",
    "serious: somebody may be hurt or something damaged, look now",
    "danger to life: act at once",
)
"""The criterion of each severity, in words."""


class Window(Record):
    """A short stretch of one stream: frames `first` to `last` (both included, in the source's own count)."""

    id: str
    source: str
    start: float
    end: float
    first: int
    last: int
    fps: float
    times: tuple[float, ...] = ()
    """One time stamp a frame, in seconds; the window's frames are `times`' length."""
    frames: tuple[int, ...] = ()
    """The source's frame number behind each time stamp (frames are skipped when fps is reduced)."""
    hour: float | None = Field(None, ge=0.0, lt=24.0)
    """Local time of day at its start, in hours since midnight; None where the source does not tell."""
    category: str = ""
    """What kind of source it is of, in a word of whoever watches; results are told by it, too."""


class RuleRef(Record):
    """A rule as cited by a verdict: which one, and in which version."""

    id: str
    version: int


class Fact(Record):
    """One observed thing, in words (`text`) and in parts."""

    subject: str
    attribute: str
    value: float | str | bool
    unit: str = ""
    text: str
    confidence: Probability | None = None
    region: Box | None = None
    track: str | None = None
    zones: tuple[str, ...] = ()
    time: float | None = None
    perceiver: str = ""
    measure: str = ""
    """The expert's measure that the fact tells of, as `motion.ratio`; empty for what models see."""
    rules: tuple[RuleRef, ...] = ()
    """The rules in words that what was seen is nearest to, where an expert held it against them."""


class Measurement(Record):
    """What one expert measured in a window, after smoothing.

    `frames` holds, for each measure, one value a frame; `values` its maximum over the window.
    """

    expert: str
    score: str
    """The name of the measure that the expert stands by as its anomaly score (absolute, higher is odder), if any."""
    frames: dict[str, tuple[float, ...]]
    facts: tuple[Fact, ...] = ()

    @property
    def values(self) -> dict[str, float]:
        """Each measure's maximum over the window (0.0 for a window without frames)."""
        return {name: max(series, default=0.0) for name, series in self.frames.items()}


class Perception(Record):
    """What one perceiver returns for a window. `screen_text` is untrusted text seen in the picture."""

    member: str
    model: str
    facts: tuple[Fact, ...] = ()
    caption: str = ""
    scores: dict[str, float] = Field(default_factory=dict)
    screen_text: tuple[str, ...] = ()
    parse: Parse
    note: str = ""


class Threshold(Record):
    """The graded form of a predicate that compares one measure with a limit.

    `typical` is what normal references measure usually (their median) and `limit` what they hardly ever
    exceed; both give a measure its probability, see `alarm_agents.uncertainty.graded`. `spread` and `blocks` give
    it its p-value, see `alarm_agents.uncertainty.calibration`.
    """

    measure: str
    limit: float
    typical: float
    spread: float = 0.0
    """Of normal windows: standard deviation of the logarithm."""
    blocks: tuple[float, ...] = ()
    """The largest value of each block of the references, ascending."""
    weight: float = 1.0
    """The share that this measure has in the false alarms allowed."""
    verified: bool = False
    """Whether the references themselves bear the limit out, or it is the estimate of a tail."""

    @property
    def rests(self) -> bool:
        """Whether it measured its least in most of the references, as a clock that seldom runs: it tells few apart."""
        return len(self.blocks) > 2 and self.blocks[len(self.blocks) // 2] == self.blocks[0]


class Provenance(Record):
    """Where a rule comes from: the references behind it, who proposed it and how it was tested."""

    origin: Literal["references", "warm-up", "scenario", "person", "review"]
    author: str
    """The model's name, `embedded`, or the person."""
    references: tuple[str, ...] = ()
    reference_count: int = 0
    prompt: str = ""
    """Version and hash of the prompt that asked for the rule; empty where no model took part."""
    votes: int = 1
    batches: int = 1
    held_out: int = 0
    fired: int = 0
    """On how many of the `held_out` normal references the rule fired when it was tested; what is usual should."""
    auroc: Probability | None = None
    """How well a question's answers told reviewed cases apart; None until there were enough of them."""
    note: str = ""


class Rule(Record):
    """One immutable version of one statement of what is normal or anomalous in a scenario."""

    id: str
    version: int = 1
    kind: RuleKind
    text: str
    predicate: str | None = None
    threshold: Threshold | None = None
    severity: Severity = 2
    status: RuleStatus = RuleStatus.ACTIVE
    source: str = ""
    """The only source that the rule is for (a warm-up teaches one source alone); empty for all of the scenario's."""
    provenance: Provenance
    created: float = 0.0

    @property
    def ref(self) -> RuleRef:
        """The name and version that a verdict cites."""
        return RuleRef(id=self.id, version=self.version)

    @property
    def usual(self) -> bool:
        """Whether it is what references usually say, found by the inducer without a model, in their own words."""
        origin = self.provenance
        by_words = self.kind is RuleKind.NORMAL and self.predicate is None
        return by_words and origin.origin == "references" and origin.author == "embedded"

    @property
    def taken_back(self) -> bool:
        """Whether references usually say it and a person does not want it to count as normal all the same."""
        return self.usual and self.status is RuleStatus.DISABLED


class Draft(Record):
    """What a reasoner answered first, and what spoke against it."""

    label: Label
    p_anomaly: Probability | None
    rationale: str = ""
    objections: tuple[str, ...]


class Verdict(Record):
    """One member's judgement of a window. Without a usable answer `p_anomaly` is None, never a guess."""

    member: str
    model: str
    label: Label
    p_anomaly: Probability | None = None
    p_from: Literal["log-probabilities", "distilled", "sampled", "stated"] | None = None
    """Where a model's p is from: the log-probabilities of its label, a classifier of texts that was distilled from the
    members' own verdicts, its label alone, or the number that it wrote."""
    p_stated: Probability | None = None
    """The number that it wrote, where p is from that: p itself is what answers of people have shown it to be worth."""
    p_value: Probability | None = None
    """How likely a normal window is to be as odd, by the references; None where there are none."""
    budget_verified: bool = False
    """Whether the references bear the p-value out; beyond them it is the estimate of a tail."""
    frames: tuple[Probability, ...] = ()
    """p of each frame, where the member can tell frames apart; else empty."""
    beyond: tuple[str, ...] = ()
    """The measures found beyond their limits, as `motion.ratio`, the oddest first."""
    severity: Severity = 0
    rationale: str = ""
    rules: tuple[RuleRef, ...] = ()
    unknown_rules: tuple[str, ...] = ()
    """Rules that the member cited although they were not given to it."""
    looked: tuple[Fact, ...] = ()
    """What the member found in regions that it looked at more closely before it judged."""
    draft: Draft | None = None
    """What it answered first, where something spoke against that and it was asked once more."""
    parse: Parse
    round: int = 0
    """0 for the reasoner's verdict, n for the one after the n-th reflection."""
    weight: float = Field(1.0, gt=0)
    """How many voices it counts for where p is the mean of several verdicts."""


class TraceAnomaly(Record):
    """Something wrong with how a case was worked on, seen in its own trace."""

    kind: str
    agent: str
    text: str
    span: str = ""
    severe: bool = False


class Resolution(Record):
    """A person's answer to a case: one that was handed over, or any other that is stored."""

    answer: Literal["normal", "anomalous", "unsure"]
    note: str = ""
    by: str = ""
    at: float = 0.0


class Case(Record):
    """A window with all that was seen, thought and decided about it."""

    id: str
    namespace: str = "main"
    scenario: str
    source: str
    window: Window
    status: CaseStatus
    label: Label
    score: Probability | None
    """The final p of an anomaly, precedents counted in; None where no member gave a usable answer."""
    frame_scores: tuple[Probability, ...] = ()
    p_value: Probability | None = None
    """The smallest of the verdicts', see `Verdict.p_value`."""
    budget_verified: bool = False
    lift: float = Field(1.0, ge=1.0)
    """What the induced limits were multiplied by, for the budget of alarms or by a new usual."""
    severity: Severity = 0
    title: str = ""
    explanation: str = ""
    decision: Decision
    uncertainty: Uncertainty
    deferred: bool = False
    """Whether the case was handed to a person (it stays true after the person's answer)."""
    measurements: tuple[Measurement, ...] = ()
    perceptions: tuple[Perception, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    rules: tuple[RuleRef, ...] = ()
    similar: tuple[SimilarCase, ...] = ()
    precedent: Precedent | None = None
    """What resolved cases say of it; None where there are too few of them, or no member gave a p."""
    models: tuple[str, ...] = ()
    """Names of the models that took part; empty when no model did."""
    prompts: dict[str, str] = Field(default_factory=dict)
    """Version and hash of the prompts that models were asked with, by agent."""
    anomalies: tuple[TraceAnomaly, ...] = ()
    notes: dict[str, Any] = Field(default_factory=dict)
    """What a scenario's own nodes left, by node name."""
    resolution: Resolution | None = None
    revision: int = 0
    """The rule revision that the window was judged by."""
    drift: int = 0
    """How often its source had drifted before it, see `alarm_agents.uncertainty.drift`."""
    trace_id: str = ""
    incident: str | None = None

    @property
    def answered(self) -> bool:
        """Whether a person has said what it is."""
        return self.resolution is not None and self.resolution.answer != "unsure"

    @property
    def blind(self) -> bool:
        """Whether the camera saw nothing that could be judged."""
        return any(verdict.parse is Parse.BLIND for verdict in self.verdicts)

    @property
    def zones(self) -> frozenset[str]:
        """The zones that anything was seen in."""
        return frozenset(zone for seen in self.perceptions for fact in seen.facts for zone in fact.zones)

    @property
    def notable(self) -> tuple[Fact, ...]:
        """The facts that the verdicts rest on: those of measures found beyond their limits, the oddest first."""
        beyond = list(dict.fromkeys(measure for verdict in self.verdicts for measure in verdict.beyond))
        facts = (*(f for p in self.perceptions for f in p.facts), *(f for m in self.measurements for f in m.facts))
        found = dict.fromkeys(fact for fact in facts if fact.measure in beyond)
        return tuple(sorted(found, key=lambda fact: beyond.index(fact.measure)))

    @property
    def quiet(self) -> bool:
        """Whether nothing happened and nobody doubted it: normal at first sight, accepted, nothing odd in the trace.

        Of quiet cases less is kept (`alarm_agents.workspace.packing`, `KEEP_QUIET` of the span store).
        """
        accepted = self.label is Label.NORMAL and self.decision is Decision.ACCEPT and self.status is CaseStatus.DONE
        touched = self.deferred or self.anomalies or self.notes or self.resolution or self.incident
        first_sight = all(verdict.round == 0 and verdict.parse.usable for verdict in self.verdicts)
        return accepted and not touched and first_sight and all(p.parse.usable for p in self.perceptions)


class Drifted(Record):
    """A source whose cases are no longer like those before them: what is promised of them has to be learned again."""

    source: str
    case: str
    """The case by which it was told."""
    start: float
    """Its start, in seconds."""
    number: int
    """How often the source has drifted so far."""
    odds: float
    """The evidence: what a gambler who holds that nothing has changed would have lost, times the stake."""
    text: str


class Incident(Record):
    """Consecutive anomalous cases of one source, or those in which its camera was blind: told about once."""

    id: str
    namespace: str = "main"
    scenario: str
    source: str
    start: float
    end: float
    severity: Severity
    title: str
    score: Probability | None
    """The largest of its cases'; None when no member could judge any of them."""
    lift: float = Field(1.0, ge=1)
    """The largest of its cases': by how much limits had been lifted."""
    cases: tuple[str, ...]
    status: Literal["open", "closed", "dismissed"] = "open"
    kind: Literal["anomaly", "camera"] = "anomaly"
    """`camera` where the camera itself was blind: frozen, dark, covered, blurred or lost."""
    evidence: tuple[str, ...] = ()
    """Key frames (JPEG; the first shows how it began) and, once closed, a clip (MP4): paths in the workspace folder."""
