"""Production: every secret from the environment, and no start without them."""

from django.core.exceptions import ImproperlyConfigured

from core.settings.base import *  # noqa: F403 - settings modules extend one another
from core.settings.base import ALLOWED_HOSTS, DATABASE_URL, FIELD_KEYS, INDEX_KEY, SECRET_KEY

_required = {
    "DATABASE_URL": DATABASE_URL,
    "SECRET_KEY": SECRET_KEY,
    "FIELD_KEYS": FIELD_KEYS,
    "INDEX_KEY": INDEX_KEY,
    "ALLOWED_HOSTS": ALLOWED_HOSTS,
}
if _missing := sorted(name for name, value in _required.items() if not value):
    message = f"Production needs {', '.join(_missing)} in the environment (each secret also as NAME_FILE)."
    raise ImproperlyConfigured(message)

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
# a browser takes a cookie of such a name from this very host over TLS only: no sister domain can plant one
SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken"
SECURE_SSL_REDIRECT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31_536_000  # a year
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
