"""A list is uploaded, looked at before anything is written, imported, and taken back."""

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, menu
from tests.browser.site import Site
from tests.world import RAW

FACILITIES = "SELECT count(*) FROM facilities"


def changed_list(folder: Path) -> Path:
    """Return the file of other_services with one place more."""
    records = json.loads((RAW / "other_services.json").read_text(encoding="utf-8-sig"))
    new = {"facility_name": "Tumaini Counselling Office", "contact": "0722 900 111", "latitude": "", "longitude": ""}
    records.append(records[0] | new)
    path = folder / "the list of November.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def upload(page: Page, path: Path) -> None:
    form = page.get_by_role("form", name="Upload a file")
    form.get_by_label("Source").select_option("other_services")
    form.locator("input[type=file]").set_input_files(path)
    form.get_by_role("button", name="Upload and preview").click()


def test_a_list_is_previewed_then_imported_then_undone(visit: Visit, site: Site, tmp_path: Path) -> None:
    before = site.one(FACILITIES)
    page = visit("data_engineer")
    menu(page).get_by_role("link", name="Import now").click()
    upload(page, changed_list(tmp_path))
    expect(page.get_by_text("Nothing is written yet.")).to_be_visible()
    expect(page.get_by_text("Tumaini Counselling Office")).to_be_visible()
    assert site.one(FACILITIES) == before

    page.get_by_role("button", name="Import").first.click()
    expect(page.get_by_role("link", name="Report")).to_be_visible()
    assert site.one(FACILITIES) == before + 1

    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undoing run")).to_be_visible()
    assert site.one(FACILITIES) == before + 1
    page.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_text("Done.")).to_be_visible()
    assert site.one(FACILITIES) == before


def test_a_file_that_is_no_list_is_refused_in_words(visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "letter.json"
    path.write_text('{"facilities": [', encoding="utf-8")
    page = visit("data_engineer", "/admin/etl/runrequest/add/")
    upload(page, path)
    expect(page.get_by_role("alert")).to_contain_text("other_services.json")


def test_a_runs_report_is_read(visit: Visit) -> None:
    page = visit("viewer", "/admin/etl/importrun/1/change/")
    page.get_by_role("link", name="Report").click()
    expect(page.get_by_role("heading", name="The five metrics")).to_be_visible()
    expect(page.get_by_role("img", name="Quality score by run")).to_be_visible()


def test_a_viewer_may_not_import(visit: Visit) -> None:
    page = visit("viewer")
    expect(menu(page).get_by_role("link", name="Import now")).to_have_count(0)
