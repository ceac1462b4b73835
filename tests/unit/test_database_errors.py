"""What is said of a database error: why there is no connection, and nothing of where it was sought."""

import psycopg
import pytest
from django.db import OperationalError
from psycopg_pool import PoolTimeout

from core.database_errors import kind_of

SAID = {
    'connection to server on socket "/run/x" failed: FATAL:  database "gvrc_admin" does not exist': "there is no such database",
    'connection to server at "10.1.2.3", port 5432 failed: FATAL:  role "gvrc_apq" does not exist': "there is no such role",
    'FATAL:  password authentication failed for user "gvrc_owner"': "the role or its password is refused",
    'FATAL:  Peer authentication failed for user "gvrc_app"': "the role or its password is refused",
    'connection to server at "127.0.0.1", port 1 failed: Connection refused\n\tIs the server': "nothing listens there",
    'connection to server on socket "/x/.s.PGSQL.5432" failed: No such file or directory\n\tIs it': "nothing listens there",
    "failed to resolve host 'db.example.or.ke': [Errno -3] Temporary failure in name resolution": "nobody knows its host",
    "failed: server does not support SSL, but SSL was required": "TLS fails",
    'FATAL:  no pg_hba.conf entry for host "10.1.2.3", user "gvrc_app"': "pg_hba.conf lets nobody in this way",
    "FATAL:  sorry, too many clients already": "no connection is free",
    "FATAL:  the database system is starting up": "it is starting",
}


@pytest.mark.parametrize(("text", "why"), SAID.items())
def test_an_error_of_connecting_says_why_and_not_where(text: str, why: str) -> None:
    error = OperationalError(text)
    error.__cause__ = psycopg.OperationalError(text)

    assert kind_of(error) == f"OperationalError: {why}"


def test_a_pool_that_found_no_connection_names_who_can_tell_why() -> None:
    error = PoolTimeout("couldn't get a connection after 5.00 sec")

    assert kind_of(error) == "PoolTimeout: no connection in time; health_check, or the log of the server, says why"


def test_an_error_that_has_a_sqlstate_says_that_alone() -> None:
    error = OperationalError("terminating")
    error.__cause__ = psycopg.errors.AdminShutdown('database "gvrc_admin" does not exist')

    assert kind_of(error) == "AdminShutdown, SQLSTATE 57P01"


def test_a_text_that_nobody_knows_stays_unsaid() -> None:
    assert kind_of(psycopg.OperationalError("server closed the connection unexpectedly")) == "OperationalError"
