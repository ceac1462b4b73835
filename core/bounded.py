"""Work that answers soon whatever the database does: in a thread of its own, on a connection of its own that only reads."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

PATIENCE = 2  # seconds for a connection, and as many for a statement where nothing else is said
# its name for the key guard, which closes a default connection under wrong keys: here somebody wants to say that they are
_NAME = "bounded"
_NETWORK = {"keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 2, "tcp_user_timeout": PATIENCE * 1000}


class Lane:
    """Does one piece of work at a time: of a server that hangs one thread waits, and no second one."""

    def __init__(self) -> None:
        self._is_free = threading.Lock()

    def start(self, work: Callable[[], object], *, patience: int = PATIENCE) -> threading.Event:
        """Return what is set when the work is done, and never where the lane is not free. What the work raises is lost."""
        done = threading.Event()
        if self._is_free.acquire(blocking=False):
            try:
                threading.Thread(target=self._do, args=(work, done, patience), daemon=True).start()
            except RuntimeError:  # the machine has no thread to give now: next time there may be an answer
                self._is_free.release()
        return done

    def _do(self, work: Callable[[], object], done: threading.Event, patience: int) -> None:
        try:
            with suppress(Exception), reading_soon(patience):
                work()
        finally:
            self._is_free.release()
            done.set()


@contextmanager
def reading_soon(patience: int = PATIENCE) -> Iterator[None]:
    """Let this thread's default connection be one of its own, outside the pool, that gives up soon and writes nothing."""
    default: Any = connections.create_connection(DEFAULT_DB_ALIAS)
    wrapper = type(default)(_brief(connections.settings[DEFAULT_DB_ALIAS], patience), alias=_NAME)
    connections[DEFAULT_DB_ALIAS] = connections[_NAME] = wrapper  # Django asks for it by either name
    try:
        yield
    finally:
        del connections[DEFAULT_DB_ALIAS], connections[_NAME]
        with suppress(Exception):
            wrapper.close()


def _brief(database: dict[str, Any], patience: int) -> dict[str, Any]:
    brief = deepcopy(database)
    options = brief.setdefault("OPTIONS", {})
    options.pop("pool", None)
    given = options.get("options", "")
    options |= _NETWORK | {
        "connect_timeout": PATIENCE,
        "options": f"{given} -c statement_timeout={patience * 1000} -c lock_timeout=1000 -c default_transaction_read_only=on",
    }
    return brief
