"""Made-up phone numbers and e-mail addresses, and the look-out for them where none may be: logs, messages, titles."""

import random
import re

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SPELLINGS = (
    "0{a}{b}{c}",
    "+254 {a} {b} {c}",
    "0{a}-{b}-{c}",
    "254{a}{b}{c}",
    "(0{a}) {b} {c}",
    "+254{a}{b}{c}",
    "0{a}.{b}.{c}",
)
_AROUND = re.compile(r"\+?\d(?:[\s().\-]{0,3}\d){8,}")

_random = random.Random(254)


def _phone(number: int) -> str:
    digits = f"7{_random.randrange(10**8):08d}"
    return _SPELLINGS[number % len(_SPELLINGS)].format(a=digits[:3], b=digits[3:6], c=digits[6:])


def _email(number: int) -> str:
    name = "".join(_random.choices(_LETTERS, k=7))
    return f"{name[0]}.{name[1:]}{number}@example.or.ke"


PHONES = tuple(_phone(number) for number in range(1000))
EMAILS = tuple(_email(number) for number in range(1000))
CANARIES = tuple(f"{phone}, {email}" for phone, email in zip(PHONES, EMAILS, strict=True))
_DIGITS = {re.sub(r"\D", "", phone)[-9:] for phone in PHONES}


def leaks(text: str) -> list[str]:
    """Return the canaries that a text shows, however their digits are written."""
    shown = [re.sub(r"\D", "", hit) for hit in _AROUND.findall(text)]
    phones = [
        run[start : start + 9] for run in shown for start in range(len(run) - 8) if run[start : start + 9] in _DIGITS
    ]
    lowered = text.lower()
    return phones + ([email for email in EMAILS if email in lowered] if "@example.or.ke" in lowered else [])
