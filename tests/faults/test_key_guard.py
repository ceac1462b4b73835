"""The key guard in a process that goes on, and in a database that does not say yet which keys fit."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from core.database_roles import as_owner
from core.key_guard import KeysDoNotFitError, check_keys, install_key_check
from core.models import KeyCheck
from etl.models import ImportRun
from tests.faults.world import Undisturbed, import_delivery

WRONG = "a-key-that-is-long-enough-but-no-other-database-s"


@pytest.fixture
def unsaid(transactional_db: None, undisturbed: Undisturbed) -> Iterator[None]:
    """The delivery in a database that was written before there was a key check."""
    import_delivery(undisturbed.folder)
    said = list(KeyCheck.objects.all())
    with as_owner():
        KeyCheck.objects.all().delete()
    yield
    with as_owner():
        KeyCheck.objects.all().delete()
        KeyCheck.objects.bulk_create(said)


@pytest.mark.usefixtures("unsaid")
def test_an_older_database_is_judged_by_what_is_sealed_in_it(settings: Any) -> None:
    right = settings.FIELD_KEYS
    assert check_keys() is False
    settings.FIELD_KEYS = f"{WRONG},{right}"
    assert check_keys() is False
    settings.FIELD_KEYS = WRONG
    with pytest.raises(KeysDoNotFitError, match="FIELD_KEYS cannot open"):
        check_keys()
    settings.FIELD_KEYS, settings.INDEX_KEY = right, WRONG
    with pytest.raises(KeysDoNotFitError, match="INDEX_KEY is not the one"):
        check_keys()


@pytest.mark.usefixtures("unsaid")
def test_a_value_that_is_damaged_does_not_keep_an_older_database_out() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE facility_contacts SET contact_value = 'gAAAAA' WHERE contact_id % 3 = 0")
    assert check_keys() is False


def test_an_older_database_says_what_its_values_are_sealed_under_and_not_what_comes_first(
    unsaid: None, settings: Any
) -> None:
    right = settings.FIELD_KEYS
    settings.FIELD_KEYS = f"{WRONG},{right}"
    with as_owner():
        install_key_check(using="default")
    settings.FIELD_KEYS = right
    assert check_keys() is True
    settings.FIELD_KEYS = WRONG
    with pytest.raises(KeysDoNotFitError):
        check_keys()


def test_wrong_keys_write_no_row_into_an_older_database(unsaid: None, settings: Any) -> None:
    right, settings.FIELD_KEYS = settings.FIELD_KEYS, WRONG
    with pytest.raises(KeysDoNotFitError):
        install_key_check(using="default")
    settings.FIELD_KEYS = right
    assert not KeyCheck.objects.exists()


def test_a_process_whose_keys_are_out_of_date_starts_no_run(
    transactional_db: None, undisturbed: Undisturbed, settings: Any
) -> None:
    connection.ensure_connection()  # the guard looked at its keys when they were right
    settings.FIELD_KEYS = WRONG
    with pytest.raises(KeysDoNotFitError):
        import_delivery(undisturbed.folder)
    assert not ImportRun.objects.exists()


def test_a_refused_connection_is_closed_and_refused_again(transactional_db: None, settings: Any) -> None:
    settings.FIELD_KEYS = WRONG
    connection.close()
    for _ in range(2):
        with pytest.raises(KeysDoNotFitError):
            ImportRun.objects.exists()
        assert connection.connection is None
