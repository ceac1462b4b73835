"""What to do next, from what was measured."""

from etl.rule_words import in_admin
from etl.stages.recommend import Situation, freshened, recommend


def test_nothing_to_do_is_nothing_recommended():
    assert recommend(Situation()) == []


def test_the_most_urgent_stands_first_and_each_is_a_command():
    found = recommend(
        Situation(
            rejects={"county-unknown": 2, "not-a-station": 1},
            faults={"ward-unknown": 3, "service-unknown": 2, "phone-unreadable": 9},
            stale=["regional", "category_A"],
            refused=["regional"],
            drifted=["kps_stations"],
            open_pairs=1,
            missing=4,
        )
    )
    assert [one.command for one in found] == [
        "import_facilities regional --dry-run",
        "import_facilities category_A",
        "quality_report",
        "rejects list --rule county-unknown",
        "rejects list --rule not-a-station",
        "duplicates list",
        "load_geography",
        "in admin: Service categories",
        "import_facilities --deactivate-missing --dry-run",
    ]
    assert found[3].why == "2 records rejected by county-unknown; add an alias, then `rejects replay --waiting`"
    assert found[5].why == "1 possible duplicate waits for a person"
    assert found[0].as_json()["command"] == "manage.py import_facilities regional --dry-run"


def test_an_unknown_word_of_a_list_is_mended_in_the_lists_and_not_among_the_places():
    found = recommend(Situation(faults={"service-unknown": 14, "ward-unknown": 1}))
    assert [one.why for one in found] == [
        "service-unknown on 14 records: add the word to the aliases of the row that it means, then import again",
        "ward-unknown on 1 record: add the spelling to fixtures/place_aliases.csv",
    ]
    assert [in_admin(one.why) for one in found] == [
        found[0].why,
        "ward-unknown on 1 record: add the spelling under Place aliases, then import again",
    ]


def test_steps_of_an_earlier_time_say_what_waits_now():
    measured = [
        step.as_json()
        for step in recommend(
            Situation(rejects={"not-a-station": 8, "county-unknown": 2}, faults={"ward-unknown": 3}, open_pairs=2)
        )
    ]

    now = freshened(measured, Situation(rejects={"county-unknown": 1, "name-missing": 1}))

    assert [step["why"] for step in now] == [
        "1 record rejected by county-unknown; add an alias, then `rejects replay --waiting`",
        "ward-unknown on 3 records: add the spelling to fixtures/place_aliases.csv",
        "1 record rejected by name-missing",
    ]
