"""Comparison keys: two spellings of one name compare equal, two names never do."""

import pytest

from geography.gazetteer import Level, Place
from geography.names import (
    constituency_key,
    county_key,
    direction_words,
    is_misspelling,
    location_segments,
    place_key,
    stated,
    ward_key,
)

KEY_OF = {Level.COUNTY: county_key, Level.CONSTITUENCY: constituency_key, Level.WARD: ward_key}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("KWALE", "kwale"),
        ("  Homa   Bay ", "homa bay"),
        ("Murang'a", "muranga"),
        ("Murang’a", "muranga"),
        ("Murang‘a", "muranga"),
        ("Murang`a", "muranga"),
        ("Murang´a", "muranga"),
        ("Muranga", "muranga"),
        ("Gĩthũngũri", "githunguri"),
        ("Igwamiti/ Ndaragwa", "igwamiti ndaragwa"),
        ("Igwamiti-Ndaragwa", "igwamiti ndaragwa"),
        ("Kamagut–Kiplombe", "kamagut kiplombe"),
        ("Trans_Nzoia", "trans nzoia"),
        ("1. KWALE", "kwale"),
        ("1.KWALE", "kwale"),
        ("2) Kwale", "kwale"),
        ("(3) Kwale", "kwale"),
        ("47 - Nairobi", "nairobi"),
        ("047", "047"),
        ("1", "1"),
        ("Umoja 1", "umoja i"),
        ("Dandora Area 3", "dandora area iii"),
        ("Dandora Area Ⅳ", "dandora area iv"),
        ("MANDERA Central Ward 62", "mandera central ward 62"),
        ("Ｎａｉｒｏｂｉ", "nairobi"),
        ("-", ""),
        ("", ""),
    ],
)
def test_a_key_folds_case_punctuation_accents_and_numbering(text, key):
    assert place_key(text) == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Nairobi City County", "nairobi"),
        ("Kwale County", "kwale"),
        ("KWALE (COUNTY)", "kwale"),
        ("County of Kwale", "kwale"),
        ("County Government of Homa Bay", "homa bay"),
        ("Kiambu Sub County", "kiambu sub county"),
        ("Kiambu Sub-County", "kiambu sub county"),
        ("County", "county"),
        ("County of", "county of"),
    ],
)
def test_a_county_key_drops_county_but_not_sub_county(text, key):
    assert county_key(text) == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Kuria East Constituency", "kuria east"),
        ("Kuria East Sub County", "kuria east"),
        ("Kuria East Sub-County", "kuria east"),
        ("Kuria East SUBCOUNTY", "kuria east"),
        ("Homa Bay Town", "homa bay town"),
        ("Kiambu County", "kiambu county"),
        ("Sub County", "sub county"),
        ("Constituency", "constituency"),
    ],
)
def test_a_constituency_key_drops_its_level_but_not_county(text, key):
    assert constituency_key(text) == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Kamariny Ward", "kamariny"),
        ("KAMARINY WARD ", "kamariny"),
        ("Township", "township"),
        ("Township Ward", "township"),
        ("Malindi Town", "malindi town"),
        ("Ward", "ward"),
        ("Central Ward", "central"),
    ],
)
def test_a_ward_key_drops_ward_but_neither_town_nor_township(text, key):
    assert ward_key(text) == key


def test_all_1787_official_names_keep_a_key_of_their_own_inside_their_parent(places):
    keys: dict[tuple[Level, str, str], Place] = {}
    for place in places:
        key = KEY_OF[place.level](place.name).replace(" ", "")
        assert key, place
        assert keys.setdefault((place.level, place.parent_code, key), place) == place
    assert len(keys) == 47 + 290 + 1450


def test_an_official_name_loses_no_word_but_the_ward_of_central_ward(places):
    shortened = [place.name for place in places if KEY_OF[place.level](place.name) != place_key(place.name)]
    assert shortened == ["Central Ward"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Kitui East", {"east"}),
        ("Eastern Kitui", {"east"}),
        ("EAST", {"east"}),
        ("North-West", {"north", "west"}),
        ("Northwest", {"north", "west"}),
        ("Northeastern", {"north", "east"}),
        ("N.Kinangop", {"north"}),
        ("Upper Savannah", {"upper"}),
        ("Lower Savannah", {"lower"}),
        ("Central", {"central"}),
        ("Umoja I", {"i"}),
        ("Umoja 1", {"i"}),
        ("Dandora Area Iii", {"iii"}),
        ("Phase 2 Clinic", {"ii"}),
        ("Manyatta 'B'", {"b"}),
        ("Eastleigh", set()),
        ("Westlands", set()),
        ("A.I.C. Hospital", set()),
        ("P.C.E.A. Kikuyu", set()),
        ("Kilimani", set()),
    ],
)
def test_direction_words_come_in_one_form_each(text, words):
    assert direction_words(text) == words


@pytest.mark.parametrize(
    "text", ["", " ", "N/A", "n.a.", "NA", "-", "--", ".", "NIL", "None", "null", "Unknown", "0", "?"]
)
def test_a_placeholder_states_nothing(text):
    assert stated(text) == ""


@pytest.mark.parametrize("text", ["047", "Nairobi", "Nil Valley"])
def test_anything_else_is_stated_as_it_stands(text):
    assert stated(f" {text} ") == text


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("Hurlingham, Nairobi", (("Hurlingham",), ("Nairobi",))),
        ("Hurlingham; Nairobi | Kenya", (("Hurlingham",), ("Nairobi",))),
        ("Nairobi, Kenya.", (("Nairobi",),)),
        ("Nairobi Kenya", (("Nairobi",),)),
        ("Kikuyu\nKiambu", (("Kikuyu",), ("Kiambu",))),
        ("Kikuyu - Kiambu", (("Kikuyu",), ("Kiambu",))),
        ("Kisii/Nyamira", (("Kisii/Nyamira", "Kisii", "Nyamira"),)),
        ("Elgeyo-Marakwet", (("Elgeyo-Marakwet", "Elgeyo", "Marakwet"),)),
        ("Thika-Garissa Road", (("Thika-Garissa Road",),)),
        ("Nairobi - Mombasa Rd", (("Nairobi - Mombasa Rd",),)),
        ("Nakuru - off Kisumu Road", (("Nakuru",), ("off Kisumu Road",))),
        ("Kisii/Nyamira border", (("Kisii/Nyamira border",),)),
        ("Kenya", ()),
        (" , ; ", ()),
    ],
)
def test_a_location_falls_into_segments_and_a_road_keeps_its_ends(text, segments):
    assert location_segments(text) == segments


@pytest.mark.parametrize(
    ("text", "name", "rivals", "expected"),
    [
        ("kamarini", "kamariny", ["tambach"], True),
        ("kisumu wast", "kisumu west", ["kisumu east"], False),  # no direction, or either
        ("kisumu east", "kisumu west", [], False),
        ("kakamega nort", "kakamega", ["kakamega north"], False),
        ("umoja i", "umoja ii", [], False),
        ("manyatta a", "manyatta b", [], False),
        ("ward 62 kilimani", "ward 63 kilimani", [], False),
        ("kuk", "kuku", [], False),
        ("kukuu", "kuku", [], False),
        ("iutha", "ikutha", ["mutha"], False),  # one edit from either
    ],
)
def test_a_misspelling_is_only_what_no_other_name_explains(text, name, rivals, expected):
    assert is_misspelling(text, name, rivals=rivals) is expected
