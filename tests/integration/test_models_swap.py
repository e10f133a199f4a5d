"""One scenario, on experts or on three models behind real HTTP: the same graph and the same outputs, other minds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.alarm import Alarm
from support.clips import clip, write_folder
from support.openai_server import OpenAIServer
from support.scenarios import SEEN, again, judged, write_scenario

MODELS = ("tiny-vl", "other-vl", "tiny-mind")
AGENTS = {"perceivers": ["eye", "lens"], "inducer": "mind", "reasoners": ["mind"], "reflector": "lens"}
RULE = "somebody runs across the path"


def answer(model: str, messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> str:
    """Each agent's answer, told apart by the schema that it asks for; the reasoner is unsure."""
    assert schema is not None
    title = schema["title"]
    replies: dict[str, Any] = {
        "Seen": SEEN,
        "Judged": judged(0.4, *cited(messages)),
        "Reconsidered": again(0.97, *cited(messages)),
        "Proposed": {"rules": [{"kind": "anomalous", "text": RULE, "severity": 3}]},
    }
    return json.dumps(replies[title])


def cited(messages: list[dict[str, Any]]) -> list[str]:
    """The id of the induced rule as the prompt gives it."""
    lines = str(messages[0]["content"]).splitlines()
    return [line.partition(" ")[0] for line in lines if RULE in line]


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(answer, MODELS) as running:
        yield running


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Normal footage, and footage to watch."""
    folder = tmp_path_factory.mktemp("sources")
    pictures = clip(64, fast=range(48, 56))
    return write_folder(folder / "normal", pictures[:40]), write_folder(folder / "watched", pictures[40:])


def scenario(folder: Path, address: str | None) -> Path:
    """The scenario with three models at the address, or with none: a few lines of YAML apart."""
    path = write_scenario(folder, agents="embedded" if address is None else AGENTS)
    if address is not None:
        names = zip(("eye", "lens", "mind"), MODELS, strict=True)
        lines = [f'  {key}: {{backend: openai, base_url: "{address}", model: {model}}}' for key, model in names]
        path.write_text(path.read_text(encoding="utf-8") + "models:\n" + "\n".join(lines), encoding="utf-8")
    return path


class Swapped:
    """What the command gave for the scenario on experts, or on models."""

    def __init__(self, folder: Path, sources: tuple[Path, Path], address: str | None) -> None:
        folder.mkdir()
        normal, watched = sources
        path = scenario(folder, address)
        self.alarm = Alarm(folder)
        self.taught = self.alarm("induce", normal, "--scenario", path, "--json").document
        self.graph = self.alarm("graph", "show", path).out
        done = self.alarm("watch", watched, "--scenario", path, "--json")
        self.cases, self.incidents, self.notes = done.of("case"), done.of("incident"), done.err

    def spans(self, case: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        query = "SELECT kind, attributes FROM spans WHERE trace_id = ?"
        return [(k, json.loads(a)) for k, a in self.alarm.rows(query, case["trace_id"], file="traces.db")]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, sources: tuple[Path, Path]) -> Swapped:
    return Swapped(tmp_path_factory.mktemp("embedded") / "x", sources, None)


@pytest.fixture(scope="module")
def modelled(tmp_path_factory: pytest.TempPathFactory, sources: tuple[Path, Path], server: OpenAIServer) -> Swapped:
    return Swapped(tmp_path_factory.mktemp("modelled") / "x", sources, server.base_url)


def shape(value: Any) -> Any:
    """The keys and kinds of a JSON value; a number may be null, and lists are known by their first element."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items() if key != "weights"}
    if isinstance(value, list):
        return [shape(value[0])] if value and isinstance(value[0], dict) else "list"
    return (
        "number" if value is None or (isinstance(value, int | float) and not isinstance(value, bool)) else type(value)
    )


def test_the_graph_is_the_same(embedded: Swapped, modelled: Swapped) -> None:
    assert embedded.graph == modelled.graph


def test_the_lines_have_the_same_shape(embedded: Swapped, modelled: Swapped) -> None:
    assert len(embedded.cases) == len(modelled.cases) == 3
    for one, other in zip(embedded.cases, modelled.cases, strict=True):
        assert {**shape(one), "rules": 0} == {**shape(other), "rules": 0}
        assert [one[key] for key in ("source", "start", "end")] == [other[key] for key in ("source", "start", "end")]
    assert shape(embedded.incidents[0]) == shape(modelled.incidents[0])


def test_the_models_that_took_part_are_named(embedded: Swapped, modelled: Swapped) -> None:
    assert [case["models"] for case in embedded.cases] == [[]] * 3
    assert [case["models"] for case in modelled.cases] == [["eye", "lens", "mind"]] * 3
    assert "no model is configured" in embedded.notes
    assert "no model is configured" not in modelled.notes
    assert all("No model took part" in case["explanation"] for case in embedded.cases)
    assert all("No model took part" not in case["explanation"] for case in modelled.cases)


def test_the_trace_shows_the_agents_and_the_models_behind_them(embedded: Swapped, modelled: Swapped) -> None:
    for case in modelled.cases:
        spans = modelled.spans(case)
        agents = [attributes["gen_ai.agent.name"] for kind, attributes in spans if kind == "agent"]
        assert sorted(agents) == ["perceiver", "perceiver", "reasoner", "reflector"]
        asked = {attributes["gen_ai.request.model"] for kind, attributes in spans if kind == "model"}
        assert asked == set(MODELS)
    for case in embedded.cases:
        kinds = [kind for kind, _ in embedded.spans(case)]
        assert kinds.count("agent") >= 2
        assert "model" not in kinds


def test_the_inducer_is_a_model_too_and_its_rule_judges(modelled: Swapped, embedded: Swapped) -> None:
    (worded,) = [rule for rule in modelled.taught["rules"] if rule["predicate"] is None]
    assert (worded["text"], worded["provenance"]["author"]) == (RULE, "mind")
    assert {rule["id"] for rule in embedded.taught["rules"]} < {rule["id"] for rule in modelled.taught["rules"]}
    for case in modelled.cases:
        assert (case["label"], case["score"], case["decision"]) == ("anomalous", 0.97, "accept")
        assert [rule["id"] for rule in case["rules"]] == [worded["id"]]


def test_models_are_asked_with_pictures_and_a_schema(modelled: Swapped, server: OpenAIServer) -> None:
    images = {model: {request.images for request in server.requests if request.model == model} for model in MODELS}
    assert images == {"tiny-vl": {4}, "other-vl": {4}, "tiny-mind": {0}}
    assert all(request.constrained for request in server.requests)


def test_the_experts_find_the_fast_thing_without_any(embedded: Swapped) -> None:
    labels = [case["label"] for case in embedded.cases]
    assert labels[1] == "anomalous"  # frames 48 to 55
    assert any("times the usual speed" in fact for fact in embedded.cases[1]["facts"])
