"""The captions expert, on generated captions: rules in words, references, and both together."""

from __future__ import annotations

import pytest

from alarm_agents.memory.embedders import default_embedder
from alarm_agents.memory.preset import adopt
from alarm_agents.memory.rules import RuleMemory, written_by_person
from alarm_agents.scenario import load_scenario
from alarm_agents.sources.captions import Caption
from alarm_agents.tools.captions import Captions
from alarm_agents.types import Provenance, Rule, RuleKind, RuleStatus
from alarm_agents.workspace import Workspace

PLACE = "Other than people, there are trees, a pathway, and a building."
WALK = f"There are 3 people. The first person is walking, the second is walking with a backpack. {PLACE}"
STAND = f"There are 2 people. One person is standing near a tree, another is walking. {PLACE}"
RIDE = f"There are 3 people. The first person is walking, the second person is riding a bicycle. {PLACE}"
RUN = f"There are 2 people. One person is walking, the other person is running. {PLACE}"


def rule(text: str, kind: RuleKind = RuleKind.ANOMALOUS, origin: str = "scenario") -> Rule:
    return Rule(id=text, kind=kind, text=text, provenance=Provenance.model_validate({"origin": origin, "author": "x"}))


RULES = [
    rule("People ride bicycles or scooters."),
    rule("People run or jump."),
    rule("People walk, stand or sit.", RuleKind.NORMAL),
]


def stream(*texts: str) -> list[Caption]:
    return [Caption(text, i, i / 10, 10.0) for i, text in enumerate(texts)]


def expert(rules: list[Rule], *references: str) -> Captions:
    found = Captions(default_embedder())
    found.follow(rules)
    found.fit([stream(text) for text in references])
    return found


def oddity(found: Captions, *texts: str) -> list[float]:
    return list(found.measure(stream(*texts), 0).frames["oddity"])


@pytest.mark.parametrize("references", [(), (WALK,), (WALK, STAND), (WALK, STAND) * 5])
def test_what_a_rule_speaks_of_is_odd_from_no_reference_on(references: tuple[str, ...]) -> None:
    walk, stand, ride, run = oddity(expert(RULES, *references), WALK, STAND, RIDE, RUN)
    assert min(ride, run) > 1.2 * max(walk, stand)


def test_without_any_rule_references_tell_what_is_new() -> None:
    found = expert([], WALK, STAND, WALK, STAND)
    walk, ride = oddity(found, WALK, RIDE)
    assert ride > walk
    novelty = found.measure(stream(WALK, RIDE), 0).frames["novelty"]
    assert novelty[1] > novelty[0] == pytest.approx(0.0, abs=1e-5)


def test_a_normal_rule_that_says_more_is_an_exception_to_one_of_anomaly() -> None:
    place = "Other than people, there are {}."
    texts = [f"A person is walking. {place.format(said)}" for said in ("cars parked on the side", "cars on the path")]
    drives = [rule("There are cars or trucks."), rule("People walk.", RuleKind.NORMAL)]
    parked, driving = oddity(expert(drives), *texts)
    assert parked == pytest.approx(driving, rel=0.1)
    parked, driving = oddity(expert([*drives, rule("There are parked cars.", RuleKind.NORMAL)]), *texts)
    assert driving > 1.5 * parked
    # A normal rule about something else is none, however much of it is said.
    running = f"A person is running and carrying a bag. {PLACE}"
    carries = rule("People carry bags.", RuleKind.NORMAL)
    assert oddity(expert([*RULES, carries], WALK), running)[0] > 1.2


def test_what_a_normal_rule_says_is_usual_whatever_is_said_beside_it() -> None:
    meadow = "in a meadow full of yellow flowers"
    sits, lingers = (f"A person is {does} {meadow}. {PLACE}" for does in ("sitting", "lingering"))
    usual, new = oddity(expert(RULES, WALK, WALK), sits, lingers)
    assert new > 2 * usual


def test_a_few_odd_references_do_not_take_the_trust_from_all_others() -> None:
    juggles = f"There is a person. The person is juggling. {PLACE}"
    strange = [
        f"There is a person. They are {does}. {PLACE}" for does in ("waving at a dog", "painting a door", "diving")
    ]
    told = [oddity(expert(RULES, *[WALK] * 7, *refs), juggles)[0] for refs in ([WALK] * 3, strange)]
    assert told[1] > 0.8 * told[0]


def test_an_activity_among_the_references_is_normal_and_others_stay_odd() -> None:
    walkers = (WALK, STAND) * 5
    before, after = expert(RULES, *walkers), expert(RULES, *walkers, *([RIDE] * 6))
    assert oddity(before, RIDE)[0] > 2.0
    assert oddity(after, RIDE)[0] < 1.3
    assert oddity(after, RUN)[0] > 2.0


def test_a_person_knows_better_than_references() -> None:
    mine = rule("Nobody rides a bicycle here", origin="person")
    rides = expert([mine, *RULES], *([WALK] * 4), *([RIDE] * 6))
    assert oddity(rides, RIDE)[0] > 1.5 * oddity(rides, WALK)[0]


def test_rules_come_and_go_and_what_is_usual_stays_usual() -> None:
    found = expert([], *(WALK, STAND) * 5)
    before = oddity(found, WALK, RIDE)
    found.follow(RULES)
    with_rules = oddity(found, WALK, RIDE)
    assert with_rules[1] > before[1]
    assert with_rules[0] < 1.5
    found.follow([])
    assert oddity(found, WALK, RIDE) == before


def test_rules_with_predicates_are_not_for_words() -> None:
    predicated = rule("People walk.").model_copy(update={"predicate": "motion.speed > 1.0"})
    assert oddity(expert([predicated], WALK, STAND), WALK) == oddity(expert([], WALK, STAND), WALK)


def test_the_fact_names_the_rule_in_words() -> None:
    (fact,) = expert(RULES, WALK, STAND).measure(stream(WALK, RIDE), 0).facts
    assert "'person riding bicycle' says what the rule 'People ride bicycles or scooters.' says" in fact.text
    assert "nearest of what is normal is the rule 'People walk, stand or sit.'" in fact.text
    assert [ref.id for ref in fact.rules] == ["People ride bicycles or scooters.", "People walk, stand or sit."]
    (usual,) = expert(RULES, WALK, STAND).measure(stream(WALK), 0).facts
    assert usual.rules == ()


def test_what_was_learned_is_kept_as_arrays() -> None:
    taught = expert(RULES, WALK, STAND, RIDE)
    again = Captions(default_embedder())
    again.follow(RULES)
    again.restore(taught.state())
    assert oddity(again, WALK, RIDE, RUN) == oddity(taught, WALK, RIDE, RUN)
    assert expert(RULES).state() == {}
    again.restore({})
    assert oddity(again, RIDE) == oddity(expert(RULES), RIDE)


def test_captions_that_say_nothing_are_measured_too() -> None:
    measured = expert(RULES, WALK).measure(stream("", "…", "12 !!", WALK), 0)
    assert measured.frames["oddity"][0] == 0.0
    assert len(measured.frames["oddity"]) == len(measured.frames["novelty"]) == 4
    assert expert(RULES, "", "").state() == {}


def test_the_library_speaks_of_activities_in_rules_that_people_can_read(tmp_path: object) -> None:
    memory = RuleMemory(Workspace(tmp_path).engine, "walkway")  # type: ignore[arg-type]
    adopt(load_scenario("walkway"), memory)
    found = Captions(default_embedder())
    found.follow(memory.active())
    walk, ride, run = oddity(found, WALK, RIDE, RUN)
    assert min(ride, run) > 1.5 * walk
    mine = written_by_person("no dogs", RuleKind.ANOMALOUS, predicate=None, severity=2, author="me")
    found.follow([*memory.active(), *memory.add([mine])])
    assert oddity(found, "A person is walking with a dog.")[0] > 1.5 * walk


def usual(text: str, status: RuleStatus = RuleStatus.ACTIVE) -> Rule:
    """What the inducer without a model finds usual."""
    provenance = Provenance(origin="references", author="embedded")
    return Rule(id=text, kind=RuleKind.NORMAL, text=f"Usual here: {text}", status=status, provenance=provenance)


def test_what_references_usually_say_is_named_by_its_rule_and_counted_once() -> None:
    walkers = (WALK, STAND) * 5
    odd = [each for each in RULES if each.kind is RuleKind.ANOMALOUS]
    named = [*odd, *map(usual, ("a person walking", "a person standing near tree", "trees", "building"))]
    before, after = expert(odd, *walkers), expert(named, *walkers)
    for measure in ("oddity", "novelty"):
        assert (
            before.measure(stream(WALK, STAND, RIDE, RUN, ""), 0).frames[measure]
            == after.measure(stream(WALK, STAND, RIDE, RUN, ""), 0).frames[measure]
        )
    fence = f"There is a person. The person is standing near a fence. {PLACE}"
    (fact,) = after.measure(stream(fence), 0).facts
    assert "nearest of what is normal is the rule 'Usual here: a person standing near tree'" in fact.text
    assert [ref.id for ref in fact.rules] == ["a person standing near tree"]


def test_what_a_person_takes_back_is_as_if_references_had_never_said_it() -> None:
    both = (WALK, STAND, RIDE) * 5
    rides = usual("a person riding bicycle")
    assert oddity(expert([*RULES, rides], *both), RIDE)[0] < 1.3
    back = expert([*RULES, rides.model_copy(update={"status": RuleStatus.DISABLED})], *both)
    never = expert(RULES, *(WALK, STAND, f"There is a person. The first person is walking. {PLACE}") * 5)
    assert oddity(back, WALK, STAND, RIDE, RUN) == pytest.approx(oddity(never, WALK, STAND, RIDE, RUN), rel=0.05)
    assert oddity(back, RIDE)[0] > 2.0
    carried = [usual("a person walking"), usual("a person walking with backpack", RuleStatus.DISABLED)]
    walks = f"There is a person. The first person is walking. {PLACE}"
    assert oddity(expert(carried, WALK, STAND), walks) < oddity(expert(carried, WALK, STAND), WALK), "its own alone"
    everything = [usual(text, RuleStatus.DISABLED) for text in ("a person walking", "trees", "pathway", "building")]
    assert oddity(expert(everything, WALK), WALK) == oddity(expert([]), WALK)
