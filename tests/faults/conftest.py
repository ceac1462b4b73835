"""Imports that really commit, beside what an undisturbed one leaves."""

from collections.abc import Iterator
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.faults.world")

from tests.faults.world import (  # noqa: E402 - it asserts too
    Undisturbed,
    empty_registry,
    import_delivery,
    measure,
    write_changed_delivery,
    write_delivery,
)


@pytest.fixture
def transactional_db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """An empty registry whose transactions commit.

    pytest-django's fixture of this name truncates every table afterwards: the application role may not, and geography
    would be gone. The name stays, since pytest-django makes the database for tests that use it.
    """
    with django_db_blocker.unblock():
        empty_registry()
        yield
        empty_registry()


@pytest.fixture(scope="session")
def undisturbed(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Undisturbed]:
    """What the first import of the delivery leaves."""
    with django_db_blocker.unblock():
        folder = write_delivery(tmp_path_factory.mktemp("delivery"))
        empty_registry()
        import_delivery(folder)  # warms caches up, for the sake of `seconds`
        empty_registry()
        yield measure(folder)


@pytest.fixture(scope="session")
def undisturbed_change(undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What the import of the changed delivery leaves after that."""
    empty_registry()
    import_delivery(undisturbed.folder)
    return measure(write_changed_delivery(tmp_path_factory.mktemp("changed")), deactivate_missing=True)
