"""The five metrics."""

from etl.stages.quality import TARGETS, WEIGHTS, Counts, measure, misses_target, score

NOTHING = Counts(
    facilities=0,
    required_filled=0,
    required_values=0,
    records_read=0,
    records_sound=0,
    records_consistent=0,
    sources_expected=0,
    sources_fresh=0,
    facilities_in_doubt=0,
)
SOME = Counts(
    facilities=50,
    required_filled=147,
    required_values=150,
    records_read=100,
    records_sound=90,
    records_consistent=81,
    sources_expected=7,
    sources_fresh=7,
    facilities_in_doubt=5,
)


def test_metrics_are_none_where_there_is_nothing_to_measure():
    metrics = measure(NOTHING)
    assert {name: metric.percent for name, metric in metrics.items()} == dict.fromkeys(TARGETS)
    assert score(metrics) is None


def test_metrics_are_counted_shares_and_their_mean_is_the_score():
    metrics = measure(SOME)
    assert {name: metric.percent for name, metric in metrics.items()} == {
        "completeness": 98.0,
        "accuracy": 90.0,
        "consistency": 90.0,
        "timeliness": 100.0,
        "uniqueness": 90.0,
    }
    assert score(metrics) == 93.0  # 0.25 * 98 + 0.25 * 90 + 0.2 * 90 + 0.1 * 100 + 0.2 * 90


def test_weights_sum_to_one():
    assert sum(WEIGHTS.values()) == 1.0


def test_only_what_can_be_measured_misses_its_target():
    assert misses_target({"accuracy": 97.99})
    assert not misses_target({"accuracy": 98.0, "completeness": None})
    assert not misses_target({})
