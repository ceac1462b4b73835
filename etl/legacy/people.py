"""Legacy users: those whose name we have are ours; others land as people who may nothing and cannot log in."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models

from core.models import User
from core.roles import IMPORT_USER
from etl.legacy.books import Books
from etl.legacy.database import LegacyDatabase, LegacyRow
from etl.legacy.keys import Before, Keys
from etl.legacy.rows import Written
from etl.stages import clean
from etl.stages.legacy import is_blank, to_reference, to_time, to_words

_LONGEST_USERNAME = 150


def land_users(legacy: LegacyDatabase, *, books: Books, written: Written, keys: Keys, before: Before) -> None:
    """Give every legacy user a row."""
    stood = before.keys["users"]
    ours = dict(User.objects.values_list("username", "pk"))
    seen: dict[str, LegacyRow] = {}
    new = []
    for row in legacy.rows("users"):
        books.read["users"] += 1
        name = to_words(row.values.get("username"))
        if not name or len(name) > _LONGEST_USERNAME:
            books.list(
                "users", row, "it has no user name" if not name else "its user name is longer than 150 characters"
            )
        elif name in seen:
            books.list(
                "users", row, f"another user, {seen[name].label}, has the same name; what points to it points there"
            )
            if row.reference is not None:
                books.ids["users"].setdefault(row.reference, ours[name])
        elif name in stood:
            seen[name] = row
            books.find("users", row, stood[name])
        else:
            seen[name] = row
            user = _user(row, name, keys.take(row.key), books)
            ours[name] = user.pk
            new.append(user)
            books.land("users", row, user.pk)
    written.write(new)
    if new:
        books.remarks.append(
            f"{len(new)} users landed without rights: inactive, no password; give the people among them a role under Users"
        )


def _user(row: LegacyRow, name: str, pk: int, books: Books) -> User:
    email = to_words(row.values.get("email"))
    try:
        if email:
            validate_email(email)
    except ValidationError:
        books.note("users", row, "its e-mail address is none, and was left out")
        email = ""
    joined = to_time(row.values.get("date_joined"))
    user = User(
        pk=pk,
        username=name,
        first_name=to_words(row.values.get("first_name"))[:150],
        last_name=to_words(row.values.get("last_name"))[:150],
        email=email[:254],
        is_active=False,
        is_staff=False,
        is_superuser=False,
    )
    user.set_unusable_password()
    if joined:
        user.date_joined = joined
    return user


def follow_user(column: str, row: LegacyRow, *, table: str, books: Books) -> int | None:
    """Return our key of the user that a column names; None, with a note, where the file has no such user."""
    value = row.values.get(column)
    if is_blank(value):
        return None
    reference = to_reference(value)
    pk = books.ids["users"].get(reference) if reference is not None else None
    if pk is None:
        books.note(
            table,
            row,
            f"{column} names no user of the file ({clean.mask(to_words(value)) or 'blank'}); it was left empty",
        )
    return pk


def make_room(legacy: LegacyDatabase, keys: Keys) -> None:
    """Give the system user that imports run as another key where a legacy user had its one; nobody logs in as it."""
    ours = User.objects.filter(username=IMPORT_USER).first()
    others = {row.key for row in legacy.rows("users") if to_words(row.values.get("username")) != IMPORT_USER}
    if ours is None or ours.pk not in others:
        return
    old, new = ours.pk, keys.take(None)
    User.objects.filter(pk=old).update(username=f"{IMPORT_USER} {new}")
    ours.pk = new
    ours.save(force_insert=True)
    for relation in User._meta.get_fields(include_hidden=True):  # noqa: SLF001 - documented API
        if isinstance(relation, models.ManyToOneRel):
            model, name = relation.related_model, relation.field.name
            model._base_manager.filter(**{name: old}).update(**{name: new})  # noqa: SLF001 - documented API
    gone = User.objects.filter(pk=old)
    keys.release(old)
    gone._raw_delete(gone.db)  # noqa: SLF001 - nothing points to it any more, and delete() would look everywhere
