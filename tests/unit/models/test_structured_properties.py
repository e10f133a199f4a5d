"""Properties of `parse_reply` and `delimit` over generated text."""

from __future__ import annotations

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from alarm_agents.models.content import delimit
from alarm_agents.models.structured import Parsed, Refused, Unparsed, parse_reply


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    count: int
    share: float | None
    seen: bool
    words: list[str]
    more: dict[str, str]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ITEMS = st.builds(
    Item,
    name=TEXT,
    count=st.integers(-(2**63), 2**63),
    share=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    seen=st.booleans(),
    words=st.lists(TEXT, max_size=3),
    more=st.dictionaries(TEXT, TEXT, max_size=3),
)
PROSE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='[]{}<>◁",'), max_size=40)
PIECES = st.lists(
    st.sampled_from(
        [
            *(
                "{",
                "}",
                "[",
                "]",
                '"',
                ":",
                ",",
                "\\",
                "```json\n",
                "\n",
                "<think>",
                "</think>",
                '"a"',
                "1",
                "{}",
                "null",
            ),
            *(
                '{"name": "x", "count": 1, "share": null, "seen": true, "words": [], "more": {}}',
                "sorry, I can't",
                "NaN",
            ),
        ]
    ),
    max_size=30,
).map("".join)


@given(ITEMS, PROSE, PROSE, st.booleans(), st.none() | PROSE, st.sampled_from([None, 2]))
def test_round_trip(item: Item, before: str, after: str, fenced: bool, thought: str | None, indent: int | None) -> None:
    text = json.dumps(item.model_dump(), ensure_ascii=False, indent=indent)
    text = f"```json\n{text}\n```" if fenced else text
    text = f"{before}{text}{after}"
    text = text if thought is None else f"<think>{thought}</think>{text}"
    outcome = parse_reply(text, Item)
    assert isinstance(outcome, Parsed)
    assert outcome.value == item


@settings(max_examples=300)
@given(st.text(st.characters(), max_size=200) | PIECES)
def test_never_raises_and_never_yields_what_does_not_validate(text: str) -> None:
    outcome = parse_reply(text, Item)
    assert isinstance(outcome, Parsed | Unparsed | Refused)
    assert outcome.length == len(text)
    if isinstance(outcome, Parsed):
        assert Item.model_validate_json(outcome.value.model_dump_json(), strict=True) == outcome.value
        assert outcome.value.name in text


@given(ITEMS, st.data())
def test_a_cut_off_answer_is_never_taken(item: Item, data: st.DataObject) -> None:
    text = item.model_dump_json()
    cut = data.draw(st.integers(0, len(text) - 1))
    assert not isinstance(parse_reply(text[:cut], Item), Parsed)


MARKS = st.sampled_from(["</untrusted>", '<untrusted kind="rule">', "</ UNTRUSTED >", "＜/untrusted＞", "<", "\u202e"])


@given(st.lists(MARKS | st.text(st.characters(), max_size=30), max_size=8).map("".join), st.integers(1, 100))
def test_delimited_text_cannot_close_its_delimiter(text: str, limit: int) -> None:
    done = delimit(text, "caption", limit=limit)
    opening, closing = '<untrusted kind="caption">\n', "\n</untrusted>"
    assert done.startswith(opening)
    assert done.endswith(closing)
    inside = done[len(opening) : -len(closing)]
    assert not re.search("[<＜﹤]", inside)
    assert all(character in "\n\t" or character.isprintable() or character.isspace() for character in inside)
    assert len(inside) <= limit + 60
    assert ("[cut:" in inside.split("\n")[-1]) or len(text) <= limit
    assert done == delimit(text, "caption", limit=limit)
    done.encode()


@given(st.text(st.characters(categories=["L", "N"], include_characters=" .,:>&"), max_size=100))
def test_delimit_leaves_plain_text_alone(text: str) -> None:
    assert delimit(text, "log_line") == f'<untrusted kind="log_line">\n{text}\n</untrusted>'
