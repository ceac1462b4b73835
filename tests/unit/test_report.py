"""The summary as text, JSON and HTML."""

import json
import re

from etl.stages.report import COLUMNS, to_html, to_json, to_text

HOSTILE = '<script>alert("x")</script><img src=//evil.example/x.png onerror=1>{title}'
COUNTS = {"read": 3, "created": 1, "updated": 0, "unchanged": 0, "merged": 1, "rejected": 1, "missing": 0}
SUMMARY = {
    "run": HOSTILE,
    "dry_run": False,
    "status": HOSTILE,
    "seconds": 1.25,
    "sources": {HOSTILE: {**COUNTS, "error": HOSTILE}},
    "totals": COUNTS,
    "rejects_by_rule": {HOSTILE: 1},
    "rejects": [{"file": HOSTILE, "pointer": HOSTILE, "rule": HOSTILE, "message": HOSTILE, "hint": HOSTILE}],
    "missing": [{"file": HOSTILE, "pointer": HOSTILE, "facility_code": HOSTILE, "since_run": 1}],
    "deactivated": 1,
    "pins_kept": 2,
    "warnings": [HOSTILE],
    "duplicates": {"merged": 1, "to_review": 2},
    "quality": {"score": None, HOSTILE: 97.5},
    "findings": [{"message": HOSTILE, "hint": HOSTILE}],
}


def test_the_page_escapes_every_hostile_text():
    page = to_html(SUMMARY)
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;") >= 13


def test_the_page_has_no_outside_asset():
    page = to_html({**SUMMARY, "run": 7, "status": "succeeded", "sources": {"regional": COUNTS}, "warnings": [],
                    "rejects_by_rule": {}, "quality": {"score": 98.0}, "findings": [], "missing": []})  # fmt: skip
    assert not re.search(r"https?://|\bsrc=|\bhref=|url\(|@import|<link|<script", page)
    assert "Nothing was rejected." in page


def test_the_text_is_a_table_with_totals_and_what_needs_a_person():
    lines = to_text({**SUMMARY, "sources": {"regional": COUNTS}, "warnings": ["far off"], "rejects_by_rule": {"name-missing": 1},
                     "quality": {"score": None, "accuracy": 97.5},
                     "totals": COUNTS | {"missing": 7}, "findings": [{"message": "a number"}],
                     "missing": [{"file": "a.json", "pointer": f"/{n}", "facility_code": "", "since_run": 2} for n in range(7)],
                     }).splitlines()  # fmt: skip
    assert lines[0].split() == ["source", *COLUMNS]
    assert lines[1].split() == ["regional", "3", "1", "0", "0", "1", "1", "0"]
    assert lines[2].split() == ["total", "3", "1", "0", "0", "1", "1", "7"]
    assert lines[3:] == [
        "warning: far off",
        "rejected: name-missing 1",
        (
            "missing: 7 records that their source lists no more: a.json /0, since run 2; a.json /1, since run 2; "
            "a.json /2, since run 2; a.json /3, since run 2; a.json /4, since run 2 and 2 more"
        ),
        "kept: what a person set on the facilities of 2 changed records (finding pin-kept)",
        "deactivated: 1 facilities",
        "worth a look: a number",
        "duplicates: 1 merged, 2 to review: see `duplicates list`",
        "quality: score not measurable, accuracy 97.5 %",
        "3 records in 1.2 s",
    ]


def test_the_json_reads_back_the_same():
    assert json.loads(to_json(SUMMARY)) == SUMMARY
