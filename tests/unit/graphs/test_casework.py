"""When the next anomalous case belongs to an incident, and when it is one of its own."""

from __future__ import annotations

import pytest

from alarm_agents.graphs.casework import COOL_DOWN, extend
from support.records import case


@pytest.mark.parametrize(
    ("start", "severity", "p", "own"),
    [
        (4.0, 2, 0.6, False),
        (4.0, 3, 0.6, True),
        (4.0, 1, 0.6, False),
        (0.4, 4, 0.6, False),
        (4.0, 2, 0.93, False),
        (4.0, 2, 0.95, True),
        (4.0, 1, 1.0, True),
        (0.4, 2, 0.95, False),
        (COOL_DOWN + 1, 2, 0.6, True),
    ],
    ids=[
        "the same after a pause",
        "severer after a pause",
        "milder",
        "severer without a pause",
        "odder after a pause",
        "far odder after a pause",
        "certain after a pause",
        "far odder without a pause",
        "later than the cool-down",
    ],
)
def test_what_is_worse_after_a_pause_is_told_on_its_own(start: float, severity: int, p: float, own: bool) -> None:
    opened, _ = extend(None, case(0.0, 0.6, severity=2))
    found, belongs = extend(opened, case(start, p, severity=severity))
    assert opened is not None
    assert found is not None
    assert belongs
    assert (found.id != opened.id) == own
    assert found.severity == (severity if own else max(2, severity))


def test_what_is_beyond_lifted_limits_is_told_on_its_own() -> None:
    opened, _ = extend(None, case(0.0, 0.99, severity=4))
    told = [extend(opened, case(4.0, 0.6, severity=2, lift=lift))[0] for lift in (1.4, 3.0)]
    assert opened is not None
    assert [found is not None and found.id == opened.id for found in told] == [True, False]
    again, _ = extend(told[1], case(8.0, 0.6, severity=2, lift=3.0))
    assert again is not None
    assert told[1] is not None
    assert again.id == told[1].id, "what is lifted stays lifted, and is no news"


def test_what_is_certain_already_is_not_worse_when_it_is_certain_again() -> None:
    opened, _ = extend(None, case(0.0, 1.0))
    found, _ = extend(opened, case(4.0, 1.0))
    assert found is not None
    assert opened is not None
    assert found.id == opened.id
