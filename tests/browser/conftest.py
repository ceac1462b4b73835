"""What browser tests share: one site, one browser, and for each test people of the roles whose pages are watched."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, StorageState, expect, sync_playwright

from tests.browser.site import Site, running_site
from tests.browser.watch import NOWHERE_ELSE, Watch

CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--ignore-certificate-errors", NOWHERE_ELSE,  # Playwright's own way has each connection fail once
]  # fmt: skip
DESKTOP, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}  # up to 1280 the menu is folded away
PATIENCE = 30_000  # ms; a page takes a tenth of a second, on a machine that does nothing else
Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.exit("Browser tests need chromium (on Debian: apt-get install chromium).", returncode=1)
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sessions() -> dict[str, StorageState]:
    """Return what is kept of people who logged in once: their cookies."""
    return {}


@pytest.fixture
def watch(site: Site) -> Iterator[Watch]:
    """Fail the test whose pages did what no page may."""
    watch = Watch(site.address)
    yield watch
    assert watch.misdeeds == []


@pytest.fixture
def visit(site: Site, browser: Browser, watch: Watch, sessions: dict[str, StorageState]) -> Iterator[Visit]:
    """Give a function that opens an address as somebody of this role, or as a stranger ("")."""
    contexts = []

    def open_page(role: str, address: str = "/admin/", *, viewport: dict[str, int] = DESKTOP) -> Page:
        context = browser.new_context(
            base_url=site.address, viewport=viewport, storage_state=sessions.get(role),
            reduced_motion="reduce",
        )  # fmt: skip
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        watch.over(context)
        page = context.new_page()
        if role and role not in sessions:
            log_in(page, role, site.passwords[role])
            sessions[role] = context.storage_state()
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()


def log_in(page: Page, name: str, password: str) -> None:
    page.goto("/admin/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")


def menu(page: Page) -> Locator:
    return page.locator("#nav-sidebar-apps")
