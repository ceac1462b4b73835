"""Import now through the worker's own process: what it does in a batch, and what a killed one leaves."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django_tasks_db.models import DBTaskResult

from core.database_roles import as_owner
from core.models import User
from etl.models import ImportRun, RunRequest
from etl.run_requests import ask_import, cancel, confirm, settle, submit, try_again
from facilities.models import Facility
from tests.faults.world import Undisturbed, command_in_child, gate, left_behind, wait_until_alone
from tests.site import person

pytestmark = pytest.mark.usefixtures("transactional_db")
WORKER = ("db_worker", "--batch", "--no-startup-delay", "--no-reload")


@pytest.fixture
def engineer(transactional_db: None) -> Iterator[User]:
    yield person("data_engineer")
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for table in ("run_requests", "django_tasks_database_dbtaskresult", "users_groups"):
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute("DELETE FROM users WHERE username = 'a-data_engineer'")


def work(log: Path) -> Any:
    return command_in_child(log, *WORKER)


def fresh(asked: RunRequest) -> RunRequest:
    return RunRequest.objects.get(pk=asked.pk)


def test_a_killed_worker_is_seen_and_the_next_one_goes_on(
    engineer: User, undisturbed: Undisturbed, settings: Any, tmp_path: Path
) -> None:
    settings.ETL_INLINE_RECORDS, settings.ETL_BATCH_SIZE = 0, 15
    asked = ask_import(data_dir=undisturbed.folder, sources=("other_services", "equity_afya"), user=engineer)
    submit(asked)
    work(tmp_path / "preview.log").join()
    asked = fresh(asked)
    assert (asked.state, asked.error) == ("ready", "")
    assert asked.preview["counts"]["new"] == len(undisturbed.registry)
    assert not ImportRun.objects.exists()
    assert not Facility.objects.exists()
    assert confirm(asked, user=engineer)
    assert not confirm(fresh(asked), user=engineer)
    with gate() as closed:
        child = work(tmp_path / "import.log")
        closed.wait_until_reached()
        settle(asked := fresh(asked))
        assert (asked.state, asked.run.status, asked.run.step) == ("working", "running", "pass 2")
        assert not cancel(asked), "not while it is worked on"
        child.kill()
        child.join()
    wait_until_alone()
    settle(asked := fresh(asked))
    assert (asked.state, asked.error) == ("interrupted", "its process ended without a word")
    goes_on(asked, engineer, undisturbed, tmp_path)


def goes_on(asked: RunRequest, engineer: User, undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Ask for the preview of the rest, confirm it, and look whether all is as if nothing had happened."""
    assert try_again(asked)
    work(tmp_path / "rest.log").join()
    asked = fresh(asked)
    assert asked.state == "ready"
    assert confirm(asked, user=engineer)
    work(tmp_path / "end.log").join()
    asked = fresh(asked)
    run = ImportRun.objects.get()
    assert (asked.state, asked.run, run.status, run.attempt) == ("done", run, "succeeded", 2)
    left, wanted = left_behind(), undisturbed.left
    assert (left.state, left.provenance, left.pending) == (wanted.state, wanted.provenance, 0)
    statuses = DBTaskResult.objects.order_by("enqueued_at").values_list("status", "args_kwargs", "traceback")
    assert [status for status, *_ in statuses] == ["SUCCESSFUL", "RUNNING", "SUCCESSFUL", "SUCCESSFUL"]
    assert {json.dumps(arguments["args"]) for _, arguments, _ in statuses} == {f"[{asked.pk}]"}
    assert {traceback for *_, traceback in statuses} == {""}
