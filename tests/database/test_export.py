"""Exports: who may, what each audience is told, and three formats that other programs read."""

import csv
import io
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from core.models import AccessLog, User
from core.roles import FieldClass
from facilities.export import Audience, Export, Format, field_class, pseudonym_of, write_export
from facilities.export_formats import neutralised
from facilities.models import ContactType, Facility, FacilityContact, FacilityCoordinate
from geography.models import County, Ward
from tests.world import MANIFEST, facility_at, provider, run_import, write_providers

Run = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.django_db
NAIROBI = "047"


@pytest.fixture
def export(db: None, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs export_facilities and returns its exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            call_command("export_facilities", *map(str, arguments))
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def a_place(number: int = 1, **fields: Any) -> Facility:
    county = County.objects.get(county_code=fields.pop("county", NAIROBI))
    values = {"facility_code": f"GVRC-TEST-{number:04d}", "facility_name": f"Amani Clinic {number}", "county": county}
    return Facility.objects.create(**values | fields)


def a_contact(facility: Facility, value: str, kind: str = "phone", **fields: Any) -> FacilityContact:
    contact_type = ContactType.objects.get(code=kind)
    return FacilityContact.objects.create(facility=facility, contact_type=contact_type, contact_value=value, **fields)


def a_position(facility: Facility, latitude: str, longitude: str) -> FacilityCoordinate:
    return FacilityCoordinate.objects.create(
        facility=facility, latitude=latitude, longitude=longitude, accuracy_level="exact"
    )


def written(form: str = "json", audience: str = "public", **fields: Any) -> str:
    out = io.StringIO()
    write_export(Export(Format(form), Audience(audience), **fields), out)
    return out.getvalue()


def facilities_in(text: str) -> list[dict[str, Any]]:
    return json.loads(text)["facilities"]


def table_in(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


# who may


def user_in(role: str) -> User:
    user = User.objects.create(username=f"a {role}")
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.mark.parametrize(
    ("role", "public", "internal"),
    [("viewer", 1, 1), ("data_analyst", 0, 1), ("data_engineer", 0, 0), ("safeguarding_lead", 1, 1), ("admin", 0, 0)],
)
def test_a_role_exports_what_it_may(export: Run, role: str, public: int, internal: int) -> None:
    a_place()
    user = user_in(role)
    for audience, code in (("public", public), ("internal", internal)):
        ended, out, err = export("--audience", audience, "--user", user.username)
        assert (ended, bool(out)) == (code, not code)
        assert len(err.strip().splitlines()) == 1
        logged = AccessLog.objects.get(user=user, resource=f"facilities csv {audience}")
        assert (logged.action, logged.result, logged.count) == (
            ("export", "denied", None) if code else ("export", "allowed", 1)
        )


def test_nobody_named_is_the_system_user_and_its_export_is_logged_too(export: Run) -> None:
    a_place()
    a_place(2, county="001")
    assert export("--audience", "internal", "--format", "json", "--county", "nairobi city")[0] == 0
    logged = AccessLog.objects.get()
    assert (logged.user, logged.resource, logged.count) == (
        User.import_user(), "facilities json internal county Nairobi", 1,
    )  # fmt: skip


def test_the_log_is_written_before_a_byte_is(db: None) -> None:
    a_place()
    seen: list[int] = []

    class Watching(io.StringIO):
        def write(self, text: str) -> int:
            seen.append(AccessLog.objects.count())
            return super().write(text)

    with pytest.raises(SystemExit):
        call_command("export_facilities", stdout=Watching())
    assert seen
    assert set(seen) == {1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--user", "nobody"], "there is no user 'nobody'"),
        (["--county", "Atlantis"], "there is no county 'Atlantis'"),
        (["--county", "Nairobbi"], "did you mean Nairobi?"),
        (["--county", "998"], "there is no county '998'"),
        (["--county", ""], "there is no county ''"),
        (["--county", "Kilimani"], "there is no county 'Kilimani'"),
    ],
)
def test_a_wrong_name_is_one_clear_line_and_nothing_is_written(export: Run, arguments: list[str], words: str) -> None:
    a_place()
    code, out, err = export(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert not AccessLog.objects.exists()


# what the public is told


def test_the_public_is_told_what_is_public_and_the_rest_is_masked(db: None) -> None:
    ward = Ward.objects.filter(constituency__county__county_code=NAIROBI).first()
    facility = a_place(
        constituency=ward.constituency, ward=ward, registration_number="REG/7", address="Kenyatta Avenue 1", town="Town",
        level="Level 4", ownership="County", opening_hours="24hrs", website="https://example.or.ke", has_gender_desk=True,
    )  # fmt: skip
    a_contact(facility, "+254722000639", is_primary=True)
    a_contact(facility, "amina.b@example.or.ke", "email")
    a_contact(facility, "+254800000121", "hotline")
    a_contact(facility, "1195")
    a_position(facility, "-1.29210000", "36.82190000")
    (said,) = facilities_in(written())
    assert said == {
        "facility_code": "GVRC-TEST-0001", "facility_name": "Amani Clinic 1", "facility_type": "", "status": "",
        "level": "Level 4", "ownership": "County", "opening_hours": "24hrs", "website": "https://example.or.ke",
        "has_gender_desk": True, "is_active": True, "services": [],
        "contacts": [
            {"type": "email", "value": "a***b@example.or.ke", "pseudonym": pseudonym_of("amina.b@example.or.ke")},
            {"type": "hotline", "value": "+254800000121"},
            {"type": "phone", "value": "+254***639", "pseudonym": pseudonym_of("+254722000639")},
            {"type": "phone", "value": "1195"},
        ],
        "location": {
            "county": "Nairobi", "constituency": str(ward.constituency), "ward": str(ward), "town": "Town", "address": "***",
            "position": {"latitude": -1.2921, "longitude": 36.8219, "accuracy": "exact"},
        },
    }  # fmt: skip


def test_no_personal_and_no_internal_value_of_the_registry_is_in_a_public_export(imported: dict[str, Any]) -> None:
    text = "".join(map(written, Format))
    addresses = map(str, Facility.objects.values_list("address", flat=True))
    personal = {a for a in addresses if re.search(r"[\d,]|Rd|Road", a)} | {  # others say no more than a town
        str(contact.contact_value)
        for contact in FacilityContact.objects.exclude(contact_type__code="hotline")
        if len(contact.contact_value) > 5
    }
    numbers = set(Facility.objects.exclude(registration_number=None).values_list("registration_number", flat=True))
    assert len(personal) > 150
    assert not [value for value in personal if value in text]
    assert not [number for number in numbers if number in text]
    assert not re.search(r"\+?\d{9,}", re.sub(r"\+254800\d{6}", "", re.sub(r"[0-9a-f]{16}", "", text)))


def test_every_public_column_is_of_a_class_that_the_public_may_see_or_masked(db: None) -> None:
    a_place(registration_number="REG/7")
    public = {*table_in(written("csv"))[0]} - {"accuracy"}
    assert {name for name in public if field_class(name) is not FieldClass.PUBLIC} == {"address", "contacts"}
    assert "registration_number" in table_in(written("csv", "internal"))[0]


def test_a_pseudonym_joins_two_exports_and_is_no_index_of_the_database(db: None, settings: Any) -> None:
    for number in (1, 2):
        a_contact(a_place(number), "+254722000639")
    one, other = (f["contacts"][0]["pseudonym"] for f in facilities_in(written()))
    assert one == other == facilities_in(written())[0]["contacts"][0]["pseudonym"]
    assert re.fullmatch(r"[0-9a-f]{16}", one)
    assert not FacilityContact.objects.filter(value_index__startswith=one).exists()
    settings.INDEX_KEY = "another index key that is long enough to be one"
    assert facilities_in(written())[0]["contacts"][0]["pseudonym"] != one


def test_what_is_out_of_service_is_for_the_inside_only(export: Run) -> None:
    a_place(1)
    a_place(2, is_active=False)
    _, out, err = export()
    assert [row["facility_code"] for row in table_in(out)] == ["GVRC-TEST-0001"]
    assert "1 out of service" in err
    assert [row["is_active"] for row in table_in(written("csv", "internal"))] == ["yes", "no"]


# confidential places


def test_of_a_confidential_place_nothing_is_told(imported: dict[str, Any]) -> None:
    text = "".join(written(form, audience) for form in Format for audience in Audience)
    for place in MANIFEST["confidential"]:
        hidden = facility_at(place)
        details = hidden.details
        words = [hidden.facility_code, details.facility_name, *(str(c.contact_value) for c in hidden.contacts.all())]
        words += [str(hidden.address), details.website, details.registration_number]
        shared = {str(c.contact_value) for c in FacilityContact.objects.exclude(facility=hidden)} | {str(hidden.county)}
        assert not [word for word in words if word and word in text and word not in shared]
        degrees = FacilityCoordinate.objects.filter(facility=hidden).first()
        assert degrees is None or format(degrees.degrees[1].normalize(), "f") not in text
    assert "a confidential place" not in text


def test_confidential_places_are_counted_by_county_and_small_numbers_not_told(db: None) -> None:
    a_place(1)
    for number, county in enumerate(["001"] * 5 + ["002"] * 4 + ["003"], start=10):
        a_place(number, county=county, is_confidential=True)
    a_place(30, county="001", is_confidential=True, is_active=False)
    names = dict(County.objects.values_list("county_code", "county_name"))
    counts = [
        {"county": names["003"], "confidential_places": "fewer than 5"},
        {"county": names["002"], "confidential_places": "fewer than 5"},
        {"county": names["001"], "confidential_places": 5},
    ]
    document = json.loads(written())
    assert document["confidential_places"] == sorted(counts, key=lambda count: count["county"])
    features = json.loads(written("geojson"))["features"]
    assert [f["properties"] for f in features if "confidential_places" in f["properties"]] == document[
        "confidential_places"
    ]
    assert {f["geometry"] for f in features} == {None}
    assert len(table_in(written("csv"))) == 1


def test_no_number_of_an_export_betrays_a_small_count(export: Run) -> None:
    a_place(1)
    for number in range(10, 13):
        a_place(number, is_confidential=True)
    for form in Format:
        _, out, err = export("--format", form)
        assert AccessLog.objects.first().count == 1
        assert "fewer than 5" in err
        numbers = re.findall(r"(?<![\w-])\d+(?![\w-])", re.sub(r"fewer than 5", "", err + out))
        assert not {"3", "4"} & set(numbers)


def test_a_county_without_any_is_not_listed_and_another_countys_are_not_told(db: None) -> None:
    a_place(1)
    a_place(2, county="001", is_confidential=True)
    assert json.loads(written(county=County.objects.get(county_code=NAIROBI)))["confidential_places"] == []


# CSV


def test_a_csv_is_a_table_with_a_header_and_lines_that_end_as_rfc_4180_says(db: None) -> None:
    facility = a_place(facility_name='Amani "Safe", Ltd.\nAnnexe', has_gender_desk=False)
    a_position(facility, "-1.29210000", "36.80000000")
    a_contact(facility, "+254722000639", is_primary=True)
    a_contact(facility, "1195", "hotline")
    text = written("csv")
    assert text.startswith("facility_code,facility_name,")
    assert text.count("\r\n") == 2
    assert '"Amani ""Safe"", Ltd.\nAnnexe"' in text
    (row,) = table_in(text)
    assert row["facility_name"] == 'Amani "Safe", Ltd.\nAnnexe'
    assert (row["position"], row["accuracy"], row["has_gender_desk"]) == ("POINT(36.8 -1.2921)", "exact", "no")
    assert row["contacts"] == f"hotline:1195; phone:+254***639 [{pseudonym_of('+254722000639')}]"


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\rx",
        "\tx",
        " =1",
        "\u00a0=1",
        "\ufeff=1",
        "\u200b=1",
        "\x0b@x",
        "＝1",
        "－1",
    ],
)
def test_a_cell_is_never_a_formula(text: str, db: None) -> None:
    a_place(facility_name=text, town=text[:100], opening_hours=text)
    (row,) = table_in(written("csv"))
    assert [row[name] for name in ("facility_name", "town", "opening_hours")] == [f"'{text}"] * 3


@given(st.text(max_size=20))
def test_a_cell_begins_with_nothing_that_a_spreadsheet_takes_for_a_formula(text: str) -> None:
    cell = neutralised(text)
    assert cell in (text, f"'{text}")
    assert cell.strip()[:1] not in {"=", "+", "-", "@"}
    assert cell[:1] not in {"\t", "\r"}


# GeoJSON


def test_a_geojson_is_a_feature_collection_with_longitude_first_and_numbers_without_noise(db: None) -> None:
    a_position(a_place(1), "-1.29210000", "36.82190000")
    a_position(a_place(2), "0.10000000", "34.10000001")
    a_place(3)
    text = written("geojson")
    document = json.loads(text)
    assert document["type"] == "FeatureCollection"
    assert [feature["geometry"] for feature in document["features"]] == [
        {"type": "Point", "coordinates": [36.8219, -1.2921]},
        {"type": "Point", "coordinates": [34.10000001, 0.1]},
        None,
    ]
    assert "[36.8219, -1.2921]" in text
    for feature in document["features"]:
        assert feature["type"] == "Feature"
        assert feature["id"] == feature["properties"]["facility_code"]


# internal


def test_the_inside_is_told_all_of_an_open_place(db: None) -> None:
    facility = a_place(registration_number="REG/7", address="Kenyatta Avenue 1", is_active=False)
    a_contact(facility, "+254722000638")
    a_contact(facility, "+254722000639", is_primary=True)
    a_position(facility, "-1.29210000", "36.82190000")
    for text in (written("csv", "internal"), written("geojson", "internal"), written("json", "internal")):
        assert all(value in text for value in ("REG/7", "Kenyatta Avenue 1", "+254722000638", "exact"))
    (said,) = facilities_in(written("json", "internal"))
    assert (said["location"]["county"], said["is_active"], said["is_confidential"]) == (NAIROBI, False, False)
    assert said["location"]["position"] == {"latitude": "-1.2921", "longitude": "36.8219", "accuracy": "exact"}
    assert [contact["is_primary"] for contact in said["contacts"]] == [True, False]


# what cannot be read


def test_what_no_key_opens_is_written_as_nothing_and_counted(export: Run) -> None:
    facility = a_place(address="Kenyatta Avenue 1")
    a_contact(facility, "+254722000639")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE facilities SET address = 'gAAAAA-not-of-our-keys'")
        cursor.execute("UPDATE facility_contacts SET contact_value = 'gAAAAA-not-of-our-keys'")
    for audience in Audience:
        for form in Format:
            code, out, err = export("--audience", audience, "--format", form)
            assert code == 0
            assert "2 values that no key opens" in err
            assert "cannot be read" not in out
            assert "gAAAA" not in out


# where it goes


def test_a_file_is_written_whole_and_an_internal_one_is_its_owners(export: Run, tmp_path: Path) -> None:
    a_place()
    for audience, mode in (("public", 0o644), ("internal", 0o600)):
        path = tmp_path / f"{audience}.csv"
        path.write_text("what was there before")
        before = os.umask(0o022)
        code, out, err = export("--audience", audience, "--output", path)
        os.umask(before)
        assert (code, out) == (0, "")
        assert str(path) in err
        assert "1 facilities" in err
        assert table_in(path.read_bytes().decode())[0]["facility_code"] == "GVRC-TEST-0001"
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["internal.csv", "public.csv"]


def test_a_folder_that_is_not_there_and_a_device_are_refused(export: Run, tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none" / "x.csv", "is no folder"), (Path("/dev/null"), "is no regular file")):
        code, out, err = export("--output", path)
        assert (code, out) == (1, "")
        assert words in err
        assert len(err.strip().splitlines()) == 1
    assert not AccessLog.objects.exists()


def test_an_export_that_fails_leaves_what_was_there_before(export: Run, tmp_path: Path) -> None:
    a_place()
    a_position(a_place(2), "-1.29210000", "36.82190000")
    path = tmp_path / "export.csv"
    path.write_text("before")
    # sealed words that are no degrees break whoever reads them
    FacilityCoordinate.objects.update(latitude=None, longitude=None, sealed_position="nowhere")
    code, _, err = export("--output", path)
    assert code == 1
    assert len(err.strip().splitlines()) == 1
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["export.csv"]


def test_twice_the_chunks_take_twice_the_queries_and_no_more(db: None, tmp_path: Path) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            written("json", "internal")
        return len(captured)

    write_providers(tmp_path, [provider(number) for number in range(20)])
    run_import(tmp_path, "other_services")
    few = queries()
    write_providers(tmp_path, [provider(number) for number in range(200)])
    run_import(tmp_path, "other_services")
    assert queries() == few <= 10


def test_two_exports_of_one_registry_are_the_same_bytes(imported: dict[str, Any]) -> None:
    for form in Format:
        assert written(form, "internal") == written(form, "internal")


def test_a_reader_that_goes_away_ends_an_export_quietly(tmp_path: Path) -> None:
    """The pipe is a real one, the writer a real process; the registry is a stand-in with rows enough to fill the pipe."""
    script = (
        "import sys; from django.core.management.base import OutputWrapper; from etl import exporting as e\n"
        "class Export:\n"
        "    audience = 'public'\n"
        "try:\n"
        "    with e._opened(Export, None, OutputWrapper(sys.stdout)) as out:\n"
        "        [out.write('x' * 1000) for _ in range(1000)]\n"
        "except BrokenPipeError:\n"
        "    e._let_go_of_stdout()\n"
    )
    code = f"import django; django.setup()\n{script}"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "core.settings.test", "PYTHONPATH": str(settings.BASE_DIR)}
    writer = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=settings.BASE_DIR,
    )
    assert writer.stdout
    assert writer.stderr
    writer.stdout.read(10)
    writer.stdout.close()
    assert writer.stderr.read() == b""
    assert writer.wait() == 0
