"""Recorded cases: a JSONL file of what models once answered, a case a line; the labels in it are for suites alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, Field

from alarm_agents.errors import SourceError
from alarm_agents.models.structured import Parsed, Refused, parse_reply
from alarm_agents.types import Label, Parse, Perception, Record, Verdict

MEMBERS = "outputs"


class Answer(BaseModel):
    """What a recorded answer may say, under the names that benchmarks use."""

    label: Literal[0, 1, "normal", "anomalous", "cannot tell"] = Field(
        validation_alias=AliasChoices("label", "anomaly", "result")
    )
    p_anomaly: float | None = Field(None, ge=0, le=1)
    seen: str = Field("", validation_alias=AliasChoices("video_description", "description", "caption", "seen"))
    rationale: str = Field("", validation_alias=AliasChoices("reasoning", "rationale"))


class RecordedCase(Record):
    """One case: what each member saw and held it to be, by member. It has no label: that is the answer."""

    id: str
    category: str = ""
    perceptions: Mapping[str, Perception]
    verdicts: Mapping[str, Verdict]


def read_recorded(path: Path, annotations: Path | None = None) -> list[RecordedCase]:
    """The cases in the file's order, each member's text read by the parser of live answers.

    A line holds `id`, `outputs` {member: text} and perhaps `category`, which may also stand in `annotations`, another
    JSONL file, joined by `id`. Raises `SourceError` naming file and line for what is not such a line.
    """
    more = {str(row.get("id")): row for _, row in _rows(annotations)} if annotations is not None else {}
    found: dict[str, RecordedCase] = {}
    for where, row in _rows(path):
        case, outputs = row.get("id"), row.get(MEMBERS)
        if not isinstance(case, str) or not case or not isinstance(outputs, dict):
            raise SourceError("a recorded case has an id and outputs by member", where=where)
        if case in found:
            raise SourceError("the case stands there twice", where=where)
        if not all(isinstance(text, str) for text in outputs.values()):
            raise SourceError("outputs are texts, one a member", where=where)
        told = {str(member): parse_reply(text, Answer) for member, text in outputs.items()}
        category = row.get("category", more.get(case, {}).get("category", ""))
        found[case] = RecordedCase(
            id=case,
            category=str(category),
            perceptions={member: _perception(member, answer) for member, answer in told.items()},
            verdicts={member: _verdict(member, answer) for member, answer in told.items()},
        )
    if not found:
        raise SourceError("there is no case in the file", where=str(path))
    return list(found.values())


def read_case_labels(path: Path) -> dict[str, int]:
    """The label (0 normal, 1 anomalous) by case. Raises `SourceError` naming file and line where one has none."""
    found: dict[str, int] = {}
    for where, row in _rows(path):
        label = row.get("label")
        if isinstance(label, bool) or label not in (0, 1):
            raise SourceError("a recorded case's label is 0 (normal) or 1 (anomalous)", where=where)
        found[str(row.get("id"))] = int(label)
    return found


def read_case_reasons(path: Path, annotations: Path | None = None) -> dict[str, str]:
    """Why people held each case to be what they did, in their words (`reason` or `reasoning`), by case.

    It stands in the cases' lines or in `annotations`; a case that has none is left out.
    """
    rows = [row for file in (path, annotations) if file is not None for _, row in _rows(file)]
    said = {str(row.get("id")): row.get("reason", row.get("reasoning")) for row in rows}
    return {case: reason for case, reason in said.items() if isinstance(reason, str) and reason.strip()}


def _perception(member: str, answer: Any) -> Perception:
    if isinstance(answer, Parsed):
        return Perception(member=member, model=member, caption=answer.value.seen, parse=Parse.PARSED)
    return Perception(member=member, model=member, parse=_why(answer), note=answer.reason)


def _verdict(member: str, answer: Any) -> Verdict:
    """A member's verdict; p is what it stated, else all of it on the label that it gave (one sample)."""
    if not isinstance(answer, Parsed) or answer.value.label == "cannot tell":
        parse = Parse.PARSED if isinstance(answer, Parsed) else _why(answer)
        note = answer.value.rationale if isinstance(answer, Parsed) else answer.reason
        return Verdict(member=member, model=member, label=Label.UNKNOWN, rationale=note, parse=parse)
    value: Answer = answer.value
    odd = value.label in (1, "anomalous")
    return Verdict(
        member=member,
        model=member,
        label=Label.ANOMALOUS if odd else Label.NORMAL,
        p_anomaly=float(odd) if value.p_anomaly is None else value.p_anomaly,
        p_from="sampled" if value.p_anomaly is None else "stated",
        rationale=value.rationale,
        parse=Parse.PARSED,
    )


def _why(answer: Any) -> Parse:
    return Parse.REFUSED if isinstance(answer, Refused) else Parse.UNPARSED


def _rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Where each line stands (file:line) and what it holds."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError("the recorded cases can't be read", where=str(path), remedy="it must be JSONL") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise SourceError("the line is not JSON", where=f"{path}:{number}") from error
        if not isinstance(row, dict):
            raise SourceError("the line is not a JSON object", where=f"{path}:{number}")
        found.append((f"{path}:{number}", row))
    return found
