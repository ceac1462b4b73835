"""From where a request comes."""

from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the address of the client."""
    return str(request.META.get("REMOTE_ADDR", ""))
