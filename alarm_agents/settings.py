"""The blocks of a scenario, each a strict part of the contract (DESIGN section 5); `Scenario` puts them together."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from alarm_agents.types import RuleKind

EMBEDDED = "embedded"
Point = tuple[float, float]
EARLIEST = 8
"""Stretches before a window of which perceivers can be asked at once."""
EXPERTS = ("motion", "geometry", "appearance", "presence", "captions")
OBSERVED_NAMES = (*EXPERTS, "measures", "facts", "zones", "caption", "clock")
"""What a rule's predicate may speak of; `alarm_agents.agents.predicates.observed` fills them in."""
CONDITION_NAMES = (
    *OBSERVED_NAMES,
    *("label", "p_anomaly", "severity", "decision", "uncertainty", "round", "models", "notes"),
)
"""What a `when` may speak of; `alarm_agents.graphs.state.condition_values` fills them in."""


def _polygon(value: object) -> object:
    """`"x,y,x,y,..."` to points; anything else is left for pydantic to judge."""
    if not isinstance(value, str):
        return value
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError as error:
        raise ValueError("a polygon is written 'x,y,x,y,...' with numbers between 0 and 1") from error
    if len(numbers) < 6 or len(numbers) % 2:
        raise ValueError("a polygon needs at least three x,y pairs")
    if not all(0.0 <= number <= 1.0 for number in numbers):
        raise ValueError("polygon coordinates are fractions of the picture, between 0 and 1")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


Polygon = Annotated[tuple[Point, ...], BeforeValidator(_polygon)]


class Block(BaseModel):
    """Base of all blocks of a scenario."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SourceSettings(Block):
    """How a source is cut into windows; `path` only where the scenario names the source itself."""

    kind: Literal["auto", "video", "folder", "captions"] = "auto"
    path: str | None = None
    fps: float = Field(10.0, gt=0, le=240)
    """Most frames a second taken from a video; the frame rate of folders and captions, which have none."""
    give_up_s: float | None = Field(None, gt=0)
    """Seconds without a picture after which a live source counts as failed; None waits for it for ever."""
    frames: int = Field(16, ge=1, le=1024)
    stride: int | None = Field(None, ge=1, le=1024)
    """Frames from one window's start to the next; as many as `frames` when not given."""
    max_side: int = Field(640, ge=16, le=8192)
    starts: str | None = Field(None, pattern=r"^([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?$")
    """Time of day of a recording's first frame, as `21:58`, for rules that speak of it; live sources know it."""
    zones: dict[str, Polygon] = {}
    masks: tuple[Polygon, ...] = ()

    @model_validator(mode="after")
    def _no_gaps(self) -> SourceSettings:
        if self.stride is not None and self.stride > self.frames:
            raise ValueError("stride may not exceed frames: the frames between two windows would never be seen")
        return self

    @property
    def step(self) -> int:
        """Frames from one window's start to the next."""
        return self.stride or self.frames


class ImageSettings(Block):
    """How many pictures a model is sent a window, how large (longest side, pixels) and in which form.

    `composite` is one picture of three moments, one a colour channel: for models that take a single picture.
    """

    max: int = Field(4, ge=0, le=64)
    max_side: int = Field(512, ge=16, le=4096)
    style: Literal["frames", "composite"] = "frames"


class ModelSettings(Block):
    """One local model by name (DESIGN section 5)."""

    backend: Literal["openai", "transformers", "llamacpp", "langchain", "scripted"]
    model: str = ""
    base_url: str | None = None
    api_key_env: str | None = None
    mmproj: str | None = None
    script: str | None = None
    timeout_s: float = Field(60.0, gt=0)
    max_concurrency: int = Field(4, ge=1)
    retries: int = Field(2, ge=0, le=10)
    temperature: float = Field(0.0, ge=0)
    seed: int | None = 0
    max_tokens: int = Field(512, ge=1)
    images: ImageSettings = ImageSettings()
    logprobs: bool = False
    tool_calls: bool = False
    """Offer the reflector's tools natively; otherwise its JSON answer asks for them, which any model can."""
    extra: dict[str, Any] = {}

    @model_validator(mode="after")
    def _complete(self) -> ModelSettings:
        if self.backend == "scripted" and not self.script:
            raise ValueError("backend scripted needs script: the path of its replies")
        if self.backend != "scripted" and not self.model:
            raise ValueError(f"backend {self.backend} needs model: the model's name or path")
        if self.backend == "openai" and not self.base_url:
            raise ValueError("backend openai needs base_url, for example http://localhost:8000/v1")
        return self


Member = str
PromptName = Literal["perceiver", "inducer", "predicate", "reasoner", "region", "focus", "recheck", "reflector"]
"""The agents, and the further turns that inducers and reasoners may take."""


class AgentSettings(Block):
    """Which model each agent uses; `embedded` means the experts."""

    perceivers: tuple[Member, ...] = Field((EMBEDDED,), min_length=1)
    inducer: Member = EMBEDDED
    reasoners: tuple[Member, ...] = Field((EMBEDDED,), min_length=1)
    reflector: Member = EMBEDDED
    samples: int = Field(1, ge=1, le=32)
    """Answers asked of each reasoner (K)."""
    reasoners_see: bool = False
    """Whether reasoners are shown the window's pictures, too, as ALARM's are (those whose model takes any)."""
    reasoners_alone: bool = False
    """Whether a reasoner reads only what its own model perceived: members that judge apart err apart."""
    reasoners_focus: bool = False
    """Whether reasoners that see name regions first, look at these more closely, and then decide (three calls more)."""
    reasoners_recheck: bool = False
    """Whether a reasoner's answer is a draft, and what speaks against it is put to it once more."""
    hints: bool = True
    """Whether perceivers are told what the experts measured."""

    @model_validator(mode="after")
    def _focus_needs_eyes(self) -> AgentSettings:
        if self.reasoners_focus and not self.reasoners_see:
            raise ValueError("reasoners_focus needs reasoners_see: true")
        return self

    @property
    def members(self) -> tuple[Member, ...]:
        """All members, in the order they are written, without repeats."""
        everyone = (*self.perceivers, self.inducer, *self.reasoners, self.reflector)
        return tuple(dict.fromkeys(everyone))


class GateSettings(Block):
    """Which expert may conclude clearly normal windows, and what share of anomalies that may miss."""

    expert: str = "motion"
    max_missed: float = Field(0.02, gt=0, lt=1)


class EdgeSettings(Block):
    """An edge of the graph; it takes precedence over the default edge of its node, where `when` is true."""

    from_: str = Field(alias="from")
    to: str
    when: str | None = None


class ReflectionSettings(Block):
    """What one second look by a model may use up; after that it counts as one that cannot tell."""

    rounds: int = Field(4, ge=1, le=50)
    """Turns of the model; in the last one it must end."""
    calls: int = Field(6, ge=0, le=100)
    """Calls of tools."""
    tokens: int = Field(40_000, ge=1)
    """Tokens of all turns together, where the server counts them."""
    seconds: float = Field(120.0, gt=0)
    earlier: int = Field(0, ge=0, le=EARLIEST)
    """Stretches right before the window, each as long as it, of which the perceivers tell the reflector at first."""
    weight: float | None = Field(None, gt=0)
    """How many reasoners its voice counts for among theirs; without it, its verdict stands in place of them."""


class GraphSettings(Block):
    """What a scenario changes in the default topology."""

    gate: GateSettings | None = None
    max_reflections: int = Field(1, ge=0, le=10)
    reflection: ReflectionSettings = ReflectionSettings()
    nodes: dict[str, str] = {}
    edges: tuple[EdgeSettings, ...] = ()


class UncertaintySettings(Block):
    """Above `accept_below` a verdict is not accepted but reflected on, then deferred."""

    accept_below: float = Field(0.6, ge=0, le=1)


class LimitSettings(Block):
    """Where normal ends on one measure of an expert, as `motion.speed`, until references teach that expert better."""

    measure: str = Field(pattern=r"^[a-z]+\.[a-z]+$")
    typical: float = Field(gt=0)
    above: float = Field(gt=0)

    @model_validator(mode="after")
    def _apart(self) -> LimitSettings:
        if self.above <= self.typical:
            raise ValueError("above, where normal ends, must be larger than what is typical")
        return self


class RuleSettings(Block):
    """A rule that belongs to the scenario's definition: words, and either a predicate (CEL) or a limit, or neither."""

    kind: RuleKind = RuleKind.ANOMALOUS
    text: str = Field(min_length=3, max_length=300)
    predicate: str | None = None
    limit: LimitSettings | None = None
    severity: int = Field(2, ge=0, le=4)

    @model_validator(mode="after")
    def _checkable_one_way(self) -> RuleSettings:
        if self.predicate is not None and self.limit is not None:
            raise ValueError("a rule has a predicate or a limit, not both")
        if self.kind is RuleKind.QUESTION and (self.predicate or self.limit):
            raise ValueError("a question is asked of perceivers: it has no predicate and no limit")
        return self


class PromiseSettings(Block):
    """What the operator is promised (DESIGN section 7)."""

    false_alarms_per_day: float | None = Field(None, gt=0)
    max_missed: float | None = Field(None, gt=0, lt=1)
    delta: float = Field(0.1, gt=0, lt=1)
    audit_rate: float = Field(0.0, ge=0, le=1)


class WebhookSettings(Block):
    """POST each new incident as JSON to the address in the environment variable `url_env`."""

    kind: Literal["webhook"]
    url_env: str


class CommandSettings(Block):
    """Run a program for each new incident; `{title}`, `{source}`, `{severity}`, `{id}` are filled in.

    So is `{evidence}`: the path of its first key frame, empty where there is none.
    """

    kind: Literal["command"]
    run: tuple[str, ...] = Field(min_length=1)
