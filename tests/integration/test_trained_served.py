"""A trained tiny model of `alarm models train-tiny`, by transformers in process and by a vLLM server: answers alike."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import pytest

from alarm_agents.agents.perceiver import Perceiver
from alarm_agents.agents.reasoner import Question, Reasoner
from alarm_agents.demo import walkway
from alarm_agents.demo.film import frames
from alarm_agents.demo.scene import FPS
from alarm_agents.models import build_models
from alarm_agents.scenario import load_scenario
from alarm_agents.sources.held import HeldSource
from alarm_agents.sources.media import Media
from alarm_agents.sources.picture import Picture
from alarm_agents.types import Verdict
from support.model_servers import needs_vllm, served
from support.records import window

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def media() -> Media:
    """The first half minute of a busy walkway."""
    shown = islice(frames(walkway.busy(21).scene), 30 * FPS)
    return Media(HeldSource([Picture(one, i, i / FPS, FPS) for i, one in enumerate(shown)], "clip", "frames"), 640)


@pytest.mark.parametrize("name", ["tiny-a", "tiny-b", "tiny-c"])
async def test_vllm_and_transformers_see_and_judge_alike(name: str, media: Media, tmp_path: Path) -> None:
    needs_vllm()
    pytest.importorskip("llguidance", reason="needs the extra [transformers]: make test-models")
    scenario = load_scenario("walkway_mllm")
    settings = scenario.models[name]
    weights = Path(settings.model).expanduser()
    if not weights.is_dir():
        pytest.skip("needs trained models: alarm models train-tiny")
    os.symlink(weights, tmp_path / name)
    shared = {"logprobs": True, "images": settings.images.model_dump(), "max_concurrency": 4}
    with served(tmp_path, name, context=2048, **shared) as url:
        there = settings.model_copy(update={"backend": "openai", "base_url": url, "model": name})
        ours, theirs = [build_models({name: one}, tmp_path) for one in (settings, there)]
        labels = set()
        for start in range(0, 28, 4):
            judged: list[Verdict] = []
            stretch = window(float(start), frames=scenario.source.frames, source="clip")
            seen = [
                await Perceiver.of(scenario, name, one).perceive(stretch, (), media, scenario) for one in (ours, theirs)
            ]
            assert seen[0].parse.usable
            assert seen[0].caption == seen[1].caption
            question = Question(stretch, scenario.normal, (), seen[:1], (), (), media=media)
            for models in (ours, theirs):
                judged += await Reasoner.of(scenario, name, models).reason(question)
            assert judged[0].label is judged[1].label
            assert [one.p_from for one in judged] == ["log-probabilities"] * 2
            assert judged[0].p_anomaly == pytest.approx(judged[1].p_anomaly, abs=0.02)
            labels.add(judged[0].label)
    assert len(labels) > 1, "what is the same everywhere shows nothing"
