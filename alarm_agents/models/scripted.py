"""The scripted model: a strict stand-in for a real one in tests, ours and those of the people who use the package.

A script is a list of steps, in code or in a YAML or JSON file:

    - {when: "car", reply: {label: anomalous, p_anomaly: 0.9}, times: null}   # any number of times
    - {expect: "zone road", reply: "I see a car."}                            # the prompt must say "zone road"
    - {error: timeout}
    - {refusal: true}

Windows run concurrently, so a prompt is answered by the first step that is not used up and whose `when` it contains.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, RootModel, ValidationError, model_validator

from alarm_agents.errors import AlarmError, ScenarioError
from alarm_agents.models.faults import StatusError
from alarm_agents.yamlfile import explain, read_yaml

_PICTURES = frozenset({"image", "image_url"})


class ScriptError(AlarmError, AssertionError):
    """The scripted model was called in a way that its script does not foresee, or not as often."""


class Step(BaseModel):
    """One reply, and which prompts it answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reply: str | dict[str, Any] | None = None
    """The text; a mapping is written as JSON."""
    when: str | None = None
    """The step only answers prompts that contain this."""
    expect: str | None = None
    """A prompt that the step answers must contain this; if it does not, that is a `ScriptError`."""
    times: int | None = Field(1, ge=1)
    """How often the step is used, and no less; null for any number of times."""
    error: Literal["timeout", "connection"] | int | None = None
    """The call fails so; a number is the HTTP status."""
    refusal: bool = False
    logprobs: list[dict[str, Any]] | None = None

    @model_validator(mode="after")
    def _one_outcome(self) -> Step:
        if [self.reply is not None, self.error is not None, self.refusal].count(True) != 1:
            raise ValueError("a step has exactly one of reply, error and refusal: true")
        return self

    def answer(self) -> AIMessage:
        """The step's message; raises what its `error` names."""
        if self.error == "timeout":
            raise TimeoutError("as the script says")
        if self.error == "connection":
            raise ConnectionError("as the script says")
        if self.error is not None:
            raise StatusError(int(self.error))
        text = self.reply if isinstance(self.reply, str) else json.dumps(self.reply, ensure_ascii=False)
        return AIMessage(
            content="" if self.refusal else text,
            additional_kwargs={"refusal": "as the script says"} if self.refusal else {},
            response_metadata={"logprobs": {"content": self.logprobs}} if self.logprobs is not None else {},
        )


class _Script(RootModel[tuple[Step, ...]]):
    """A script file: a list of steps."""


@dataclass(frozen=True)
class Call:
    """One call as the model got it: the prompt's text, how many pictures came with it, and the step that answered."""

    text: str
    images: int
    step: int


class ScriptedChatModel(BaseChatModel):
    """A chat model that answers by its script and by nothing else.

    `calls` holds what it was asked. `before`, in code only, is awaited before each answer: a test can hold calls
    there to see how many run at once, or cancel them. Tokens are counted as words.
    """

    steps: tuple[Step, ...]
    before: Callable[[Call], Awaitable[None]] | None = None
    _calls: list[Call] = PrivateAttr(default_factory=list)

    @classmethod
    def of(cls, *steps: Step | dict[str, Any] | str, **options: Any) -> ScriptedChatModel:
        """A model with these steps: `Step`s, mappings, or texts to reply with."""
        ready = tuple(
            step if isinstance(step, Step) else Step.model_validate({"reply": step} if isinstance(step, str) else step)
            for step in steps
        )
        return cls(steps=ready, **options)

    @classmethod
    def from_file(cls, path: Path) -> ScriptedChatModel:
        """A model with the steps of a YAML or JSON file; raises `ScenarioError`."""
        try:
            return cls(steps=_Script.model_validate(read_yaml(path)).root)
        except ValidationError as error:
            raise ScenarioError(explain(error, Step), where=str(path), remedy="a script is a list of steps") from error

    @property
    def calls(self) -> Sequence[Call]:
        """All calls so far, in the order they came."""
        return tuple(self._calls)

    def assert_finished(self) -> None:
        """Raise `ScriptError` if a step has not been used as often as its `times` says."""
        used = [call.step for call in self._calls]
        left = [i for i, step in enumerate(self.steps) if step.times is not None and used.count(i) < step.times]
        if left:
            places = ", ".join(str(place + 1) for place in left)
            raise ScriptError(f"the script is not finished: nothing asked for step {places} of {len(self.steps)}")

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResult:
        return self._answer(self._record(messages))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResult:
        call = self._record(messages)
        if self.before is not None:
            await self.before(call)
        return self._answer(call)

    def _record(self, messages: list[BaseMessage]) -> Call:
        """Choose the step and take it at once, so that calls held in `before` do not share it."""
        text = "\n".join(message.text for message in messages)
        images = sum(
            isinstance(block, dict) and block.get("type") in _PICTURES
            for message in messages
            if isinstance(message.content, list)
            for block in message.content
        )
        used = [call.step for call in self._calls]
        for place, step in enumerate(self.steps):
            open_ = step.times is None or used.count(place) < step.times
            if open_ and (step.when is None or step.when in text):
                if step.expect is not None and step.expect not in text:
                    raise ScriptError(f"step {place + 1} expects {step.expect!r} in the prompt, which is not there")
                self._calls.append(Call(text, images, place))
                return self._calls[-1]
        raise ScriptError(f"no step answers call {len(used) + 1}, whose prompt ends with {text[-80:]!r}")

    def _answer(self, call: Call) -> ChatResult:
        message = self.steps[call.step].answer()
        asked, said = len(call.text.split()), len(message.text.split())
        message.usage_metadata = UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said)
        return ChatResult(generations=[ChatGeneration(message=message)])
