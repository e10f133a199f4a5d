"""Each metric against values worked out by hand or by scikit-learn, and what must hold for any data."""

from __future__ import annotations

import itertools
import json
import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score

from alarm_agents.evaluation import metrics
from alarm_agents.evaluation.casewise import case_metrics
from alarm_agents.evaluation.expectations import NAMES, Bounds, check
from alarm_agents.evaluation.flip import compare
from alarm_agents.evaluation.members import of_members
from alarm_agents.evaluation.metrics import FrameTable, compute
from alarm_agents.evaluation.reasons import Reasons
from alarm_agents.uncertainty import risk

NAN = math.nan


def table(
    scores: Any,
    labels: Any,
    *,
    threshold: float = 0.5,
    uncertainty: Any = None,
    deferred: Any = None,
    fps: float = 10.0,
) -> FrameTable:
    scores = np.asarray(scores, dtype=float)
    n = len(scores)
    return FrameTable(
        scores=scores,
        labels=np.asarray(labels, dtype=int),
        predicted=np.nan_to_num(scores) > threshold,
        deferred=np.zeros(n, dtype=bool) if deferred is None else np.asarray(deferred, dtype=bool),
        uncertainty=np.zeros(n) if uncertainty is None else np.asarray(uncertainty, dtype=float),
        seconds=np.full(n, 1 / fps),
        cases=np.zeros(n, dtype=int),
    )


def test_names_and_order_of_the_keys() -> None:
    found = compute(table([0.1, 0.9], [0, 1]))
    assert list(found) == [
        "frame_auroc", "frame_ap", "accuracy", "precision", "recall", "f1", "false_alarms_per_hour",
        "ece", "brier", "aurc", "eaurc", "uncertainty_auroc", "deferred", "accuracy_at_deferral",
    ]  # fmt: skip
    assert list(found["accuracy_at_deferral"]) == ["0.1", "0.2", "0.3"]
    flat = {name for name in found if name != "accuracy_at_deferral"}
    flat |= {f"accuracy_at_deferral.{share}" for share in found["accuracy_at_deferral"]}
    of_cases = of_members([], None)
    flat |= {"gain_over_best_member"} | {f"reflections.{name}" for name in of_cases["reflections"]}
    nobody = np.zeros(0)
    cases = case_metrics(np.zeros(0, int), nobody, nobody, nobody, accept_below=0.5)
    flat |= {name for name in cases if name not in ("accuracy_at_deferral", "unscored")} | {"over_majority_worst"}
    nothing = np.zeros((0, 1))
    of_reasons = Reasons([["so"]], ["so"]).metrics(np.zeros(0, int), np.zeros(0, bool), nothing > 0, nothing)
    flat |= {name for name in of_reasons if name.startswith("reason_")} | {"doubly_right.both"}
    assert "both" in of_reasons["doubly_right"]
    one = np.array([0.2, 0.9])
    flip = compare([{0: 0, 1: 1}], [(one, one)], [frozenset({0})], [frozenset()])
    flat |= {f"flip.{name}" for name in flip if name in ("fell", "rest_moved")}
    assert set(NAMES) == flat


def test_by_hand() -> None:
    # Called anomalous: rows 0, 2, 3. TP 2, FP 1, FN 1, TN 1.
    found = compute(table([0.9, 0.2, 0.8, 0.6, 0.4], [1, 0, 0, 1, 1], deferred=[0, 1, 0, 0, 1]))
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(2 / 3)
    # Pairs (anomalous, normal) in the right order: 0.9 over both, 0.6 over 0.2, 0.4 over 0.2: 4 of 6.
    assert found["frame_auroc"] == pytest.approx(4 / 6)
    # Precision at each anomalous frame, from the top: 1/1, 2/3, 3/4.
    assert found["frame_ap"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert found["brier"] == pytest.approx((0.01 + 0.04 + 0.64 + 0.16 + 0.36) / 5)
    assert found["deferred"] == pytest.approx(2 / 5)


@pytest.mark.parametrize("seed", range(5))
def test_as_scikit_learn_has_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 2, 300), rng.random(300)
    found = compute(table(scores, labels, threshold=0.7))
    assert found["frame_auroc"] == pytest.approx(roc_auc_score(labels, scores))
    assert found["frame_ap"] == pytest.approx(average_precision_score(labels, scores))
    assert found["brier"] == pytest.approx(brier_score_loss(labels, scores))
    assert found["f1"] == pytest.approx(f1_score(labels, scores > 0.7))
    shares, means = calibration_curve(labels, scores, n_bins=15, strategy="uniform")
    sizes = np.histogram(scores, bins=15, range=(0, 1))[0]
    assert found["ece"] == pytest.approx(np.average(np.abs(shares - means), weights=sizes[sizes > 0]))


def test_ece_by_hand() -> None:
    # One bin holds 0.01 and 0.03 (mean 0.02, none anomalous), another 0.99 and 1.0 (mean 0.995, half).
    found = metrics.expected_calibration_error(np.array([0, 0, 1, 0]), np.array([0.01, 0.03, 0.99, 1.0]))
    assert found == pytest.approx((0.02 + 0.495) / 2)


def test_false_alarms_are_incidents_without_an_anomalous_frame_per_normal_hour() -> None:
    # 6 normal frames of 100 s: a sixth of an hour. The fourth incident lies outside all labelled frames.
    frames = table([0.9] * 8, [0, 0, 0, 1, 1, 0, 0, 0], fps=0.01)
    assert compute(frames, [[0, 1], [2, 3], [7], []])["false_alarms_per_hour"] == pytest.approx(2 * 6)
    assert compute(frames)["false_alarms_per_hour"] == 0
    assert compute(table([0.9], [1]), [[0]])["false_alarms_per_hour"] is None


def test_frames_of_different_length_count_by_their_length() -> None:
    frames = table([0.9, 0.9, 0.1], [0, 0, 1])
    longer = FrameTable(**{**vars(frames), "seconds": np.array([3000.0, 600.0, 1e6])})
    assert metrics.false_alarms_per_hour(longer, [[0]]) == pytest.approx(1)


def test_aurc_by_hand() -> None:
    # From the least uncertain on: right, wrong, right, wrong; risks 0, 1/2, 1/3, 2/4.
    wrong = np.array([True, False, True, False])
    assert risk.aurc(wrong, np.array([0.4, 0.1, 0.2, 0.3])) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_ties_are_the_mean_over_all_their_orders() -> None:
    wrong, uncertainty = np.array([1, 0, 1, 0, 0], dtype=bool), np.array([0.1, 0.5, 0.5, 0.5, 0.9])
    orders = [np.array([0, *middle, 4]) for middle in itertools.permutations([1, 2, 3])]
    each = [risk.aurc(wrong[order], np.arange(5.0)) for order in orders]
    assert risk.aurc(wrong, uncertainty) == pytest.approx(np.mean(each))  # type: ignore[arg-type]


def test_accuracy_at_deferral_by_hand() -> None:
    wrong = np.array([0, 0, 0, 0, 0, 0, 1, 0, 1, 1], dtype=bool)
    kept = [risk.accuracy_at_deferral(wrong, np.arange(10.0), share) for share in (0.0, 0.1, 0.2, 0.3)]
    assert kept == pytest.approx([7 / 10, 7 / 9, 7 / 8, 6 / 7])
    # Half of the boundary frame: 4.5 of 5 kept, 0.5 errors among them.
    assert risk.accuracy_at_deferral(wrong[5:], np.array([0, 4, 3, 1, 2.0]), 0.1) == pytest.approx(1 - 2.5 / 4.5)


@pytest.mark.parametrize(
    ("scores", "labels", "undefined"),
    [
        ([0.1, 0.2], [0, 0], {"frame_auroc", "frame_ap", "precision", "recall", "f1", "uncertainty_auroc"}),
        ([0.1, 0.9], [0, 0], {"frame_auroc", "frame_ap", "recall"}),
        ([0.1, 0.9], [1, 1], {"frame_auroc", "false_alarms_per_hour"}),
        ([0.1, 0.2], [0, 1], {"precision"}),
        ([], [], set(compute(table([], []))) - {"accuracy_at_deferral"}),
        (
            [NAN, NAN],
            [0, 1],
            set(compute(table([], []))) - {"accuracy_at_deferral", "deferred", "false_alarms_per_hour"},
        ),
    ],
)
def test_undefined_is_none(scores: list[float], labels: list[int], undefined: set[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compute(table(scores, labels))
    assert {name for name, value in found.items() if value is None} == undefined
    nothing = not [score for score in scores if not math.isnan(score)]
    assert [value is None for value in found["accuracy_at_deferral"].values()] == [nothing] * 3


def test_uncertainty_is_measured_by_how_it_ranks_the_own_errors() -> None:
    scores, labels = [0.9, 0.6, 0.1, 0.2], [1, 0, 0, 0]  # the second is wrong
    assert compute(table(scores, labels, uncertainty=[0.1, 0.8, 0.2, 0.3]))["uncertainty_auroc"] == 1.0
    assert compute(table(scores, labels, uncertainty=[0.1, 0.2, 0.2, 0.3]))["uncertainty_auroc"] == 0.5


def test_missed_anomalies_are_zero_and_not_undefined() -> None:
    found = compute(table([0.1, 0.2], [0, 1]))
    assert (found["recall"], found["f1"]) == (0, 0)


def test_unscored_frames_are_missing_and_not_normal() -> None:
    seen = table([0.9, 0.1, 0.7], [1, 0, 0], uncertainty=[0.1, 0.2, 0.3])
    more = table([0.9, NAN, 0.1, 0.7, NAN], [1, 1, 0, 0, 0], uncertainty=[0.1, NAN, 0.2, 0.3, NAN])
    assert (seen.unscored, more.unscored) == (0, 2)
    expected, found = compute(seen), compute(more)
    assert found == {**expected, "false_alarms_per_hour": 0.0}
    assert metrics.frame_auroc(more.labels, more.scores) == expected["frame_auroc"]


def test_where_keeps_the_rows_of_a_case() -> None:
    both = FrameTable(**{**vars(table([0.1, 0.2, 0.3], [0, 1, 0])), "cases": np.array([0, 1, 1])})
    assert both.where(both.cases == 1).scores.tolist() == [0.2, 0.3]


@pytest.mark.parametrize(
    "column",
    [
        {"scores": np.array([0.1, 1.1])},
        {"labels": np.array([0, 2])},
        {"uncertainty": np.array([NAN, 0.1])},
        {"seconds": np.array([-1.0, 1.0])},
        {"deferred": np.array([True])},
        {"scores": np.zeros((2, 2))},
    ],
)
def test_a_table_that_makes_no_sense_is_refused(column: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        FrameTable(**{**vars(table([0.1, 0.2], [0, 1])), **column})


# Few distinct values, so that ties are common.
grades = st.sampled_from([0.0, 0.1, 1 / 3, 0.5, 0.9, 1.0])
rows = st.lists(st.tuples(grades, st.integers(0, 1), grades, st.booleans(), st.just(False)), max_size=30)
rows_with_gaps = st.lists(
    st.tuples(grades | st.just(NAN), st.integers(0, 1), grades, st.booleans(), st.booleans()), max_size=30
)
answers = st.lists(st.tuples(st.booleans(), grades), min_size=1, max_size=40)


def built(rows: list[tuple[float, int, float, bool, bool]]) -> FrameTable:
    columns = list(zip(*rows, strict=True)) or [()] * 5
    return table(columns[0], columns[1], uncertainty=columns[2], deferred=columns[3])


def arrays(answers: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([wrong for wrong, _ in answers]), np.array([grade for _, grade in answers])


@given(rows_with_gaps)
@settings(max_examples=60, deadline=None)
def test_json_without_nan_and_in_range(rows: list[tuple[float, int, float, bool, bool]]) -> None:
    found = compute(built(rows), [[i] for i, row in enumerate(rows) if row[4]])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    values = {**found, **found["accuracy_at_deferral"]}
    for name in set(values) - {"accuracy_at_deferral", "false_alarms_per_hour"}:
        assert values[name] is None or -1e-12 <= values[name] <= 1 + 1e-12, name


@given(rows_with_gaps, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_of_frames_does_not_matter(rows: list[tuple[float, int, float, bool, bool]], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    first, second = compute(built(rows)), compute(built(shuffled))
    assert first.pop("accuracy_at_deferral") == pytest.approx(second.pop("accuracy_at_deferral"))
    assert first == pytest.approx(second)


@given(answers)
def test_aurc_is_a_share_and_no_ranking_beats_the_perfect_one(answers: list[tuple[bool, float]]) -> None:
    wrong, uncertainty = arrays(answers)
    found, best = risk.aurc(wrong, uncertainty), risk.aurc(wrong, wrong.astype(float))
    worst = risk.aurc(wrong, 1.0 - wrong)
    assert found is not None
    assert best is not None
    assert worst is not None
    assert 0 <= best <= found + 1e-12
    assert found <= worst + 1e-12 <= 1 + 2e-12
    assert best <= wrong.mean() + 1e-12


@given(answers, st.sampled_from([0.1, 0.2, 0.3]))
def test_uninformative_uncertainty_gives_the_plain_error_rate(answers: list[tuple[bool, float]], share: float) -> None:
    wrong, _ = arrays(answers)
    same = np.full(len(wrong), 0.4)
    assert risk.aurc(wrong, same) == pytest.approx(wrong.mean())
    assert risk.accuracy_at_deferral(wrong, same, share) == pytest.approx(1 - wrong.mean())


@given(answers, st.sampled_from([0.1, 0.2, 0.3]))
def test_accuracy_at_deferral_stays_within_what_deferral_can_do(
    answers: list[tuple[bool, float]], share: float
) -> None:
    wrong, uncertainty = arrays(answers)
    found = risk.accuracy_at_deferral(wrong, uncertainty, share)
    right, kept = (~wrong).sum(), (1 - share) * len(wrong)
    assert found is not None
    assert max(0.0, 1 - wrong.sum() / kept) - 1e-9 <= found <= min(1.0, right / kept) + 1e-9


def test_expectations_include_their_bounds_and_fail_on_the_undefined() -> None:
    found = compute(table([0.9, 0.1, 0.2], [1, 0, 1]))
    expect = {
        "frame_auroc": Bounds(min=1.0),
        "accuracy": Bounds(max=0.5),
        "recall": Bounds(min=0.5, max=0.5),
        "accuracy_at_deferral.0.3": Bounds(min=0.1),
    }
    results = check(expect, found)
    assert [(one.metric, one.passed) for one in results] == [
        ("frame_auroc", True), ("accuracy", False), ("recall", True), ("accuracy_at_deferral.0.3", True),
    ]  # fmt: skip
    assert results[3].value == found["accuracy_at_deferral"]["0.3"]
    (undefined,) = check({"precision": Bounds(min=0)}, compute(table([0.1], [0])))
    assert (undefined.value, undefined.passed) == (None, False)
    assert undefined.model_dump() == {"metric": "precision", "min": 0, "max": None, "value": None, "passed": False}


@pytest.mark.parametrize("bounds", [{}, {"min": 2, "max": 1}, {"min": NAN}, {"max": math.inf}, {"mim": 0.1}])
def test_bounds_that_say_nothing_are_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Bounds(**bounds)
