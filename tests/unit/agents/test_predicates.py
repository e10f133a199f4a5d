"""Judging by rules alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_agents.agents.predicates import check_predicate, judge
from alarm_agents.agents.quantiles import quantile_rules
from alarm_agents.errors import ExpressionError
from alarm_agents.types import Label, Measurement, Parse, Perception, Provenance, Rule, RuleKind, Threshold, Verdict
from support.records import fact, fast, motion, perception, rule

NORMAL, ANOMALOUS, UNKNOWN = Label.NORMAL, Label.ANOMALOUS, Label.UNKNOWN
BIKE = rule("a bike", predicate="facts.exists(f, f.text.contains('bike'))", severity=3)
CALM = rule("it is calm", RuleKind.NORMAL, predicate="motion.ratio < 1.5")
PARADE = rule("there is a parade", RuleKind.NORMAL, origin="person", predicate="caption.contains('parade')")
NO_DOGS = rule("a dog", origin="person", predicate="facts.exists(f, f.text == 'a dog')")
PLATE = rule("a strange plate", predicate="motion.plate > 3.0")
WORDED = rule("nobody is sad")


def judged(*rules: Rule, ratio: float = 1.0, see: str = "", caption: str = "") -> Verdict:
    seen = perception("embedded", *([see] if see else []), caption=caption, parse=Parse.EMBEDDED)
    return judge("embedded", rules, [motion(ratio)], [seen])


def cited(verdict: Verdict) -> list[str]:
    return [ref.id for ref in verdict.rules]


@pytest.mark.parametrize(
    ("rules", "given_", "label", "p", "cites"),
    [
        pytest.param([fast()], {"ratio": 1.0}, NORMAL, 0.05, [], id="typical"),
        pytest.param([fast()], {"ratio": 0.0}, NORMAL, 0.0, [], id="nothing moves"),
        pytest.param([fast()], {"ratio": 2.0}, ANOMALOUS, 0.5, ["faster-than-2.0"], id="at the limit"),
        pytest.param([fast()], {"ratio": 4.0}, ANOMALOUS, 0.95, ["faster-than-2.0"], id="twice the limit"),
        pytest.param([BIKE], {"see": "a bike"}, ANOMALOUS, 1.0, ["a-bike"], id="a plain predicate is a definition"),
        pytest.param([BIKE, fast()], {"see": "a bike"}, ANOMALOUS, 1.0, ["a-bike"], id="the largest p counts"),
        pytest.param([BIKE, CALM], {}, NORMAL, 0.0, ["it-is-calm"], id="a rule of normality explains"),
        pytest.param([CALM], {}, NORMAL, 0.0, ["it-is-calm"], id="normality alone"),
        pytest.param([PARADE, fast()], {"ratio": 9.0, "caption": "a parade"}, NORMAL, 0.0, ["there-is-a-parade"],
                     id="a person's rule of normality outweighs an induced rule"),
        pytest.param([PARADE, fast()], {"ratio": 4.0, "caption": "nobody"}, ANOMALOUS, 0.95, ["faster-than-2.0"],
                     id="unless it does not hold"),
        pytest.param([CALM, BIKE], {"see": "a bike"}, ANOMALOUS, 1.0, ["a-bike"],
                     id="an induced rule of normality outweighs nothing"),
        pytest.param([PARADE, NO_DOGS], {"see": "a dog", "caption": "a parade"}, ANOMALOUS, 1.0, ["a-dog"],
                     id="a person's rule of anomaly outweighs a person's rule of normality"),
    ],
)  # fmt: skip
def test_the_rules_decide(
    rules: list[Rule], given_: dict[str, object], label: Label, p: float, cites: list[str]
) -> None:
    verdict = judged(*rules, **given_)  # type: ignore[arg-type]
    assert verdict.label is label
    assert verdict.p_anomaly == pytest.approx(p, abs=1e-6)
    assert cited(verdict) == cites
    assert verdict.parse is Parse.EMBEDDED
    assert verdict.rationale or not cites


@pytest.mark.parametrize("rules", [[], [WORDED], [PLATE], [CALM], [PLATE, WORDED, CALM]])
def test_what_no_rule_covers_is_unknown_and_never_normal(rules: list[Rule]) -> None:
    verdict = judged(*rules, ratio=1.7)
    assert verdict.label is UNKNOWN
    assert verdict.p_anomaly is None
    assert not verdict.parse.usable
    assert verdict.rules == ()


@pytest.mark.parametrize("others", [[], [fast()], [CALM], [fast(), BIKE, CALM]])
def test_a_predicate_that_cannot_be_decided_is_named(others: list[Rule]) -> None:
    verdict = judged(PLATE, *others)
    assert "could not be checked here: a-strange-plate" in verdict.rationale
    assert "a-strange-plate" not in cited(verdict)


def test_an_undecided_rule_of_normality_excuses_nothing() -> None:
    undecided = rule("the plate is known", RuleKind.NORMAL, origin="person", predicate="motion.plate < 3.0")
    assert judged(undecided, fast(), ratio=4.0).label is ANOMALOUS


def test_a_measure_that_was_not_taken_is_undecided_and_not_zero() -> None:
    verdict = judge("embedded", [fast()], [motion(1.0, name="speed")], [])
    assert verdict.label is UNKNOWN
    assert "faster-than-2.0" in verdict.rationale


def test_severity_grows_with_each_doubling_of_the_limit_up_to_four() -> None:
    found = [judged(fast(severity=2), ratio=ratio).severity for ratio in (1.9, 2.1, 3.9, 4.1, 8.1, 500.0)]
    assert found == [0, 2, 2, 3, 4, 4]


def test_each_frame_has_its_own_p_and_the_window_the_largest() -> None:
    verdict = judge("embedded", [fast()], [motion(1.0, 4.0, 0.0)], [])
    assert verdict.frames == pytest.approx((0.05, 0.95, 0.0))
    assert verdict.p_anomaly == max(verdict.frames)


def test_zones_and_facts_can_be_spoken_of() -> None:
    seen = Perception(member="eye", model="eye", facts=(fact("a car", zones=("road",)),), parse=Parse.PARSED)
    ruled = rule("a car off the road", predicate="facts.exists(f, f.text == 'a car') && !('road' in zones)")
    assert judge("embedded", [ruled], [], [perception("eye", "a car")]).label is ANOMALOUS
    away = judge("embedded", [ruled], [], [seen])
    assert away.label is UNKNOWN, "one rule of anomaly that does not hold does not make a window normal"
    assert away.p_anomaly is None


@settings(deadline=None)
@given(
    ratio=st.lists(st.floats(0, 1e6), min_size=1, max_size=5),
    references=st.lists(st.floats(0.01, 100), min_size=1, max_size=5),
)
def test_a_pair_of_induced_rules_never_contradicts_itself(ratio: list[float], references: list[float]) -> None:
    origin = Provenance(origin="references", author="embedded")
    pair = quantile_rules([[motion(value)] for value in references], origin, "")
    verdict = judge("embedded", pair, [motion(*ratio)], [])
    assert verdict.p_anomaly is not None
    assert cited(verdict) == ["motion-ratio-high" if verdict.label is ANOMALOUS else "motion-ratio-usual"]
    assert (verdict.label is ANOMALOUS) == (verdict.p_anomaly >= 0.5) == (verdict.severity > 0)


@settings(deadline=None)
@given(a=st.floats(0, 100), b=st.floats(0, 100))
def test_p_ranks_windows_as_the_measure_does(a: float, b: float) -> None:
    low, high = (judge("embedded", [fast()], [motion(value)], []).p_anomaly for value in sorted((a, b)))
    assert low is not None
    assert high is not None
    assert low <= high


@pytest.mark.parametrize("weight", [0.1, 0.9])
@pytest.mark.parametrize(
    ("expert", "name", "blocks"),
    [("motion", "still", (1.0, 1.0, 1.0, 1.5)), ("appearance", "look", (0.9, 1.0, 1.1, 1.2))],
)
def test_a_clock_that_seldom_runs_or_a_look_says_when_it_is_over_its_limit_and_ranks_nothing_below(
    expert: str, name: str, blocks: tuple[float, ...], weight: float
) -> None:
    origin, other = Provenance(origin="references", author="embedded"), f"{expert}.{name}"
    beside = Threshold(measure=other, limit=2.0, typical=1.0, blocks=blocks, weight=weight)
    speed = Threshold(measure="motion.ratio", limit=2.0, typical=1.0, blocks=(0.9, 1.0, 1.1, 1.2), weight=0.2)
    known = [
        rule(t.measure, predicate=f"{t.measure} > 2.0", threshold=t).model_copy(update={"provenance": origin})
        for t in (beside, speed)
    ]

    def p(ratio: float, value: float) -> float:
        measured: dict[str, dict[str, tuple[float, ...]]] = {"motion": {"ratio": (ratio,)}}
        measured.setdefault(expert, {})[name] = (value,)
        said = [Measurement(expert=key, score="ratio", frames=frames) for key, frames in measured.items()]
        return judge("embedded", known, said, []).p_anomaly or 0.0

    assert 0 < p(0.5, 1.0) < p(1.0, 1.0) < p(1.8, 1.0) < 0.5
    assert p(1.0, 1.9) == p(1.0, 1.0)
    assert p(1.0, 3.0) > 0.5


def test_what_is_not_measured_of_a_source_does_not_rank_its_windows() -> None:
    origin = Provenance(origin="references", author="embedded")
    known = [
        rule(name, predicate=f"{name} > 2.0", threshold=threshold).model_copy(update={"provenance": origin})
        for name in ("motion.ratio", "captions.oddity")
        for threshold in (Threshold(measure=name, limit=2.0, typical=1.0, blocks=(0.9, 1.0, 1.1, 1.2), weight=0.5),)
    ]

    def p(value: float) -> float:
        said = Measurement(expert="captions", score="oddity", frames={"oddity": (value,)})
        return judge("embedded", known, [said], []).p_anomaly or 0.0

    assert 0 < p(0.5) < p(1.0) < p(1.8) < 0.5


def test_an_empty_window_is_not_a_crash() -> None:
    nothing = Measurement(expert="motion", score="ratio", frames={"ratio": ()})
    assert judge("embedded", [fast()], [nothing], []).label in (NORMAL, UNKNOWN)
    assert judge("embedded", [fast()], [], []).label is UNKNOWN


@pytest.mark.parametrize(
    ("predicate", "reason"),
    [
        ("motion.nothing > 1.0", "use motion.speed, motion.moving, motion.ratio, motion.still"),
        ("captions.ratio > 1.0", "use captions.oddity, captions.novelty"),
        ("speed > 1.0", "not known here"),
        ("motion.ratio >", "not a valid expression"),
    ],
)
def test_a_predicate_that_could_never_apply_is_refused(predicate: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        check_predicate(predicate, where="--predicate")


def test_a_predicate_over_what_exists_is_taken() -> None:
    check_predicate("motion.ratio > 2.0 && ('road' in zones || captions.novelty > 0.2)", where="--predicate")
