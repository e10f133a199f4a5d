"""Case records in their rows: what goes in comes out, whole or, where nothing happened, in four digits."""

from __future__ import annotations

import math
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_agents.errors import WorkspaceError
from alarm_agents.types import Case, CaseStatus, Decision, Fact, Label, Measurement, Parse, Uncertainty, Window
from alarm_agents.workspace.packing import COLUMNS, pack, unpack
from alarm_agents.workspace.typical import DICTIONARIES
from support.records import fact, motion, perception, resolved, verdict, window

P = st.floats(0, 1)
VALUES = st.floats(0, 1e6, allow_subnormal=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def quiet(start: float = 0.0, **changes: Any) -> Case:
    """A case in which nothing happened."""
    values = {
        "id": "clip-0badcafe-000000000",
        "scenario": "yard",
        "source": "clip",
        "window": window(start, frames=16),
        "status": CaseStatus.DONE,
        "label": Label.NORMAL,
        "score": 0.0165063770,
        "frame_scores": (0.0026254084, 0.0165063770),
        "decision": Decision.ACCEPT,
        "uncertainty": Uncertainty(score=0.0330127, decision=Decision.ACCEPT, reason="sure"),
        "measurements": (motion(1.4549, 1.69784),),
        "perceptions": (perception("eye", "a man walks"),),
        "verdicts": (verdict(0.0165063770),),
        "trace_id": "235e0a72a9dd1031e656c64d445e7c6e",
    }
    return Case(**{**values, **changes})


def there_and_back(case: Case) -> Case:
    return unpack(pack(case), {name: getattr(case, name) for name in COLUMNS})


def near(one: Any, other: Any) -> bool:
    """Equal but for the fifth digit of numbers."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=6e-4, abs_tol=1e-12)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(near(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(near, one, other))
    return bool(one == other)


@given(
    start=st.floats(0, 2e9),
    fps=st.floats(0.5, 120),
    scores=st.lists(P, max_size=16),
    series=st.dictionaries(TEXTS, st.lists(VALUES, max_size=16), max_size=3),
    said=st.lists(TEXTS, max_size=3),
    at=st.none() | st.floats(0, 2e9),
)
@settings(max_examples=80, deadline=None)
def test_a_quiet_case_comes_back_in_four_digits(start, fps, scores, series, said, at) -> None:
    times = tuple(start + i / fps for i in range(16))
    stretch = Window(
        id="w", source="clip", start=start, end=times[-1], first=7, last=37, fps=fps, times=times,
        frames=tuple(range(7, 39, 2)),
    )  # fmt: skip
    seen = perception("eye").model_copy(update={"facts": tuple(fact(text, time=at, value=0.123456) for text in said)})
    measured = Measurement(expert="motion", score="ratio", frames={k: tuple(v) for k, v in series.items()})
    case = quiet(window=stretch, frame_scores=tuple(scores), perceptions=(seen,), measurements=(measured,))
    assert case.quiet
    back = there_and_back(case)
    assert near(back.model_dump(mode="json"), case.model_dump(mode="json"))
    assert (back.window.start, back.window.end, back.window.frames) == (start, stretch.end, stretch.frames)
    assert all(abs(a - b) < 2e-6 for a, b in zip(back.window.times, times, strict=True)), "times to the microsecond"
    assert [f.time for p in back.perceptions for f in p.facts] == [at] * len(said)
    assert there_and_back(back) == back, "packing it again loses nothing more"


@given(score=P, scores=st.lists(P, max_size=16), value=VALUES, said=st.text(max_size=200))
@settings(max_examples=80, deadline=None)
def test_a_case_that_is_not_quiet_comes_back_whole(score, scores, value, said) -> None:
    seen = perception("eye").model_copy(
        update={"facts": (Fact(subject="s", attribute="a", value=value, text=said, region=(0, 0, score, 1)),)}
    )
    case = quiet(label=Label.ANOMALOUS, score=score, frame_scores=tuple(scores), perceptions=(seen,))
    assert there_and_back(case) == case


def test_what_was_looked_at_twice_doubted_answered_or_not_answered_is_not_quiet() -> None:
    assert quiet().quiet
    again = verdict(0.01, round=1)
    silent = verdict(None, parse=Parse.REFUSED)
    not_quiet = [
        quiet(label=Label.UNKNOWN),
        quiet(decision=Decision.DEFER),
        quiet(deferred=True),
        quiet(status=CaseStatus.PENDING),
        quiet(verdicts=(verdict(0.4), again)),
        quiet(verdicts=(verdict(0.01), silent)),
        quiet(perceptions=(perception("eye", parse=Parse.FAILED),)),
        quiet(incident="incident-1"),
        quiet(notes={"plates": 3}),
        resolved("a", "a man walks", "normal"),
    ]
    assert not any(case.quiet for case in not_quiet)
    assert all(there_and_back(case) == case for case in not_quiet)


def test_a_quiet_record_is_small() -> None:
    measured = Measurement(
        expert="motion",
        score="ratio",
        frames={n: tuple(round(1 + i * k / 97 % 1, 4) for i in range(16)) for k, n in enumerate(("a", "b", "c"), 3)},
    )
    case = quiet(measurements=(measured,))
    assert len(pack(case)) < 450 < len(case.model_dump_json()) / 3


def test_a_record_of_the_first_format_is_read() -> None:
    measured = '{"expert":"motion","score":"ratio","frames":{"ratio":[1.455,1.698]}}'
    uncertainty = '{"score":0.033,"decision":"accept","reason":"sure"}'
    window = '{"id":"w","source":"clip","start":1.5,"end":1.7,"first":3,"last":4,"fps":10.0,"steps":[[0,100000],[0,1]]}'
    text = f'{{"window":{window},"score":0.1,"decision":"accept",'
    text += f'"uncertainty":{uncertainty},"measurements":[{measured}]}}'
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS, zdict=DICTIONARIES[1].encode())
    case = unpack(
        b"\x01" + deflate.compress(text.encode()) + deflate.flush(),
        {name: getattr(quiet(), name) for name in COLUMNS},
    )
    assert case.measurements[0].frames == {"ratio": (1.455, 1.698)}
    assert case.window.times == (1.5, 1.6)


@pytest.mark.parametrize("packed", [b"", b"\x63abc", b"\x01\xff\xff", b"\x02\xff\xff", pack(quiet())[:40]])
def test_a_damaged_record_is_a_clear_error(packed: bytes) -> None:
    columns = {name: getattr(quiet(), name) for name in COLUMNS}
    with pytest.raises(WorkspaceError, match=r"clip-0badcafe-000000000.*cannot be read"):
        unpack(packed, columns)
