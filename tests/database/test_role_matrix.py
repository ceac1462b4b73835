"""Who may open what: every address, by GET and POST, for every role, against a checked-in matrix.

UPDATE_ROLE_MATRIX=1 makes the matrix anew; then read what changed in it.
"""

import csv
import os
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from core.models import Approval
from etl.models import ImportRun, RunRequest
from tests.sampling import all_or_sample
from tests.site import LONG_AGO, METHODS, PEOPLE, address_of, first_row, patterns, person, visitor

MATRIX = Path(__file__).parent.parent / "data" / "role_matrix.csv"
pytestmark = pytest.mark.django_db


def read_matrix() -> dict[tuple[str, str], dict[str, str]]:
    with MATRIX.open(encoding="utf-8", newline="") as file:
        return {(row.pop("method"), row.pop("address")): row for row in csv.DictReader(file)}


def answers_for(role: str) -> dict[tuple[str, str], str]:
    """Return the status of every address and method for one person; nothing that a POST wrote stays."""
    person("viewer")
    Approval.objects.create(
        kind="join-safeguarding",
        subject_id=person("viewer").pk,
        subject="a-viewer",
        reason="works with survivors",
        asked_by=person("admin"),
    )
    RunRequest.objects.create(
        kind="replay",
        state="ready",
        state_since=LONG_AGO,
        asked_by=person("data_engineer"),
        asked_at=LONG_AGO,
        of_run=ImportRun.objects.first(),
    )
    browser, found = visitor(role), {}
    logged_in = browser.cookies.copy()
    for template, view in patterns():
        address = address_of(template, view, first_row)
        for method in METHODS:
            browser.cookies = logged_in.copy()
            with transaction.atomic():
                answer = getattr(browser, method.lower())(address)
                transaction.set_rollback(True)
            found[method, template] = str(answer.status_code)
    return found


SAMPLE = ("anonymous", "viewer", "superuser")


@pytest.mark.parametrize("role", all_or_sample(PEOPLE, PEOPLE if os.environ.get("UPDATE_ROLE_MATRIX") else SAMPLE))
def test_every_address_answers_each_role_as_the_matrix_says(role: str, imported: dict[str, Any]) -> None:
    found = answers_for(role)
    if os.environ.get("UPDATE_ROLE_MATRIX"):
        write_column(role, found)
    matrix = {place: row[role] for place, row in read_matrix().items()}
    assert found == matrix


def write_column(role: str, found: dict[tuple[str, str], str]) -> None:
    matrix = read_matrix() if MATRIX.exists() else {}
    rows = [
        {"method": place[0], "address": place[1], **dict.fromkeys(PEOPLE, ""), **matrix.get(place, {}), role: status}
        for place, status in sorted(found.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
    with MATRIX.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["method", "address", *PEOPLE], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def test_no_address_answers_with_a_server_error() -> None:
    assert not [place for place, row in read_matrix().items() if any(status.startswith("5") for status in row.values())]


def test_nobody_without_a_role_gets_further_than_the_login_and_the_front_page() -> None:
    matrix = read_matrix()
    opened = {
        place: row
        for place, row in matrix.items()
        if row["no-role"] == "200" and not place[1].endswith(("login/", "logout/", "password_change/", "jsi18n/"))
    }
    front = ("admin/", "admin/search/", "admin/password_change/done/")  # they show nothing to who may see nothing
    assert {address for _, address in opened} <= set(front)
