"""What a person sees of a request that failed, with the database away as well."""

from django.test import RequestFactory
from django.views.defaults import server_error


def test_a_page_that_failed_says_what_to_do_without_the_database() -> None:
    answer = server_error(RequestFactory().get("/admin/"))

    assert answer.status_code == 500
    text = answer.content.decode()
    assert "try again in a few minutes" in text
    assert "1195" in text
