"""The scenario contract: what is refused, in which words, and what is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alarm_agents.errors import ConfigurationError, ScenarioError
from alarm_agents.graphs.load import build_monitor
from alarm_agents.memory.preset import adopt
from alarm_agents.memory.rules import RuleMemory
from alarm_agents.scenario import library, load_scenario, parse_scenario
from alarm_agents.types import RuleStatus
from alarm_agents.workspace.database import open_database


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        ({"sorce": {}}, "sorce: unknown key; did you mean 'source'?"),
        ({"source": {"strde": 3}}, "source.strde: unknown key; did you mean 'stride'?"),
        (
            {"models": {"eye": {"backend": "openai", "modl": "x"}}},
            "models.eye.modl: unknown key; did you mean 'model'?",
        ),
        ({"graph": {"edges": [{"from": "reason", "too": "x"}]}}, "graph.edges.0.too: unknown key; did you mean 'to'?"),
        ({"notify": [{"kind": "webhook", "url_envv": "A"}]}, "url_envv: unknown key; did you mean 'url_env'?"),
        ({"source": {"frames": "many"}}, "source.frames: "),
        ({"source": {"stride": 32}}, "stride may not exceed frames"),
        ({"source": {"masks": ["0,0,2,0,1,1"]}}, "between 0 and 1"),
        ({"agents": {"perceivers": ["nobody"]}}, "nobody"),
        ({"graph": {"reflection": {"earlier": 1}}}, "need agents.reflector to be a model"),
        ({"graph": {"reflection": {"weight": 2}}}, "need agents.reflector to be a model"),
        (
            {
                "models": {"lens": {"backend": "langchain", "model": "m:C"}},
                "agents": {"reflector": "lens"},
                "graph": {"reflection": {"earlier": 1}},
            },
            "needs a model among agents.perceivers",
        ),
        ({"graph": {"nodes": {"mine": "gone.py:mine"}}}, "graph.nodes.mine: there is no file gone.py"),
        ({"folder": "/"}, "folder: unknown key"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(blocks: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_scenario({"name": "mine", **blocks}, where="mine.yaml", folder=Path("/nowhere"))
    assert str(caught.value).startswith("mine.yaml: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        ({"gate": {"expert": "moton"}}, "graph.gate.expert: there is no expert 'moton'"),
        (
            {"edges": [{"from": "reason", "to": "conclude", "when": "motion.sped > 1"}]},
            "there is no measure motion.sped",
        ),
        ({"edges": [{"from": "reson", "to": "conclude"}]}, "did you mean 'reason'?"),
    ],
)
def test_what_only_the_graph_can_tell_is_found_when_it_is_built(graph: dict[str, Any], says: str) -> None:
    scenario = parse_scenario({"name": "mine", "graph": graph}, where="mine.yaml", folder=Path())
    with pytest.raises(ConfigurationError, match=says.replace("?", r"\?")):
        build_monitor(scenario).compile()


def test_a_scenario_brings_rules_along(tmp_path: Path) -> None:
    limit = {"measure": "motion.speed", "typical": 0.1, "above": 0.2}
    data = {"name": "mine", "rules": [{"text": "Nothing races.", "limit": limit}, {"text": "No cars.", "severity": 3}]}
    scenario = parse_scenario(data, where="mine.yaml", folder=Path())
    rules = RuleMemory(open_database(tmp_path / "alarm.db"), "mine")
    adopt(scenario, rules)
    adopt(scenario, rules)
    races, cars = sorted(rules.active(), key=lambda rule: rule.severity)
    assert races.predicate == "motion.speed > 0.2"
    assert races.threshold is not None
    assert cars.predicate is None
    rules.set_status(cars.id, RuleStatus.DISABLED)
    adopt(scenario, rules)
    assert [rule.id for rule in rules.active()] == [races.id], "what a person has disabled stays so"
    adopt(scenario.model_copy(update={"rules": ()}), rules)
    assert rules.active() == []


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            {"text": "x y z", "limit": {"measure": "motion.speed", "typical": 2, "above": 1}},
            "larger than what is",
        ),
        ({"text": "x y z", "predicate": "motion.speed >"}, "rules.0.predicate"),
        ({"text": "x y z", "predicate": "severity > 1"}, "not known here"),
        ({"text": "x y z", "when": "true"}, "when"),
    ],
)
def test_a_rule_that_cannot_be_checked_is_refused(rule: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        parse_scenario({"name": "mine", "rules": [rule]}, where="mine.yaml", folder=Path())


def test_the_library_is_valid_and_has_a_digest_that_says_what_it_says() -> None:
    assert {"walkway", "smart_home", "generic"} <= set(library())
    digests = {load_scenario(name).digest for name in library()}
    assert len(digests) == len(library())


@pytest.mark.parametrize(
    ("samples", "model", "refused"),
    [
        (3, {"backend": "openai", "model": "m", "base_url": "http://h/v1"}, True),
        (3, {"backend": "transformers", "model": "m", "temperature": 0}, True),
        (3, {"backend": "transformers", "model": "m", "temperature": 0.7}, False),
        (3, {"backend": "langchain", "model": "m:C"}, False),
        (1, {"backend": "transformers", "model": "m"}, False),
    ],
)
def test_samples_that_would_all_be_the_same_are_refused(samples: int, model: dict[str, Any], refused: bool) -> None:
    agents = {"reasoners": ["embedded", "mind"], "samples": samples}
    data = {"name": "mine", "models": {"mind": model}, "agents": agents}
    if not refused:
        assert parse_scenario(data, where="mine.yaml", folder=Path()).agents.samples == samples
        return
    with pytest.raises(ScenarioError, match=r"agents\.samples: .*set models\.mind\.temperature: 0\.7"):
        parse_scenario(data, where="mine.yaml", folder=Path())
