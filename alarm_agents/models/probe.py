"""What a model can do, found out by asking it: pictures, constrained answers, log-probabilities, speed, context."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

import httpx
import numpy as np
from langchain_core.messages import BaseMessage, HumanMessage
from pydantic import BaseModel, Field

from alarm_agents.models import ollama
from alarm_agents.models.client import Answer, Model
from alarm_agents.models.content import picture_block
from alarm_agents.scenario import ModelSettings
from alarm_agents.types import Record

RED = (40, 40, 220)
"""Of the square that the picture shows, blue first."""


class Colour(BaseModel):
    """The answer to the question about a picture."""

    label: Literal["red", "green", "blue"]


class Greeting(BaseModel):
    """The answer to the question in words, which does not say that it must be so."""

    label: Literal["hello", "goodbye"]
    words: str = Field(max_length=400)


class Probe(Record):
    """What one model can do; None where it was not asked, or does not say."""

    name: str
    backend: str
    model: str
    answers: bool
    images: bool | None = None
    colour: bool | None = None
    """Whether it called a red square red."""
    schema_kept: bool | None = None
    """Whether answers are constrained to a schema that the prompt does not tell."""
    logprobs: bool | None = None
    """Whether the probability of a label can be told from the log-probabilities of its tokens."""
    latency_s: float | None = None
    tokens_a_second: float | None = None
    """Output tokens a second of a single call."""
    context: int | None = None
    """Tokens that prompt and answer may have together."""
    cannot: tuple[str, ...] = ()
    """What it cannot do, each with the remedy."""


async def probe(model: Model) -> Probe:
    """Ask the model a question in words and, if the scenario sends it pictures, one about a picture."""
    settings = model.settings
    told = {"name": model.name, "backend": settings.backend, "model": settings.model}
    started = time.monotonic()
    words = await model.ask([HumanMessage("Greet me, in ten words or so.")], Greeting)
    seconds = time.monotonic() - started
    if words.note and not words.raw_length:
        return Probe(**told, answers=False, cannot=(_silent(settings, words.note),))
    # A repair turn tells the schema; only the first answer shows whether the server constrains it.
    kept = words.parse.value == "parsed"
    seen = await _picture(model) if settings.images.max else None
    pictures = None if seen is None else seen.value is not None
    colour = None if seen is None or seen.value is None else seen.value.label == "red"
    found = Probe(
        **told,
        answers=True,
        images=pictures,
        colour=colour,
        schema_kept=kept,
        logprobs=words.odds is not None if settings.logprobs and words.value is not None else None,
        latency_s=seconds,
        tokens_a_second=words.output_tokens / seconds if words.output_tokens else None,
        context=await _context(model),
    )
    if words.value is None:
        return found.model_copy(update={"cannot": (_useless(words.note),)})
    return found.model_copy(update={"cannot": tuple(_cannot(found, settings, seen))})


def _silent(settings: ModelSettings, note: str) -> str:
    where = f" at {settings.base_url}" if settings.base_url else ""
    remedy = "start its server, or mend base_url" if settings.base_url else "check the model block"
    return f"it does not answer{where}: {note}; {remedy}"


def _useless(note: str) -> str:
    return (
        f"usable answers: {note}, asked twice; take a model that follows instructions, or serve this one with "
        "constrained decoding"
    )


def _cannot(found: Probe, settings: ModelSettings, seen: Answer[Colour] | None) -> list[str]:
    said = []
    if seen is not None and not found.images:
        said.append(
            f"pictures: {seen.note}; set images.max: 0, or serve it with its vision part (llama.cpp: --mmproj FILE)"
        )
    if found.colour is False:
        said.append("pictures: it called a red square by another colour; what it sees is not to be relied on")
    if not found.schema_kept:
        said.append(
            "constrained answers: its text is parsed, and asked for again where it is no JSON, at one more call"
        )
    if not settings.logprobs:
        said.append("log-probabilities: not asked for; with logprobs: true the p of a verdict comes from them")
    if found.logprobs is False:
        said.append("log-probabilities: the p that it writes is used; set logprobs: false to spare asking for them")
    return said


async def _picture(model: Model) -> Answer[Colour]:
    side = min(224, model.settings.images.max_side)
    image = np.full((side, side, 3), 255, np.uint8)
    image[side // 4 : side * 3 // 4, side // 4 : side * 3 // 4] = RED
    content: list[str | dict[Any, Any]] = [
        {"type": "text", "text": 'Which colour is the square? Answer with JSON: {"label": "red", "green" or "blue"}.'},
        picture_block(image, side),
    ]
    question: list[BaseMessage] = [HumanMessage(content)]
    return await model.ask(question, Colour)


async def _context(model: Model) -> int | None:
    """What is known of the context: in this process what weights were loaded with, else what the server says."""
    settings = model.settings
    if settings.model == ollama.CLASS:
        wanted = settings.extra.get("num_ctx")
        base = settings.base_url or settings.extra.get("base_url") or ollama.ADDRESS
        running = {} if wanted else await _told(f"{base}/api/ps")
        return wanted if isinstance(wanted, int) else _size(running, settings.extra["model"])
    if settings.backend != "openai" or settings.base_url is None:
        known = getattr(model.chat, "context", None)
        return known if isinstance(known, int) else None
    base = settings.base_url.rstrip("/")
    props = await _told(f"{base.removesuffix('/v1')}/props")  # llama.cpp: what one slot holds
    slot = props.get("default_generation_settings")
    if isinstance(slot, dict) and isinstance(slot.get("n_ctx"), int):
        return int(slot["n_ctx"])
    return _size(await _told(f"{base}/models"), settings.model)


def _size(listed: Mapping[str, Any], name: str) -> int | None:
    """The context in a list of models: vLLM's, llama.cpp's (in `meta`), or what Ollama has in memory."""
    entries = listed.get("data") or listed.get("models") or []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and name in (entry.get("id"), entry.get("name"), entry.get("model")):
            meta = entry.get("meta")
            told = {**(meta if isinstance(meta, dict) else {}), **entry}
            sizes = [told.get(key) for key in ("n_ctx", "max_model_len", "context_length", "n_ctx_train")]
            return next((size for size in sizes if isinstance(size, int)), None)
    return None


async def _told(address: str) -> Mapping[str, Any]:
    """The JSON object at an address; empty where there is none."""
    try:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            answer = await client.get(address)
            given = answer.json() if answer.is_success else {}
    except (httpx.HTTPError, ValueError):
        return {}
    return given if isinstance(given, dict) else {}
