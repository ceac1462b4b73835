"""What the profile of a file says, and what it does not keep."""

from etl.stages.inference import Inference


def profile_of(*records):
    inference = Inference()
    for record in records:
        inference.add(record)
    return {path.path: (path.records, path.types, path.nulls) for path in inference.profile()}


def test_paths_are_dotted_and_list_items_are_bracketed():
    record = {"name": "x", "location": {"ward": "y"}, "contacts": [{"type": "ocs"}, "116"], "at": [36.6, -1]}
    assert profile_of(record) == {
        "": (1, ("object",), 0),
        "at": (1, ("array",), 0),
        "at[]": (1, ("integer", "number"), 0),
        "contacts": (1, ("array",), 0),
        "contacts[]": (1, ("string", "object"), 0),
        "contacts[].type": (1, ("string",), 0),
        "location": (1, ("object",), 0),
        "location.ward": (1, ("string",), 0),
        "name": (1, ("string",), 0),
    }


def test_null_and_blank_texts_count_as_null_and_other_empty_values_do_not():
    values = [None, "", "  ", "-", 0, False, [], {}]
    assert profile_of(*({"a": value} for value in values))["a"] == (
        8,
        ("null", "boolean", "integer", "string", "array", "object"),
        3,
    )


def test_a_path_counts_once_a_record_however_long_its_list():
    assert profile_of({"a": ["", "", "x"]}, {"a": []}, {})["a[]"] == (1, ("string",), 1)


def test_a_missing_member_is_not_counted():
    assert profile_of({"a": 1}, {}, {"a": 2})["a"] == (2, ("integer",), 0)


def test_the_empty_path_counts_the_records_looked_at():
    assert profile_of({"a": 1}, {})[""] == (2, ("object",), 0)


def test_paths_end_at_six_levels():
    deep: dict = {}
    for _ in range(10):
        deep = {"a": deep}
    assert max(profile_of(deep), key=len) == "a.a.a.a.a.a"


def test_no_more_than_500_paths_are_kept():
    assert len(profile_of({f"k{number}": {"x": 1} for number in range(1_000)})) == 500


def test_long_and_unprintable_keys_are_shortened():
    assert list(profile_of({"k" * 500: 1, "a\nb": 1})) == ["", "a\\nb", "k" * 79 + "…"]


def test_all_of_the_first_10_000_records_are_looked_at_and_then_one_in_ten():
    inference = Inference()
    assert sum(inference.is_due(number) for number in range(1, 10_001)) == 10_000
    assert sum(inference.is_due(number) for number in range(10_001, 20_001)) == 1_000
