"""When a finished run still fails."""

from argparse import ArgumentTypeError

import pytest

from etl.stages.gates import RejectLimit, exit_code

GOOD = {
    "status": "succeeded",
    "totals": {"read": 100, "rejected": 5},
    "quality": {"completeness": 99.0, "accuracy": 98.0, "consistency": None},
}


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0", RejectLimit(0, is_percent=False)),
        ("5", RejectLimit(5, is_percent=False)),
        ("5%", RejectLimit(5, is_percent=True)),
        ("2.5%", RejectLimit(2.5, is_percent=True)),
    ],
)
def test_a_limit_is_a_number_of_records_or_a_percentage(text, limit):
    assert RejectLimit.parse(text) == limit


@pytest.mark.parametrize("text", ["", "%", "-1", "-1%", "2.5", "five", "nan%", "inf%", "5%%", "5 percent", "1e3"])
def test_another_text_is_no_limit(text):
    with pytest.raises(ArgumentTypeError):
        RejectLimit.parse(text)


@pytest.mark.parametrize(
    ("text", "rejected", "read", "is_exceeded"),
    [
        ("5", 5, 100, False),
        ("5", 6, 100, True),
        ("5%", 5, 100, False),
        ("5%", 6, 100, True),
        ("0", 1, 1, True),
        ("0%", 0, 0, False),
    ],
)
def test_a_limit_is_exceeded_above_it(text, rejected, read, is_exceeded):
    assert RejectLimit.parse(text).is_exceeded(rejected=rejected, read=read) is is_exceeded


@pytest.mark.parametrize(
    ("changes", "limit", "fail_on", "code"),
    [
        ({}, None, "", 0),
        ({}, "5", "", 0),
        ({}, "4%", "", 4),
        ({}, None, "rejects", 4),
        ({}, None, "quality", 0),
        ({"quality": {"accuracy": 97.9}}, None, "quality", 4),
        ({"status": "partial"}, "0", "rejects", 1),
        ({"status": "failed"}, None, "", 1),
    ],
)
def test_a_run_ends_with_the_code_of_its_worst_gate(changes, limit, fail_on, code):
    assert exit_code(GOOD | changes, limit=limit and RejectLimit.parse(limit), fail_on=fail_on) == code
