"""The five metrics, what lowers them, and the score."""

import pytest

from etl.stages.quality import (
    METRIC_BY_RULE,
    TARGETS,
    WEIGHTS,
    Counts,
    Faults,
    measure,
    metric_as_json,
    misses_target,
    score,
)
from etl.stages.records import Share

SOME = Counts(
    facilities=50,
    facilities_in_doubt=5,
    filled={"facility_name": Share(50, 50), "facility_code": Share(50, 50), "location": Share(47, 50)},
    sound={"regional": Share(60, 70), "kps_stations": Share(30, 30)},
    consistent={"regional": Share(51, 60), "kps_stations": Share(30, 30)},
    fresh={"regional": True, "kps_stations": True},
)


def finding(rule, severity, field="name"):
    return {"rule": rule, "severity": severity, "field": field}


def percents(counts):
    return {name: metric.percent for name, metric in measure(counts).items()}


def test_metrics_are_none_where_there_is_nothing_to_measure():
    nothing = percents(Counts(facilities=0, facilities_in_doubt=0))
    assert nothing == dict.fromkeys(TARGETS)
    assert score(nothing) is None
    assert not misses_target(nothing)


def test_metrics_are_counted_shares_and_their_weighted_mean_is_the_score():
    assert percents(SOME) == {
        "completeness": 98.0,
        "accuracy": 90.0,
        "consistency": 90.0,
        "timeliness": 100.0,
        "uniqueness": 90.0,
    }
    assert score(percents(SOME)) == 93.0  # 0.25 * 98 + 0.25 * 90 + 0.2 * 90 + 0.1 * 100 + 0.2 * 90


def test_what_cannot_be_measured_takes_no_weight():
    assert score({"completeness": 98.0, "accuracy": None, "uniqueness": 89.0}) == 94.0  # (0.25 * 98 + 0.2 * 89) / 0.45


def test_a_source_that_was_not_read_in_time_lowers_timeliness_alone():
    late = percents(Counts(50, 5, SOME.filled, SOME.sound, SOME.consistent, {"regional": True, "kps_stations": False}))
    assert late["timeliness"] == 50.0
    assert late | {"timeliness": 100.0} == percents(SOME)


def test_weights_sum_to_one_and_every_metric_has_a_weight_and_a_target():
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)
    assert WEIGHTS.keys() == TARGETS.keys() >= set(METRIC_BY_RULE.values())


def test_the_targets_are_the_documents():
    assert TARGETS == {
        "completeness": 95.0,
        "accuracy": 98.0,
        "consistency": 99.0,
        "timeliness": 100.0,
        "uniqueness": 99.0,
    }


def test_only_what_can_be_measured_misses_its_target():
    assert misses_target({"accuracy": 97.99})
    assert not misses_target({"accuracy": 98.0, "completeness": None})
    assert not misses_target({})


def test_a_hundred_percent_is_said_of_a_whole_only():
    assert Share(999_999, 1_000_000).percent == 99.99
    assert Share(7, 7).percent == 100.0
    assert Share(0, 0).percent is None


def test_a_metric_as_json_has_its_share_its_target_and_its_parts():
    shown = metric_as_json("accuracy", measure(SOME)["accuracy"])
    assert shown == {
        "percent": 90.0,
        "numerator": 90,
        "denominator": 100,
        "target": 98.0,
        "weight": 0.25,
        "met": False,
        "by_source": {
            "regional": {"percent": 85.71, "numerator": 60, "denominator": 70},
            "kps_stations": {"percent": 100.0, "numerator": 30, "denominator": 30},
        },
    }


def test_a_record_counts_once_for_each_rule_and_once_for_a_metric():
    faults = Faults()
    faults.add(1, "regional", [finding("phone-unreadable", "warning", "contacts")] * 3)
    faults.add(2, "regional", [finding("phone-unreadable", "warning", "contacts"), finding("name-missing", "reject")])
    assert faults.inaccurate == {"regional": 2}
    assert [(row["rule"], row["records"], row["severity"]) for row in faults.rules_as_json()] == [
        ("phone-unreadable", 2, "warning"),
        ("name-missing", 1, "reject"),
    ]
    assert faults.columns == {"regional": {"contacts": {"warning": 2}, "name": {"reject": 1}}}


@pytest.mark.parametrize(
    ("found", "inaccurate", "inconsistent"),
    [
        (finding("coordinates-swapped", "repair"), 0, 0),  # it was put right
        (finding("coordinates-zero", "warning"), 1, 0),
        (finding("pin-kept", "warning"), 0, 0),  # a person's word, no fault
        (finding("member-unread", "warning"), 0, 0),
        (finding("ward-outside-constituency", "warning"), 0, 1),
        (finding("hierarchy-invalid", "reject"), 1, 0),  # a reject is no loaded record
        (finding("ward-unknown", "warning"), 0, 0),  # completeness: its ward stays empty
        (finding("registration-number-clash", "warning"), 0, 0),  # uniqueness
        (finding("a-rule-of-tomorrow", "warning"), 1, 0),
    ],
)
def test_a_finding_lowers_the_metric_of_its_rule(found, inaccurate, inconsistent):
    faults = Faults()
    faults.add(7, "regional", [found])
    assert (faults.inaccurate["regional"], len(faults.inconsistent)) == (inaccurate, inconsistent)
