"""A registry from before confidential places were sealed, migrated: its shelters and its past are sealed, and come back."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from core.models import AuditEntry
from facilities.models import Facility, RetiredCode
from tests.database.test_confidential import a_shelter
from tests.site import person

BEFORE, AFTER = ("facilities", "0005_retired_facilities"), ("etl", "0006_hidden_words")
NAME, TOWN = "Tumaini House", "Behind the mill"


@pytest.fixture
def as_owner_in_test(db: None) -> Iterator[None]:
    """The tables' owner works until the test's transaction is rolled back."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("RESET ROLE")
    yield
    connection.needs_rollback = True


def migrate(target: tuple[str, str]) -> Any:
    executor = MigrationExecutor(connection)
    return executor.migrate([target]).apps


def test_an_upgrade_seals_shelters_and_what_was_written_of_them_and_of_what_they_absorbed(
    as_owner_in_test: None,
) -> None:
    shelter = a_shelter(town=TOWN)
    was = shelter.pk + 1000
    RetiredCode.objects.create(retired_code="GVRC-TEST-WAS", facility=shelter, facility_was=was)
    of_facilities = ContentType.objects.get_for_model(Facility)

    old = migrate(BEFORE).get_model("facilities", "Facility").objects.get()
    assert (old.facility_name, old.ward.ward_code, old.town, old.registration_number) == (
        NAME,
        "1366",
        TOWN,
        "NGO/1",
    )
    image = AuditEntry.objects.filter(new_values__facility_name=NAME).latest("audit_id").new_values
    AuditEntry.objects.create(
        table_name="facilities", record_id=was, operation="DELETE", old_values=image | {"facility_id": was}
    )
    for pk in (shelter.pk, was):
        LogEntry.objects.create(
            user=person("admin"), content_type=of_facilities, object_id=str(pk), object_repr=NAME, action_flag=CHANGE
        )
    migrate(AFTER)

    new = Facility.objects.get()
    assert new.details.facility_name == NAME
    assert (str(new), new.ward, new.town, new.registration_number) == ("a confidential place", None, "", None)
    trail = str(list(AuditEntry.objects.values_list("old_values", "new_values")))
    assert NAME not in trail
    assert TOWN not in trail
    assert not LogEntry.objects.filter(object_repr=NAME).exists()
