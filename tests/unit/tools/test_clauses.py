"""Captions in clauses: who does what, whatever the text looks like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_agents.tools.clauses import Clause, as_usual, atoms, canonical, clauses, words

CAPTIONS = [
    (
        "There are 3 people in the image. Starting from the left, the first person is walking with a bag, the second "
        "person is also walking with a bag, and the third person appears to be riding a bicycle.",
        ["walking with bag", "riding bicycle"],
        [],
    ),
    (
        "One person is sitting on the grass, another is walking towards the stairs. Other than people, there are "
        "trees, a pathway, and a building.",
        ["sitting on grass", "walking towards stairs"],
        ["trees", "pathway", "building"],
    ),
    ("A man rides a motorcycle across the lawn", ["rides motorcycle across lawn"], []),
    ("There's a person riding a bicycle. There is a car.", ["riding bicycle"], ["car"]),
    ("The woman is standing and looking down.", ["standing", "looking down"], []),
    ("", [], []),
    ("...", [], []),
]


@pytest.mark.parametrize(("caption", "persons", "things"), CAPTIONS)
def test_a_caption_says_what_persons_do_and_what_is_there(caption: str, persons: list, things: list) -> None:
    found = clauses(caption)
    said = {kind: [clause.text for clause in found if clause.kind == kind] for kind in ("person", "thing")}
    for text in persons:
        assert text in said["person"]
    assert [text for text in said["thing"] if text in things] == things
    assert not set(things) & set(said["person"])


def test_a_rule_has_its_alternatives() -> None:
    assert atoms("People ride bicycles, scooters or skateboards.") == [
        Clause("person", "ride bicycles"),
        Clause("person", "scooters"),
        Clause("person", "skateboards"),
    ]
    assert atoms("There are vans and trucks.") == [Clause("thing", "vans"), Clause("thing", "trucks")]
    assert atoms("nobody rides a bicycle") == [Clause("person", "rides bicycle")]


TEXT = st.text(max_size=300) | st.lists(
    st.sampled_from(
        [
            *("the", "third", "person", "is", "also", "and", ",", ".", "walking", "12", "people", "there", "are", "in"),
            *(
                "image",
                "other",
                "than",
                "riding",
                "a",
                "bicycle",
                "to",
                "be",
                "appears",
                "'s",
                "\n",
                "one",
                "of",
                "them",
            ),
        ]
    ),
    max_size=40,
).map(" ".join)


@given(TEXT)
def test_no_text_is_too_odd_to_split(text: str) -> None:
    for clause in (*clauses(text), *atoms(text)):
        assert clause.kind in ("person", "thing")
        assert clause.text == clause.text.strip().lower() != ""
        assert words(clause.text)
    assert len(clauses(text)) == len(set(clauses(text)))


@given(TEXT)
def test_what_is_canonical_stays_as_it_is(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)
    assert all(canonical(clause.text) == clause.text for clause in clauses(text))


@pytest.mark.parametrize("caption", [caption for caption, _, _ in CAPTIONS])
def test_what_is_usual_is_a_rule_that_gives_the_clause_back(caption: str) -> None:
    for clause in clauses(caption):
        assert atoms(as_usual(clause)) == [clause]
    assert as_usual(Clause("person", "walking with bag")) == "Usual here: a person walking with bag"
