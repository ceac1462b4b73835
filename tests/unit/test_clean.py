"""Text, names, e-mail, websites, positions and masking. Phones have a file of their own."""

import re
import time
import unicodedata
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.stages import clean
from etl.stages.records import Accuracy

SCRAPS = [
    *(
        "0712 000 239",
        "+254",
        "053 42045/6",
        "116",
        "info@example.or.ke",
        "www.example.or.ke",
        "http://[",
        "P/STN",
        "St.",
    ),
    *(
        "N/A",
        "NIL",
        "12. ",
        " - ",
        "'",
        "\u2019",
        "\u00b4",
        "1e400",
        "1°17'",
        "S",
        "(",
        ")",
        "@",
        "%",
        "Ext 23",
        "javascript:",
    ),
    *(
        "\x00",
        "\ud800",
        "\udc00",
        "\u202e",
        "\u200b",
        "\u0301\u0316",
        "\u0344",
        "\u00df",
        "\u0130",
        "\ufdfa",
        "\x1c",
        "\u2028",
    ),
]
any_text = st.lists(st.one_of(st.text(st.characters(), max_size=8), st.sampled_from(SCRAPS)), max_size=8).map("".join)

TEXT_FUNCTIONS = [
    clean.to_text,
    clean.to_line,
    clean.is_placeholder,
    clean.to_value,
    clean.to_name,
    clean.to_key,
    clean.to_flag,
    clean.to_registration_number,
    clean.has_forbidden_characters,
    clean.mask,
    clean.mask_contacts,
    clean.to_email,
    clean.to_emails,
    clean.to_website,
    clean.split_contacts,
    clean.to_phones,
    clean.is_short_code,
    clean.is_hotline,
    clean.split_phones_from_name,
]


@given(any_text)
def test_no_cleaner_raises_on_any_text(text):
    for function in TEXT_FUNCTIONS:
        function(text)
    clean.to_position(text, text)


@pytest.mark.parametrize(
    "text",
    [
        *("a" * 1_000_000, "1 " * 500_000, "-" * 1_000_000, "@" * 1_000_000, "a@" * 500_000, "\x00" * 1_000_000),
        *("a\u0301\u0316" * 300_000, "\ud800" * 1_000_000, "1.) " * 250_000, "0712000239," * 90_000, "A'" * 500_000),
        *("p o box 1    " * 80_000, "2026-01-01 " * 90_000, "\u200b1" * 500_000, "a (at) " * 140_000, "1" * 1_000_000),
    ],
    ids=lambda text: f"{len(text)} of {text[:4]!a}",
)
def test_a_megabyte_takes_every_cleaner_seconds_at_most(text):
    for function in TEXT_FUNCTIONS:
        started = time.perf_counter()
        function(text)
        assert time.perf_counter() - started < 5, function.__name__  # 0.9 s measured; quadratic is minutes
    started = time.perf_counter()
    clean.to_position(text, text)
    assert time.perf_counter() - started < 0.5


# --- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(None, ""), ("KE", "KE"), (14586, "14586"), (14586.0, "14586"), (Decimal("14586.00"), "14586"), (-0.0, "0")],
        *[
            (True, "true"),
            (False, "false"),
            (35.5081, "35.5081"),
            (Decimal("35.50810"), "35.50810"),
            (1e-05, "0.00001"),
        ],
        *[(float("nan"), "NaN"), (float("inf"), "Infinity"), (Decimal("1e400"), "1E+400"), ([1], ""), ({"a": 1}, "")],
    ],
)
def test_a_json_scalar_becomes_its_text(value, text):
    assert clean.to_text(value) == text


def test_a_number_of_five_thousand_digits_has_a_text():
    assert clean.to_text(10**5000).startswith("0x")
    assert clean.to_text(Decimal("1e999999")) == "1E+999999"


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(), st.lists(st.integers())))
def test_every_json_value_has_a_text(value):
    assert isinstance(clean.to_text(value), str)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  Iten \t County\r\nHospital ", "Iten County Hospital"),
        ("\u202a+254712000239\u202c", "+254712000239"),
        ("Kili\u200bmani\u00adWard\ufeff", "KilimaniWard"),
        ("Kenya\u00a0Red\u2003Cross", "Kenya Red Cross"),
        ("Gi\u0303thu\u0303ngu\u0303ri", "G\u0129th\u0169ng\u0169ri"),
        ("a\x00b\ud800c\x1fd", "abc d"),
    ],
)
def test_a_line_holds_no_control_or_invisible_characters(text, line):
    assert clean.to_line(text) == line


@given(any_text)
def test_a_line_stays_as_it_is_when_cleaned_again(text):
    line = clean.to_line(text)
    assert clean.to_line(line) == line
    assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in line)
    line.encode("utf-8")


def test_every_invisible_format_character_but_scripts_own_signs_is_dropped():
    formats = {chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf"}
    kept = {letter for letter in formats if clean.to_line(f"a{letter}b") != "ab"}
    # Signs of Arabic, Syriac, Kaithi, hieroglyphs, shorthand and musical notation: visible, or no danger in Kenya.
    assert {unicodedata.name(letter).split()[0] for letter in kept} <= {
        *("ARABIC", "SYRIAC", "KAITHI", "EGYPTIAN", "SHORTHAND", "MUSICAL"),
    }


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "0",
            "000",
            "N/A",
            "n.a.",
            "NA",
            "(N/A)",
            "-",
            "--",
            "\u2013",
            "None",
            "NIL",
            "nil -",
            "NULL",
            "nan",
            "TBD",
        ),
        *(
            "unknown",
            "Not Available",
            "not applicable",
            "?",
            ".",
            "...",
            "xxx",
            "XXXX",
            "\u200b",
            "undefined",
            "_",
            "***",
        ),
    ],
)
def test_fillers_are_placeholders(text):
    assert clean.is_placeholder(text)
    assert clean.to_value(text) == ""
    assert clean.to_name(text) == ""
    assert clean.to_registration_number(text) == ""


@pytest.mark.parametrize("text", ["Nana", "Nandi", "No", "10", "X", "Unknown Road", "Nile Clinic", "0712", "Level 0"])
def test_words_that_resemble_fillers_are_values(text):
    assert not clean.is_placeholder(text)
    assert clean.to_value(f" {text} ") == text


@pytest.mark.parametrize(
    ("text", "number"),
    [("gk-001 234", "GK-001 234"), (" moh  /12 ", "MOH /12"), ("0000", ""), ("nil", ""), ("0-0", ""), ("007", "007")],
)
def test_a_registration_number_is_upper_case_or_none(text, number):
    assert clean.to_registration_number(text) == number


@pytest.mark.parametrize(
    ("text", "key"),
    [
        *[("HIV/PEP", "hiv pep"), ("Murang\u2019a  COUNTY", "muranga county"), ("Women's Hosp.", "womens hosp")],
        *[
            ("Legal_aid & advice", "legal aid advice"),
            ("G\u0129th\u0169ng\u0169ri", "githunguri"),
            ("24-hrs", "24 hrs"),
            ("--", ""),
        ],
    ],
)
def test_a_key_is_what_spellings_share(text, key):
    assert clean.to_key(text) == key


@pytest.mark.parametrize("text", ["YES", "y", " True ", "1", "Available", "Ndiyo", "Yes."])
def test_a_yes_is_true(text):
    assert clean.to_flag(text) is True


@pytest.mark.parametrize("text", ["NO", "n", "false", "0", "Hapana"])
def test_a_no_is_false(text):
    assert clean.to_flag(text) is False


@pytest.mark.parametrize("text", ["", "-", "NIL", "N/A", "maybe", "Not available", "2", "?"])
def test_neither_yes_nor_no_is_unknown(text):
    assert clean.to_flag(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\x00b", "a NUL character"),
        ("a\ud800", "a lone surrogate"),
        ("\udc00", "a lone surrogate"),
        ("\U0001f600\n\x07", ""),
    ],
)
def test_what_postgresql_cannot_store_is_named(text, problem):
    assert clean.has_forbidden_characters(text) == problem


@given(any_text)
def test_keys_values_and_registration_numbers_stay_as_they_are_when_cleaned_again(text):
    for function in (clean.to_value, clean.to_key, clean.to_registration_number):
        assert function(function(text)) == function(text), function.__name__


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("DIANI-", "Diani"),
        ("Wangu Foundation -", "Wangu Foundation"),
        ("- Mama Lucy ,.", "Mama Lucy"),
        ("GVRC Nairobi Womens Hosp.", "GVRC Nairobi Womens Hosp."),
        ("Equity Afia  Medical Centre (Kikuyu)", "Equity Afia Medical Centre (Kikuyu)"),
        ("12. KWALE", "Kwale"),
        ("3) Diani", "Diani"),
        ("12. NIL", ""),
        ("24 Hrs Clinic", "24 Hrs Clinic"),
        ("1st Avenue Clinic", "1st Avenue Clinic"),
    ],
)
def test_fillers_and_numbering_around_a_name_go(text, name):
    assert clean.to_name(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ITEN COUNTY REFERRAL HOSPITAL ", "Iten County Referral Hospital"),
        ("MURANG'A DISPENSARY", "Murang'a Dispensary"),
        ("ST. MARY\u2019S HOSPITAL LANG'ATA", "St. Mary's Hospital Lang'ata"),
        ("KINANGO P/STN -", "Kinango P/STN"),
        ("KAPSABET H/C", "Kapsabet H/C"),
        ("ACK MARY OF THE ROSARY II", "ACK Mary of the Rosary II"),
        ("A.C.K. KMTC AND MTRH VCT", "A.C.K. KMTC and MTRH VCT"),
        ("AMREF, AIC, PCEA, SDA, CDF, KNH", "AMREF, AIC, PCEA, SDA, CDF, KNH"),
        ("MUKURU KWA REUBEN", "Mukuru kwa Reuben"),
        ("THE O'BRIEN CLINIC", "The O'Brien Clinic"),
        ("3RD AVENUE (THE HUB)", "3rd Avenue (The Hub)"),
        ("kapsabet dispensary", "Kapsabet Dispensary"),
    ],
)
def test_a_name_in_one_case_becomes_title_case(text, name):
    assert clean.to_name(text) == name


@pytest.mark.parametrize(
    "name", ["iThemba Centre", "McKinnon Road", "KINANGO Police Post", "O'Brien Clinic", "Gender Desk of OCS"]
)
def test_a_name_in_mixed_case_is_left_as_it_is(name):
    assert clean.to_name(name) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [("Murang'A", "Murang'a"), ("St. Mary'S", "St. Mary's"), ("Ng\u2019Ombe Clinic", "Ng'ombe Clinic")],
)
def test_a_capital_after_an_apostrophe_becomes_small(text, name):
    assert clean.to_name(text) == name


@given(any_text)
@example("12. - KWALE Hosp..")
@example("\u00df\u0149 O'B")
def test_a_name_stays_as_it_is_when_cleaned_again(text):
    name = clean.to_name(text)
    assert clean.to_name(name) == name


# --- e-mail and websites ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("Info@Example.OR.KE", "info@example.or.ke"),
        ("Email: info@example.or.ke.", "info@example.or.ke"),
        ("mailto:info@example.or.ke?subject=help", "info@example.or.ke"),
        ("<gbv.desk+nairobi@example.co.ke>", "gbv.desk+nairobi@example.co.ke"),
        ("info@example.or.ke\u200b", "info@example.or.ke"),
    ],
)
def test_an_email_address_is_read(text, email):
    assert clean.to_email(text) == email


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "None",
            "info",
            "info@",
            "@example.or.ke",
            "info@example",
            "info @example.or.ke",
            "a@b@c.ke",
            "a..b@c.ke",
        ),
        *(
            ".a@c.ke",
            "a.@c.ke",
            "info@-c.ke",
            "info@c..ke",
            "inf\u043e@c.ke",
            "a" * 65 + "@c.ke",
            "a@" + "b." * 130 + "ke",
        ),
        *("info@example,or.ke", "a@c.ke\nBcc: x@y.ke", '"a b"@c.ke', "<script>@c.ke", "info@1.2.3.4"),
    ],
)
def test_what_is_no_email_address_is_none(text):
    assert clean.to_email(text) is None


def test_several_email_addresses_in_one_cell_are_read_each_once():
    reading = clean.to_emails("Email: a@x.or.ke / B@x.or.ke; a@x.or.ke, desk(at)x, N/A")
    assert reading.emails == ("a@x.or.ke", "b@x.or.ke")
    assert reading.unreadable == ("desk", "at", "x")


@given(any_text)
def test_an_email_address_stays_as_it_is_when_read_again(text):
    for email in (clean.to_email(text), *clean.to_emails(text).emails):
        assert email is None or clean.to_email(email) == email


@pytest.mark.parametrize(
    ("text", "website"),
    [
        ("www.X.or.ke", "https://www.x.or.ke"),
        ("HTTP://WWW.Example.or.ke/", "http://www.example.or.ke"),
        ("example.or.ke/About?id=1", "https://example.or.ke/About?id=1"),
        ("https://example.or.ke:8443/Desk#top", "https://example.or.ke:8443/Desk#top"),
        ("www.example.or.ke.", "https://www.example.or.ke"),
    ],
)
def test_a_website_is_read(text, website):
    assert clean.to_website(text) == website
    assert clean.to_website(website) == website


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "None",
            "N/A",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://example.or.ke",
            "Dr.Smith",
            "facebook: gvrc",
        ),
        *("http://user@example.or.ke", "http://1.2.3.4", "http://localhost", "http://[", "http://example.or.ke:99999"),
        *(
            "www.example.or.ke and more",
            'https://x.or.ke/"onload=',
            "https://x.or.ke/\\evil",
            "info@x.or.ke",
            "https://",
        ),
        "https://x.or.ke/" + "a" * 200,
    ],
)
def test_what_is_no_website_is_none(text):
    assert clean.to_website(text) is None


@given(any_text)
def test_a_website_is_http_or_https_and_stays_as_it_is(text):
    website = clean.to_website(text)
    if website is not None:
        assert website.startswith(("http://", "https://"))
        assert clean.to_website(website) == website


def test_a_cell_of_several_kinds_is_divided():
    cell = clean.split_contacts("0800 000 121, Info@example.or.ke, www.example.or.ke; Tel: 07220 - ask Jane")
    assert cell.phones == ("+254800000121",)
    assert cell.emails == ("info@example.or.ke",)
    assert cell.websites == ("https://www.example.or.ke",)
    assert cell.unreadable == ("Tel: 07220 - ask Jane",)


def test_labels_in_a_cell_are_no_unreadable_parts():
    cell = clean.split_contacts("Tel: 0712.000.239 Email: a@x.or.ke Website: www.x.or.ke")
    assert cell == clean.ContactReading(("+254712000239",), ("a@x.or.ke",), ("https://www.x.or.ke",), ())


def test_a_cell_of_placeholders_holds_nothing():
    assert clean.split_contacts("N/A") == clean.ContactReading()
    assert clean.split_contacts("") == clean.ContactReading()


# --- positions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        *[
            ("-1.2833", "36.8219"),
            ("-1,2833", "36,8219"),
            ("1.2833\u00b0 S", "36.8219\u00b0 E"),
            ("S 1.2833", "E 36.8219"),
        ],
        *[
            ("\u22121.2833", "+36.8219"),
            ("Lat: -1.2833", "Long: 36.8219"),
            (" -1.2833 ", "36.8219\u200b"),
            ("-1.2833 S", "36.8219"),
        ],
        *[
            ("1\u00b016'59.88\"S", "36\u00b049'18.84\"E"),
            ("S 1 16 59.88", "E 36 49 18.84"),
            ("1:16:59.88 South", "36:49:18.84 East"),
        ],
        ("1\u00b016.998' S", "36\u00b0 49.314\u2032 E"),
    ],
)
def test_a_position_is_read_in_any_usual_notation(latitude, longitude):
    position = clean.to_position(latitude, longitude).position
    assert position is not None
    assert (position.latitude, position.longitude) == (Decimal("-1.28330000"), Decimal("36.82190000"))
    assert position.accuracy is Accuracy.EXACT


@pytest.mark.parametrize(
    ("latitude", "longitude", "problem"),
    [
        *[("", "", "coordinates-missing"), ("-", "N/A", "coordinates-missing"), ("null", " ", "coordinates-missing")],
        *[
            ("-1.28", "", "coordinates-incomplete"),
            ("-", "36.8", "coordinates-incomplete"),
            ("0", "", "coordinates-incomplete"),
        ],
        *[
            ("0", "0", "coordinates-zero"),
            ("0.000", "-0.0", "coordinates-zero"),
            ("0\u00b0 N", "0\u00b0 E", "coordinates-zero"),
        ],
        *[("51.5072", "-0.1276", "coordinates-outside-kenya"), ("-1.28", "999", "coordinates-outside-kenya")],
        *[("NaN", "36.8", "coordinates-unreadable"), ("Infinity", "36.8", "coordinates-unreadable")],
        *[("1e400", "36.8", "coordinates-unreadable"), ("-1", "1E+999999999", "coordinates-unreadable")],
        *[("-1.28.33", "36.8", "coordinates-unreadable"), ("-1.2833 N", "36.8", "coordinates-unreadable")],
        *[("1 17", "36 49", "coordinates-unreadable"), ("S 1 75 00", "E 36 49 18", "coordinates-unreadable")],
        *[("9" * 1_000_000, "36.8", "coordinates-unreadable"), ("Iten", "36.8", "coordinates-unreadable")],
    ],
)
def test_a_position_that_cannot_be_used_is_dropped_and_named(latitude, longitude, problem):
    assert clean.to_position(latitude, longitude) == clean.PositionReading(None, problem)


def test_an_exchanged_latitude_and_longitude_are_put_right():
    reading = clean.to_position("35.5081", "0.6703")
    assert reading.problem == "coordinates-swapped"
    assert reading.position is not None
    assert (reading.position.latitude, reading.position.longitude) == (Decimal("0.6703"), Decimal("35.5081"))


def test_a_place_on_the_equator_is_no_zero_position():
    reading = clean.to_position("0", "36.8219")
    assert (reading.position is not None, reading.problem) == (True, "")


@pytest.mark.parametrize(
    ("latitude", "longitude", "accuracy"),
    [
        *[("-1.2833", "36.8219", Accuracy.EXACT), ("-1.2000", "36.8000", Accuracy.EXACT)],
        *[("-1.283", "36.8219", Accuracy.APPROXIMATE), ("1\u00b017'00\"S", "36\u00b049'18\"E", Accuracy.APPROXIMATE)],
        ("1\u00b017'00.5\"S", "36\u00b049'18.5\"E", Accuracy.EXACT),
    ],
)
def test_accuracy_is_what_both_numbers_were_written_to(latitude, longitude, accuracy):
    position = clean.to_position(latitude, longitude).position
    assert position is not None
    assert position.accuracy is accuracy


@given(
    st.decimals("-4.8", "5.1", places=8, allow_nan=False),
    st.decimals("33.85", "41.95", places=8, allow_nan=False),
    st.booleans(),
)
def test_any_point_in_kenya_is_read_in_either_order(latitude, longitude, is_swapped):
    texts = (f"{longitude:f}", f"{latitude:f}") if is_swapped else (f"{latitude:f}", f"{longitude:f}")
    reading = clean.to_position(*texts)
    assert reading.position is not None
    assert (reading.position.latitude, reading.position.longitude) == (latitude, longitude)
    assert reading.problem == ("coordinates-swapped" if is_swapped else "")


@given(any_text, any_text)
def test_a_position_lies_in_kenya_and_has_eight_places_at_most(latitude, longitude):
    reading = clean.to_position(latitude, longitude)
    if reading.position is None:
        assert reading.problem
    else:
        assert clean.lies_in_kenya(reading.position.latitude, reading.position.longitude)
        assert reading.position.longitude.as_tuple().exponent == -8


def test_a_point_that_is_no_number_does_not_lie_in_kenya():
    assert not clean.lies_in_kenya(Decimal("NaN"), Decimal("36.8"))
    assert not clean.lies_in_kenya(Decimal("sNaN"), Decimal("Infinity"))


# --- masking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        *[
            ("0712000239", "0712***39"),
            ("+254 712 000 239", "+2547***39"),
            ("712000239", "712***39"),
            ("5342045", "5***45"),
        ],
        *[("116", "***"), ("Call 1195 now", "Call *** now"), ("1522", "***"), ("21094", "***")],
        *[
            ("jane@example.or.ke", "j***@example.or.ke"),
            ("jo@example.or.ke", "***@example.or.ke"),
            ("a@b@c.ke", "***@c.ke"),
        ],
        *[("jane[at]example.com", "j***[at]example.com"), ("P.O. Box 1234-00100 Nairobi", "P.O. Box *** Nairobi")],
        ("Jane, 0712-000-239/0733000111, jane@x.or.ke", "Jane, 0712***11, j***@x.or.ke"),
        ("Tel0712000239x", "Tel0712***39x"),
        ("0712\u200b000\x00239", "0712***39"),
        ("\u0660\u0667\u0661\u0662\u0660\u0660\u0660\u0662\u0663\u0669", "\u0660\u0667\u0661\u0662***\u0663\u0669"),
    ],
)
def test_a_contact_is_never_shown_whole(value, masked):
    assert clean.mask(value) == masked


@pytest.mark.parametrize(
    "value",
    [
        *(
            "Kilimani Ward",
            "Psychosocial support; Legal aid",
            "07220",
            "12",
            "Level 4",
            "Murang'a",
            "MFL 14586",
            "Km 7, B8",
        ),
        *(
            "2026-03-01 12:30:45",
            "/regions/0/counties/116/facilities/3",
            "attend at 5pm (at) home",
            "112.5 km",
            "250,000",
        ),
    ],
)
def test_names_places_and_short_junk_pass_unharmed(value):
    assert clean.mask(value) == value


def test_a_masked_value_is_one_short_line():
    assert clean.mask("a\nb\x00c\u202e\ud800\u00a0d") == r"a\nb\x00c\u202e\ud800\xa0d"
    assert clean.mask("x" * 81) == "x" * 79 + "\u2026"
    assert clean.mask("x" * 80) == "x" * 80


def test_a_contact_that_the_cut_halves_is_not_shown():
    assert "jane" not in clean.mask("0712000239 " * 36 + "jane@example.or.ke")


def test_a_log_line_of_any_length_keeps_everything_but_its_contacts():
    line = clean.mask_contacts("record loaded " * 1000 + "by jane@x.or.ke")
    assert line.endswith("by j***@x.or.ke")
    assert len(line) > 14_000


digits = st.text("0123456789", min_size=6, max_size=6)
separator = st.sampled_from(["", " ", "-", ".", " - ", "\u00a0", "\u200b", "/", ") "])


@given(
    st.sampled_from(["0712", "+254712", "254 733", "0800", "(020) 2", "053 4", "+44 20"]), digits, separator, any_text
)
def test_a_phone_inside_any_text_is_never_shown_whole(prefix, tail, between, text):
    phone = f"{prefix}{between}{tail[:3]}{between}{tail[3:]}"
    wanted = re.sub(r"\D", "", phone)
    for shown in (clean.mask(phone), clean.mask_contacts(f"{text} {phone}"), clean.mask(f"{phone} {text}")):
        assert wanted not in re.sub(r"[^\d*]", "", shown)


@given(st.from_regex(r"[a-z0-9][a-z0-9._]{0,20}[a-z0-9]@[a-z]{2,10}\.(or\.ke|com)", fullmatch=True), any_text)
def test_an_email_address_inside_any_text_is_never_shown_whole(email, text):
    for shown in (clean.mask(email), clean.mask_contacts(f"{text} {email}"), clean.mask(f"{email} {text}")):
        assert email not in shown


@given(any_text)
def test_a_masked_value_is_printable_in_a_log(text):
    shown = clean.mask(text)
    shown.encode("utf-8")
    assert len(shown) <= 80
    assert "\n" not in shown
