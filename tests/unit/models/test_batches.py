"""Calls that wait at the same time are one batch; who gives up, or fails, costs the others nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future

import pytest

from alarm_agents.errors import ModelError
from alarm_agents.models.batches import Batches, Call


class Echo:
    """Answers a text with itself; `bad` ones raise. The first batch waits for `go`."""

    def __init__(self, load: Callable[[], str] = lambda: "weights") -> None:
        self.batches: list[list[str]] = []
        self.threads: set[threading.Thread] = set()
        self.started, self.go = threading.Event(), threading.Event()
        self.queue: Batches[str, str, str] = Batches(load, self.answer)

    def answer(self, model: str, calls: Sequence[Call[str, str]]) -> list[str]:
        self.batches.append([call.question for call in calls])
        self.threads.add(threading.current_thread())
        self.started.set()
        assert self.go.wait(5)
        if any(call.question == "bad" for call in calls):
            raise RuntimeError("secret")
        return [call.question for call in calls]

    def ask(self, *questions: str, most: int = 8) -> list[Future[str]]:
        """One question, held, and behind it all the others, which therefore wait at the same time."""
        held = self.queue.submit("held", 1)
        assert self.started.wait(5)
        waiting = [self.queue.submit(question, most) for question in questions]
        return [held, *waiting]

    def answers(self, futures: list[Future[str]]) -> list[str]:
        self.go.set()
        return [future.result(5) for future in futures]


def test_what_waits_is_one_batch_up_to_the_limit() -> None:
    echo = Echo()
    assert echo.answers(echo.ask(*"abcde", most=3)) == ["held", *"abcde"]
    assert echo.batches == [["held"], ["a", "b", "c"], ["d", "e"]]
    assert threading.main_thread() not in echo.threads
    assert len(echo.threads) == 1


def test_a_call_that_fails_fails_alone() -> None:
    echo = Echo()
    held, one, bad, other = echo.ask("one", "bad", "other")
    assert echo.answers([held, one, other]) == ["held", "one", "other"]
    with pytest.raises(ModelError, match=r"^the model failed with RuntimeError$"):
        bad.result(5)
    assert echo.batches[1:] == [["one", "bad", "other"], ["one"], ["bad"], ["other"]]


def test_who_gives_up_before_its_turn_is_not_asked() -> None:
    echo = Echo()
    held, first, second = echo.ask("first", "second")
    assert first.cancel()
    assert echo.answers([held, second]) == ["held", "second"]
    assert echo.batches == [["held"], ["second"]]


def test_who_gives_up_while_being_answered_is_told_apart() -> None:
    echo = Echo()
    (held,) = echo.ask()
    assert held.cancel()
    echo.go.set()
    assert echo.queue.submit("next", 1).result(5) == "next"
    with pytest.raises(CancelledError):
        held.result(5)


def test_what_cannot_be_loaded_fails_all_that_wait_and_is_tried_again() -> None:
    tries: list[int] = []

    def load() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ModelError("no weights")
        return "weights"

    echo = Echo(load)
    echo.go.set()
    with pytest.raises(ModelError, match="no weights"):
        echo.queue.submit("a", 8).result(5)
    assert [echo.queue.submit(word, 8).result(5) for word in "bc"] == ["b", "c"]
    assert len(tries) == 2
