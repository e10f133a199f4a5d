"""Weights in memory for backend `transformers`, with what is needed to speak to them.

Imports torch: itself imported only on the thread that needs it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
import transformers
from llguidance import LLTokenizer
from llguidance.hf import from_tokenizer
from PIL import Image

from alarm_agents.errors import ModelError

_LONGEST_CAUSE = 160


@dataclass(frozen=True)
class Weights:
    """A model with its processor: pictures and words to tensors, tokens to bytes."""

    model: Any
    processor: Any
    """For a model that reads words only this is the tokenizer."""
    tokenizer: Any
    sees: bool
    """Whether it takes pictures."""
    picture_options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def vocabulary(self) -> int:
        """Numbers that the model gives for each token: the tokenizer's tokens and, often, some more that are none."""
        return int(self.model.config.get_text_config().vocab_size)

    @cached_property
    def context(self) -> int | None:
        """Tokens of prompt and answer together that the model was made for; None where its configuration is silent."""
        limit = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return int(limit) if limit else None

    @cached_property
    def ends(self) -> frozenset[int]:
        """The tokens that end an answer, the model's own and the tokenizer's."""
        own = self.model.generation_config.eos_token_id
        all_ = [*(own if isinstance(own, list) else [own]), self.tokenizer.eos_token_id]
        return frozenset(token for token in all_ if token is not None)

    @cached_property
    def pad(self) -> int:
        """The token that fills shorter prompts up, on the left."""
        return int(self.tokenizer.pad_token_id)

    @cached_property
    def guide(self) -> LLTokenizer:
        """The vocabulary as llguidance wants it: for grammars, and for the bytes of a token."""
        return from_tokenizer(self.tokenizer, n_vocab=self.vocabulary, eos_token=sorted(self.ends))

    @cached_property
    def special(self) -> tuple[str, ...]:
        """The texts that the tokenizer takes for control tokens."""
        return tuple(token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special)

    def piece(self, token: int) -> bytes:
        """The token's own bytes; part of a character at times."""
        return bytes(self.guide.decode_bytes([token]))

    def encode(self, texts: Sequence[str], pictures: Sequence[Sequence[bytes]]) -> Any:
        """Tensors for `generate`, one row a text, padded on the left."""
        said = {"text": list(texts), "return_tensors": "pt", "padding": True, "add_special_tokens": False}
        if not self.sees:
            return self.processor(**said).to(self.model.device)
        images = [[_decoded(data) for data in row] for row in pictures]
        options = {"images": images if any(images) else None, "images_kwargs": dict(self.picture_options)}
        return self.processor(**said, **options).to(self.model.device, dtype=self.model.dtype)


def load(name: str, options: Mapping[str, Any]) -> Weights:
    """The weights of a folder or, by name, of the hub; `options` as `transformers_chat.Options` describes them.

    Raises `ModelError`. Code that comes with weights is never run.
    """
    transformers.utils.logging.disable_progress_bar()
    source = {"pretrained_model_name_or_path": name, "revision": options["revision"], "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(**source)
        sees = type(config) in transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
        kind = transformers.AutoModelForImageTextToText if sees else transformers.AutoModelForCausalLM
        model = kind.from_pretrained(
            **source,
            dtype=options["dtype"],
            device_map=_device(options["device"]),
            quantization_config=options["quantization"],
            **({"attn_implementation": options["attention"]} if options["attention"] else {}),
        )
        reader = transformers.AutoProcessor if sees else transformers.AutoTokenizer
        processor = reader.from_pretrained(**source)
        weights = Weights(
            model.eval(), processor, getattr(processor, "tokenizer", processor), sees, options["pictures"]
        )
        _ready(weights)
    except Exception as error:  # a library's loading code may raise anything, and none of it may stop the monitor
        raise ModelError(
            f"the model {name} cannot be loaded ({_cause(error)})",
            remedy="give model the path of a folder with weights, or a hub name that is in the cache or can be fetched",
        ) from error
    return weights


def _ready(weights: Weights) -> None:
    """Pad on the left, and leave the choice of tokens to us alone."""
    weights.tokenizer.padding_side = "left"
    if weights.tokenizer.pad_token_id is None:
        weights.tokenizer.pad_token = weights.tokenizer.convert_ids_to_tokens(min(weights.ends))
    _ = weights.guide  # a second of work, and where a tokenizer that llguidance cannot read says so
    # The authors' sampling defaults would change scores before we see them, and make temperature 0 something else.
    weights.model.generation_config = transformers.GenerationConfig(pad_token_id=weights.pad)


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "auto" if torch.cuda.is_available() else "cpu"


def _decoded(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def _cause(error: Exception) -> str:
    words = " ".join(str(error).split()) or "no reason given"
    return f"{type(error).__name__}: {words[:_LONGEST_CAUSE]}"
