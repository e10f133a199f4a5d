"""Case memory over a workspace: what people have answered counts from the next question on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from alarm_agents.memory.embedders import Embedder, default_embedder
from alarm_agents.memory.index import VectorIndex
from alarm_agents.memory.remembered import FEWEST, NEIGHBOURS
from alarm_agents.memory.resolved import GROWTH, ResolvedCases
from alarm_agents.types import Parse, Resolution
from alarm_agents.workspace.cases import CaseStore
from alarm_agents.workspace.database import open_database
from support.records import RUN, SCENARIO, case, perception, resolved, verdict

WALKERS = ("a man walks past", "a woman walks her dog", "two people walk and talk", "a child walks to school")
RIDERS = ("a man rides a bicycle", "a woman rides a motorcycle", "a boy rides a skateboard", "somebody rides a scooter")
FIRE = "smoke and flames rise from the kitchen stove"


@pytest.fixture
def cases(engine: Engine) -> CaseStore:
    return CaseStore(engine)


@pytest.fixture
def remember(tmp_path: Path, embedder: Embedder, cases: CaseStore) -> Callable[[], ResolvedCases]:
    return lambda: ResolvedCases(cases, VectorIndex(tmp_path / "memory", embedder), "main", SCENARIO)


def answer(cases: CaseStore, texts: Sequence[str], said: Any, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        text = f"{texts[number % len(texts)]}, {number % 7 + 1} of them"
        made = resolved(f"{said}-{number}", text, said)
        given = Resolution(answer=said, at=number + 1_000.0 * (said == "anomalous"))
        cases.save(made.model_copy(update={"source": f"clip-{number % 3}", "resolution": given}), RUN)


def test_too_few_resolved_cases_say_nothing(cases: CaseStore, remember: Callable[[], ResolvedCases]) -> None:
    answer(cases, WALKERS, "normal", FEWEST - 1)
    assert remember().precedent(WALKERS[0], 0.4) is None


def test_similar_cases_pull_p_towards_their_labels_and_strange_ones_leave_it(
    cases: CaseStore, remember: Callable[[], ResolvedCases]
) -> None:
    answer(cases, WALKERS, "normal", 60)
    answer(cases, RIDERS, "anomalous", 60)
    memory = remember()
    walks, rides, burns = (memory.precedent(text, 0.5) for text in (WALKERS[0], RIDERS[0], FIRE))
    assert walks is not None
    assert rides is not None
    assert burns is not None
    assert walks.p < 0.5 < rides.p
    assert (walks.neighbours, walks.anomalous, rides.anomalous) == (NEIGHBOURS, 0, NEIGHBOURS)
    assert (burns.p, burns.neighbours, burns.trust, burns.cases) == (0.5, 0, 1.0, 120)
    assert "none of 120 resolved cases is like this one" in burns.text
    assert walks.of(0.5) == walks.p
    assert walks.of(0.9) == pytest.approx(memory.precedent(WALKERS[0], 0.9).p)  # type: ignore[union-attr]
    assert memory.precedent(" ", 0.5) is None


def test_what_another_process_answers_counts_at_the_next_question(
    cases: CaseStore, remember: Callable[[], ResolvedCases], database: Path, tmp_path: Path, embedder: Embedder
) -> None:
    answer(cases, WALKERS, "normal", 60)
    memory = remember()
    assert memory.precedent(RIDERS[0], 0.4) is not None
    elsewhere = CaseStore(open_database(database))
    theirs = ResolvedCases(elsewhere, VectorIndex(tmp_path / "memory", embedder), "main", SCENARIO)
    answer(elsewhere, RIDERS, "anomalous", 60)
    said = theirs.precedent(RIDERS[0], 0.4)
    assert {key.split("-")[0] for key, _ in memory.nearest(RIDERS[0], 5)} == {"anomalous"}
    found = memory.precedent(RIDERS[0], 0.4)
    assert found is not None
    assert found.p > 0.4
    for other in (said, remember().precedent(RIDERS[0], 0.4)):
        assert other is not None
        assert (other.anomalous, other.cases) == (found.anomalous, found.cases) == (NEIGHBOURS, 120)
        assert other.p == pytest.approx(found.p, abs=1e-6)


def test_one_more_answer_costs_one_more_text_and_settings_are_fitted_when_memory_has_grown(
    cases: CaseStore, tmp_path: Path
) -> None:
    class Counting:
        name = "counting"
        asked = 0

        def embed(self, texts: Sequence[str]) -> Any:
            self.asked += len(texts)
            return default_embedder().embed(texts)

    embedder = Counting()
    answer(cases, WALKERS, "normal", FEWEST)
    memory = ResolvedCases(cases, VectorIndex(tmp_path / "memory", embedder), "main", SCENARIO)
    assert memory.refresh().fitted_on == FEWEST
    assert embedder.asked == FEWEST
    answer(cases, RIDERS, "anomalous", 1)
    assert len(memory.refresh().ids) == FEWEST + 1
    assert memory.refresh().fitted_on == FEWEST
    assert embedder.asked == FEWEST + 1
    answer(cases, RIDERS, "anomalous", round(FEWEST * (GROWTH - 1)), 1)
    assert memory.refresh().fitted_on == len(memory.refresh().ids)
    again = ResolvedCases(cases, VectorIndex(tmp_path / "memory", embedder), "main", SCENARIO)
    asked = embedder.asked
    assert sorted(again.refresh().ids) == sorted(memory.refresh().ids)
    assert embedder.asked == asked  # a start reads the vectors that are stored


def test_the_models_own_words_are_remembered_with_the_members_own_p(
    cases: CaseStore, remember: Callable[[], ResolvedCases]
) -> None:
    answer(cases, WALKERS, "normal", FEWEST - 1)
    first = verdict(0.9, rationale="at first it looked like theft")
    last = verdict(0.2, round=1, rationale="the gardener carries his ladder")
    mute = verdict(None, "other", parse=Parse.REFUSED, round=1, rationale="I cannot help")
    seen = perception("eye", caption="a man with a ladder")
    done = resolved("told", "").model_copy(update={"perceptions": (seen,), "verdicts": (first, last, mute)})
    cases.save(done, RUN)
    memory = remember()
    ((nearest, likeness),) = memory.nearest("a man with a ladder\nthe gardener carries his ladder", 1)
    assert nearest == "told"
    assert likeness == pytest.approx(1.0, abs=1e-3)
    moved = case(50.0, 0.25, id="moved").model_copy(
        update={"precedent": memory.precedent(WALKERS[0], 0.3), "resolution": done.resolution}
    )
    cases.save(moved, RUN)
    held = memory.refresh()
    assert held.p[held.ids.index("moved")] == pytest.approx(0.3)
