"""Wrong passwords that arrive at once are counted one by one: none is looked at that would not have been in turn."""

import threading
import time
from collections import Counter

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client, override_settings

from tests.faults.world import PATIENCE

pytestmark = pytest.mark.usefixtures("transactional_db")
TRIES = 12
looked_at: list[str] = []


class SlowHasher(MD5PasswordHasher):
    """Takes so long that every try is under way before the first is counted, and says which passwords were looked at."""

    def encode(self, password: str, salt: str) -> str:
        looked_at.append(password)
        time.sleep(0.2)
        return super().encode(password, salt)


@override_settings(PASSWORD_HASHERS=[f"{__name__}.SlowHasher"])
def test_tries_at_once_are_locked_like_tries_in_turn() -> None:
    looked_at.clear()
    statuses: list[int] = []
    together = threading.Barrier(TRIES)

    def guess(number: int) -> None:
        together.wait(PATIENCE)
        login = {"username": "guessed", "password": f"wrong {number}"}
        statuses.append(Client().post("/admin/login/", login).status_code)
        connection.close()

    guesses = [threading.Thread(target=guess, args=[number]) for number in range(TRIES)]
    try:
        for thread in guesses:
            thread.start()
        for thread in guesses:
            thread.join()
    finally:
        AccessAttempt.objects.all().delete()
    assert Counter(statuses) == {200: 4, 429: TRIES - 4}
    assert len(looked_at) == 5
