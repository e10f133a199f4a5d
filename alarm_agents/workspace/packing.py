"""How a case is written into its row: JSON without defaults, deflated with a dictionary; quiet cases in fewer digits.

Nearly all windows of a monitor are quiet, and their records decide how fast a workspace grows. A packed record is a
format number (one byte) and raw deflate data. What the row's columns hold (`COLUMNS`) is not in it.
"""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from alarm_agents.errors import WorkspaceError
from alarm_agents.types import Case

COLUMNS = ("id", "namespace", "scenario", "source", "status", "label", "incident")
DIGITS = 4
"""Significant digits that a quiet case keeps of what was measured and judged; times keep their microseconds."""

FORMAT = 1
_TYPICAL = (
    '"unit":"share of the picture","text":"up to % of the picture moves at once" shows too much is dark was refused'
    '"severity":2,"unknown_rules":[],"screen_text":[],"zones":[],"note":"","track":"1","confidence":0.9,"time":'
    '"region":[0.4528,0.775,0.5278,1.0],"region":[0.,"similar":[{"case":"","label":"normal","similarity":0.9,"text":"'
    '"decision":"defer","reason":"drawn for audit"},"deferred":true,"parse":"parsed","label":"anomalous"'
    '"expert":"appearance","score":"","expert":"geometry","expert":"presence","occupancy","crowding","size":'
    "0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,1.0,1.0,0.001,0.002,0.01,0.02,1.2,1.3,1.4,1.5,1.1"
    '{"window":{"id":":000","source":"","start":0,"end":0,"first":0,"last":5,"fps":10.0,'
    '"steps":[[0,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,'
    "100000],[0,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]]"
    '},"score":0.01,"frame_scores":[0.00,0.00,0.0],"title":"Normal","explanation":"embedded: the fastest thing moves '
    "at usually 1. and at most 2. times the speed that is usual at its place (here 1., limit 2.). No model took part: "
    'experts and rules alone judged this. uncertainty 0.0 is under 0.60","decision":"accept","uncertainty":{'
    '"analysis":0.0,"weights":{"analysis":1.0},"score":0.0,"decision":"accept","reason":"uncertainty 0.0 is under '
    '0.60"},"measurements":[{"expert":"motion","score":"ratio","frames":{"speed":[0.1,0.1],"moving":[0.0,0.0],'
    '"ratio":[1.2,1.2,1.]}}],"perceptions":[{"member":"embedded","model":"embedded","facts":[{"subject":"object 1",'
    '"attribute":"speed ratio","value":2.0,"unit":"times usual","text":"object 1 moves  times the usual speed here '
    '(0.2 picture heights/s)","region":[0.,0.,0.],"track":"1","time":,"perceiver":"motion"},{"subject":"picture",'
    '"attribute":"moving share","value":0.0}],"caption":"object 1 moves","scores":{"motion.speed":0.1,"motion.moving":'
    '0.0,"motion.ratio":1.},"parse":"embedded"}],"verdicts":[{"member":"embedded","model":"embedded","label":"normal",'
    '"p_anomaly":0.0,"frames":[0.0,0.],"rationale":"the fastest thing moves at usually ","rules":[{"id":'
    '"motion-ratio-usual","version":1}],"parse":"embedded"}],"rules":[{"id":"motion-ratio-usual","version":1}],'
    '"revision":1,"trace_id":"'
)
"""What records of format 1 are likely to say, which deflate may refer to. It must never change: another text is
another format, or what was written with this one cannot be read any more."""
_DICTIONARIES = {FORMAT: _TYPICAL.encode()}


def pack(case: Case) -> bytes:
    """The case without `COLUMNS`: whole, or, where it is quiet, with `DIGITS` significant digits."""
    record = case.model_dump(mode="json", exclude=set(COLUMNS), exclude_defaults=True)
    if case.quiet:
        window = record.pop("window")
        record = {"window": _stepped(window), **_short(record)}
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS, zdict=_DICTIONARIES[FORMAT])
    # What models say may hold lone surrogates, which only "surrogatepass" gets through UTF-8 and back.
    return bytes([FORMAT]) + deflate.compress(text.encode("utf-8", "surrogatepass")) + deflate.flush()


def unpack(packed: bytes, columns: Mapping[str, Any]) -> Case:
    """The case of a packed record and its row's `COLUMNS`.

    Raises `WorkspaceError` where the record is damaged or of a format that this version does not know.
    """
    try:
        inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=_DICTIONARIES[packed[0]])
        record = json.loads(inflate.decompress(packed[1:]).decode("utf-8", "surrogatepass"))
        if "steps" in record["window"]:
            record["window"] = _whole(record["window"])
        return Case.model_validate({**record, **{name: columns[name] for name in COLUMNS}})
    except (zlib.error, ValueError, KeyError, IndexError, TypeError) as error:
        raise WorkspaceError(
            "the record of this case cannot be read: it is damaged, or written by a newer alarm-agents",
            where=str(columns["id"]),
            remedy="upgrade alarm-agents, or restore alarm.db from a copy",
        ) from error


def _stepped(window: dict[str, Any]) -> dict[str, Any]:
    """The window with its frames' times (microseconds from its start) and numbers as steps from one to the next."""
    start = round(window["start"] * 1e6)
    micros = [round(time * 1e6) - start for time in window.pop("times", ())]
    numbers = [number - window["first"] for number in window.pop("frames", ())]
    return {**window, "steps": [_steps(micros), _steps(numbers)]}


def _whole(window: dict[str, Any]) -> dict[str, Any]:
    """What `_stepped` was given."""
    micros, numbers = (list(itertools.accumulate(steps)) for steps in window.pop("steps"))
    start, first = window["start"], window["first"]
    times = [(round(start * 1e6) + micro) / 1e6 if micro else start for micro in micros]
    return {**window, "times": times, "frames": [first + number for number in numbers]}


def _steps(values: Sequence[int]) -> list[int]:
    return [after - before for before, after in itertools.pairwise([0, *values])]


def _short(value: Any) -> Any:
    """Numbers in `DIGITS` significant digits, but for times, which count from far away."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, list):
        return [_short(item) for item in value]
    if isinstance(value, dict):
        return {key: item if key == "time" else _short(item) for key, item in value.items()}
    return value
