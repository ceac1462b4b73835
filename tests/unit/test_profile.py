"""One pass over facilities: what they state, what is distinct, how they are spread."""

from etl.stages.profile import MOST_VALUES, OTHER, UNKNOWN, FacilityFacts, profile_facilities


def facts(code, **fields):
    return FacilityFacts(
        **{
            "sources": ("regional",),
            "stated": frozenset({"facility_code", "facility_name", "county"}),
            "sealed": frozenset(),
            "values": {"county": ("Nairobi",), "services": ()},
            "keys": {"facility_code": (code,), "contact": ()},
        }
        | fields
    )


def test_nothing_has_a_profile_without_a_percentage():
    profile = profile_facilities([])
    assert profile["total_records"] == 0
    assert {share["percent"] for share in profile["completeness"].values()} == {None}
    assert profile["by_source"] == {}


def test_completeness_is_counted_by_field_and_by_source():
    profile = profile_facilities(
        [facts("A"), facts("B", sources=("regional", "category_A"), stated=frozenset({"facility_code", "contacts"}))]
    )
    assert profile["completeness"]["contacts"] == {"percent": 50.0, "numerator": 1, "denominator": 2}
    assert profile["by_source"]["category_A"]["completeness"]["contacts"]["percent"] == 100.0
    assert profile["by_source"]["regional"]["facilities"] == 2


def test_what_is_sealed_is_left_out_of_the_denominator():
    hidden = facts("C", sealed=frozenset({"ward"}))
    profile = profile_facilities([facts("A", stated=frozenset({"ward"})), hidden])
    assert profile["completeness"]["ward"] == {"percent": 100.0, "numerator": 1, "denominator": 1}


def test_uniqueness_counts_distinct_values():
    shared = [facts(code, keys={"facility_code": (code,), "contact": ("x", code)}) for code in "ABC"]
    uniqueness = profile_facilities(shared)["uniqueness"]
    assert uniqueness["facility_code"] == {"percent": 100.0, "numerator": 3, "denominator": 3}
    assert uniqueness["contact"] == {"percent": 66.67, "numerator": 4, "denominator": 6}


def test_the_spread_names_what_is_not_stated_and_sums_up_the_rest():
    many = [facts(str(n), values={"county": (f"county {n}",), "services": ()}) for n in range(MOST_VALUES + 5)]
    spread = profile_facilities(many)["distribution"]
    assert spread["services"] == {UNKNOWN: MOST_VALUES + 5}
    assert len(spread["county"]) == MOST_VALUES + 1
    assert spread["county"][OTHER] == 5
