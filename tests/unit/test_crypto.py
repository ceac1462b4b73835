"""Tokens: one changed character, wherever it stands, is seen; what is sealed under an older key is told apart."""

from typing import Any

import pytest

from core.crypto import Unreadable, decrypt, encrypt

COLUMN = "facility_contacts.contact_value"
# of each length that base64 pads in another way
VALUES = ["0722", "+254722000001 and some more", "Kenyatta Avenue 1, beside the old post office"]


def variants(character: str) -> set[str]:
    """Return the characters that differ in one bit, and some that mean the same to a lenient reader."""
    flipped = {chr(ord(character) ^ 1 << bit) for bit in range(8)}
    return (flipped | set("AQgw=+/-_ \n.é")) - {character, "\0"}


@pytest.mark.parametrize("value", VALUES)
def test_a_token_with_any_one_character_changed_cannot_be_read(value: str) -> None:
    token = encrypt(value, column=COLUMN)
    changed = [
        token[:place] + other + token[place + 1 :]
        for place, character in enumerate(token)
        for other in variants(character)
    ]
    assert [text for text in changed if not isinstance(decrypt(text, column=COLUMN), Unreadable)] == []
    assert decrypt(token, column=COLUMN) == value


@pytest.mark.parametrize("value", VALUES)
def test_a_token_with_something_added_or_missing_cannot_be_read(value: str) -> None:
    token = encrypt(value, column=COLUMN)
    for changed in (
        f"{token}=",
        f"{token}\n",
        f" {token}",
        f"{token[:40]}\n{token[40:]}",
        token[:-1],
        token.rstrip("=") + "A",
        "é",
    ):
        assert isinstance(decrypt(changed, column=COLUMN), Unreadable), changed


def test_a_new_key_in_front_still_reads_what_the_old_one_sealed(settings: Any) -> None:
    token = encrypt("0722", column=COLUMN)
    settings.FIELD_KEYS = f"a newer key that is also long enough to pass,{settings.FIELD_KEYS}"
    assert decrypt(token, column=COLUMN) == "0722"
