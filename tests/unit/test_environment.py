"""What the environment says of a database's connection, beside its URL."""

import pytest

from core.environment import is_over_socket

LIBPQ = ("PGHOST", "PGHOSTADDR", "PGSERVICE")


@pytest.fixture(autouse=True)
def no_variables_of_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIBPQ:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("host", ["", None, "/run/postgresql", "@abstract", "/run/a,/run/b"])
def test_no_host_or_a_folder_is_a_socket(host: str | None) -> None:
    assert is_over_socket({"host": host, "sslmode": "disable"})


@pytest.mark.parametrize(
    "parameters",
    [
        {"host": "db.example.or.ke"},
        {"host": "/run/postgresql,db.example.or.ke"},
        {"host": "/run/postgresql", "hostaddr": "10.0.0.7"},
        {"service": "registry"},
    ],
)
def test_whatever_may_lead_to_another_machine_is_none(parameters: dict[str, str]) -> None:
    assert not is_over_socket(parameters)


@pytest.mark.parametrize("name", LIBPQ)
def test_a_variable_of_libpq_that_names_a_host_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "db.example.or.ke")
    assert not is_over_socket({})
