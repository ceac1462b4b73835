"""Charts as inline SVG: what they say in words, and that no text of theirs becomes markup."""

from etl.stages.charts import bar, line_chart, stacked_bars
from etl.stages.quality_page import to_html, to_text

HOSTILE = '<script>alert("x")</script><img src=x onerror=1>'


def test_a_line_says_where_it_begins_and_ends():
    chart = line_chart([("run 1", 90.0), ("run 2", None), ("run 3", 95.5)], title="Quality score")
    assert 'aria-label="Quality score: 90.0 % at run 1, 95.5 % at run 3"' in chart
    assert chart.count("<circle") == 2


def test_a_line_of_nothing_is_words():
    assert "<svg" not in line_chart([], title="Quality score")
    assert "<svg" not in line_chart([("run 1", None)], title="Quality score")


def test_a_single_point_is_a_dot():
    assert line_chart([("run 1", 100.0)], title="Quality score").count("<circle") == 1


def test_stacks_share_one_scale_and_say_their_numbers():
    chart = stacked_bars([("run 1", {"created": 30, "rejected": 10}), ("run 2", {"unchanged": 20})], title="Records")
    assert "width:75.00%" in chart
    assert "width:50.00%" in chart
    assert "30 created, 10 rejected" in chart


def test_stacks_of_nothing_are_words():
    assert "nothing to show" in stacked_bars([("run 1", {"created": 0})], title="Records")


def test_no_text_becomes_markup():
    drawn = (
        line_chart([(HOSTILE, 90.0), (HOSTILE, 91.0)], title=HOSTILE),
        stacked_bars([(HOSTILE, {"created": 1})], title=HOSTILE),
        bar(HOSTILE, 50, HOSTILE, target=95),
    )
    for chart in drawn:
        assert "<script" not in chart
        assert "<img" not in chart


def report(text):
    share = {"percent": 50.0, "numerator": 1, "denominator": 2}
    metric = share | {"target": 95.0, "weight": 0.25, "met": False, "offenders": {"url": text, "command": text}}
    return {
        "timestamp": text, "run": 7, "total_records": 2, "quality_score": 50.0, "compared_with": {"run": 6, "score": 40.0},
        "quality_metrics": {"accuracy": metric | {"by_source": {text: share}},
                            "timeliness": metric | {"by_source": {}, "contact_verification": share, "latency_seconds": 1.0}},
        "rules": [{"rule": text, "metric": text, "severity": text, "records": 1, "by_source": {text: 1}}],
        "data_profiling": {"completeness": {text: share}, "by_source": {text: {"facilities": 1, "completeness": {text: share}}},
                           "distribution": {text: {text: 1}}, "uniqueness": {text: share},
                           "schema": {text: [{"path": text, "records": 1, "nulls": 0, "types": [text]}]}},
        "anomaly_detection": {"by_rule": {text: 2}, "found": [{"message": text, "hint": text, "facilities": [text]}]},
        "schema_drift": [{"source": text, "kind": text, "path": text, "message": text, "breaking": True}],
        "recommendations": [{"metric": text, "why": text, "command": text}],
        "trend": [{"run": text, "score": 40.0, "totals": {"created": 1}}],
        "reconciliation": {"rows": {text: {"before": 1, "after": 2}}},
    }  # fmt: skip


def test_a_report_escapes_every_hostile_text():
    page = to_html(report(HOSTILE))
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;") >= 20


def test_a_report_in_words_begins_with_the_score_and_ends_with_what_to_do():
    lines = to_text(report("word")).splitlines()
    assert lines[1] == "score 50.0 %, up 10.00 points since run 6 (40.0 %)"
    assert lines[-2:] == ["1. word", "   word"]
