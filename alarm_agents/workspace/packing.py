"""How a case is written into its row: JSON without defaults, compressed with a dictionary; quiet cases in fewer digits.

Nearly all windows of a monitor are quiet, and their records decide how fast a workspace grows. A packed record is a
format number (one byte) and compressed data: Zstandard without its header, in format 1 raw deflate. What the row's
columns hold (`COLUMNS`) is not in it.
"""

from __future__ import annotations

import itertools
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zstandard import (
    DICT_TYPE_RAWCONTENT,
    FORMAT_ZSTD1_MAGICLESS,
    ZstdCompressionDict,
    ZstdCompressionParameters,
    ZstdCompressor,
    ZstdDecompressor,
    ZstdError,
)

from alarm_agents.errors import WorkspaceError
from alarm_agents.types import Case
from alarm_agents.workspace.typical import DICTIONARIES

COLUMNS = ("id", "namespace", "scenario", "source", "status", "label", "incident")
DIGITS = 4
"""Significant digits that a quiet case keeps of what was measured and judged; times keep their microseconds."""
_SHORT = f"%.{DIGITS}g"
FOLLOWS = True
"""Stands for what follows from the rest: scores that are the largest of what was measured, frame by frame, and a
caption that is made of the facts. Neither is ever true by itself."""

FORMAT = 2
"""What is written; 1 kept the measures as they are, and is read still."""
LEVEL, TYPICAL_SIZE, LARGEST = 15, 8_192, 2**27
"""Zstandard's effort (more takes milliseconds and saves a byte), and the bytes of JSON: as it expects, and at most."""
_WORDS = ZstdCompressionDict(DICTIONARIES[FORMAT].encode(), dict_type=DICT_TYPE_RAWCONTENT)
_PARAMETERS = ZstdCompressionParameters.from_level(
    LEVEL,
    source_size=TYPICAL_SIZE,
    dict_size=len(_WORDS),
    format=FORMAT_ZSTD1_MAGICLESS,
    write_content_size=False,
    write_checksum=False,
    write_dict_id=False,
)
_WORDS.precompute_compress(compression_params=_PARAMETERS)


def pack(case: Case) -> bytes:
    """The case without `COLUMNS`: whole, or, where it is quiet, with `DIGITS` significant digits."""
    record = case.model_dump(mode="json", exclude=set(COLUMNS), exclude_defaults=True)
    if case.quiet:
        window = record.pop("window")
        record = {"window": _stepped(window), **_short(record)}
        _condense(record)
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    compressor = ZstdCompressor(compression_params=_PARAMETERS, dict_data=_WORDS)  # anew, for threads may not share one
    # What models say may hold lone surrogates, which only "surrogatepass" gets through UTF-8 and back.
    return bytes([FORMAT]) + compressor.compress(text.encode("utf-8", "surrogatepass"))


def unpack(packed: bytes, columns: Mapping[str, Any]) -> Case:
    """The case of a packed record and its row's `COLUMNS`.

    Raises `WorkspaceError` where the record is damaged or of a format that this version does not know.
    """
    try:
        record = json.loads(_inflated(packed).decode("utf-8", "surrogatepass"))
        if "steps" in record["window"]:
            record["window"] = _whole(record["window"])
            _expand(record)
        return Case.model_validate({**record, **{name: columns[name] for name in COLUMNS}})
    except (zlib.error, ZstdError, ValueError, KeyError, IndexError, TypeError) as error:
        raise WorkspaceError(
            "the record of this case cannot be read: it is damaged, or written by a newer alarm-agents",
            where=str(columns["id"]),
            remedy="upgrade alarm-agents, or restore alarm.db from a copy",
        ) from error


def _inflated(packed: bytes) -> bytes:
    if packed[0] == 1:
        return zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=DICTIONARIES[1].encode()).decompress(packed[1:])
    if packed[0] != FORMAT:
        raise ValueError(f"format {packed[0]}")
    return ZstdDecompressor(dict_data=_WORDS, format=FORMAT_ZSTD1_MAGICLESS).decompress(packed[1:], LARGEST)


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


def _condense(record: dict[str, Any]) -> None:
    """Keep series as steps from frame to frame, and leave out what follows from the rest."""
    maxima = _maxima(record)
    for perception in record.get("perceptions", ()):
        for name, value in (("scores", maxima), ("caption", _told(perception))):
            if value and perception.get(name) == value:
                perception[name] = FOLLOWS
    for holder, name in _series_of(record):
        holder[name] = _in_units(holder[name])


def _expand(record: dict[str, Any]) -> None:
    """Undo `_condense`; a record of format 1 is left as it is."""
    for holder, name in _series_of(record):
        holder[name] = _from_units(holder[name])
    maxima = _maxima(record)
    for perception in record.get("perceptions", ()):
        for name, value in (("scores", maxima), ("caption", _told(perception))):
            if perception.get(name) is FOLLOWS:
                perception[name] = value


def _series_of(record: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Where there is one value a frame: what holds the series, and under which name."""
    for measurement in record.get("measurements", ()):
        frames = measurement.get("frames", {})
        yield from ((frames, name) for name in frames)
    for holder, name in ((record, "frame_scores"), *((verdict, "frames") for verdict in record.get("verdicts", ()))):
        if name in holder:
            yield holder, name


def _told(perception: Mapping[str, Any]) -> str:
    """The caption that an expert's perception has."""
    return "; ".join(fact["text"] for fact in perception.get("facts", ()))


def _maxima(record: Mapping[str, Any]) -> dict[str, float]:
    """Each measure's largest value, under the name that perceptions have for it."""
    return {
        f"{measurement['expert']}.{name}": max(series, default=0.0)
        for measurement in record.get("measurements", ())
        for name, series in measurement.get("frames", {}).items()
    }


def _in_units(series: list[float]) -> list[Any]:
    """A series of short numbers as its decimals and the steps between its values in units of the last of them."""
    if not series or not all(math.isfinite(value) for value in series):
        return series
    decimals = max(0, *map(_decimals, series))
    if decimals > 22 or max(map(abs, series)) * 10**decimals >= 2**53:  # division would not give the same numbers back
        return series
    return [decimals, _steps([round(value * 10**decimals) for value in series])]


def _decimals(value: float) -> int:
    mantissa, _, exponent = repr(value).partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent or 0)


def _from_units(series: list[Any]) -> list[float]:
    """What `_in_units` was given."""
    if not series or not isinstance(series[-1], list):
        return series
    decimals, steps = series
    return [unit / 10**decimals for unit in itertools.accumulate(steps)]


def _short(value: Any) -> Any:
    """Numbers in `DIGITS` significant digits, but for times, which count from far away."""
    if isinstance(value, float):
        return float(_SHORT % value)
    if isinstance(value, list):
        if value and isinstance(value[0], float):  # mostly series: a call for each number takes longer than it does
            return [float(_SHORT % item) if isinstance(item, float) else _short(item) for item in value]
        return [_short(item) for item in value]
    if isinstance(value, dict):
        return {key: item if key == "time" else _short(item) for key, item in value.items()}
    return value
