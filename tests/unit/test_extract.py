"""What extract gives for every shape, and what it refuses: each hostile file ends as one line that says where."""

import hashlib
import json
import os
import re
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ChangedFileError, EtlError, MissingFileError, UnsoundFileError
from etl.stages import extract, walk
from etl.stages.extract import inspect_file, read_records
from etl.stages.records import Layout, RawRecord, Severity, SoundFile
from tests.sampling import IS_FULL

FLAT = Layout(path=("[]",), record_keys=("name", "facility_name"))
REGIONAL = Layout(path=("regions", "[]", "counties", "[]", "facilities", "[]"), record_keys=("name", "mfl_code"))
POLICE = Layout(
    path=("police_stations", "{region}", "{county}", "{sub_county}", "[]"), record_keys=("station_name", "gender_desk")
)
CATEGORIES = Layout(path=("services_by_category", "{category_name}", "[]"), record_keys=("organization_name",))
ORGANIZATIONS = Layout(path=("organizations", "[]"), record_keys=("organization_name", "name"))
NETWORK = Layout(path=("facilities", "[]"), record_keys=("facility_name",))

MEGABYTE = 1_048_576


def inspect(path: Path, content: bytes | str, layout: Layout = FLAT, **options) -> SoundFile:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return inspect_file(path, source="s", layout=layout, **{"max_bytes": 100 * MEGABYTE, **options})


def records_of(path: Path, content: bytes | str, layout: Layout = FLAT, **options) -> list[RawRecord]:
    sound = inspect(path, content, layout, **options)
    records = list(read_records(sound, source="s", layout=layout))
    assert sound.records == len(records)
    return records


def refusal(path: Path, content: bytes | str, layout: Layout = FLAT, **options) -> str:
    with pytest.raises(UnsoundFileError) as caught:
        inspect(path, content, layout, **options)
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith(path.name)
    return message


@pytest.fixture
def file(tmp_path):
    return tmp_path / "raw.json"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("extract") / "raw.json"


@pytest.fixture(params=[1, 2, 3, 7, 131_072])
def chunk_bytes(request, monkeypatch):
    """Run a test with chunks so small that every token straddles one."""
    monkeypatch.setattr(extract, "CHUNK_BYTES", request.param)
    return request.param


# the seven shapes


def test_regional_records_inherit_region_and_county(file, chunk_bytes):
    document = """{"metadata": {"source": "MOH regional list", "total": 50, "parts": [1], "by": {"x": "y"}},
 "regions": [
  {"region": "RIFT VALLEY", "counties": [
    {"county": "Elgeyo Marakwet", "facilities": [{"name": "ITEN ", "mfl_code": 14586}, {"name": "KAPSOWAR"}]},
    {"county": "Baringo", "facilities": []}]},
  {"region": "COAST", "counties": [{"county": "Kwale", "facilities": [{"name": "Msambweni"}]}]}]}"""
    records = records_of(file, document, REGIONAL)
    assert [(r.pointer, r.payload, r.inherited["region"], r.inherited["county"]) for r in records] == [
        ("/regions/0/counties/0/facilities/0", {"name": "ITEN ", "mfl_code": 14586}, "RIFT VALLEY", "Elgeyo Marakwet"),
        ("/regions/0/counties/0/facilities/1", {"name": "KAPSOWAR"}, "RIFT VALLEY", "Elgeyo Marakwet"),
        ("/regions/1/counties/0/facilities/0", {"name": "Msambweni"}, "COAST", "Kwale"),
    ]
    assert records[0].inherited == {
        "metadata.source": "MOH regional list",
        "metadata.total": "50",
        "region": "RIFT VALLEY",
        "county": "Elgeyo Marakwet",
    }


def test_flat_list_gives_its_items(file, chunk_bytes):
    document = '[{"facility_name": "Wangu Foundation -", "latitude": ""}, {"facility_name": "Ñandú ☎ 😀"}]'
    assert [(r.source, r.file, r.pointer, r.payload["facility_name"]) for r in records_of(file, document)] == [
        ("s", "raw.json", "/0", "Wangu Foundation -"),
        ("s", "raw.json", "/1", "Ñandú ☎ 😀"),
    ]


def test_police_records_inherit_the_keys_they_stand_under(file, chunk_bytes):
    document = """{"police_stations": {"COAST": {"1. KWALE": {
        "MSAMBWENI": [{"station_name": "DIANI-", "contacts": ["0722000010"]}, {"station_name": "KINANGO P/STN -"}],
        "A/B~C": [{"station_name": "X"}]}}, "NYANZA": {}}}"""
    records = records_of(file, document, POLICE)
    assert [(r.pointer, dict(r.inherited)) for r in records] == [
        (
            f"/police_stations/COAST/1. KWALE/{place}",
            {"region": "COAST", "county": "1. KWALE", "sub_county": sub_county},
        )
        for place, sub_county in [("MSAMBWENI/0", "MSAMBWENI"), ("MSAMBWENI/1", "MSAMBWENI"), ("A~1B~0C/0", "A/B~C")]
    ]


def test_categorised_records_inherit_category_and_description(file, chunk_bytes):
    document = """{"category": "A", "description": "GBV services", "services_by_category":
        {"Medical": [{"organization_name": "GVRC"}], "Legal": []}}"""
    (record,) = records_of(file, document, CATEGORIES)
    assert record.pointer == "/services_by_category/Medical/0"
    assert record.inherited == {"category": "A", "description": "GBV services", "category_name": "Medical"}


def test_organizations_inherit_their_category(file, chunk_bytes):
    (record,) = records_of(file, '{"category": "B", "organizations": [{"organization_name": "GVRC"}]}', ORGANIZATIONS)
    assert (record.pointer, record.inherited) == ("/organizations/0", {"category": "B"})


def test_network_facilities_inherit_the_brand_and_its_headquarters(file, chunk_bytes):
    document = """{"network": "Equity Afia", "hq": {"phone": "0763 000 000", "open": true, "fax": null},
        "facilities": [{"facility_name": "Kikuyu", "coordinates": [36.6629, -1.2462]}]}"""
    (record,) = records_of(file, document, NETWORK)
    assert record.payload["coordinates"] == [36.6629, -1.2462]
    assert record.inherited == {"network": "Equity Afia", "hq.phone": "0763 000 000"}


@pytest.mark.parametrize("content", [b"", b" \n ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"[]", b'{"organizations": []}'])
def test_a_source_that_may_be_empty_gives_no_record(file, content, chunk_bytes):
    assert records_of(file, content, ORGANIZATIONS, may_be_empty=True) == []


# shapes that every source may have


@pytest.mark.parametrize("layout", [FLAT, REGIONAL, POLICE, CATEGORIES, ORGANIZATIONS, NETWORK])
@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ('[{"a": 1}, {"a": 2}]', ["/0", "/1"]),
        ('{"facilities": [{"a": 1}]}', ["/facilities/0"]),
        ('{"as_of": "2024", "data": [{"a": 1}], "note": "x"}', ["/data/0"]),
        ("[]", []),
        ('{"data": null}', []),
    ],
)
def test_every_source_takes_the_generic_shapes(file, layout, document, pointers):
    assert [r.pointer for r in records_of(file, document, layout)] == pointers


def test_one_bare_object_is_a_record(file, chunk_bytes):
    (record,) = records_of(file, ' {"ward": "x", "name": "Iten", "data": "none"}\n', REGIONAL)
    assert (record.pointer, record.payload) == ("", {"ward": "x", "name": "Iten", "data": "none"})


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\n\n", " \n "])
def test_json_lines_are_records(file, separator, chunk_bytes):
    lines = ['{"name": "a"}', '{"other": [1]}', '{"name": "b", "name": "c"}']
    records = records_of(file, separator.join(lines) + separator, REGIONAL)
    assert [(r.pointer, r.payload) for r in records] == [
        ("/0", {"name": "a"}),
        ("/1", {"other": [1]}),
        ("/2", {"name": "c"}),
    ]


def test_the_path_is_found_behind_other_members(file):
    document = '{"name": "a list", "notes": [1, 2], "regions": [{"counties": [{"facilities": [{"name": "x"}]}]}]}'
    assert [r.inherited for r in records_of(file, document, REGIONAL)] == [{"name": "a list"}]


def test_two_places_that_could_hold_the_records_are_ambiguous(file):
    assert 'both "regions" and "data" could hold the records; leave one of them' in refusal(
        file, '{"regions": [], "data": []}', REGIONAL
    )
    assert 'both "data" and "regions" could hold the records' in refusal(file, '{"data": [], "regions": []}', REGIONAL)


@pytest.mark.parametrize("content", ["{}", '{"Regions": []}', '{"metadata": {"name": "x"}}'])
def test_an_object_of_no_known_shape_is_unsound(file, content):
    message = refusal(file, content, REGIONAL)
    assert "no known shape: it has none of the members regions, data, facilities, name, mfl_code" in message


@pytest.mark.parametrize("content", ["7", '"x"', "null", "true", "x"])
def test_a_wrong_top_level_type_is_unsound(file, content):
    assert refusal(file, content).startswith("raw.json line 1 column 1: expected an object or a list at the top")


# what stands in the place of lists and records


def test_null_in_the_place_of_a_container_is_empty(file):
    document = '{"police_stations": {"COAST": null, "NYANZA": {"KISUMU": null, "SIAYA": {"BONDO": null}}}}'
    assert records_of(file, document, POLICE) == []
    assert records_of(file, '{"regions": [null, {"counties": null}, {"counties": [null]}]}', REGIONAL) == []


@pytest.mark.parametrize(
    ("text", "payload"), [('"NIL"', "NIL"), ('{"a": 1}', {"a": 1}), ("7", 7), ("false", False), ("nul", None)]
)
def test_what_stands_in_the_place_of_a_list_is_one_rejected_record(file, text, payload, chunk_bytes):
    document = f'{{"police_stations": {{"COAST": {{"KWALE": {{"MSAMBWENI": {text}, "X": [{{}}]}}}}}}}}'
    if text == "nul":
        assert "(/police_stations/COAST/KWALE/MSAMBWENI): expected a value" in refusal(file, document, POLICE)
        return
    record, other = records_of(file, document, POLICE)
    assert (record.pointer, record.payload) == ("/police_stations/COAST/KWALE/MSAMBWENI", payload)
    assert record.inherited["sub_county"] == "MSAMBWENI"
    assert [(f.rule, f.severity, f.pointer) for f in record.findings] == [
        ("record-not-an-object", Severity.REJECT, record.pointer)
    ]
    assert other.findings == ()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('{"regions": [{"counties": {"a": 1}}]}', "(/regions/0/counties): expected a list at /regions/0/counties"),
        ('{"regions": [7]}', "(/regions/0): expected an object at /regions/0, found a number"),
        ('{"regions": "NIL"}', "(/regions): expected a list at /regions"),
        (
            '{"regions": [{"region": "x", "Counties": []}]}',
            '(/regions/0): no "counties" in an object that holds something else to read',
        ),
    ],
)
def test_a_wrong_type_further_above_is_unsound(file, document, message):
    assert message in refusal(file, document, REGIONAL)


def test_an_object_without_its_list_and_without_anything_else_is_empty(file):
    assert records_of(file, '{"regions": [{"region": "x"}, {}]}', REGIONAL) == []


def test_what_is_no_object_in_a_list_of_records_is_rejected_and_stops_nothing(file, chunk_bytes):
    records = records_of(file, '[{"a": 1}, "HEADER", null, [1], 5, {"a": 2}]')
    assert [(r.pointer, [f.rule for f in r.findings]) for r in records] == [
        ("/0", []),
        *((f"/{index}", ["record-not-an-object"]) for index in (1, 2, 3, 4)),
        ("/5", []),
    ]
    assert records[3].findings[0].message == "an object is expected here, not a list"


# inheritance


def test_the_innermost_value_is_inherited(file):
    document = """{"county": "outer", "regions": [{"county": "middle", "counties": [
        {"county": "inner", "facilities": [{}]}, {"facilities": [{}]}]}]}"""
    assert [r.inherited["county"] for r in records_of(file, document, REGIONAL)] == ["inner", "middle"]


def test_numbers_are_inherited_as_written_and_booleans_and_null_are_not(file):
    document = '{"code": 7.50, "big": -12, "exp": 1e5, "open": true, "none": null, "list": ["x"], "data": [{}]}'
    (record,) = records_of(file, document)
    assert record.inherited == {"code": "7.50", "big": "-12", "exp": "1e5"}


def test_values_behind_the_list_are_inherited_too(file, chunk_bytes):
    document = """{"regions": [{"counties": [{"facilities": [{"name": "a"}], "county": "Kwale"},
        {"county": "Kilifi", "facilities": [{"name": "b"}], "code": 3}], "region": "COAST"}], "hq": {"phone": "116"}}"""
    sound = inspect(file, document, REGIONAL)
    assert sound.late == {
        "/regions/0/counties/0": {"county": "Kwale"},
        "/regions/0/counties/1": {"code": "3"},
        "/regions/0": {"region": "COAST"},
        "": {"hq.phone": "116"},
    }
    assert [r.inherited for r in read_records(sound, source="s", layout=REGIONAL)] == [
        {"county": "Kwale", "region": "COAST", "hq.phone": "116"},
        {"county": "Kilifi", "code": "3", "region": "COAST", "hq.phone": "116"},
    ]


def test_an_inner_value_behind_the_list_wins_over_an_outer_one_before_it(file):
    document = '{"county": "outer", "regions": [{"counties": [{"facilities": [{}], "county": "inner"}]}]}'
    assert [r.inherited["county"] for r in records_of(file, document, REGIONAL)] == ["inner"]


def test_values_behind_the_list_are_bounded(file, monkeypatch):
    monkeypatch.setattr(walk, "MAX_LATE", 2)
    county = '{"facilities": [], "county": "x"}'
    assert "too many values stand behind the records" in refusal(
        file, f'{{"regions": [{{"counties": [{county}, {county}, {county}]}}]}}', REGIONAL
    )


def test_inherited_values_are_bounded(file):
    members = ", ".join(f'"k{number}": "v"' for number in range(1_001))
    for document in (f'{{{members}, "data": []}}', f'{{"metadata": {{{members}}}, "data": []}}'):
        assert "more than 1,000 values for the records to inherit" in refusal(file, document)


@pytest.mark.parametrize("value", ["x" * 10_001, {"text": "x" * 10_001}])
def test_inherited_texts_are_bounded(file, value):
    message = refusal(file, json.dumps({"data": [], "notes": value}))
    assert "line 1 column 23 (/notes): a text of more than 10,000 characters" in message


@pytest.mark.parametrize("value", [r'"a\u0000"', r'"\ud800"', r'{"phone": "\udc00"}', r'{"a\u0000": 1}'])
def test_forbidden_characters_above_record_level_are_unsound(file, value, chunk_bytes):
    message = refusal(file, f'{{"data": [{{}}], "county": {value}}}')
    assert "line 1 column 26 (/county)" in message
    assert "which no database text can hold" in message


def test_a_forbidden_character_in_a_key_above_record_level_is_unsound(file, chunk_bytes):
    message = refusal(file, r'{"police_stations": {"COAST\u0000": {}}}', POLICE)
    assert "line 1 column 22 (/police_stations): the key" in message


def test_a_sibling_above_its_limit_is_unsound(file, monkeypatch, chunk_bytes):
    monkeypatch.setattr(walk, "MAX_SIBLING", 50)
    message = refusal(file, json.dumps({"notes": ["x" * 60], "data": []}))
    assert "(/notes): a value of more than 50 characters beside the records" in message
    assert records_of(file, json.dumps({"notes": ["x" * 40], "data": []})) == []


# unsound files

DEEP = 100_000

HOSTILE = {
    "truncated in the list": ('[{"name": "a"},\n {"name": "b"}', "line 2 column 15: the file ends too early"),
    "truncated in a record": ('[{"name": "a"},\n {"name": "b"', "line 2 column 14 (/1): the file ends too early"),
    "truncated in a string": ('[{"name": "a"},\n {"name": "bc', "line 2 column 14 (/1): the file ends too early"),
    "truncated in an escape": ('[{"name": "a\\', "line 1 column 14 (/0): the file ends too early"),
    "trailing comma in a record": ('[{"name": "a",\n}]', "line 2 column 1 (/0): trailing comma"),
    "trailing comma in the list": ('[{"name": "a"},\n  ]', "line 2 column 3: trailing comma"),
    "comma missing": ('[{"name": "a"} {"name": "b"}]', 'line 1 column 16: expected "," or "]", found an object'),
    "colon missing": ('[{"name" "a"}]', "line 1 column 10 (/0): expected a ':' delimiter"),
    "value missing": ('[{"name": }]', "line 1 column 11 (/0): expected a value, found }"),
    "line comment": ('[ // all\n{"name": "a"}]', "line 1 column 3 (/0): a comment"),
    "block comment in a record": ('[{"name": /* x */ "a"}]', "line 1 column 11 (/0): a comment"),
    "comment behind": ('[{"name": "a"}]\n# end', "line 2 column 1: a comment"),
    "NaN": ('[{"name": "NaN", "x": [NaN]}]', "line 1 column 24 (/0): NaN is no JSON number"),
    "Infinity": ('[{"x": Infinity}]', "line 1 column 8 (/0): Infinity is no JSON number"),
    "-Infinity": ('[{"x": -Infinity}]', "line 1 column 8 (/0): -Infinity is no JSON number"),
    "NaN in the list": ("[NaN]", "line 1 column 2 (/0): NaN is no JSON number"),
    "raw newline in a string": ('[{"name": "a\nb"}]', "line 1 column 13 (/0): a raw control character (U+000A)"),
    "raw tab in a string": ('[{"name": "a\tb"}]', "line 1 column 13 (/0): a raw control character (U+0009)"),
    "escaped raw newline": ('[{"name": "a\\\nb"}]', "line 1 column 13 (/0): an escape that JSON does not know"),
    "raw NUL in a string": ('[{"name": "a\0b"}]', "line 1 column 13 (/0): a raw control character (U+0000)"),
    "raw NUL between values": ('[{"name": "a"},\0{}]', "line 1 column 16 (/1): a raw control character (U+0000)"),
    "raw NUL between members": ('[{"name": "a",\0"b": 1}]', "line 1 column 15 (/0): a raw control character (U+0000)"),
    "raw NUL behind": ('[{"name": "a"}]\0', "line 1 column 16: a raw control character (U+0000)"),
    "unknown escape": (r'[{"name": "\x41"}]', "line 1 column 12 (/0): an escape that JSON does not know"),
    "half an escape": (r'[{"name": "\u12"}]', "line 1 column 13 (/0): an escape that JSON does not know"),
    "bad UTF-8": (b'[{"name": "a"},\n {"name": "\xe9t"}]', "line 2 column 12 (/1): byte 0xe9 at offset 27"),
    "UTF-8 cut at the end": (b'[{"name": "a\xe2\x98', "line 1 column 13 (/0): byte 0xe2 at offset 12"),
    "surrogates in UTF-8": (b'[{"name": "\xed\xa0\x80"}]', "line 1 column 12 (/0): byte 0xed at offset 11"),
    "bad UTF-8 behind a mark": (b'\xef\xbb\xbf[\n"\xff"]', "line 2 column 2 (/0): byte 0xff at offset 6"),
    "UTF-16 with a mark": ('[{"name": "a"}]'.encode("utf-16"), "line 1 column 1: the file is UTF-16 or UTF-32"),
    "UTF-16-LE": ('[{"name": "a"}]'.encode("utf-16-le"), "line 1 column 1: a NUL byte at the start"),
    "UTF-16-BE": ('[{"name": "a"}]'.encode("utf-16-be"), "line 1 column 1: a NUL byte at the start"),
    "UTF-32 with a mark": ('[{"name": "a"}]'.encode("utf-32"), "line 1 column 1: the file is UTF-16 or UTF-32"),
    "UTF-32-BE": ('[{"name": "a"}]'.encode("utf-32-be"), "line 1 column 1: a NUL byte at the start"),
    "zeros": (bytes(4096), "line 1 column 1: a NUL byte at the start"),
    "a second mark": (b"\xef\xbb\xbf\xef\xbb\xbf[]", "line 1 column 1: expected an object or a list at the top"),
    "beyond double": ('[{"x": [1, 1e400]}]', "line 1 column 12 (/0): the number 1e400 is beyond a double"),
    "beyond double, negative": ('[{"x": -1e400}]', "line 1 column 8 (/0): the number -1e400 is beyond a double"),
    "beyond 64 bits": ('[{"x": 9223372036854775808}]', "line 1 column 8 (/0): an integer of 19 digits needs"),
    "5,000 digits": ('[{"x": ' + "9" * 5000 + "}]", "line 1 column 8 (/0): an integer of 5000 digits needs"),
    "5,000 digits in the list": ("[" + "9" * 5000 + "]", "line 1 column 2 (/0): an integer of 5000 digits needs"),
    "a million digits in the list": ("[" + "9" * 1_000_000 + "]", "line 1 column 2 (/0): a number or word of more"),
    "leading zero": ('[{"x": 012}]', "line 1 column 9 (/0): a number with a leading zero"),
    "leading zero in the list": ("[012]", "line 1 column 3 (/0): a number with a leading zero"),
    "plus sign": ('[{"x": +1}]', "line 1 column 8 (/0): expected a value, found +"),
    "bare point": ("[1.]", "line 1 column 3 (/0): expected the end of the value"),
    "hexadecimal": ("[0x10]", "line 1 column 3 (/0): expected the end of the value, found x"),
    "Arabic digits": ('[{"x": ١}]', "line 1 column 8 (/0): expected a value"),
    "no-break space": ('[\u00a0{"x": 1}]', "line 1 column 2 (/0): expected a value"),
    "single quotes": ("[{'name': 'a'}]", "line 1 column 3 (/0): expected a property name enclosed in double quotes"),
    "True": ('[{"x": True}]', "line 1 column 8 (/0): expected a value, found T"),
    "brackets crossed": ('[{"x": [1}]', 'line 1 column 10 (/0): "}" closes what another bracket opened'),
    "closed too often": ('[{"x": 1}]]', "line 1 column 11: expected the end of the file, found ]"),
    "closed wrongly": ('[{"x": 1}}', 'line 1 column 10: expected "," or "]", found }'),
    "a lost quote": ('[{"name": "a, "county": "b"},\n {"name": "c"}]', "line 1 column 16 (/0): expected a ',' del"),
    "second document": ('[{"x": 1}]\n[{"x": 2}]', "line 2 column 1: expected the end of the file"),
    "words behind": ('[{"x": 1}] done', "line 1 column 12: expected the end of the file, found d"),
    "open brackets": ("[" * DEEP, "line 1 column 65 (/0): nested deeper than 64 levels"),
    "open braces": ('{"data":' * DEEP, "nested deeper than 64 levels"),
    "open brackets in a record": ('[{"x": ' + "[" * DEEP, "line 1 column 70 (/0): nested deeper than 64 levels"),
    "65 levels": ("[" * 65 + "]" * 65, "line 1 column 65 (/0): nested deeper than 64 levels"),
    "empty": (b"", "line 1 column 1: the file is empty"),
    "white space": (b" \n ", "line 2 column 2: the file is empty"),
    "only a mark": (b"\xef\xbb\xbf", "line 1 column 1: the file is empty"),
    "duplicate key at the top": ('{"data": [],\n "a": 1, "data": []}', 'line 2 column 10: the key "data" stands more'),
    "duplicate key in metadata": ('{"m": {"a": {"b": 1, "b": 2}}, "data": []}', 'column 7 (/m): the key "b" stands'),
    "duplicate sibling": ('{"a": 1, "data": [], "a": 2}', 'line 1 column 22: the key "a" stands more than once'),
    "NaN beside the records": ('{"data": [], "a": NaN}', "line 1 column 19 (/a): NaN is no JSON number"),
    "1e400 beside the records": ('{"data": [], "a": {"b": 1e400}}', "column 25 (/a): the number 1e400 is beyond"),
    "5,000 digits beside": ('{"data": [], "a": ' + "9" * 5000 + "}", "column 19 (/a): an integer of 5000 digits"),
    "trailing comma at the top": ('{"data": [],}', "line 1 column 13: trailing comma"),
    "key without quotes": ("{data: []}", "line 1 column 2: expected a key in double quotes, found d"),
    "colon missing at the top": ('{"data" []}', 'line 1 column 9: expected ":", found a list'),
    "value missing at the top": ('{"a": , "data": []}', "line 1 column 7 (/a): expected a value, found ,"),
    "comma missing at the top": ('{"data": [] "a": 1}', 'line 1 column 13: expected "," or "}", found a text'),
    "truncated at the top": ('{"data": []', "line 1 column 12: the file ends too early"),
    "truncated behind a key": ('{"data"', "line 1 column 8: the file ends too early"),
    "a key too long": ('{"data": [], "' + "k" * 2000 + '": 1}', "column 14: a key of more than 1,000 characters"),
    "two JSON Lines on one line": ('{"name": "a"} {"name": "b"}', "line 1 column 15: expected a new line"),
    "a list among JSON Lines": ('{"name": "a"}\n[1]', "line 2 column 1: expected the end of the file"),
    "words behind JSON Lines": ('{"name": "a"}\n{"name": "b"}\nend', "line 3 column 1: expected the end of the"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line_that_says_where(file, name):
    content, expected = HOSTILE[name]
    message = refusal(file, content)
    assert expected in message
    assert re.match(r"raw\.json line \d+ column \d+( \(/.*\))?: .+; .*import it again|.*fetch it again", message)


@pytest.mark.parametrize("name", [name for name, (content, _) in HOSTILE.items() if len(content) < 200])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_chunks_do_not_change_what_is_told(file, name, size, monkeypatch):
    content, _ = HOSTILE[name]
    whole = refusal(file, content)
    monkeypatch.setattr(extract, "CHUNK_BYTES", size)
    assert refusal(file, content) == whole


def test_64_levels_are_accepted(file, chunk_bytes):
    (record,) = records_of(file, '[{"x":' + "[" * 62 + "]" * 62 + "}]")
    assert record.findings == ()


def test_100_000_open_brackets_are_refused_at_once(file):
    for content in ("[" * DEEP, '[{"x":' * DEEP, '{"data":[' * DEEP, '[{"name": "' + "[" * DEEP):
        start = time.perf_counter()
        refusal(file, content)
        assert time.perf_counter() - start < 1


@pytest.mark.parametrize("fault", [b",]", b"", b",NaN]", b',{"name": "\xff"}]', b"]x", b',{"x": 1e999}]'])
def test_a_fault_at_the_end_of_a_large_file_is_found_with_its_line(file, fault):
    lines = b",\n".join(b'{"name": "station %d"}' % number for number in range(50_000))
    assert "raw.json line 50000 column " in refusal(file, b"[" + lines + fault)


def test_messages_stay_on_one_line_whatever_the_keys_hold(file):
    message = refusal(file, json.dumps({"police_stations": {"CO\nAST\x1b" + "x" * 500: 5}}), POLICE)
    assert "CO\\nAST\\x1b" in message
    assert len(message) < 500


def test_a_file_above_the_size_limit_is_refused(file):
    assert refusal(file, "[1, 2, 3]", max_bytes=8) == "raw.json: 9 bytes are above the limit of 8; split the file"


def test_a_missing_file_is_an_error_of_its_own(file):
    with pytest.raises(MissingFileError, match=r"raw\.json: there is no such file; put it there, or leave s out"):
        inspect_file(file, source="s", layout=FLAT, max_bytes=MEGABYTE)


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(UnsoundFileError, match="is a directory, pipe or device"):
        inspect_file(tmp_path, source="s", layout=FLAT, max_bytes=MEGABYTE)


def test_a_named_pipe_is_refused_and_not_waited_for(file):
    os.mkfifo(file)
    with pytest.raises(UnsoundFileError, match="is a directory, pipe or device"):
        inspect_file(file, source="s", layout=FLAT, max_bytes=MEGABYTE)


def test_a_device_is_refused():
    with pytest.raises(UnsoundFileError, match="is a directory, pipe or device"):
        inspect_file(Path("/dev/zero"), source="s", layout=FLAT, max_bytes=MEGABYTE)


def test_an_unreadable_path_is_refused(file):
    file.symlink_to(file)
    with pytest.raises(UnsoundFileError, match=r"raw\.json: cannot be read"):
        inspect_file(file, source="s", layout=FLAT, max_bytes=MEGABYTE)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_refused(file):
    file.write_text("[]")
    file.chmod(0)
    with pytest.raises(UnsoundFileError, match="cannot be read"):
        inspect_file(file, source="s", layout=FLAT, max_bytes=MEGABYTE)


# bad records in sound files


def findings_of(file, document):
    (record,) = records_of(file, document)
    return [(finding.rule, finding.pointer, finding.field, finding.value) for finding in record.findings]


def test_duplicate_keys_in_a_record_are_its_own_trouble(file, chunk_bytes):
    document = '[{"name": "a", "contacts": [{"phone": "1", "phone": "0722 000 010"}], "name": "b"}]'
    assert findings_of(file, document) == [
        ("duplicate-key", "/0/contacts/0", "phone", ""),
        ("duplicate-key", "/0", "name", ""),
    ]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (r'{"name": "a\u0000b"}', ("forbidden-character", "/0/name", "name", "U+0000")),
        (r'{"a/b": ["x", "\ud800"]}', ("forbidden-character", "/0/a~1b/1", "a/b", "U+D800")),
        (r'{"x": {"y": "\uDFFFz"}}', ("forbidden-character", "/0/x/y", "x", "U+DFFF")),
        (r'{"a\u0000": 1}', ("forbidden-character", "/0", "", "U+0000")),
        (r'{"\ud83d\u0041": 1}', ("forbidden-character", "/0", "", "U+D83D")),
    ],
)
def test_forbidden_characters_in_a_record_are_its_own_trouble(file, record, expected, chunk_bytes):
    assert findings_of(file, f"[{record}]") == [expected]


def test_no_finding_carries_the_forbidden_character_itself(file):
    (record,) = records_of(file, r'[{"a\u0000": {"b": "\ud800"}, "a\u0000": 1}]')
    assert len(record.findings) == 4
    for finding in record.findings:
        text = finding.field + finding.message + finding.pointer + finding.value
        assert "\0" not in text
        assert text.encode("utf-8").decode() == text


def test_escapes_of_good_characters_are_no_finding(file, chunk_bytes):
    document = r'[{"name": "caf\u00e9 \ud83d\ude00 \\u0000 \\\\ud800 \u007f"}]'
    (record,) = records_of(file, document)
    assert record.findings == ()
    assert record.payload == {"name": "café 😀 \\u0000 \\\\ud800 \x7f"}


def test_findings_of_one_record_are_bounded(file):
    (record,) = records_of(file, "[{" + ",".join(['"a": 1'] * 1_000) + "}]")
    assert len(record.findings) == 10


def test_a_bad_record_leaves_the_others(file):
    document = "[" + ", ".join(['{"name": "a"}'] * 49 + [r'{"name": "\u0000"}']) + "]"
    assert [bool(r.findings) for r in records_of(file, document)] == [False] * 49 + [True]


@pytest.mark.parametrize(
    "big",
    [
        {"name": "x" * 3_000_000},
        {"name": ["x"] * 500_000},
        {"name": [{"a": [1, "]}\\"]}] * 100_000},
        {str(number): 1 for number in range(150_000)},
    ],
    ids=["one text", "a list", "brackets", "members"],
)
def test_a_record_too_long_is_rejected_and_not_held(file, big):
    records = records_of(file, json.dumps([{"name": "a"}, big, {"name": "b"}]))
    assert [(r.payload, [(f.rule, f.pointer) for f in r.findings]) for r in records] == [
        ({"name": "a"}, []),
        (None, [("record-too-long", "/1")]),
        ({"name": "b"}, []),
    ]


def test_a_long_record_is_skipped_whatever_the_chunks(file, monkeypatch, chunk_bytes):
    monkeypatch.setattr(walk, "MAX_RECORD", 60)
    big = {"name": "y" * 70 + '\\"]}{[ ☎', "list": [[1, {"a": "]"}], "\n"]}
    records = records_of(file, json.dumps([{"a": 1}, big, "z" * 61, {"a": 2}], ensure_ascii=False))
    assert [(r.payload, [f.rule for f in r.findings]) for r in records] == [
        ({"a": 1}, []),
        (None, ["record-too-long"]),
        (None, ["record-too-long"]),
        ({"a": 2}, []),
    ]


@pytest.mark.parametrize(
    ("tail", "what"),
    [
        ("", "the file ends too early"),
        ('"', "the file ends too early"),
        ('\n"', "a raw control character (U+000A)"),
        ('", \x00', "a raw control character (U+0000)"),
        ('"]', '"]" closes what another bracket opened'),
        ('", "b": ' + "[" * 70, "nested deeper than 64 levels"),
    ],
)
def test_a_record_too_long_must_still_balance(file, tail, what, monkeypatch, chunk_bytes):
    monkeypatch.setattr(walk, "MAX_RECORD", 20)
    assert f"(/0): {what}" in refusal(file, '[{"name": "' + "x" * 50 + tail)


# the two readings


def test_the_first_reading_says_what_the_file_is(file):
    sound = inspect(file, '{"data": [{"a": 1}, {"a": null}]}', REGIONAL)
    assert (sound.path, sound.size_bytes, sound.records, sound.path_taken) == (file, 33, 2, ("data", "[]"))
    assert sound.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert [(p.path, p.records, p.types, p.nulls) for p in sound.profile] == [
        ("", 2, ("object",), 0),
        ("a", 2, ("null", "integer"), 1),
    ]


def test_the_hash_covers_a_byte_order_mark(file, chunk_bytes):
    sound = inspect(file, b'\xef\xbb\xbf[{"name": "\xc3\xa9"}]')
    assert sound.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert [r.payload for r in read_records(sound, source="s", layout=FLAT)] == [{"name": "é"}]


def test_without_profiling_there_is_no_profile(file):
    assert inspect(file, '[{"a": 1}]', profiling=False).profile == ()


@pytest.mark.parametrize(
    "content", ['[{"name": "b"}]', '[{"name": "a"} ]', '[{"name": "a"]}', "[]", '[{"name": "\udcff"}]']
)
def test_a_file_that_changed_is_told_by_the_second_reading(file, content):
    sound = inspect(file, '[{"name": "a"}]')
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ChangedFileError, match=r"raw\.json: changed since it was found sound"):
        list(read_records(sound, source="s", layout=FLAT))


def test_a_file_that_vanished_is_told_by_the_second_reading(file):
    sound = inspect(file, '[{"name": "a"}]')
    file.unlink()
    with pytest.raises(ChangedFileError):
        list(read_records(sound, source="s", layout=FLAT))


def test_a_file_written_to_while_it_is_inspected_is_an_error(file, monkeypatch):
    def write_meanwhile(reading):
        yield from original(reading)
        with file.open("a") as handle:
            handle.write(" ")

    original = walk.walk
    monkeypatch.setattr(extract, "walk", write_meanwhile)
    with pytest.raises(ChangedFileError, match="written to while it was read"):
        inspect(file, '[{"name": "a"}]')


def test_a_reader_who_stops_early_leaves_no_open_file(file):
    sound = inspect(file, '[{"name": "a"}, {"name": "b"}]')
    before = len(list(Path("/proc/self/fd").iterdir()))
    records = read_records(sound, source="s", layout=FLAT)
    next(records)
    records.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_large_file_is_never_held_whole(file):
    content = json.dumps({"regions": [{"counties": [{"facilities": [{"name": "x" * 400}] * 20_000}]}]})
    file.write_text(content)
    tracemalloc.start()
    try:
        sound = inspect_file(file, source="s", layout=REGIONAL, max_bytes=len(content))
        assert sum(1 for _ in read_records(sound, source="s", layout=REGIONAL)) == 20_000
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(content) > 8_000_000
    assert peak_bytes < 2 * MEGABYTE


# against json.loads

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.lists(VALUES), st.booleans(), st.sampled_from([None, 1, "\t"]), st.sampled_from([1, 2, 3, 7, 64, 131_072]))
def test_what_json_writes_comes_back(scratch, values, ensure_ascii, indent, size):
    text = json.dumps(values, ensure_ascii=ensure_ascii, indent=indent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extract, "CHUNK_BYTES", size)
        records = records_of(scratch, text)
    assert [r.payload for r in records] == values
    assert all(bool(r.findings) != isinstance(r.payload, dict) for r in records)


VALID = (
    '{"category": "B", "metadata": {"total": 2, "at": [1.5e3, null]}, "data": [\n'
    ' {"name": "caf\u00e9 \\u00e9 \\"", "at": [36.66, -1], "ok": true, "none": null},\n'
    ' {"x": {}, "y": [[]]}], "z": 0}\n'
).encode()
INTERESTING = st.sampled_from(b'{}[]",:\\0123456789eE+-.tnf /\n\t\x00\x1f\xff\xc3\xed') | st.integers(0, 255)


@settings(max_examples=500 if IS_FULL else 100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["set", "insert", "delete"]), st.integers(0, len(VALID) - 1), INTERESTING),
        min_size=1,
        max_size=2,
    ),
    st.sampled_from([1, 5, 131_072]),
)
def test_a_mutated_file_is_refused_or_read_as_json_reads_it(scratch, mutations, size):
    content = bytearray(VALID)
    for kind, index, byte in mutations:
        content[index : index + (kind != "insert")] = b"" if kind == "delete" else bytes([byte])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extract, "CHUNK_BYTES", size)
        try:
            records = records_of(scratch, bytes(content), Layout(("data", "[]"), ()))
        except EtlError as error:
            assert str(error).isprintable()  # noqa: PT017 - either outcome is right here, and this is checked of one
            assert not is_plainly_sound(bytes(content))
            return
    document = json.loads(content.decode("utf-8-sig"), parse_constant=fail)
    places = document["data"] if isinstance(document["data"], list) else [document["data"]]
    assert [r.payload for r in records] == ([] if places == [None] else places)


def is_plainly_sound(content: bytes) -> bool:
    """Return whether json.loads reads the content as an object with a list of records and nothing to object to."""
    try:
        document = json.loads(content.decode("utf-8-sig"), parse_constant=fail, object_pairs_hook=without_duplicates)
        text = json.dumps(document, ensure_ascii=False, allow_nan=False)
        text.encode()
    except ValueError:
        return False
    return isinstance(document, dict) and isinstance(document.get("data"), list) and "\\u0000" not in text


def fail(constant):
    raise ValueError(constant)


def without_duplicates(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError("duplicate")
    return dict(pairs)


@settings(max_examples=300 if IS_FULL else 100, deadline=None)
@given(st.binary(max_size=60) | st.text('{}[]",: \n0e-1.truefalsnul\\d\x00é', max_size=60).map(str.encode))
def test_whatever_a_file_holds_only_our_errors_come_out(scratch, content):
    for layout in (FLAT, POLICE, Layout((), ("a",)), Layout(("{a}", "[]"), ())):
        try:
            records_of(scratch, content, layout, may_be_empty=True)
        except EtlError as error:
            assert str(error).startswith("raw.json line ")  # noqa: PT017 - most contents are refused, some are not
