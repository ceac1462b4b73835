"""The audit trail: one row for each row that changed, whoever changed it, and nobody can write or mend it by hand."""

from collections import Counter
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection, transaction
from django.test import Client

from core.access import note_access
from core.audit import acting, audited_models
from core.models import AccessLog, AuditEntry, User
from etl.models import ImportRun
from facilities.models import Facility, FacilityContact, OperationalStatus
from tests.world import MANIFEST, RAW, run_import

UNAUDITED = {  # the ledger is a trail of its own; sessions, Django's own bookkeeping, failed logins
    "audit_trail", "import_runs", "quality_snapshots", "source_files", "source_records", "source_record_versions",
    "django_session",
    "django_admin_log", "django_content_type", "auth_permission", "auth_group", "access_log", "key_checks", "axes_accessattempt",
    "axes_accesslog", "axes_accessfailurelog", "axes_accessattemptexpiration", "run_requests",
    "django_tasks_database_dbtaskresult",
}  # fmt: skip


def entries(**where: Any) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(**where).order_by("audit_id"))


def last_id() -> int:
    entry = AuditEntry.objects.first()
    return entry.pk if entry else 0


def test_every_business_table_is_audited() -> None:
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    assert tables - UNAUDITED == {model._meta.db_table for model in audited_models()}


def test_an_import_leaves_one_entry_for_each_row_it_made(imported: dict[str, Any]) -> None:
    of_run = AuditEntry.objects.filter(session_id=f"run:{imported['run']}")
    made = Counter(of_run.filter(operation="INSERT").values_list("table_name", flat=True))
    tables = ("facilities", "facility_services", "facility_contacts", "facility_coordinates", "duplicate_pairs")
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert made[table] == cursor.fetchone()[0], table
    # what two places claim is given when all are loaded
    given = of_run.exclude(operation="INSERT").values_list("table_name", "operation")
    assert list(given) == [("facilities", "UPDATE")] * len(MANIFEST["registration_number_clashes"])


def test_an_import_is_the_system_users_and_never_nobodys(imported: dict[str, Any]) -> None:
    of_run = AuditEntry.objects.filter(session_id=f"run:{imported['run']}")
    assert set(of_run.values_list("changed_by__username", flat=True)) == {"import"}


def test_importing_again_leaves_no_entry(imported: dict[str, Any]) -> None:
    before = last_id()
    assert run_import(RAW)["totals"]["unchanged"] == 226
    assert last_id() == before


def test_a_bulk_update_leaves_one_entry_for_each_row_that_changed(imported: dict[str, Any]) -> None:
    before = last_id()
    some = list(Facility.objects.values_list("pk", flat=True)[:10])
    Facility.objects.filter(pk__in=some).update(ownership="Audited")
    Facility.objects.filter(pk__in=some).update(ownership="Audited")  # a no-op
    found = entries(audit_id__gt=before)
    assert sorted(entry.record_id for entry in found) == sorted(some)
    assert {entry.new_values["ownership"] for entry in found} == {"Audited"}


def test_a_save_that_changes_nothing_leaves_no_entry(imported: dict[str, Any]) -> None:
    facility, contact = Facility.objects.all()[0], FacilityContact.objects.all()[0]
    before = last_id()
    facility.save()
    contact.save()
    assert last_id() == before


def test_a_delete_keeps_what_was_there(imported: dict[str, Any]) -> None:
    contact = FacilityContact.objects.all()[0]
    number, token = contact.pk, contact.contact_value.token
    before = last_id()
    FacilityContact.objects.filter(pk=number).delete()
    (entry,) = entries(audit_id__gt=before)
    assert (entry.operation, entry.record_id, entry.new_values) == ("DELETE", number, None)
    assert entry.old_values["contact_value"] == token


def test_an_upsert_tells_new_rows_from_changed_ones(imported: dict[str, Any]) -> None:
    status = OperationalStatus.objects.all()[0]
    before = last_id()
    OperationalStatus.objects.bulk_create(
        [OperationalStatus(code=status.code, status_name="Renamed"), OperationalStatus(code="new", status_name="New")],
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["status_name"],
    )
    assert sorted(entry.operation for entry in entries(audit_id__gt=before)) == ["INSERT", "UPDATE"]


def test_a_primary_key_that_is_changed_leaves_one_entry_for_each_row(db: None) -> None:
    OperationalStatus.objects.bulk_create(OperationalStatus(code=f"s{n}", status_name="x") for n in range(3))
    before = last_id()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE operational_statuses SET operational_status_id = operational_status_id + 1000000 WHERE code LIKE 's_'"
        )
    found = entries(audit_id__gt=before)
    assert [entry.operation for entry in found] == ["UPDATE"] * 3
    assert all(
        entry.new_values["operational_status_id"] - entry.old_values["operational_status_id"] == 1000000
        for entry in found
    )


def test_raw_sql_without_context_is_the_database_users(imported: dict[str, Any]) -> None:
    before = last_id()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE facilities SET town = 'Raw' WHERE facility_id = (SELECT min(facility_id) FROM facilities)"
        )
        cursor.execute("SELECT session_user")
        (user,) = cursor.fetchone()
    (entry,) = entries(audit_id__gt=before)
    assert (entry.session_id, entry.changed_by) == (f"db:{user}", None)


def test_a_context_inside_another_gives_it_back(db: None) -> None:
    outer = User.objects.create(username="outer")
    inner = User.objects.create(username="inner")
    before = last_id()
    with acting(outer.pk, "request:1"):
        OperationalStatus.objects.create(code="a", status_name="a")
        with acting(inner.pk, "run:2"):
            OperationalStatus.objects.create(code="b", status_name="b")
        OperationalStatus.objects.create(code="c", status_name="c")
    OperationalStatus.objects.create(code="d", status_name="d")
    found = [(entry.session_id, entry.changed_by_id) for entry in entries(audit_id__gt=before)]
    assert found[:3] == [("request:1", outer.pk), ("run:2", inner.pk), ("request:1", outer.pk)]
    assert found[3][1] is None


def test_an_edit_in_admin_is_the_persons_in_one_request(admin_client: Client, imported: dict[str, Any]) -> None:
    status = OperationalStatus.objects.all()[0]
    before = last_id()
    response = admin_client.post(
        f"/admin/facilities/operationalstatus/{status.pk}/change/",
        {"status_name": "Edited by hand", "aliases": ",".join(status.aliases)},
    )
    assert response.status_code == 302
    (entry,) = entries(audit_id__gt=before, table_name="operational_statuses")
    assert entry.changed_by is not None
    assert entry.changed_by.username == "admin"
    assert str(entry.session_id).startswith("request:")


def test_a_group_that_a_person_joins_is_audited(db: None) -> None:
    user, group = User.objects.create(username="nina"), Group.objects.create(name="registry")
    before = last_id()
    user.groups.add(group)
    user.groups.remove(group)
    assert [entry.operation for entry in entries(audit_id__gt=before)] == ["INSERT", "DELETE"]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_trail (table_name, record_id, operation) VALUES ('facilities', 1, 'UPDATE')",
        "UPDATE audit_trail SET changed_by = NULL",
        "DELETE FROM audit_trail",
        "TRUNCATE audit_trail",
        "TRUNCATE facilities CASCADE",
        "ALTER TABLE facilities DISABLE TRIGGER audit_update",
        "ALTER TABLE facilities DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_update ON facilities",
        "SET session_replication_role = replica",
        "SELECT set_config('session_replication_role', 'replica', true)",
        "SELECT nextval('audit_trail_audit_id_seq')",
        "CREATE TABLE public.mine (id int)",
        "DELETE FROM key_checks",
        "UPDATE key_checks SET text_index = ''",
        "CREATE OR REPLACE FUNCTION public.record_audit() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$",
        (
            "CREATE TEMP TABLE facilities (facility_id int); CREATE TRIGGER forge AFTER INSERT ON pg_temp.facilities"
            " REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION"
            " public.record_audit('facility_id', '', 'updated_at')"
        ),
    ],
)
def test_the_application_role_cannot_tamper_or_forge(db: None, statement: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def create_as_nobody() -> None:
    with acting(-1, "run:1"):  # there is no user -1
        OperationalStatus.objects.create(code="x", status_name="x")
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_broken_audit_write_takes_the_business_row_with_it(db: None) -> None:
    before = OperationalStatus.objects.count()
    with pytest.raises(DatabaseError):
        create_as_nobody()
    assert OperationalStatus.objects.count() == before


def test_the_timeline_groups_by_run_and_opens_no_sealed_value(admin_client: Client, imported: dict[str, Any]) -> None:
    contact = FacilityContact.objects.filter(facility__is_confidential=False, contact_type__code="phone")[0]
    page = admin_client.get(f"/admin/facilities/facility/{contact.facility_id}/history/").content.decode()
    assert f"run {imported['run']}" in page
    assert str(contact.contact_value) not in page
    assert str(contact.contact_value.token) not in page


def test_the_timeline_of_a_confidential_place_shows_no_position_and_no_contact(
    admin_client: Client, imported: dict[str, Any]
) -> None:
    place = Facility.objects.filter(is_confidential=True, contacts__isnull=False)[0]
    page = admin_client.get(f"/admin/facilities/facility/{place.pk}/history/").content.decode()
    assert "hidden" in page
    assert ImportRun.objects.count() == 1


@pytest.mark.django_db
def test_what_a_command_did_and_nobody_could_note_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    note_access("backup", "gvrc-admin-1.backup", count=7)
    assert AccessLog.objects.filter(action="backup", resource="gvrc-admin-1.backup", count=7).count() == 1
    assert "access-not-noted" not in caplog.text
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        note_access("restore", "gvrc-admin-1.backup", count=7)
        transaction.set_rollback(True)
    assert "access-not-noted" in caplog.text
    assert not AccessLog.objects.filter(action="restore").exists()
