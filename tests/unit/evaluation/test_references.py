"""References drawn from labelled captions."""

from __future__ import annotations

from pathlib import Path

import pytest

from alarm_agents.errors import ScenarioError
from alarm_agents.evaluation.references import choose, merged, spoken


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = []
    for name, odd in (("a", range(60, 70)), ("b", range(0))):
        path = tmp_path / f"{name}.csv"
        order = sorted(range(100), key=str)  # as UBnormal's files are
        rows = [f'{i},{int(i in odd)},"a person {"rides a Bicycle" if i in odd else "walks"}"' for i in order]
        path.write_text("\n".join(["frame,label,caption", *rows]) + "\n")
        found.append(path)
    return found


def test_references_are_normal_and_away_from_what_is_not(files: list[Path]) -> None:
    every = choose(files, label=0, says="", frames=None, guard=25, seed=0)
    assert every[files[0]] == frozenset([*range(36), *range(94, 100)])
    assert every[files[1]] == frozenset(range(100))
    ten = choose(files, label=0, says="", frames=10, guard=25, seed=0)
    assert sum(map(len, ten.values())) == 10
    assert ten == choose(files, label=0, says="", frames=10, guard=25, seed=0)
    assert ten != choose(files, label=0, says="", frames=10, guard=25, seed=1)


def test_references_may_be_what_says_something(files: list[Path]) -> None:
    rides = choose(files, label=None, says="bicycle", frames=4, guard=25, seed=0)
    assert set(rides) == {files[0]}
    assert rides[files[0]] <= set(range(60, 70)) == spoken(files[0], "bicycle")
    assert merged([rides, {files[0]: frozenset({1})}])[files[0]] == rides[files[0]] | {1}


def test_normal_frames_stay_away_from_what_is_not_whatever_else_is_asked_of_them(files: list[Path]) -> None:
    for label, says in ((None, "person"), (None, ""), (0, "walks")):
        every = choose(files[:1], label=label, says=says, frames=None, guard=25, seed=0)[files[0]]
        assert every - set(range(60, 70)) == {*range(36), *range(94, 100)}
        assert bool(every & set(range(60, 70))) == (label is None)
    walks = choose(files[:1], label=None, says="walks", frames=None, guard=0, seed=0)  # as a flip asks for them
    assert walks[files[0]] == frozenset([*range(60), *range(70, 100)])


def test_where_nothing_qualifies_that_is_said(files: list[Path]) -> None:
    with pytest.raises(ScenarioError, match="no frame qualifies"):
        choose(files[:1], label=0, says="", frames=10, guard=90, seed=0)
