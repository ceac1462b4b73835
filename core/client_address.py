"""Where a request comes from, as far as that can be believed."""

from ipaddress import IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "0.0.0.0"  # noqa: S104 # nosec B104 # not bound to: it stands for an address that nobody gave


def client_address(request: HttpRequest) -> str:
    """Return the address of the client, as PostgreSQL's inet takes it; UNKNOWN where none was given.

    TRUSTED_PROXIES says how many proxies of ours every request comes through. Each adds to the right of X-Forwarded-For
    whom it heard, so the client is the Nth from the right, and everything to the left of that is the client's own invention.
    A header with fewer entries, or with none that is an address, did not come through them all: the peer counts.
    """
    heard = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if settings.TRUSTED_PROXIES else []
    forwarded = heard[-settings.TRUSTED_PROXIES] if len(heard) >= settings.TRUSTED_PROXIES > 0 else ""
    return _as_address(forwarded) or _as_address(request.META.get("REMOTE_ADDR", "")) or UNKNOWN


def _as_address(text: str) -> str:
    """Return an address in its one spelling, without port and zone, or "" where the text is none."""
    host = text.strip()
    if host.startswith("["):  # [2001:db8::1]:443
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:  # 192.0.2.1:443
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
