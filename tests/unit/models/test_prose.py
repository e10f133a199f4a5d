"""`key: value` prose through the parser of live answers."""

from __future__ import annotations

import pytest

from alarm_agents.models.structured import Parsed, Refused, Unparsed, parse_reply
from alarm_agents.sources.recorded import Answer

CUT = '{"video_description": "a man walks. a man walks. a man wal'
LOOP = "video_description: " + "The dog walks on the fence. " * 100
LOOP_AFTER_THE_LABEL = "anomaly: 0\nreasoning: " + "The dog walks on the fence. " * 100
LOOP_BEFORE_THE_LABEL = LOOP + "\nanomaly: 0"


@pytest.mark.parametrize(
    "text",
    [
        "video_description: a dog\n\nreasoning: it sits: nothing odd\n\nanomaly: 1",
        "**video_description:** a dog\n**reasoning**: it sits: nothing odd\n- anomaly: 1\n",
        '{"video_description": "a dog", "reasoning": "it sits: nothing odd", "anomaly": 1}',
    ],
)
def test_prose_and_json_say_the_same(text: str) -> None:
    found = parse_reply(text, Answer)
    assert isinstance(found, Parsed)
    assert (found.value.label, found.value.seen, found.value.rationale) == (1, "a dog", "it sits: nothing odd")


@pytest.mark.parametrize(
    "text",
    [
        CUT,
        LOOP,
        LOOP_AFTER_THE_LABEL,
        LOOP_BEFORE_THE_LABEL,
        "",
        "reasoning: all is well\nanomaly: 0\nanomaly: 1",
        "reasoning: all is well\nanomaly: 0 or 1",
        "reasoning: all is well\nanomaly: none",
        "Nothing is wrong with this video.",
        '{"anomaly": "0"}',
    ],
)
def test_what_cannot_be_read_without_a_guess_is_unparsed(text: str) -> None:
    assert isinstance(parse_reply(text, Answer), Unparsed)


def test_a_refusal_is_one() -> None:
    assert isinstance(parse_reply("I'm sorry, but I cannot assist with that.", Answer), Refused)
