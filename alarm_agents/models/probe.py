"""What a model can do, found out by asking it: pictures, constrained answers, log-probabilities, speed, context."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
from langchain_core.messages import BaseMessage, HumanMessage
from pydantic import BaseModel, Field

from alarm_agents.models import ollama
from alarm_agents.models.client import Answer, Model
from alarm_agents.models.content import picture_block
from alarm_agents.models.registry import build_models
from alarm_agents.settings import ModelSettings
from alarm_agents.types import Record

RED = (40, 40, 220)
"""Of the square that the picture shows, blue first."""
_HEED_LOGPROBS = frozenset({"openai", "transformers", "llamacpp", ollama.CLASS})
"""Backends to which `logprobs` makes a difference, and classes of backend langchain; others are built by `extra`."""


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
    """What it cannot do, or may not as the scenario stands, each with the remedy."""


async def probe(model: Model, folder: Path) -> Probe:
    """Ask the model questions in words and one about a picture, whatever its block says of pictures and `logprobs`.

    Paths in its block start at `folder`, the scenario's.
    """
    settings = model.settings
    told = {"name": model.name, "backend": settings.backend, "model": settings.model}
    first = await _greet(model)  # which may have loaded the weights, and so is not the one that is timed
    started = time.monotonic()
    words = await _greet(model) if first.raw_length else first
    seconds = time.monotonic() - started
    if words.note and not words.raw_length:
        return Probe(**told, answers=False, cannot=(_silent(settings, words.note),))
    # A repair turn tells the schema; only the first answer shows whether the server constrains it.
    kept = words.parse.value == "parsed"
    logprobs = await _logprobs(model, words, folder) if words.value is not None else None
    seen = await _picture(model)
    found = Probe(
        **told,
        answers=True,
        images=seen.value is not None,
        colour=None if seen.value is None else seen.value.label == "red",
        schema_kept=kept,
        logprobs=logprobs,
        latency_s=seconds,
        tokens_a_second=words.output_tokens / seconds if words.output_tokens else None,
        context=await _context(model),
    )
    cannot = (_useless(words.note),) if words.value is None else tuple(_cannot(found, settings, seen.note))
    return found.model_copy(update={"cannot": cannot})


async def _greet(model: Model) -> Answer[Greeting]:
    return await model.ask([HumanMessage("Greet me, in ten words or so.")], Greeting)


async def _logprobs(model: Model, words: Answer[Greeting], folder: Path) -> bool | None:
    """Whether the model gives them, asked once more where its block leaves them out; None where that answer is none."""
    settings = model.settings
    if not settings.logprobs and not _HEED_LOGPROBS.isdisjoint({settings.backend, settings.model}):
        block = settings.model_copy(update={"logprobs": True})
        words = await _greet(build_models({model.name: block}, folder)[model.name])
    # A server that refuses them gives no text at all.
    return None if words.value is None and words.raw_length else words.odds is not None


def _silent(settings: ModelSettings, note: str) -> str:
    where = f" at {settings.base_url}" if settings.base_url else ""
    block = "check the model block, whose timeout_s has to allow for loading the weights"
    remedy = "start its server, or mend base_url" if settings.base_url else block
    return f"it does not answer{where}: {note}; {remedy}"


def _useless(note: str) -> str:
    return (
        f"usable answers: {note}, asked twice; take a model that follows instructions, or serve this one with "
        "constrained decoding"
    )


def _cannot(found: Probe, settings: ModelSettings, unseen: str) -> list[str]:
    """`unseen` is why there was no answer about the picture."""
    said = [_pictures(found, settings.images.max, unseen)]
    if not found.schema_kept:
        said.append(
            "constrained answers: its text is parsed, and asked for again where it is no JSON, at one more call; "
            "backend openai on a server that takes response_format (vLLM, llama.cpp, Ollama) spares that"
        )
    if found.logprobs and not settings.logprobs:
        said.append(
            "log-probabilities: it gives them, and is not asked for them (logprobs: false); with logprobs: true the p "
            "of a verdict comes from them"
        )
    if found.logprobs is False:
        spare = "set logprobs: false to spare asking for them, or " if settings.logprobs else ""
        said.append(
            f"log-probabilities: it gives none, and the p that it writes is used; {spare}serve it where they are given "
            "(vLLM, llama.cpp)"
        )
    if found.context is None and settings.backend != "scripted":
        said.append(_unknown_context(found.name, settings))
    return list(filter(None, said))


def _pictures(found: Probe, most: int, unseen: str) -> str:
    """What is to be said of pictures, of which the scenario sends `most`; empty where all is well."""
    vision = "its vision part (llama.cpp: --mmproj FILE)"
    if not found.images and most:
        return f"pictures: {unseen}; set images.max: 0, or serve it with {vision}"
    if not found.images:  # not why: a model of words alone would be told to set what is set
        return (
            "pictures: it gave no usable answer about one, and the scenario sends none (images.max: 0), which is right "
            f"for a model of words alone; for pictures, raise images.max and serve it with {vision}"
        )
    if found.colour is False:
        return (
            "pictures: it called a red square by another colour, what it sees is not to be relied on; take another "
            "vision model, or check that the projector (mmproj) is that of its weights"
        )
    return "" if most else "pictures: it takes them, and the scenario sends none (images.max: 0); raise images.max"


def _unknown_context(name: str, settings: ModelSettings) -> str:
    if settings.model == ollama.CLASS:
        remedy = "set extra.num_ctx"
    elif settings.backend == "openai":
        remedy = f"start its server with one that you know, as `alarm models serve {name} --context N` has it"
    else:
        remedy = "look it up for the model, and keep images.max and max_tokens within it"
    return f"context: not told, so that prompts may be too long; {remedy}"


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
