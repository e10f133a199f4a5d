"""The scenario contract (DESIGN section 5): what is watched and how, as a strict YAML file.

Unknown keys, wrong types and missing files are refused with one sentence that names the file, the key
path and the nearest valid key.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from alarm_agents import expressions
from alarm_agents.errors import ExpressionError, ScenarioError
from alarm_agents.prompt import read_prompt
from alarm_agents.settings import (
    CONDITION_NAMES,
    EMBEDDED,
    OBSERVED_NAMES,
    AgentSettings,
    Block,
    CommandSettings,
    GraphSettings,
    ModelSettings,
    PromiseSettings,
    PromptName,
    RuleSettings,
    SourceSettings,
    UncertaintySettings,
    WebhookSettings,
)
from alarm_agents.yamlfile import explain, read_yaml


class Scenario(Block):
    """A whole scenario. `folder` is where its relative paths start; it is not part of the file."""

    version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    normal: str = ""
    source: SourceSettings = SourceSettings()
    models: dict[str, ModelSettings] = Field({})
    agents: AgentSettings = AgentSettings()
    prompts: dict[PromptName, str] = Field({})
    """Prompt files of the scenario's own, in place of those in `agents/prompts/`."""
    tools: tuple[str, ...] = ("zoom", "context", "motion", "similar_cases")
    rules: tuple[RuleSettings, ...] = ()
    """Rules that hold from the start, before anything is learned."""
    graph: GraphSettings = GraphSettings()
    uncertainty: UncertaintySettings = UncertaintySettings()
    promise: PromiseSettings = PromiseSettings()
    when_models_fail: Literal["detector-only", "hold", "alert"] = "detector-only"
    notify: tuple[Annotated[WebhookSettings | CommandSettings, Field(discriminator="kind")], ...] = ()
    folder: Path = Field(Path(), exclude=True)
    built_by: Path | None = Field(None, exclude=True)
    """The Python file that builds the graph, where one does; like `folder` not part of the file."""

    @model_validator(mode="before")
    @classmethod
    def _agents_in_short(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("agents") == EMBEDDED:
            return {**value, "agents": {}}
        return value

    @model_validator(mode="after")
    def _names_resolve(self) -> Scenario:
        for member in self.agents.members:
            if member != EMBEDDED and member not in self.models:
                known = ", ".join([EMBEDDED, *self.models])
                raise ValueError(f"agents name the model '{member}', which models does not define (known: {known})")
        for name in self.agents.reasoners if self.agents.samples > 1 else ():
            model = self.models.get(name)
            if model and model.temperature == 0 and model.backend not in ("scripted", "langchain"):
                alike = f"the {self.agents.samples} answers of '{name}' would be one and pass for certainty"
                raise ValueError(f"agents.samples: at temperature 0 {alike}; set models.{name}.temperature: 0.7")
        said = {f"graph.edges.{i}.when": edge.when for i, edge in enumerate(self.graph.edges)}
        said |= {f"rules.{i}.predicate": rule.predicate for i, rule in enumerate(self.rules)}
        for key, expression in said.items():
            if expression is not None:
                try:
                    expressions.check(expression, CONDITION_NAMES if key.startswith("graph") else OBSERVED_NAMES)
                except ExpressionError as error:
                    raise ValueError(f"{key}: {error}") from error
        return self

    @model_validator(mode="after")
    def _second_looks_have_models(self) -> Scenario:
        looks, agents = self.graph.reflection, self.agents
        if agents.reflector == EMBEDDED and (looks.earlier or looks.weight is not None):
            raise ValueError("graph.reflection: earlier and weight need agents.reflector to be a model")
        if looks.earlier and set(agents.perceivers) == {EMBEDDED}:
            raise ValueError("graph.reflection.earlier needs a model among agents.perceivers, to be asked")
        return self

    @property
    def uses_models(self) -> bool:
        """Whether any agent is backed by a model."""
        return any(member != EMBEDDED for member in self.agents.members)

    @property
    def alerts_unknown(self) -> bool:
        """Whether people are told of a window that nobody could judge."""
        return self.when_models_fail != "detector-only"

    @property
    def share_allowed(self) -> float | None:
        """The share of normal windows that may alarm for the promised `false_alarms_per_day`; None without one."""
        promised = self.promise.false_alarms_per_day
        windows = 86_400 * self.source.fps / self.source.step
        return None if promised is None else min(0.5, promised / windows)

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Key path and relative path of every file that the scenario names."""
        nodes = [(f"graph.nodes.{name}", target) for name, target in self.graph.nodes.items()]
        tools = [(f"tools.{place}", tool) for place, tool in enumerate(self.tools)]
        named = [(key, spec.partition(".py:")[0] + ".py") for key, spec in (*nodes, *tools) if ".py:" in spec]
        for name, model in self.models.items():
            weights = model.model if model.backend == "llamacpp" else None
            paths = {"script": model.script, "mmproj": model.mmproj, "model": weights}
            named += [(f"models.{name}.{key}", path) for key, path in paths.items() if path]
        named += [(f"prompts.{role}", path) for role, path in self.prompts.items()]
        return tuple(named)

    @property
    def digest(self) -> str:
        """Hash of everything the scenario says, and of the code and prompts that it names; part of every case id."""
        digest = hashlib.sha256(json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True).encode())
        code = [self.folder / path for key, path in self.files if path.endswith(".py") or key.startswith("prompts.")]
        for path in [*code, *([self.built_by] if self.built_by else [])]:
            digest.update(path.read_bytes())
        return digest.hexdigest()


def library() -> dict[str, Path]:
    """The ready scenarios by name (`graphs/library/*.yaml`)."""
    root = Path(str(files("alarm_agents.graphs") / "library"))
    return {path.stem: path for path in sorted(root.glob("*.yaml"))}


def parse_scenario(data: object, *, where: str, folder: Path) -> Scenario:
    """A scenario from what YAML gave; raises `ScenarioError` naming `where` and the key."""
    if not isinstance(data, dict):
        raise ScenarioError("a scenario is a mapping with at least a name", where=where)
    if told := {"folder", "built_by"}.intersection(data):
        raise ScenarioError(f"{min(told)}: unknown key; where a scenario lies is not said in it", where=where)
    try:
        scenario = Scenario.model_validate({**data, "folder": folder})
    except ValidationError as error:
        raise ScenarioError(explain(error, Scenario), where=where) from error
    _check_files(scenario, where)
    return scenario


def load_scenario(name_or_path: str | Path) -> Scenario:
    """The scenario of that name in the library, or in that YAML file; raises `ScenarioError`."""
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml") and not path.is_file():
        ready = library()
        if str(name_or_path) not in ready:
            remedy = f"use {', '.join(ready)}, or the path of a YAML file"
            raise ScenarioError(f"there is no scenario '{name_or_path}'", where="graphs/library", remedy=remedy)
        path = ready[str(name_or_path)]
    return parse_scenario(read_yaml(path), where=str(path), folder=path.resolve().parent)


def _check_files(scenario: Scenario, where: str) -> None:
    """Raise `ScenarioError` for the first file that the scenario names and that is not there, or no prompt."""
    for key, path in scenario.files:
        if not (scenario.folder / path).is_file():
            remedy = f"paths start at {scenario.folder}"
            raise ScenarioError(f"{key}: there is no file {path}", where=where, remedy=remedy)
    for role, path in scenario.prompts.items():
        read_prompt(scenario.folder / path, role, where=f"{where}: prompts.{role}: {path}")
