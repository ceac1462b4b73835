"""Key rotation: killed, raced and damaged, it loses no value, overwrites none and leaves no audit row."""

import io
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from core import rotation
from core.advisory_locks import advisory_lock
from core.audit import audited_models
from core.crypto import CANNOT_BE_READ, decrypt, encrypt, sealed_fields
from core.database_roles import as_owner
from core.key_guard import KeysDoNotFitError, check_keys
from core.models import AccessLog, AuditEntry, KeyCheck
from core.rotation import RotationError, Tally, count_keys, rotate_keys
from core.sealed_tables import SealedTable, batches, sealed_tables
from core.state import state_hash
from etl.models import SourceRecordVersion
from facilities.models import FacilityContact
from tests.faults.world import all_or_sample, bystander, empty_registry, in_child, wait_until_alone
from tests.world import RAW, REGISTRY_TABLES, run_import

NEWER = [f"the key number {number} of the tests of a rotation" for number in range(25)]
SMALL = 20  # rows: the sample has some sixty batches


KEPT = ("key_checks", "users", "audit_trail", *REGISTRY_TABLES)


@pytest.fixture(scope="module")
def sample(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The sample registry, and a copy of it."""
    with django_db_blocker.unblock():
        empty_registry()
        run_import(RAW)
        with without_triggers() as cursor:
            cursor.execute("CREATE SCHEMA sample")
            for table in KEPT:
                cursor.execute(f"CREATE TABLE sample.{table} AS TABLE {table}")
    yield
    with django_db_blocker.unblock():
        with without_triggers() as cursor:
            cursor.execute("DROP SCHEMA sample CASCADE")
        empty_registry()


@pytest.fixture
def keys(sample: None, transactional_db: None, settings: Any) -> Iterator[list[str]]:
    """The key of the sample registry, which stands in the database, then newer ones to rotate to."""
    ring = [settings.FIELD_KEYS, *NEWER]
    bring_back()
    yield ring
    settings.FIELD_KEYS = ",".join(ring)  # under whatever key the test left it
    bring_back()


def bring_back() -> None:
    with without_triggers() as cursor:
        for table in KEPT:
            cursor.execute(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM sample.{table}")


@contextmanager
def without_triggers() -> Iterator[Any]:
    """Give the owner a cursor whose changes no trigger sees: neither the audit trail's nor those of foreign keys."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield cursor


def rotate_to(settings: Any, *ring: str, **options: Any) -> Tally:
    settings.FIELD_KEYS = ",".join(ring)
    return rotate_keys(**options)


def said() -> dict[str, list[tuple[Any, ...]]]:
    """Return what every sealed value says, with the stamps and everything else of its row."""
    return {model._meta.db_table: _said_by(model) for model in apps.get_models() if model._meta.db_table in TABLES}


TABLES = ("facilities", "facility_contacts", "facility_coordinates", "source_record_versions", "audit_trail")
SEALED_AS = {(f.model._meta.db_table, f.column): f.column_name for f in sealed_fields()}


def _said_by(model: Any) -> list[tuple[Any, ...]]:
    fields = [field.attname for field in model._meta.concrete_fields]
    rows = model._default_manager.order_by("pk").values_list(*fields)
    return [tuple(map(_opened, row)) if model is not AuditEntry else _opened_entry(row) for row in rows]


def _opened(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


def _opened_entry(row: tuple[Any, ...]) -> tuple[Any, ...]:
    def opened(image: dict[str, Any]) -> dict[str, Any]:
        columns = {name: SEALED_AS.get((row[1], name)) for name in image}
        return {n: str(decrypt(v, column=columns[n])) if columns[n] and v else v for n, v in image.items()}

    return tuple(opened(value) if isinstance(value, dict) else value for value in row)


def assert_sound(before: Any, hash_before: str) -> None:
    """Check that every value says what it said, that nothing else changed, and that every change would be audited."""
    assert count_keys().unreadable == 0
    assert said() == before
    assert state_hash() == hash_before
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgenabled FROM pg_trigger WHERE tgname IN ('audit_insert', 'audit_update', 'audit_delete')"
        )
        assert cursor.fetchall() == [("O",)] * 3 * len(audited_models())


def assert_only_fits(settings: Any, fitting: str, *others: str) -> None:
    for other in others:
        settings.FIELD_KEYS = other
        with pytest.raises(KeysDoNotFitError):
            check_keys()
    settings.FIELD_KEYS = fitting
    assert check_keys()


# kills


def test_a_killed_rotation_leaves_everything_readable_and_the_next_one_finishes_it(
    keys: list[str], settings: Any, subtests: pytest.Subtests
) -> None:
    before, hash_before = said(), state_hash()
    old, seconds = NEWER[20], undisturbed_seconds(settings, NEWER[20], keys[0])
    interrupted = 0
    for seed in all_or_sample(range(20), [3, 8, 13]):
        new = NEWER[seed]
        settings.FIELD_KEYS = f"{new},{old}"
        with subtests.test(seed=seed):
            child = in_child(partial(rotate_keys, batch_size=SMALL))
            child.join(random.Random(seed).uniform(0, seconds))
            child.kill()
            child.join()
            wait_until_alone()
            assert_sound(before, hash_before)
            interrupted += count_keys().under_old_key > 0
            assert rotate_keys().under_old_key == 0
            assert_only_fits(settings, new, old)
            assert count_keys() == Tally()
            assert_sound(before, hash_before)
        old = new
    assert interrupted


def undisturbed_seconds(settings: Any, *ring: str) -> float:
    started = time.monotonic()
    rotate_to(settings, *ring, batch_size=SMALL)
    return time.monotonic() - started


def test_a_rotation_that_is_killed_again_and_again_loses_no_ground(keys: list[str], settings: Any) -> None:
    before, hash_before = said(), state_hash()
    settings.FIELD_KEYS = f"{NEWER[0]},{keys[0]}"
    dice = random.Random(7)
    left = [count_keys().under_old_key]
    for step in (dice.randrange(70) for _ in range(6)):  # it takes some 70 batches
        in_child(partial(rotate_until_killed, step)).join()
        wait_until_alone()
        left.append(count_keys().under_old_key)
    assert left == sorted(left, reverse=True)
    assert left[0] > left[-1] > 0
    assert_sound(before, hash_before)
    assert rotate_keys().under_old_key == 0
    assert_only_fits(settings, NEWER[0], keys[0])
    assert_sound(before, hash_before)


def rotate_until_killed(step: int) -> None:
    steps = count()

    def progress(_: str) -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    rotate_keys(batch_size=SMALL, progress=progress)


def test_while_a_rotation_is_not_finished_both_keys_are_wanted(keys: list[str], settings: Any) -> None:
    def stop(step: str) -> None:
        if "source_record_versions" in step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate_to(settings, NEWER[0], keys[0], progress=stop)
    assert 0 < count_keys().under_old_key < 1000
    assert_only_fits(settings, f"{NEWER[0]},{keys[0]}", keys[0], NEWER[0])
    assert_only_fits(settings, f"{keys[0]},{NEWER[0]}", keys[0], NEWER[0])
    assert rotate_keys().under_old_key == 0  # back to the old one
    assert_only_fits(settings, keys[0], NEWER[0])


# a site that works meanwhile


COLUMN = "facility_contacts.contact_value"


def once(word: str, act: Callable[[], object]) -> Callable[[str], None]:
    """Return a progress function that acts at the first step that says this word."""
    steps = count()

    def progress(step: str) -> None:
        if word in step and not next(steps):
            act()

    return progress


def write_contact(token: str) -> None:
    with bystander() as site:
        site.execute(
            "UPDATE facility_contacts SET contact_value = %s WHERE contact_id = %s", [token, first_contact().pk]
        )


def first_contact() -> FacilityContact:
    return FacilityContact.objects.earliest("contact_id")


def test_an_old_token_that_is_written_back_meanwhile_is_found_by_the_next_pass(keys: list[str], settings: Any) -> None:
    held = first_contact().contact_value  # as a form holds it
    counted = count_of_tokens()
    progress = once("counting facilities", lambda: write_contact(held.token))
    tally = rotate_to(settings, NEWER[0], keys[0], progress=progress)
    assert tally.under_old_key == 0
    assert tally.re_encrypted == counted + 3  # once more the contact, its image and the guard's text
    settings.FIELD_KEYS = NEWER[0]
    assert first_contact().contact_value == held


def count_of_tokens() -> int:
    return sum(bool(token) for table in sealed_tables() for row in rows_of(table) for token in row[1:])


def test_what_somebody_writes_between_reading_and_locking_is_not_overwritten(keys: list[str], settings: Any) -> None:
    for ring in ((NEWER[0], keys[0]), (NEWER[1], NEWER[0])):
        settings.FIELD_KEYS = ring[-1]
        token = encrypt("+254722999888", column=COLUMN)
        rotate_to(settings, *ring, progress=once("re-encrypting facility_contacts", partial(write_contact, token)))
        assert first_contact().contact_value == "+254722999888"
        assert count_keys() == Tally()


def test_what_somebody_is_writing_is_waited_for_and_not_overwritten(keys: list[str], settings: Any) -> None:
    token = encrypt('"what a replay writes"', column="source_record_versions.raw")
    version = SourceRecordVersion.objects.earliest("version_id")
    with bystander() as site:
        site.autocommit = False
        site.execute("UPDATE source_record_versions SET raw = %s WHERE version_id = %s", [token, version.pk])
        committing = threading.Timer(0.5, site.commit)
        committing.start()
        assert rotate_to(settings, NEWER[0], keys[0]).under_old_key == 0
        committing.join()
    version.refresh_from_db()
    assert version.raw == "what a replay writes"


def test_a_writer_who_stays_longer_than_a_lock_is_waited_for_is_tried_again(
    keys: list[str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "_LOCK_WAIT", "50ms")
    with bystander() as site:
        site.autocommit = False
        site.execute("UPDATE facility_contacts SET is_primary = is_primary")
        letting_go = threading.Timer(0.4, site.rollback)
        letting_go.start()
        assert rotate_to(settings, NEWER[0], keys[0]).under_old_key == 0
        letting_go.join()


def test_a_writer_who_stays_in_the_way_ends_the_rotation_in_one_line(
    keys: list[str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "_LOCK_WAIT", "100ms")
    monkeypatch.setattr(rotation, "_PATIENCE_S", 0.5)
    with bystander() as site:
        site.autocommit = False
        site.execute("UPDATE facility_contacts SET is_primary = is_primary")
        with pytest.raises(
            RotationError, match=r"\Aa table was locked by somebody else .* run rotate_keys again after it\Z"
        ):
            rotate_to(settings, NEWER[0], keys[0])
    assert rotate_keys().under_old_key == 0


def test_of_two_rotations_the_second_is_refused_and_names_the_first(keys: list[str], settings: Any) -> None:
    settings.FIELD_KEYS = f"{NEWER[0]},{keys[0]}"
    before = count_keys()
    with advisory_lock(rotation._LOCK, name="rotation"):
        with pytest.raises(RotationError, match=rf"another rotation is at work on \S+, pid {os.getpid()}, since 2"):
            rotate_keys()
        assert count_keys() == before
    assert rotate_keys().under_old_key == 0


# the command


def command(*arguments: str) -> tuple[int, str, str]:
    """Return the exit code, what the command prints, and the line that it ends with in failure."""
    out = io.StringIO()
    try:
        call_command("rotate_keys", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), ""


def test_the_command_counts_rotates_and_says_what_is_left(keys: list[str], settings: Any) -> None:
    def lines(*, re_encrypted: int, old: int) -> str:
        return f"re-encrypted: {re_encrypted}\nunder an old key: {old}\nunreadable: 0\n"

    left = count_of_tokens() + 1  # one is the guard's
    assert command("--check") == (0, lines(re_encrypted=0, old=0), "")
    settings.FIELD_KEYS = f"{NEWER[0]},{keys[0]}"
    reason = f"values under an old key: {left}; run `manage.py rotate_keys` before you drop that key"
    assert command("--check", "--quiet") == (1, lines(re_encrypted=0, old=left), reason)
    assert command("--batch-size", "100") == (0, lines(re_encrypted=left, old=0), "")
    assert command("--quiet") == (0, "", "")


def test_the_command_names_what_cannot_be_read_and_never_shows_it(keys: list[str], settings: Any) -> None:
    damaged = damage(30, random.Random(1))
    code, out, reason = command()
    assert code == 1
    assert reason.startswith("values that no key of FIELD_KEYS opens: 30; they stay as they are: add the key")
    head, *places = out.splitlines()[2:]
    assert head == "unreadable: 30"
    assert len(places) == 21
    assert places[-1] == "  and 10 more: --json names them"
    assert set(places[:20]) < {f"  {table}.{column} {key}" for table, column, key in damaged}
    code, out, reason = command("--check", "--json")
    assert code == 1
    assert found(Tally(**json.loads(out))) == set(damaged)
    assert not any(token in out for token in damaged.values())


# damage


def test_a_hundred_changed_tokens_are_found_shown_and_never_overwritten(keys: list[str], settings: Any) -> None:
    damaged = damage(100, random.Random(5))
    assert found(count_keys()) == set(damaged)
    assert said_of(damaged) == {CANNOT_BE_READ}

    assert count_keys().under_old_key == 0
    tally = rotate_to(settings, NEWER[0], keys[0])
    assert (tally.unreadable, tally.under_old_key) == (100, 0)
    assert found(tally) == set(damaged)
    assert stored(damaged) == damaged

    for model in {field.model for field in sealed_fields()} - {AccessLog, KeyCheck}:  # what nobody may change
        for row in model._default_manager.all():
            row.save()
    assert stored(damaged) == damaged

    assert run_import(RAW)["totals"]["unchanged"] == 226
    assert stored(damaged) == damaged


Place = tuple[str, str, int]  # table, column or image and column, primary key


def damage(count: int, dice: random.Random) -> dict[Place, str]:
    """Return where tokens stand that were changed in one character or one bit, and how they are now."""
    by_column = [
        [(table, number, row[0], row[number + 1]) for row in rows_of(table) if row[number + 1]]
        for table in sealed_tables()
        for number in range(len(table.columns))
    ]
    chosen = [place for places in by_column for place in dice.sample(places, min(len(places), 3))]  # of every kind
    others = [place for places in by_column for place in places if place not in chosen]
    damaged = {}
    with without_triggers() as cursor:  # a disk writes no audit row
        for table, number, key, token in chosen + dice.sample(others, count - len(chosen)):
            place = (*table.columns[number].name.split(".", 1), key)
            damaged[place] = changed(token, dice)
            write(cursor, place, damaged[place])
    return damaged


def rows_of(table: SealedTable) -> list[tuple[Any, ...]]:
    return [row for rows in batches(table, 500) for row in rows]


def changed(token: str, dice: random.Random) -> str:
    place = dice.randrange(len(token))
    other = (
        dice.choice("ABCDxyz0123456789-_=") if dice.random() < 0.5 else chr(ord(token[place]) ^ 1 << dice.randrange(8))
    )
    return token[:place] + other + token[place + 1 :] if other != token[place] else changed(token, dice)


def write(cursor: Any, place: Place, token: str) -> None:
    table, column, key = place
    image, _, inner = column.partition(".")
    pk = apps.get_model("core.AuditEntry")._meta.pk.column if inner else model_of(table)._meta.pk.column
    value = f"jsonb_set({image}, '{{{inner}}}', to_jsonb(%s::text))" if inner else "%s"
    cursor.execute(f"UPDATE {table} SET {image} = {value} WHERE {pk} = %s", [token, key])
    assert cursor.rowcount == 1


def model_of(table: str) -> Any:
    return next(model for model in apps.get_models() if model._meta.db_table == table)


def found(tally: Tally) -> set[Place]:
    return {(place["table"], place["column"], place["key"]) for place in tally.unreadable_at}


def stored(places: Any) -> dict[Place, str]:
    tokens = {
        (*column.name.split(".", 1), row[0]): token
        for table in sealed_tables()
        for row in rows_of(table)
        for column, token in zip(table.columns, row[1:], strict=True)
    }
    return {place: tokens[place] for place in places}


def said_of(places: Any) -> set[str]:
    """Return what a person sees of these values: in their rows, or in the facility's history."""
    shown = set()
    for table, column, key in places:
        if table == "audit_trail":
            entry = AuditEntry.objects.get(pk=key)
            image, _, inner = column.partition(".")
            shown.add(str(decrypt(getattr(entry, image)[inner], column=f"{entry.table_name}.{inner}")))
        else:
            shown.add(getattr(model_of(table)._default_manager.get(pk=key), column))
    return shown
