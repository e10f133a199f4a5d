"""How the single members of an ensemble did, and what second looks changed, from the cases of a suite's run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from alarm_agents.evaluation.metrics import frame_auroc
from alarm_agents.types import Case, Label, Verdict
from alarm_agents.uncertainty import signals

Watched = tuple[Mapping[int, int], Sequence[Case]]
"""The labels of a source by frame, and its cases."""


def of_members(watched: Iterable[Watched], together: float | None) -> dict[str, Any]:
    """The metrics `members`, `gain_over_best_member` and `reflections`, ready for JSON.

    `members`: the frame AUROC of each reasoner's first verdicts alone, in [0, 1], frames that it did not judge left
    out; the gain is that of all `together` over the best of them, None for less than two members. `reflections`: how
    many windows got another verdict by a second look, `rightly` (now as most of its frames are labelled) and
    `wrongly`, and the difference, `net`.
    """
    watched = list(watched)
    rows: dict[str, list[tuple[int, float]]] = {}
    rightly = wrongly = 0
    for labels, cases in watched:
        for case in cases:
            known = [labels[frame] for frame in case.window.frames if frame in labels]
            for verdict in _round(case, 0):
                if verdict.p_anomaly is not None and known:
                    rows.setdefault(verdict.member, []).extend((label, verdict.p_anomaly) for label in known)
            changed = _changed(case)
            if known and changed is not None:
                right = (changed is Label.ANOMALOUS) == (2 * sum(known) >= len(known))
                rightly, wrongly = rightly + right, wrongly + (not right)
    members = {name: frame_auroc(*map(np.array, zip(*found, strict=True))) for name, found in sorted(rows.items())}
    told = [auroc for auroc in members.values() if auroc is not None]
    gain = together - max(told) if together is not None and len(told) > 1 else None
    return {
        "members": members,
        "gain_over_best_member": gain,
        "reflections": {"rightly": rightly, "wrongly": wrongly, "net": rightly - wrongly},
    }


def _changed(case: Case) -> Label | None:
    """What the window is held to be since a second look, where it was held to be something else before."""
    last = max((verdict.round for verdict in case.verdicts), default=0)
    before, after = (signals.mean_p(_round(case, number)) for number in (0, last))
    if before is None or after is None or (before >= 0.5) == (after >= 0.5):
        return None
    return Label.ANOMALOUS if after >= 0.5 else Label.NORMAL


def _round(case: Case, number: int) -> list[Verdict]:
    return [verdict for verdict in signals.usable(case.verdicts) if verdict.round == number]
