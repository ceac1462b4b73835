"""Survivors' data is refused, whatever source brings it, and stored nowhere: not sealed, not hashed, not in a message."""

import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import md5, sha1, sha256
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from core.models import User
from etl.models import SourceFile, SourceRecord, SourceRecordVersion
from etl.rejects import RejectFilter, discard, find_waiting, replay
from etl.sources import SOURCES
from etl.stages.report import to_html, to_json, to_text
from facilities.models import Facility
from tests.world import provider, registry, row_versions, run_import, write_providers, write_source

pytestmark = pytest.mark.django_db
CANARIES = ("Zawadi Kanarie", "zk-4471-9902", "Kanarienstrasse 88", "90817263")
TELLING = {
    "victimName": CANARIES[0],
    "national_id": CANARIES[1],
    "notes": {"incidents": [{"where": CANARIES[2], CANARIES[0]: 1}], "case-number": int(CANARIES[3])},
}


def everything_stored() -> Iterator[str]:
    """Yield every row of every table as text: as it lies there, and as the models read it, sealed columns opened."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT to_jsonb(t)::text FROM "{table}" t')
            yield from (row[0] for row in cursor.fetchall())
    for model in apps.get_models(include_auto_created=True):
        yield from (str(row) for row in model._default_manager.values_list())


def disguises(canary: str) -> set[str]:
    """Return how a value may stand somewhere: as it is, in other case, encoded, hashed without a key."""
    forms = {canary, canary.casefold(), canary.upper(), canary.replace(" ", ""), json.dumps(canary)[1:-1]}
    octets = {form.encode() for form in forms}
    hashed = {digest(each).hexdigest()[:16] for each in octets for digest in (md5, sha1, sha256)}
    return (
        forms
        | hashed
        | {each.hex() for each in octets}
        | {b64encode(each).decode().rstrip("=")[:-1] for each in octets}
    )


def assert_nowhere(*texts: str) -> None:
    looked_for = {form for canary in CANARIES for form in disguises(canary)}
    for text in (*everything_stored(), *texts):
        found = [form for form in looked_for if form in text or form in text.casefold()]
        assert not found, f"{found} stands in {text[:300]}"


def import_providers(folder: Path, *records: Any) -> dict[str, Any]:
    write_providers(folder, list(records))
    return run_import(folder, "other_services")


def rules(summary: dict[str, Any]) -> dict[str, int]:
    return dict(summary["rejects_by_rule"])


def test_a_record_with_survivors_data_is_rejected_and_the_others_load(tmp_path: Path) -> None:
    summary = import_providers(tmp_path, provider(1), provider(2, **TELLING))
    assert (summary["totals"]["created"], rules(summary)) == (1, {"survivor-data": 1})
    (reject,) = summary["rejects"]
    assert all(name in reject["message"] for name in ("victimName", "national_id", "incidents", "case-number"))
    assert "at its source" in reject["hint"]


def test_its_values_are_stored_nowhere_and_told_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    people = provider(3, facility_name=CANARIES[0], location=CANARIES[2], mfl_code=CANARIES[3], patient=True)
    summary = import_providers(tmp_path, provider(1), provider(2, **TELLING), people)
    assert rules(summary) == {"survivor-data": 2}
    assert "batch staged" in caplog.text
    assert_nowhere(caplog.text, to_json(summary), to_text(summary), to_html(summary))


@pytest.mark.parametrize("name", SOURCES)
def test_no_source_takes_them(name: str, tmp_path: Path) -> None:
    layout = SOURCES[name].layout
    record: Any = {layout.record_keys[0]: CANARIES[0], "Survivor ID": CANARIES[1], "location": {"dob": CANARIES[3]}}
    document = record
    for step in reversed(layout.path):
        document = [document] if step == "[]" else {step.strip("{}"): document}
    write_source(tmp_path, name, document)
    summary = run_import(tmp_path, name)
    assert (summary["totals"]["read"], rules(summary)) == (1, {"survivor-data": 1})
    assert_nowhere(to_json(summary))


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize(
    "beside",
    [
        {"victim": CANARIES[0]},
        {"incident_date": 90817263},
        {"survivor": {"name": CANARIES[0], "deeper": {"dob": CANARIES[1]}}},
        {"hq": {"phone": "0722 000 001", "patientName": CANARIES[0]}},
    ],
)
def test_records_that_inherit_them_are_rejected(beside: dict[str, Any], is_late: bool, tmp_path: Path) -> None:
    records = {"facilities": [provider(1), provider(2)]}
    write_source(tmp_path, "other_services", records | beside if is_late else beside | records)
    summary = run_import(tmp_path, "other_services")
    assert (rules(summary), summary["totals"]["created"]) == ({"survivor-data": 2}, 0)
    assert_nowhere(to_json(summary))


def test_a_list_of_them_beside_the_records_is_passed_over(tmp_path: Path) -> None:
    document = {"facilities": [provider(1)], "victims": [{"name": CANARIES[0], "id": CANARIES[1]}], "data2": CANARIES}
    write_source(tmp_path, "other_services", document)
    summary = run_import(tmp_path, "other_services")
    assert summary["totals"]["created"] == 1
    assert_nowhere(to_json(summary))


def test_a_fault_in_such_a_record_does_not_quote_it(tmp_path: Path) -> None:
    text = json.dumps([provider(1), provider(2, victim=CANARIES[0])])
    (tmp_path / "other_services.json").write_text(text.replace('"victim"', f'"victim": "{CANARIES[1]}", "victim"'))
    assert rules(run_import(tmp_path, "other_services")) == {"survivor-data": 1}
    (tmp_path / "other_services.json").write_text('[{"victim_id": 90817263908172639081726390817263}]')
    summary = run_import(tmp_path, "other_services")
    assert summary["status"] == "failed"
    assert_nowhere(to_json(summary))


def test_a_replay_leaves_it_a_reject(tmp_path: Path) -> None:
    import_providers(tmp_path, provider(1), provider(2, **TELLING))
    user = User.import_user()
    assert find_waiting() == []
    assert rules(replay(RejectFilter(rule="survivor-data"), user=user)) == {"survivor-data": 1}
    assert discard(RejectFilter(rule="survivor-data"), user=user) == 1
    assert rules(replay(RejectFilter(state="discarded"), user=user)) == {"survivor-data": 1}
    assert Facility.objects.count() == 1
    assert_nowhere()


def test_the_same_file_again_is_the_same_reject(tmp_path: Path) -> None:
    records = provider(1), provider(2, **TELLING)
    import_providers(tmp_path, *records)
    versions = SourceRecordVersion.objects.count()
    assert rules(import_providers(tmp_path, *records)) == {"survivor-data": 1}
    assert SourceRecordVersion.objects.count() == versions
    # somebody else's data in the same facility's record is the same reject, too
    import_providers(tmp_path, provider(1), provider(2, victimName="Somebody else"))
    assert SourceRecord.objects.count() == 2


def test_a_facility_whose_record_takes_them_on_keeps_its_last_good_version(tmp_path: Path) -> None:
    import_providers(tmp_path, provider(1), provider(2))
    before, rows = registry(), row_versions()
    totals = import_providers(tmp_path, provider(1), provider(2, **TELLING))["totals"]
    assert (totals["unchanged"], totals["rejected"], totals["missing"]) == (1, 1, 0)
    assert (registry(), row_versions()) == (before, rows)
    assert_nowhere()
    totals = import_providers(tmp_path, provider(1), provider(2))["totals"]
    assert (totals["unchanged"], totals["rejected"]) == (2, 0)


def test_a_profile_counts_only_what_is_a_facilitys(tmp_path: Path) -> None:
    import_providers(tmp_path, provider(1), provider(2, **TELLING))
    paths = {path["path"] for path in SourceFile.objects.get().profile}
    assert "facility_name" in paths
    assert not [path for path in paths if "victim" in path or "incident" in path]
