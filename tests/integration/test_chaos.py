"""Whatever a server does, no window is lost, doubled or held to be normal in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from alarm_agents.agents.reasoner import Judged
from alarm_agents.models import Model, openai
from alarm_agents.settings import ModelSettings
from alarm_agents.types import Parse
from support.chaos_run import run
from support.chaos_server import Chaos, faults
from support.openai_server import OpenAIServer
from support.scenarios import judged

GOOD = json.dumps(judged(0.03))


@pytest.mark.parametrize(("eyes", "windows"), [(0, 300), (2, 120)])
async def test_no_window_is_lost_doubled_or_normal_in_silence(eyes: int, windows: int, tmp_path: Path) -> None:
    """`python benchmarks/chaos.py` does the same with 2,000 windows, and prints what this checks."""
    outcome = await run(tmp_path, windows, share=0.5, eyes=eyes)
    assert (outcome.lost, outcome.doubled, outcome.silent_normals) == ([], [], [])
    assert outcome.held, "the failure was there to see"
    assert len(outcome.served) > len(faults("")) / 2, "there was chaos"
    assert outcome.labels["anomalous"] > 0
    assert 0 < outcome.recovered_s <= outcome.period_s * 2  # a period more, for a machine that is busy


@pytest.mark.parametrize("name", faults(GOOD))
async def test_each_fault_is_a_typed_answer(name: str) -> None:
    reply = faults(GOOD)[name]
    with OpenAIServer(lambda *_: reply) as server:
        settings = ModelSettings(backend="openai", model="tiny", base_url=server.base_url, retries=1, timeout_s=0.3)
        model = Model("eye", settings, openai.build(settings), backoff_s=0.001)
        answer = await model.ask([HumanMessage("window 1 ")], Judged)
    assert (answer.value is None) == (name != "slow")
    refused = {"refuses", "refuses in words"}
    unparsed = {"half JSON", "wrong schema", "empty", "prose", "a megabyte"}
    expected = Parse.REFUSED if name in refused else Parse.UNPARSED if name in unparsed else Parse.FAILED
    assert answer.parse is (Parse.PARSED if name == "slow" else expected)


def test_chaos_is_the_same_again_by_seed() -> None:
    def served(seed: int) -> list[Any]:
        chaos = Chaos(seed)
        return [str(chaos("tiny", [{"role": "user", "content": f"window {k} "}], None)) for k in range(200)]

    assert _without_events(served(1)) == _without_events(served(1)) != _without_events(served(2))


def _without_events(replies: list[str]) -> list[str]:
    return [reply.split("wait=")[0] + reply.split("refusal=")[-1] for reply in replies]
