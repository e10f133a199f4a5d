"""Calls to one in-process model, answered together on a thread of its own: what waits at the same time is one batch."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from langchain_core.exceptions import LangChainException

from alarm_agents.errors import AlarmError, ModelError

M = TypeVar("M")
Q = TypeVar("Q")
A = TypeVar("A")

_LINGER_S = 0.005
"""How long a batch that is not full waits for each further call: those asked at once come within a millisecond."""


class Call(Generic[Q, A]):
    """One question and the future of its answer, which the caller may cancel at any time."""

    def __init__(self, question: Q) -> None:
        self.question = question
        self.future: Future[A] = Future()

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.future.cancelled()

    def settle(self, outcome: A | Exception) -> None:
        """Hand over the answer, or the exception to raise where it is waited for."""
        if not self.future.set_running_or_notify_cancel():
            return  # given up
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class Batches(Generic[M, Q, A]):
    """Asks one model the questions that wait, at most so many at once, one batch after another.

    `load` gives the model and is called at the first question, and again at the next one should it raise. `answer`
    gives one answer a call, in their order. When it raises for a batch, its calls are asked one by one: one that
    cannot be answered, or a batch that does not fit the memory, costs its neighbours time and nothing else.
    """

    def __init__(self, load: Callable[[], M], answer: Callable[[M, Sequence[Call[Q, A]]], Sequence[A]]) -> None:
        self._load, self._answer = load, answer
        self._model: M | None = None
        self._waiting: queue.SimpleQueue[tuple[Call[Q, A], int]] = queue.SimpleQueue()
        # The interpreter waits for this thread at its end; by then callers have cancelled what they gave up.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="alarm-model")

    @property
    def model(self) -> M | None:
        """What was loaded; None before the first question."""
        return self._model

    def submit(self, question: Q, most: int) -> Future[A]:
        """The future of the answer, in a batch of at most `most`.

        Cancelling it gives the call up, also while it is being answered. It raises `ModelError` or what LangChain
        calls an error of a model, whatever the model's code raised.
        """
        call: Call[Q, A] = Call(question)
        self._waiting.put((call, most))
        self._thread.submit(self._serve)
        return call.future

    def _serve(self) -> None:
        """One batch; nothing when an earlier one took the call for which this was scheduled."""
        batch: list[Call[Q, A]] = []
        most = 1
        while len(batch) < most:
            try:
                call, allowed = self._waiting.get(timeout=_LINGER_S) if batch else self._waiting.get_nowait()
            except queue.Empty:
                break
            if not call.given_up:
                batch.append(call)
                most = max(most, allowed)
        if not batch:
            return
        try:
            self._model = self._load() if self._model is None else self._model
        except Exception as error:  # noqa: BLE001 (libraries may raise anything; callers get it where they wait)
            for call in batch:
                call.settle(_typed(error))
            return
        self._settle(self._model, batch)

    def _settle(self, model: M, batch: Sequence[Call[Q, A]]) -> None:
        try:
            answers: Sequence[A | Exception] = self._answer(model, batch)
        except Exception as error:  # noqa: BLE001 (as above)
            if len(batch) > 1:
                for call in batch:
                    self._settle(model, [call])
                return
            answers = [_typed(error)]
        for call, answer in zip(batch, answers, strict=True):
            call.settle(answer)


def _typed(error: Exception) -> Exception:
    """The error as callers know it, without the words of a library, which may quote the prompt."""
    if isinstance(error, AlarmError | LangChainException):
        return error
    typed = ModelError(f"the model failed with {type(error).__name__}")
    typed.__cause__ = error
    return typed
