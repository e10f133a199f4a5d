"""Prompts of one agent begin alike from window to window, so that model servers read that part once."""

from __future__ import annotations

import asyncio
import json
import os
from itertools import pairwise
from typing import Any

import pytest

from support.clips import clip, write_folder
from support.openai_server import OpenAIServer, Request
from support.scenarios import SEEN, again, judged, watch, write_scenario

WORDS = "runs rides climbs falls fights throws hides crawls jumps dances sits sleeps shouts waits kneels limps".split()
AGENTS = {"perceivers": ["it"], "reasoners": ["it"], "reflector": "it"}
ROLES = ("Seen", "Judged", "Reconsidered")
"""The answers that perceivers, reasoners and reflectors are asked for."""


class Eye:
    """Sees something else in every window, so that other rules are near; and is unsure of all of it."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self, _: str, __: list[dict[str, Any]], schema: dict[str, Any] | None) -> str:
        title = (schema or {})["title"]
        if title == "Seen":
            self.looks += 1
            return json.dumps({**SEEN, "caption": f"Somebody {WORDS[self.looks % len(WORDS)]}."})
        return json.dumps(judged(0.45) if title == "Judged" else again(0.4))


def texts(request: Request) -> list[str]:
    """The request's messages in words."""
    parts = [message["content"] for message in request.messages]
    return [part if isinstance(part, str) else "".join(p.get("text", "") for p in part) for part in parts]


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> list[Request]:
    """What was sent while four windows were watched under more rules than a prompt takes."""
    folder = tmp_path_factory.mktemp("prefix")
    source = write_folder(folder / "walkers", clip(32, fast=range(16, 24)))
    rules = [{"text": f"Somebody {word}."} for word in WORDS] + [{"text": "People walk.", "kind": "normal"}]
    with OpenAIServer(Eye()) as server:
        path = write_scenario(folder, agents=AGENTS, rules=rules, uncertainty={"accept_below": 0.0})
        block = {"backend": "openai", "base_url": server.base_url, "model": "tiny"}
        path.write_text(f"{path.read_text(encoding='utf-8')}models: {{it: {json.dumps(block)}}}\n", encoding="utf-8")
        asyncio.run(watch(path, source, folder / "workspace"))
        return server.requests


def of(role: str, requests: list[Request]) -> list[list[str]]:
    """The first turns of one agent."""
    return [texts(one) for one in requests if one.body["response_format"]["json_schema"]["name"] == role]


@pytest.mark.parametrize("role", ROLES)
def test_what_windows_have_in_common_comes_first(role: str, requests: list[Request]) -> None:
    found = of(role, requests)
    assert len(found) == 4
    rules = ("People walk.",) if role != "Seen" else ()
    for said in ("People walk.", *rules, "Answer with one JSON object"):
        assert all(said in system for system, _ in found)
    assert len({question for _, question in found}) == 4
    # All instructions, but for the rules, of which the nearest are told, are the same.
    alike = os.path.commonprefix([system for system, _ in found])  # noqa: RUF071 (no paths: characters are meant)
    assert alike == found[0][0] if role == "Seen" else "The rules, each with its id:" in alike


@pytest.mark.parametrize("role", ["Judged", "Reconsidered"])
def test_rules_stand_in_one_order_whatever_was_seen(role: str, requests: list[Request]) -> None:
    told = [[line for line in system.splitlines() if ": Somebody" in line] for system, _ in of(role, requests)]
    assert len({tuple(lines) for lines in told}) > 1, "which rules are told depends on what was seen"
    for one, other in pairwise(told):
        assert [line for line in one if line in other] == [line for line in other if line in one]


@pytest.mark.parametrize("role", ["Judged", "Reconsidered"])
def test_the_window_comes_last(role: str, requests: list[Request]) -> None:
    for system, question in of(role, requests):
        assert "Somebody" in question
        assert " s to " in question
        assert " s to " not in system
