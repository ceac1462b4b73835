"""Django's PostgreSQL backend on the embedded server, which starts at the first connection and not before.

    DATABASES = {"default": {"ENGINE": "core.embedded_backend", "NAME": ..., "EMBEDDED_DATA_DIR": str(path)}}

"EMBEDDED_IS_KEPT": False is for data that a power cut may cost. HOST, PORT, USER and PASSWORD are not read.
Who needs the address (pg_dump) asks embedded_server() or url().
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from django.db import OperationalError
from django.db.backends.base.creation import TEST_DATABASE_PREFIX
from django.db.backends.postgresql import base, client
from psycopg import sql

from core.embedded_postgres import (
    APPLICATION_ROLE,
    EmbeddedPostgresError,
    Server,
    bin_dir,
    ensure_database,
    ensure_role,
    ensure_running,
)


def embedded_server(settings_dict: dict[str, Any]) -> Server:
    """Return the running server of these database settings; raises OperationalError, as any lost database does."""
    try:
        is_kept = settings_dict.get("EMBEDDED_IS_KEPT", True)
        return ensure_running(Path(settings_dict["EMBEDDED_DATA_DIR"]), is_kept=is_kept)
    except EmbeddedPostgresError as error:
        raise OperationalError(str(error)) from error


class DatabaseClient(client.DatabaseClient):
    """dbshell with the psql that belongs to the server."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        """Return the psql command line."""
        server = embedded_server(settings_dict)
        address = dict.fromkeys(("PORT", "PASSWORD"), "") | {"HOST": str(server.socket_dir), "USER": server.user}
        arguments, environment = super().settings_to_cmd_args_env(settings_dict | address, parameters)
        return [str(bin_dir() / "psql"), *arguments[1:]], environment


class DatabaseWrapper(base.DatabaseWrapper):
    """A PostgreSQL connection whose server is started when a connection is wanted."""

    client_class = DatabaseClient
    # Databases and roles seen to exist, by server process: a pooled request must not ask again.
    _present: ClassVar[set[tuple[int, str]]] = set()

    def get_connection_params(self) -> dict[str, Any]:
        """Return psycopg's connection parameters; the server runs and the database exists."""
        server = embedded_server(self.settings_dict)
        self._ensure_role(server)
        self._ensure_database(server)
        parameters: dict[str, Any] = super().get_connection_params()
        return parameters | {"host": str(server.socket_dir), "user": server.user}

    def _configure_role(self, connection: psycopg.Connection[Any]) -> bool:
        # Django composes this statement on a connection that it takes from the pool, which waits for this very call.
        role = self.settings_dict["OPTIONS"].get("assume_role")
        if role:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        return bool(role)

    def _ensure_role(self, server: Server) -> None:
        role = (
            self.settings_dict["OPTIONS"].get("assume_role") or APPLICATION_ROLE
        )  # the owner gives that one its rights
        if (server.pid, role) not in self._present:
            ensure_role(server, role)
            self._present.add((server.pid, role))

    def _ensure_database(self, server: Server) -> None:
        # None and "postgres" are the maintenance database; test databases are the test runner's to create and destroy.
        name = self.settings_dict["NAME"]
        if not name or name == "postgres" or name.startswith(TEST_DATABASE_PREFIX):
            return
        if (server.pid, name) not in self._present:
            ensure_database(server, name)
            self._present.add((server.pid, name))
