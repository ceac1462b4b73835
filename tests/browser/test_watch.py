"""The watch over all pages notices what it is there for; what it noticed here is forgiven."""

from tests.browser.conftest import Visit
from tests.browser.watch import Watch

INLINE = """() => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'taken'";
    document.body.append(script);
}"""


def test_a_script_within_a_page_is_stopped_by_the_policy_and_noticed(visit: Visit, watch: Watch) -> None:
    page = visit("", "/admin/login/")
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page.evaluate(INLINE)
    assert page.title() != "taken"
    assert any("Content Security Policy" in misdeed for misdeed in watch.misdeeds)
    watch.misdeeds.clear()


def test_an_error_that_nobody_catches_is_noticed(visit: Visit, watch: Watch) -> None:
    page = visit("", "/admin/login/")
    with page.context.expect_event("weberror"):
        page.evaluate("setTimeout(() => { throw new Error('on purpose') }, 0)")
    assert "uncaught: on purpose" in "".join(watch.misdeeds)
    watch.misdeeds.clear()


def test_what_would_leave_the_site_is_noticed_and_leads_nowhere(visit: Visit, watch: Watch) -> None:
    page = visit("", "/admin/login/")
    with page.expect_event("requestfailed") as failed:
        page.evaluate("location.href = 'https://elsewhere.example/'")
    assert "ERR_NAME_NOT_RESOLVED" in str(failed.value.failure)
    assert watch.misdeeds[0] == "a request leaves the site: GET https://elsewhere.example/"
    watch.misdeeds.clear()
