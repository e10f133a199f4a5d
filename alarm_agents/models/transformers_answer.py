"""Answers of backend `transformers`: one left-padded `generate` for a batch, each row with its own choice of tokens.

A row's temperature, seed, grammar, length and end are its own, so that any requests may share a batch.
Imports torch: itself imported only on the thread that needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from langchain_core.exceptions import ContextOverflowError
from llguidance import LLMatcher
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from alarm_agents.models.batches import Call
from alarm_agents.models.schemas import SPELLING
from alarm_agents.models.transformers_load import Weights
from alarm_agents.models.transformers_prompt import Chosen, Reply, Request, SchemaError, render

_TOP = 5
_LENIENT = {**SPELLING, "lenient": True}
"""Keywords of a schema that no grammar can hold are left to the check of the answer."""


class Row:
    """One answer as it is being written."""

    def __init__(self, call: Call[Request, Reply], weights: Weights) -> None:
        self.call, self.request = call, call.question
        self.tokens: list[int] = []
        self.chosen: list[Chosen] = []
        self.ended = False
        self._weights = weights
        self._matcher = _matcher(self.request.schema, weights)
        self._random = torch.Generator()
        if self.request.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(self.request.seed)

    @property
    def done(self) -> bool:
        """Whether it is complete, as long as allowed, or no longer wanted."""
        return self.ended or len(self.tokens) >= self.request.max_tokens or self.call.given_up

    def choose(self, scores: torch.Tensor) -> int:
        """The next token, taken from the model's scores of the whole vocabulary, which stay as they are."""
        allowed = scores
        if self._matcher is not None:
            bits = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), np.uint8), bitorder="little")
            forbidden = torch.ones(len(scores), dtype=torch.bool)
            forbidden[: len(bits)] = torch.from_numpy(bits[: len(scores)] == 0)
            allowed = scores.masked_fill(forbidden, float("-inf"))
        if self.request.temperature:
            chances = torch.softmax(allowed / self.request.temperature, dim=-1)
            token = int(torch.multinomial(chances, 1, generator=self._random))
        else:
            token = int(torch.argmax(allowed))
        self._take(token, scores)
        return token

    def _take(self, token: int, scores: torch.Tensor) -> None:
        self.tokens.append(token)
        self.ended = token in self._weights.ends
        if not self._weights.guide.is_special_token(token):  # control tokens are no part of an answer's text
            self.chosen.append(self._measured(token, scores))
        if self._matcher is not None:
            # A grammar that gives up (llguidance limits its work) leaves the rest to the check of the answer.
            self._matcher = self._matcher if self._matcher.consume_token(token) else None
            self.ended = self.ended or (self._matcher is not None and self._matcher.is_stopped())

    def _measured(self, token: int, scores: torch.Tensor) -> Chosen:
        """The choice with its log-probability and the five likeliest, of the model's own distribution (no grammar)."""
        piece = self._weights.piece
        if not self.request.logprobs:
            return Chosen(piece(token))
        logs = torch.log_softmax(scores, dim=-1)
        values, tokens = logs.topk(min(_TOP, len(logs)))
        top = tuple((piece(int(other)), float(value)) for other, value in zip(tokens, values, strict=True))
        return Chosen(piece(token), float(logs[token]), top)


class Steering:
    """What `generate` asks at each step: scores in, the scores of the chosen tokens out; and which rows are done."""

    def __init__(self, rows: Sequence[Row], pad: int) -> None:
        self.rows, self.pad = rows, pad

    def __call__(self, _: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The logits processor: (rows, vocabulary), minus infinity everywhere but at each row's choice."""
        raw = scores.float().cpu()
        chosen = [self.pad if row.done else row.choose(raw[place]) for place, row in enumerate(self.rows)]
        forced = torch.full_like(scores, float("-inf"))
        forced[torch.arange(len(chosen)), chosen] = 0.0
        return forced

    def done(self, tokens: torch.Tensor, _: Any, **__: Any) -> torch.Tensor:
        """The stopping criterion."""
        return torch.tensor([row.done for row in self.rows], device=tokens.device)


def answer(weights: Weights, calls: Sequence[Call[Request, Reply]]) -> list[Reply]:
    """One reply a call, in their order; raises when one of them cannot be answered."""
    texts = [render(call.question, weights.processor, sees=weights.sees, special=weights.special) for call in calls]
    inputs = weights.encode(texts, [call.question.pictures for call in calls])
    asked = inputs["attention_mask"].sum(dim=-1).tolist()
    if weights.context is not None and max(asked) >= weights.context:
        raise ContextOverflowError("the prompt is longer than the model's context")
    rows = [Row(call, weights) for call in calls]
    steering = Steering(rows, weights.pad)
    longest = max(row.request.max_tokens for row in rows)
    room = longest if weights.context is None else min(longest, weights.context - max(asked))
    with torch.inference_mode():
        weights.model.generate(
            **inputs,
            generation_config=GenerationConfig(do_sample=False, max_new_tokens=room, pad_token_id=weights.pad),
            logits_processor=LogitsProcessorList([steering]),
            stopping_criteria=StoppingCriteriaList([steering.done]),
        )
    return [
        Reply(row.chosen, finished=row.ended, input_tokens=tokens, output_tokens=len(row.tokens))
        for row, tokens in zip(rows, asked, strict=True)
    ]


def _matcher(schema: str | None, weights: Weights) -> LLMatcher | None:
    if schema is None:
        return None
    matcher = LLMatcher(weights.guide, LLMatcher.grammar_from_json_schema(schema, overrides=_LENIENT), log_level=0)
    if matcher.is_error():
        raise SchemaError("no grammar can be made of the answer's schema")
    return matcher
