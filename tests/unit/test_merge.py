"""The golden record."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from etl.stages.merge import Contributor, fold
from etl.stages.records import Accuracy, Contact, FacilityRecord, Position


def contributor(precedence: int, *, key: str = "text:1", **fields) -> Contributor:
    defaults = {
        "facility_code": f"GVRC-{precedence}",
        "name": "Iten",
        "facility_type": "hospital",
        "county_code": "028",
    }
    record = FacilityRecord(source=f"source {precedence}", key=key, **defaults | fields)
    return Contributor(record, precedence)


def test_the_first_source_that_has_a_value_is_believed_field_by_field():
    golden = fold([contributor(2, town="Itenn", level="Level 4"), contributor(1, town="Iten")])
    assert (golden.town, golden.level, golden.facility_code, golden.source) == ("Iten", "Level 4", "GVRC-1", "source 1")


def test_of_two_records_of_one_source_the_more_complete_is_believed_and_the_smaller_key_founds():
    poor = contributor(1, key="text:1", town="Itenn", facility_code="GVRC-A")
    rich = contributor(1, key="text:2", town="Iten", level="Level 4", address="Road", facility_code="GVRC-B")
    golden = fold([poor, rich])
    assert (golden.town, golden.facility_code, golden.key) == ("Iten", "GVRC-A", "text:1")


def test_contacts_and_services_are_united_each_once():
    phone, email = Contact("phone", "+254712000239"), Contact("email", "info@example.or.ke")
    golden = fold(
        [
            contributor(1, contacts=(phone,), services=("legal-aid",)),
            contributor(2, contacts=(email, phone), services=("shelter", "legal-aid")),
        ]
    )
    assert (golden.contacts, golden.services) == ((phone, email), ("legal-aid", "shelter"))


def test_a_place_is_confidential_if_any_source_says_so():
    assert fold([contributor(1), contributor(7, is_confidential=True)]).is_confidential


def test_a_no_is_an_answer_and_unknown_is_none():
    golden = fold([contributor(1), contributor(2, has_gender_desk=False), contributor(3, has_gender_desk=True)])
    assert golden.has_gender_desk is False


def test_a_ward_is_taken_only_from_a_source_that_agrees_on_what_lies_above():
    golden = fold(
        [
            contributor(1, constituency_code="149"),
            contributor(2, constituency_code="150", ward_code="0750"),
            contributor(3, county_code="001", constituency_code="149", ward_code="0001"),
            contributor(4, constituency_code="149", ward_code="0745"),
        ]
    )
    assert (golden.county_code, golden.constituency_code, golden.ward_code) == ("028", "149", "0745")


codes = st.sampled_from(["", "A", "B"])
contacts = st.lists(st.builds(Contact, st.sampled_from(["phone", "email"]), st.sampled_from("xyz")), max_size=3)
positions = st.none() | st.just(Position(Decimal("0.67"), Decimal("35.5"), Accuracy.APPROXIMATE))
contributors = st.lists(
    st.builds(
        lambda fields, precedence, key: contributor(precedence, key=key, **fields),
        st.fixed_dictionaries(
            {
                **dict.fromkeys(("name", "town", "address", "status", "identifier", "facility_code"), codes),
                **dict.fromkeys(("county_code", "constituency_code", "ward_code"), codes),
                "has_gender_desk": st.sampled_from([None, True, False]),
                "is_confidential": st.booleans(),
                "position": positions,
                "contacts": contacts.map(tuple),
                "services": st.lists(codes, max_size=3).map(tuple),
            }
        ),
        st.integers(1, 3),
        st.sampled_from(["text:1", "text:2"]),
    ),
    min_size=1,
    max_size=6,
)


@given(items=contributors, data=st.data())
def test_the_order_of_contributors_does_not_matter(items, data):
    assert fold(data.draw(st.permutations(items))) == fold(items)


@given(items=contributors)
def test_nothing_is_invented_and_nothing_stricter_is_lost(items):
    golden, records = fold(items), [c.record for c in items]
    assert golden.is_confidential is any(record.is_confidential for record in records)
    assert set(golden.contacts) == {contact for record in records for contact in record.contacts}
    assert len(golden.contacts) == len(set(golden.contacts))
    assert set(golden.services) == {service for record in records for service in record.services}
    for name in ("name", "town", "address", "status", "identifier"):
        assert getattr(golden, name) in {getattr(record, name) for record in records}
        assert bool(getattr(golden, name)) is any(getattr(record, name) for record in records)
