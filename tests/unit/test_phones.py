"""Phone cells, short codes, and phones that stand in names."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import shortnumberinfo

from etl.stages import clean
from etl.stages.clean import phones as phones_module

SCRAPS = [
    "0712 000 239",
    "+254",
    "053 42045/6",
    "116",
    " 0",
    "00",
    "(0)",
    " or ",
    "/",
    "Ext 23",
    "Tel",
    "-",
    "\x00",
    "\ud800",
]
any_text = st.lists(st.one_of(st.text(st.characters(), max_size=8), st.sampled_from(SCRAPS)), max_size=8).map("".join)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("0712000239", "+254712000239"), ("0712-000-239", "+254712000239"), ("0712.000.239", "+254712000239")],
        *[("+254 (0) 709 000 000", "+254709000000"), ("709000000", "+254709000000"), ("709000000.0", "+254709000000")],
        *[("254-712 000 239", "+254712000239"), ("00254712000239", "+254712000239"), ("+0712000239", "+254712000239")],
        *[("0110 000 001", "+254110000001"), ("0800 000 121", "+254800000121"), ("0900 200 000", "+254900200000")],
        *[("053 42045", "+2545342045"), ("(020) 271 2345", "+254202712345"), ("202712345", "+254202712345")],
        *[
            ("+44 20 7946 0958", "+442079460958"),
            ("0044 20 7946 0958", "+442079460958"),
            ("+1 202 456 1111", "+12024561111"),
        ],
        *[
            ("Tel: 0712 000 239", "+254712000239"),
            ("Tel0712000239", "+254712000239"),
            ("0712000239 (OCS)", "+254712000239"),
        ],
        *[
            ("0712 000 239 Ext 23", "+254712000239"),
            ("0712000239x23", "+254712000239"),
            ("0712000239 ext. 23/24", "+254712000239"),
        ],
        *[("\u202a+254712000239\u202c", "+254712000239"), ("0712\u2013000\u2013239", "+254712000239")],
        *[
            ("\u0660\u0667\u0661\u0662\u0660\u0660\u0660\u0662\u0663\u0669", "+254712000239"),
            ("0712\u00a0000239", "+254712000239"),
        ],
    ],
)
def test_a_number_is_read_as_e164(text, number):
    assert clean.to_phones(text) == clean.PhoneReading((number,))


@pytest.mark.parametrize("between", ["/", " / ", ",", ";", "&", " or ", " and ", "\n", "|", " ", " - ", "  ", " na "])
def test_two_numbers_in_one_cell_are_both_read(between):
    reading = clean.to_phones(f"0712 000 239{between}0733 000 111")
    assert reading == clean.PhoneReading(("+254712000239", "+254733000111"))


def test_a_mobile_and_a_fixed_line_in_one_cell_are_both_read():
    assert clean.to_phones("0712-000-239 / 053 42045").contacts == ("+254712000239", "+2545342045")


def test_a_number_that_stands_twice_is_kept_once():
    assert clean.to_phones("0712000239, +254712000239").contacts == ("+254712000239",)


@pytest.mark.parametrize(
    ("text", "contacts", "unreadable"),
    [
        ("053 42045/6", ("+2545342045",), ("6",)),
        ("020-2712345/6/7", ("+254202712345",), ("6", "7")),
        ("0712000239 / 07220", ("+254712000239",), ("07220",)),
        ("0712000239 / N/A", ("+254712000239",), ()),
        ("Mile 46 0722 000 448", ("+254722000448",), ("46",)),
        ("053 42045/6 053 42048", ("+2545342045", "+2545342048"), ("6",)),
    ],
)
def test_the_tail_of_a_shared_number_is_reported_and_not_made_up(text, contacts, unreadable):
    assert clean.to_phones(text) == clean.PhoneReading(contacts, unreadable)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "07220",
            "12",
            "O712000239",
            "07l2000239",
            "0712OOO239",
            "41222455",
            "4442045",
            "*483*306#",
            "Fax 020 2000000",
        ),
        *("P.O. Box 30218-00100", "See the website", "+254 71", "12345678901234567890", "1 1 1 1 1 1 1", "053 999"),
        *("7.12E+08", "+999 123 456 789", "+254 00 53 42045"),
    ],
)
def test_what_is_no_number_is_unreadable_as_written(text):
    assert clean.to_phones(text) == clean.PhoneReading((), (text,))


@pytest.mark.parametrize("text", ["", "-", "0", "N/A", "NIL", "None", "n/a / -", "Tel:", "Mobile -"])
def test_a_cell_without_a_number_holds_nothing(text):
    assert clean.to_phones(text) == clean.PhoneReading()


def test_a_fixed_line_that_is_too_short_passes_with_its_area_code_only():
    assert clean.to_phones("041 222455").contacts == ("+25441222455",)  # Mombasa, before the seventh digit
    assert clean.to_phones("063 222455").contacts == ()  # no area code of Kenya
    assert clean.to_phones("222455").contacts == ()


def test_a_cell_of_a_million_numbers_is_unreadable():
    reading = clean.to_phones("0712000239," * 100_000)
    assert reading.contacts == ()
    assert len(reading.unreadable[0]) < 100


def test_the_mobile_pattern_agrees_with_libphonenumber_on_every_prefix():
    for prefix in range(1000):
        written = f"0{prefix:03d}000239"
        number = phonenumbers.parse(written, "KE")
        is_mobile = phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if is_mobile:
            assert clean.to_phones(written).contacts == (e164,)
        assert bool(phones_module._MOBILE.fullmatch(written)) == is_mobile, written


@given(st.integers(100_000_000, 799_999_999), st.sampled_from(["0{}", "+254{}", "254{}", "+254 {}", "{}"]))
def test_reading_agrees_with_libphonenumber_on_valid_numbers(national, form):
    number = phonenumbers.parse(f"+254{national}")
    if phonenumbers.is_valid_number(number):
        assert clean.to_phones(form.format(national)).contacts == (f"+254{national}",)


@given(any_text)
def test_contacts_stay_as_they_are_when_read_again(text):
    for contact in clean.to_phones(text).contacts:
        assert clean.to_phones(contact) == clean.PhoneReading((contact,))


# --- short codes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", ["999", "112", "911", "116", "1190", "1192", "1193", "1195", "1198", "1199", "719", "21094", "1508"]
)
def test_help_lines_are_contacts_as_written(code):
    assert clean.is_short_code(code)
    assert clean.to_phones(code).contacts == (code,)
    assert clean.to_phones(f"Toll free {code} (24 hrs)").contacts == (code,)
    assert clean.is_hotline(code)


@pytest.mark.parametrize("text", ["07220", "12", "42045", "0", "1234", "", "0712000239", "116a", "\u0661\u0661\u0666"])
def test_junk_is_no_short_code(text):
    assert not clean.is_short_code(text)


def test_short_codes_agree_with_libphonenumber_on_everything_that_is_free_of_charge():
    free = shortnumberinfo.ShortNumberCost.TOLL_FREE
    for code in (str(number) for number in range(100, 100_000)):
        parsed = phonenumbers.PhoneNumber(country_code=254, national_number=int(code))
        is_free = shortnumberinfo.expected_cost_for_region(parsed, "KE") == free
        assert clean.is_short_code(code) == (is_free or code in clean.SHORT_CODES), code


def test_several_help_lines_in_one_cell_are_all_read():
    assert clean.to_phones("999/112, 1195 or 0800 000 121").contacts == ("999", "112", "1195", "+254800000121")


def test_a_short_code_is_never_read_out_of_a_longer_number():
    assert clean.to_phones("0711 116 999").contacts == ("+254711116999",)
    assert clean.to_phones("0711 116").contacts == ()


@pytest.mark.parametrize("value", ["116", "0800 000 121", "+254800000121", "+18005550199"])
def test_free_numbers_are_hotlines(value):
    assert clean.is_hotline(value)


@pytest.mark.parametrize(
    "value", ["0712000239", "+442079460958", "053 42045", "", "116/0712000239", "07220", "0900200000"]
)
def test_other_numbers_are_no_hotlines(value):
    assert not clean.is_hotline(value)


# --- phones in names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "phones"),
    [
        ("KIJIPWA - 0711 000 462", "KIJIPWA", ("0711 000 462",)),
        ("KIJIPWA (0711 000 462) POLICE POST", "KIJIPWA POLICE POST", ("0711 000 462",)),
        ("KIJIPWA OCS Tel: 0711000462/463", "KIJIPWA OCS", ("0711000462/463",)),
        ("KIJIPWA 0711000462/0722000448", "KIJIPWA", ("0711000462", "0722000448")),
        ("Mile 46 Clinic 0722 000 448", "Mile 46 Clinic", ("0722 000 448",)),
        ("Level 4 0722000448", "Level 4", ("0722000448",)),
        ("Unit 2 +254 722 000 448", "Unit 2", ("+254 722 000 448",)),
        ("(New) Kijipwa, 053 42045", "(New) Kijipwa", ("053 42045",)),
        ("KIJIPWA - 07110004", "KIJIPWA", ("07110004",)),  # a digit or two are missing: reported as unreadable
        ("0711000462", "", ("0711000462",)),
        ("Diani 053 42045/6 053 42048/9", "Diani", ("053 42045/6", "053 42048/9")),
    ],
)
def test_a_phone_leaves_the_name_it_stands_in(text, name, phones):
    assert clean.split_phones_from_name(text) == (name, phones)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Level 4",
            "Mile 46",
            "Km 7",
            "Unit 2",
            "24 Hrs",
            "Clinic 2000",
            "Childline 116",
            "Diani-",
            "",
            "Ward 1, 2 & 3",
        ),
        *("Clinic 2000 - 2010", "St. John 1234567", "Block 10-12 Kayole", "Moi's Bridge 1st Ave", "Police Post No. 07"),
    ],
)
def test_other_numbers_stay_in_the_name(name):
    assert clean.split_phones_from_name(name) == (name, ())


@given(any_text)
def test_phones_taken_out_of_a_name_are_not_in_it_any_more(text):
    name, phones = clean.split_phones_from_name(text)
    if not phones:
        assert name == text
    taken = {contact for phone in phones for contact in clean.to_phones(phone).contacts if contact.startswith("+")}
    assert taken.isdisjoint(clean.to_phones(name).contacts)
