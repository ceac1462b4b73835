"""Whose address counts: nobody's word for it but that of our own proxies."""

import pytest
from django.test import RequestFactory, override_settings

from core.client_address import UNKNOWN, client_address

PEER = "192.0.2.7"


def address(*, proxies: int, forwarded: str | None, peer: str = PEER) -> str:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer)
    with override_settings(TRUSTED_PROXIES=proxies):
        return client_address(request)


@pytest.mark.parametrize("forwarded", [None, "198.51.100.1", "198.51.100.1, 198.51.100.2", "", "garbage"])
def test_without_a_proxy_of_ours_the_header_is_not_believed(forwarded: str | None) -> None:
    assert address(proxies=0, forwarded=forwarded) == PEER


@pytest.mark.parametrize(
    ("proxies", "forwarded", "found"),
    [
        (1, "203.0.113.5", "203.0.113.5"),
        (1, "10.0.0.1, 203.0.113.5", "203.0.113.5"),  # what stands left of it, the client wrote
        (2, "10.0.0.1, 203.0.113.5, 198.51.100.9", "203.0.113.5"),
        (1, "10.0.0.1,203.0.113.5", "203.0.113.5"),
        (1, "203.0.113.5:55123", "203.0.113.5"),
        (1, "[2001:db8::5]:55123", "2001:db8::5"),
        (1, "2001:0DB8:0:0::5", "2001:db8::5"),
        (1, "::ffff:203.0.113.5", "203.0.113.5"),
        (1, "fe80::1%eth0", "fe80::1"),
    ],
)
def test_behind_proxies_the_nth_from_the_right_is_the_client(proxies: int, forwarded: str, found: str) -> None:
    assert address(proxies=proxies, forwarded=forwarded) == found


@pytest.mark.parametrize(
    "forwarded", [None, "", "203.0.113.5", "unknown, unknown", "<script>, 203.0.113.5", "1.2.3, ::1"]
)
def test_a_header_that_did_not_come_through_every_proxy_is_not_believed(forwarded: str | None) -> None:
    assert address(proxies=2, forwarded=forwarded) == PEER


@pytest.mark.parametrize("peer", ["", "unix:", "not an address"])
def test_who_has_no_address_is_known_as_that(peer: str) -> None:
    assert address(proxies=0, forwarded="203.0.113.5", peer=peer) == UNKNOWN
