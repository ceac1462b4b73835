"""Natural keys and facility codes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.stages.identity import facility_code, natural_key
from etl.stages.records import StagedFacility

DIANI = StagedFacility(name="DIANI-", county="1. KWALE", sub_place="MSAMBWENI|Diani|")
any_text = st.text(st.characters(), max_size=20)


def test_a_sources_own_identifier_is_the_key():
    assert natural_key(StagedFacility(name="Iten", identifier="14586")) == "id:14586"


@pytest.mark.parametrize("identifier", ["", "0", "N/A", "-", "None"])
def test_a_placeholder_is_no_identifier(identifier):
    staged = StagedFacility(name="DIANI-", county="1. KWALE", sub_place="MSAMBWENI|Diani|", identifier=identifier)
    assert natural_key(staged) == natural_key(DIANI)


@pytest.mark.parametrize(
    ("name", "county", "sub_place"),
    [
        ("Diani", "1. Kwale", "Msambweni|Diani|"),
        ("  diani  - ", "1.  kwale", "MSAMBWENI | DIANI |"),
        ("DIANI-\u200b", "1. KWALE", "Msambweni|diani|"),
    ],
)
def test_case_spacing_and_punctuation_leave_the_key_as_it_is(name, county, sub_place):
    assert natural_key(StagedFacility(name=name, county=county, sub_place=sub_place)) == natural_key(DIANI)


@pytest.mark.parametrize(
    "other",
    [
        StagedFacility(name="UKUNDA", county="1. KWALE", sub_place="MSAMBWENI|Diani|"),
        StagedFacility(name="DIANI-", county="2. KILIFI", sub_place="MSAMBWENI|Diani|"),
        StagedFacility(name="DIANI-", county="1. KWALE", sub_place="KINANGO|Diani|"),
    ],
)
def test_another_name_county_or_place_is_another_key(other):
    assert natural_key(other) != natural_key(DIANI)


@given(name=any_text, county=any_text, sub_place=any_text, identifier=any_text)
def test_any_text_has_a_key_and_a_code_and_both_are_the_same_again(name, county, sub_place, identifier):
    staged = StagedFacility(name=name, county=county, sub_place=sub_place, identifier=identifier)
    key = natural_key(staged)
    code = facility_code(staged, source="regional", key=key, county_code="002")
    assert re.fullmatch(r"(?s)id:.{1,70}|text:[0-9a-f]{40}", key)
    assert re.search(r"\A[A-Z0-9-]+\Z", code)
    assert (natural_key(staged), facility_code(staged, source="regional", key=key, county_code="002")) == (key, code)


def test_a_code_is_the_same_on_any_machine():
    assert facility_code(DIANI, source="kps_stations", key="id:1", county_code="002") == "GVRC-CAB4-RNKW-KFLW"


def test_two_places_of_one_national_code_found_two_facilities():
    one, other = StagedFacility(name="Iten Hospital"), StagedFacility(name="Iten Dispensary")
    assert facility_code(one, source="regional", key="id:1", county_code="002") != facility_code(
        other, source="regional", key="id:1", county_code="002"
    )
