"""Production: every secret from the environment, and no start without them or with weak ones."""

import os

from core.environment import keys_in
from core.refusals import (
    refuse_debug,
    refuse_missing,
    refuse_open_cluster,
    refuse_plain_tracker,
    refuse_weak_keys,
    refuse_weak_password,
    with_verified_tls,
)
from core.settings.base import *  # noqa: F403 - settings modules extend one another
from core.settings.base import (
    ALLOWED_HOSTS,
    BACKUP_KEY,
    DATABASE_OWNER,
    DATABASE_URL,
    DATABASES,
    ETL_CLUSTER_URL,
    FIELD_KEYS,
    INDEX_KEY,
    MIDDLEWARE,
    SECRET_KEY,
    SENTRY_DSN,
)

refuse_debug(os.environ.get("DEBUG", ""))
refuse_missing(
    {
        "DATABASE_URL": DATABASE_URL,
        "SECRET_KEY": SECRET_KEY,
        "FIELD_KEYS": FIELD_KEYS,
        "INDEX_KEY": INDEX_KEY,
        "ALLOWED_HOSTS": ALLOWED_HOSTS,
    }
)
# without a BACKUP_KEY the site serves; backup commands refuse to work, and `check --deploy` warns
refuse_weak_keys(
    SECRET_KEY,
    {"FIELD_KEYS": keys_in(FIELD_KEYS) or [""], "INDEX_KEY": [INDEX_KEY], "BACKUP_KEY": keys_in(BACKUP_KEY)},
)

refuse_weak_password("DATABASE_URL", DATABASES["default"])
DATABASES = {"default": with_verified_tls("DATABASE_URL", DATABASES["default"])}
if DATABASE_OWNER:
    refuse_weak_password("DATABASE_OWNER_URL", DATABASE_OWNER)
    DATABASE_OWNER = with_verified_tls("DATABASE_OWNER_URL", DATABASE_OWNER)
DATABASE_ROLES_APART = True
refuse_open_cluster(ETL_CLUSTER_URL)
refuse_plain_tracker(SENTRY_DSN)

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
# a browser takes a cookie of such a name from this very host over TLS only: no sister domain can plant one
SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken"
SECURE_SSL_REDIRECT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31_536_000  # a year
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True

# gunicorn serves the static files itself, straight from the packages: nobody can forget a collectstatic, and no old copy wins
_behind = MIDDLEWARE.index("django.middleware.security.SecurityMiddleware") + 1
MIDDLEWARE = [*MIDDLEWARE[:_behind], "whitenoise.middleware.WhiteNoiseMiddleware", *MIDDLEWARE[_behind:]]
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 600  # seconds; names carry no hash, so this is how long a browser may keep what an upgrade changed
WHITENOISE_ALLOW_ALL_ORIGINS = False  # no page elsewhere has a use for them
