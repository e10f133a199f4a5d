"""When the next anomalous case belongs to an incident, and when it is one of its own."""

from __future__ import annotations

import pytest

from alarm_agents.graphs.casework import COOL_DOWN, extend
from support.records import case


@pytest.mark.parametrize(
    ("start", "severity", "own"),
    [(4.0, 2, False), (4.0, 3, True), (4.0, 1, False), (0.4, 4, False), (COOL_DOWN + 1, 2, True)],
    ids=[
        "the same after a pause",
        "worse after a pause",
        "milder",
        "worse without a pause",
        "later than the cool-down",
    ],
)
def test_what_is_worse_after_a_pause_is_told_on_its_own(start: float, severity: int, own: bool) -> None:
    opened, _ = extend(None, case(0.0, severity=2))
    found, belongs = extend(opened, case(start, severity=severity))
    assert opened is not None
    assert found is not None
    assert belongs
    assert (found.id != opened.id) == own
    assert found.severity == (severity if own else max(2, severity))
