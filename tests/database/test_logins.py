"""Who guesses passwords is locked out, for that name and from that address only; hashes become bcrypt's."""

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.admin import site
from django.contrib.auth.hashers import identify_hasher, make_password
from django.http import HttpResponse
from django.test import Client, override_settings

from core.models import User
from core.settings import base

LOGIN = "/admin/login/"
NAME, PASSWORD, WRONG = "asha", "a long password of hers", "not-her-password"
HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def asha(db: None) -> User:
    return User.objects.create_user(NAME, password=PASSWORD, is_staff=True)


def log_in(password: str, *, name: str = NAME, peer: str = HOME, **headers: str) -> HttpResponse:
    answer: Any = Client().post(LOGIN, {"username": name, "password": password}, REMOTE_ADDR=peer, headers=headers)
    return answer


def statuses(tries: int, **where: str) -> list[int]:
    return [log_in(WRONG, **where).status_code for _ in range(tries)]


def pass_time(**time: int) -> None:
    """Let the attempts so far lie further in the past."""
    for attempt in AccessAttempt.objects.all():
        AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=attempt.attempt_time - timedelta(**time))


def test_the_fifth_wrong_password_locks_the_name_and_the_right_one_opens_nothing_then(asha: User) -> None:
    assert statuses(5) == [200, 200, 200, 200, 429]
    assert log_in(PASSWORD).status_code == 429


def test_another_address_and_another_name_are_not_locked(asha: User) -> None:
    User.objects.create_user("baraka", password=PASSWORD, is_staff=True)
    statuses(5)
    assert log_in(PASSWORD, peer=ELSEWHERE).status_code == 302
    assert log_in(PASSWORD, name="baraka").status_code == 302


def test_a_name_that_nobody_has_is_locked_like_any_other(db: None) -> None:
    assert statuses(5, name="nobody")[-1] == 429


def test_a_header_does_not_make_another_address(asha: User) -> None:
    tries = [log_in(WRONG, **{"X-Forwarded-For": f"198.51.100.{number}"}).status_code for number in range(5)]
    assert tries[-1] == 429


def test_another_browser_does_not_make_another_try(asha: User) -> None:
    tries = [log_in(WRONG, **{"User-Agent": f"browser {number}"}).status_code for number in range(5)]
    assert tries[-1] == 429


def test_half_an_hour_after_the_last_wrong_password_the_right_one_opens(asha: User) -> None:
    statuses(5)
    pass_time(minutes=29)
    assert log_in(PASSWORD).status_code == 429
    pass_time(minutes=2)
    assert log_in(PASSWORD).status_code == 302


def test_a_try_while_locked_does_not_lengthen_the_lock(asha: User) -> None:
    statuses(5)
    pass_time(minutes=29)
    statuses(3)
    pass_time(minutes=2)
    assert log_in(PASSWORD).status_code == 302


def test_the_right_password_clears_the_wrong_ones_before_it(asha: User) -> None:
    statuses(4)
    assert log_in(PASSWORD).status_code == 302
    assert statuses(4) == [200] * 4


def test_the_page_says_how_long_and_what_to_do_and_not_who(asha: User) -> None:
    statuses(4)
    page = log_in(WRONG)
    text = page.content.decode()
    assert page.headers["Retry-After"] == "1800"
    assert "30 minutes" in text
    assert "administrator" in text
    assert NAME not in text
    assert WRONG not in text
    ajax = log_in(WRONG, **{"X-Requested-With": "XMLHttpRequest"})
    assert (ajax.status_code, ajax.content.decode()) == (429, text)


def test_no_password_and_no_login_is_stored(asha: User) -> None:
    statuses(5)
    log_in(PASSWORD, peer=ELSEWHERE)
    stored = "\n".join(str(list(row)) for row in AccessAttempt.objects.values_list())
    assert "/admin/login/" in stored
    assert WRONG not in stored
    assert PASSWORD not in stored
    assert not AccessLog.objects.exists()


def test_the_cookies_are_no_scripts_business_and_end_with_the_browser(asha: User) -> None:
    browser = Client()
    assert browser.get(LOGIN).status_code == 200
    token = browser.cookies["csrftoken"]
    assert (token["httponly"], token["samesite"]) == (True, "Lax")
    browser.post(LOGIN, {"username": NAME, "password": PASSWORD})
    session = browser.cookies["sessionid"]
    assert (session["httponly"], session["samesite"], session["max-age"]) == (True, "Lax", "")
    assert browser.session.get_expiry_age() == 8 * 60 * 60


def test_axes_has_no_admin_pages() -> None:
    assert [model for model in site._registry if model._meta.app_label == "axes"] == []


def test_new_passwords_are_hashed_with_bcrypt_and_old_hashes_become_so_at_login(asha: User) -> None:
    with override_settings(PASSWORD_HASHERS=base.PASSWORD_HASHERS):
        User.objects.filter(pk=asha.pk).update(password=make_password(PASSWORD, hasher="pbkdf2_sha256"))
        assert log_in(PASSWORD).status_code == 302
        asha.refresh_from_db()
        assert identify_hasher(asha.password).algorithm == "bcrypt_sha256"
        assert log_in(PASSWORD).status_code == 302
