"""Imports that really commit, beside what an undisturbed one leaves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.faults.world")

from tests.faults.world import (  # noqa: E402 - it asserts too
    Undisturbed,
    empty_registry,
    import_delivery,
    in_full,
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


# of these modules, whose every test imports again and again, `make test` runs one of each kind; `make faults` runs all
LONG = {
    "test_workers": {"test_workers_leave_the_same_registry", "test_a_worker_that_dies_costs_its_county_only",
                     "test_a_worker_with_other_code_or_other_places_refuses_to_work"},
    "test_every_statement": {"test_a_transient_fault_at_any_statement_is_retried_inside_the_run"},
    "test_kills": {"test_a_killed_import_is_made_good_by_the_next_one"},
    "test_rotation": {"test_a_killed_rotation_leaves_everything_readable_and_the_next_one_finishes_it"},
}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    for item in items:
        sample = LONG.get(item.path.stem) if item.path.parent == Path(__file__).parent else None
        if sample is not None and item.originalname not in sample:
            item.add_marker(in_full)
