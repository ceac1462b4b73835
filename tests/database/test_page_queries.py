"""No page asks the database more when the registry holds more."""

from typing import Any

import pytest

from benchmarks.pages import a_superusers_browser, addresses, count_queries
from tests.world import provider, run_import, write_providers

pytestmark = pytest.mark.django_db


def test_pages_take_as_many_queries_for_many_facilities_as_for_few(imported: dict[str, Any], tmp_path: Any) -> None:
    browser = a_superusers_browser()
    few = {name: _settled(browser, address) for name, address in addresses().items()}
    write_providers(tmp_path, [provider(n) for n in range(120)] + [{"facility_name": "", "county": "Nairobi"}] * 30)
    run_import(tmp_path, "other_services")
    pages = addresses()
    many = {name: _settled(browser, pages[name]) for name in few}
    assert {name: (few[name], many[name]) for name in few if many[name] > few[name]} == {}


def _settled(browser: Any, address: str) -> int:
    """Return the queries of a second visit: a first one may fill caches."""
    count_queries(browser, address)
    return count_queries(browser, address)
