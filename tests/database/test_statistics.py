"""What the planner knows is refreshed by the application role, rows of its open transaction included."""

from typing import Any

import pytest
from django.db import connection

from core.statistics import refresh_statistics
from facilities.models import Facility

pytestmark = pytest.mark.django_db


def estimated_rows(table: str) -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [table])
        return float(cursor.fetchone()[0])


def test_the_planner_learns_of_rows_that_are_not_committed_yet(imported: dict[str, Any]) -> None:
    refresh_statistics()
    assert estimated_rows("facilities") == Facility.objects.count()
