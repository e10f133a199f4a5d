"""Ollama through langchain-ollama, against a stub of its protocol: what is sent, and what is made of what comes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel

from alarm_agents.errors import ConfigurationError, MissingExtraError
from alarm_agents.models import Model, build_models, ollama, picture_block
from alarm_agents.models.schemas import response_format
from alarm_agents.settings import ModelSettings
from alarm_agents.types import Parse
from support.ollama_server import OllamaServer
from support.openai_server import Reply

BLOCK: dict[str, Any] = {"backend": "langchain", "model": ollama.CLASS, "extra": {"model": "tiny"}}


class Judgement(BaseModel):
    label: Literal["normal", "anomalous"]
    words: str = ""


GOOD = '{"label": "normal"}'
PICTURE = picture_block(np.zeros((24, 32, 3), np.uint8), 32)
QUESTION = [SystemMessage("You judge."), HumanMessage([{"type": "text", "text": "What is it?"}, PICTURE])]


@pytest.fixture(autouse=True)
def _installed() -> None:
    pytest.importorskip("langchain_ollama", reason="the extra ollama is not installed")


def built(**settings: Any) -> Model:
    return build_models({"eye": ModelSettings(**{**BLOCK, **settings})}, Path())["eye"]


async def test_what_is_sent() -> None:
    with OllamaServer(lambda *_: GOOD) as server:
        block = {"temperature": 0.5, "seed": 7, "max_tokens": 33, "logprobs": True}
        extra = {"model": "tiny", "num_ctx": 2048}
        await built(base_url=server.base_url, **block, extra=extra).ask(QUESTION, Judgement)
    (request,) = server.requests
    sent = request.body["ollama"]
    assert (sent["model"], sent["logprobs"], sent["top_logprobs"]) == ("tiny", True, 5)
    assert sent["options"] == {"temperature": 0.5, "seed": 7, "num_predict": 33, "num_ctx": 2048}
    assert sent["format"] == response_format(Judgement)["json_schema"]["schema"]
    system, user = sent["messages"]
    assert (system["role"], user["content"].strip()) == ("system", "What is it?")
    assert user["images"] == [PICTURE["image_url"]["url"].partition(",")[2]]


async def test_a_labels_probability_comes_from_what_it_gives() -> None:
    def token(text: str, p: float, *others: tuple[str, float]) -> dict[str, Any]:
        top = [{"token": word, "logprob": value} for word, value in ((text, p), *others)]
        return {"token": text, "logprob": p, "top_logprobs": top}

    spelled = [token('{"label": "', 0.0), token("normal", -0.223, ("anomalous", -1.609)), token('"}', 0.0)]
    with OllamaServer(lambda *_: Reply(GOOD, logprobs=spelled)) as server:
        answer = await built(base_url=server.base_url, logprobs=True).ask(QUESTION, Judgement)
    assert answer.odds is not None
    assert answer.odds["anomalous"] == pytest.approx(0.2, abs=0.01)
    assert (answer.input_tokens, answer.output_tokens) == (7, 2)


async def test_an_answer_that_was_cut_off_is_asked_for_again_in_short() -> None:
    replies = [Reply(GOOD[:-4], finish_reason="length"), Reply(GOOD)]
    with OllamaServer(lambda *_: replies.pop(0)) as server:
        answer = await built(base_url=server.base_url, max_tokens=60).ask(QUESTION, Judgement)
    assert answer.parse is Parse.REPAIRED
    assert server.requests[1].body["ollama"]["format"]["properties"]["words"]["maxLength"] == 15


async def test_a_server_that_is_not_there_is_typed() -> None:
    answer = await built(base_url="http://127.0.0.1:9", retries=0).ask(QUESTION, Judgement)
    assert (answer.parse, answer.value) == (Parse.FAILED, None)
    assert "cannot be reached" in answer.note


def test_the_block_has_to_name_a_model() -> None:
    with pytest.raises(ConfigurationError, match="does not know which model; write extra"):
        built(extra={})


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "langchain_ollama" else find(name, *a)
    )
    with pytest.raises(MissingExtraError, match=r"alarm-agents\[ollama\]"):
        built()
