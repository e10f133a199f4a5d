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
    '"severity":2,"unknown_rules":[],"screen_text":[],"zones":[],"note":"","confidence":0.9,"similar":[{"case":'
    '"","label":"anomalous","similarity":0.9,"text":"","expert":"appearance","expert":"geometry","parse":"parse'
    'd",{"window":{"id":":000","source":"","start":0.0,"end":0.0,"first":0,"last":0,"fps":10.0,"steps":[[0,1000'
    "00,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000,100000],[0,1"
    ',1,1,1,1,1,1,1,1,1,1,1,1,1,1]]},"score":0.05,"frame_scores":[0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.05,'
    '0.05,0.05,0.05,0.05,0.05,0.05,0.05],"p_value":0.6667,"budget_verified":true,"title":"Normal","explanation"'
    ':"embedded: the fastest thing moves at usually 1.74 and at most 2.26 times the speed that is usual at its '
    "place (here 1.93, limit 2.26); something small stays for usually 1.00 and at most 1.39 seconds (here 1.00,"
    ' limit 1.39). No model took part: experts and rules alone judged this. uncertainty 0.10 is under 0.60","de'
    'cision":"accept","uncertainty":{"analysis":0.1,"weights":{"analysis":1.0},"score":0.1,"decision":"accept",'
    '"reason":"uncertainty 0.10 is under 0.60"},"measurements":[{"expert":"motion","score":"ratio","frames":{"s'
    'peed":[0.1267,0.1295],"moving":[0.06279,0.06683],"still":[0.1356,0.1214],"tall":[1.467,1.405],"wide":[0.94'
    '94,0.9528],"ratio":[1.72,1.714]}},{"expert":"presence","score":"stays","frames":{"stays":[5.05,5.11],"left'
    '":[1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0]}},{"expert":"camera","score":"","frame'
    's":{"blind":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0]}}],"perceptions":[{"member":'
    '"embedded","model":"embedded","facts":[{"subject":"object 29","attribute":"speed ratio","value":2.33,"unit'
    '":"times usual","text":"object 29 moves 2.3 times the usual speed here (0.18 picture heights/s)","region":'
    '[0.825,0.4708,0.8833,0.6583],"track":"29","time":16.5,"perceiver":"motion","measure":"motion.ratio"},{"sub'
    'ject":"picture","attribute":"moving share","value":0.0775,"unit":"share of the picture","text":"up to 7.7%'
    ' of the picture moves at once","perceiver":"motion","measure":"motion.moving"},{"subject":"picture","attri'
    'bute":"still share","value":0.156,"unit":"share of what is there","text":"16% of what is there stands stil'
    'l","perceiver":"motion","measure":"motion.still"},{"subject":"thing","attribute":"stays","value":5.3,"unit'
    '":"s","text":"something, 0.97 times as tall as things usually are, has been there for 5.3 s","region":[0.7'
    '167,0.3375,0.7583,0.45],"time":16.2,"perceiver":"presence","measure":"presence.stays"}],"caption":"object '
    "29 moves 2.3 times the usual speed here (0.18 picture heights/s); up to 7.7% of the picture moves at once;"
    " 16% of what is there stands still; something, 0.97 times as tall as things usually are, has been there fo"
    'r 5.3 s","scores":{"motion.speed":0.143,"motion.moving":0.07294,"motion.still":0.1356,"motion.tall":1.607,'
    '"motion.wide":1.117,"motion.ratio":1.929,"presence.stays":5.232,"presence.left":1.0,"camera.blind":0.0},"p'
    'arse":"embedded"}],"verdicts":[{"member":"embedded","model":"embedded","label":"normal","p_anomaly":0.05,"'
    'p_value":0.6667,"budget_verified":true,"frames":[0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.05,0.'
    '05,0.05,0.05,0.05,0.05],"rationale":"the fastest thing moves at usually 1.74 and at most 2.26 times the sp'
    "eed that is usual at its place (here 1.93, limit 2.26); something small stays for usually 1.00 and at most"
    ' 1.39 seconds (here 1.00, limit 1.39)","rules":[{"id":"motion-ratio-usual","version":1},{"id":"presence-le'
    'ft-usual","version":1}],"parse":"embedded"}],"rules":[{"id":"motion-ratio-usual","version":1},{"id":"prese'
    'nce-left-usual","version":1}],"revision":1,"trace_id":"'
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
