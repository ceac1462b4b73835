"""Every setting; development, test and production override a few lines each."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

from core.embedded_postgres import APPLICATION_ROLE
from core.environment import env, log_level, one_of, scheduler_url, secret, web_address, whole_number
from core.settings.navigation import UNFOLD as UNFOLD  # noqa: PLC0414 - a setting, in a file of its own

BASE_DIR = Path(__file__).resolve().parent.parent.parent
VAR_DIR = BASE_DIR / "var"

DEBUG = False
SECRET_KEY = secret("SECRET_KEY")
FIELD_KEYS = secret("FIELD_KEYS")  # comma-separated, newest first
INDEX_KEY = secret("INDEX_KEY")
# comma-separated, newest first: the first seals new backups, each opens what it sealed
BACKUP_KEY = secret("BACKUP_KEY")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
# proxies of ours in front of the site, each of which adds to X-Forwarded-For: core/client_address.py
TRUSTED_PROXIES = whole_number("TRUSTED_PROXIES", default=0)

INSTALLED_APPS = [
    "unfold",
    "core",
    "geography",
    "facilities",
    "django_tasks_db",  # before etl, which takes its page away
    "etl",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "axes",
]

MIDDLEWARE = [
    "core.probes.AnswerProbes",  # first: a probe knows no https and no name of ours
    "django.middleware.security.SecurityMiddleware",
    "core.middleware.refuse_nul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "core.middleware.note_refusals",
    "axes.middleware.AxesMiddleware",
    "core.middleware.ActingRequests",  # last: its process_view answers for the view itself
]
# What django-unfold needs and nothing more; no page loads anything from outside.
SECURE_CSP = {
    "default-src": ["'self'"],
    "script-src": ["'self'", "'unsafe-eval'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["'self'", "data:"],
    "frame-ancestors": ["'none'"],
    "base-uri": ["'self'"],
    "form-action": ["'self'"],
}

ROOT_URLCONF = "core.urls"
WSGI_APPLICATION = "core.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "core" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# The database. DATABASE_URL wins; without it the embedded PostgreSQL starts at the first connection.
DB_POOL_SIZE = whole_number("DB_POOL_SIZE", default=10)
DB_QUERY_TIMEOUT = whole_number("DB_QUERY_TIMEOUT", default=30)  # seconds
DB_CONNECT_TIMEOUT = whole_number("DB_CONNECT_TIMEOUT", default=30)  # seconds
POOL_PATIENCE = 10  # seconds to wait for a connection of the pool: a lost server is told soon, and retried
DATABASE_URL = secret("DATABASE_URL")  # the application role
DATABASE_OWNER_URL = secret("DATABASE_OWNER_URL")  # migrations
DATABASE_OPTIONS: dict[str, Any] = {
    "pool": {"min_size": 1, "max_size": DB_POOL_SIZE, "timeout": min(DB_CONNECT_TIMEOUT, POOL_PATIENCE)},
    "connect_timeout": DB_CONNECT_TIMEOUT,
    "application_name": "gvrc_etl_pipeline",
    "options": f"-c statement_timeout={DB_QUERY_TIMEOUT * 1000}",
}
# connections that died while they rested in the pool (the server was restarted) are replaced, not handed out
CONN_HEALTH_CHECKS = True
EMBEDDED_DATABASE: dict[str, Any] = {
    "ENGINE": "core.embedded_backend",
    "NAME": "gvrc_admin",
    "EMBEDDED_DATA_DIR": str(VAR_DIR / "postgres"),
    "OPTIONS": DATABASE_OPTIONS | {"assume_role": APPLICATION_ROLE},
    "CONN_HEALTH_CHECKS": CONN_HEALTH_CHECKS,
}


def database_from(url: str, name: str = "DATABASE_URL") -> dict[str, Any]:
    """Return Django's settings for a DATABASE_URL; what the URL says of options wins.

    Raises ImproperlyConfigured for another database than PostgreSQL, or a URL that cannot be read; it is not quoted.
    """
    if not url.startswith(("postgres://", "postgresql://")):
        message = f"{name} must begin with postgres:// or postgresql://: GVRC Admin works on PostgreSQL only."
        raise ImproperlyConfigured(message)
    try:
        database: dict[str, Any] = dict(env.db_url_config(url))
    except ValueError:
        message = (
            f"{name} cannot be read: write it as in .env.example, with %XX for other signs than letters and digits."
        )
        raise ImproperlyConfigured(message) from None
    database["CONN_HEALTH_CHECKS"] = CONN_HEALTH_CHECKS
    database["OPTIONS"] = DATABASE_OPTIONS | database.get("OPTIONS", {})
    return database


DATABASES: dict[str, dict[str, Any]] = {"default": database_from(DATABASE_URL) if DATABASE_URL else EMBEDDED_DATABASE}
DATABASE_OWNER: dict[str, Any] = database_from(DATABASE_OWNER_URL, "DATABASE_OWNER_URL") if DATABASE_OWNER_URL else {}
# who may change rows, and only read the audit trail: core/database_roles.py
DATABASE_APPLICATION_ROLE: str = DATABASES["default"].get("USER") or APPLICATION_ROLE
# who may read, in SQL, what core/reading_role.py lists
DATABASE_READER_ROLE: str = env.str("DATABASE_READER_ROLE", default="gvrc_read")
DATABASE_ROLES_APART = False  # whether the site is served only to a role that owns no table: core/wsgi.py
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "core.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# Older hashes are accepted, and made anew with the first of these when their owner logs in.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTHENTICATION_BACKENDS = ["core.lockout.LockoutBackend", "django.contrib.auth.backends.ModelBackend"]
# A session lasts a working day at most, and no longer than the browser. No script of a page needs either cookie.
SESSION_COOKIE_AGE = 8 * 60 * 60
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"  # "Strict" would ask for the password after a link in a mail
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

# Guessing passwords. A name is locked for the address that guesses only: nobody can lock somebody else out from afar.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=30)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # the page says how long, and that stays true
AXES_CLIENT_IP_CALLABLE = "core.client_address.client_address"
AXES_LOCKOUT_CALLABLE = "core.lockout.answer_locked_out"
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "csrfmiddlewaretoken", "next"]  # and always the password
AXES_VERBOSE = False

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "Africa/Nairobi"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT: Path | None = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "core" / "static"]

# The registry.
CONTACT_STALE_DAYS = whole_number("CONTACT_STALE_DAYS", default=180)  # after which a contact is to be called again

# how the people who work with the registry reach the safeguarding lead: "Wanjiru, 0700 000 000"
SAFEGUARDING_CONTACT: str = env.str("SAFEGUARDING_CONTACT", default="").strip()

# The pipeline.
RAW_DATA_DIR = BASE_DIR / env.str("RAW_DATA_DIR", default="data/raw")  # an absolute path stands for itself
FIXTURES_DIR = BASE_DIR / "fixtures"
REPORTS_DIR = VAR_DIR / "reports"
UPLOADS_DIR = VAR_DIR / "uploads"
ETL_BATCH_SIZE = whole_number("ETL_BATCH_SIZE", default=50)
ETL_MAX_RETRIES = whole_number("ETL_MAX_RETRIES", default=3)  # of a batch, after a transient database error
ETL_TIMEOUT_SECONDS = whole_number("ETL_TIMEOUT_SECONDS", default=300)  # for a batch with its retries
ETL_BREAKER_FAILURES = whole_number("ETL_BREAKER_FAILURES", default=5)  # in a row, then the run stops
ETL_BREAKER_SECONDS = whole_number("ETL_BREAKER_SECONDS", default=60)  # before the database is tried again
ETL_WORTH_WORKERS = whole_number("ETL_WORTH_WORKERS", default=2000)  # records: starting a process costs about a second
# of a Dask scheduler, whose workers do what processes of this machine would
ETL_CLUSTER_URL = scheduler_url("ETL_CLUSTER_URL")
_workers_asked_for = whole_number("ETL_WORKERS", default=4)
# on a cluster, all of its workers; 1: none
ETL_WORKERS = _workers_asked_for if ETL_CLUSTER_URL else min(_workers_asked_for, os.cpu_count() or 1)
ETL_MAX_MEMORY_MB = whole_number("ETL_MAX_MEMORY_MB", default=512)  # of each process; above it a run reads less at once
ETL_MAX_FILE_MB = whole_number("ETL_MAX_FILE_MB", default=2048)
ETL_INLINE_RECORDS = whole_number("ETL_INLINE_RECORDS", default=500)  # what a page does itself; more goes to a worker
# what a browser sends lies on the disk from its first byte, is bounded, and is taken from those only who may import
FILE_UPLOAD_HANDLERS = ["etl.upload_handler.BoundedUploadHandler"]
FILE_UPLOAD_PERMISSIONS = 0o600
# long work that was asked for in the browser waits in the database for `manage.py db_worker`
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
ETL_DATA_PROFILING: bool = env.bool("ETL_DATA_PROFILING", default=True)
ETL_ANOMALY_DETECTION: bool = env.bool("ETL_ANOMALY_DETECTION", default=True)
# what an import does with a source whose records lack members that they had: warn, or fail (the source is refused)
ETL_ON_DRIFT = one_of("ETL_ON_DRIFT", ("warn", "fail"))
# the oldest that a source's last reading, and the last success, may be: a day, and two hours for a late start
ETL_FRESH_HOURS = whole_number("ETL_FRESH_HOURS", default=26)

# Backups: core/backups/files.py.
BACKUP_DIR = Path(env.str("BACKUP_DIR", default="").strip() or VAR_DIR / "backups")
BACKUP_RETENTION_DAYS = whole_number("BACKUP_RETENTION_DAYS", default=30)  # 0 keeps all

# Watching. Metrics are written there after every run; empty: nowhere
ETL_TEXTFILE: str = env.str("ETL_TEXTFILE", default="").strip()
# told when an import begins and how it ended; whoever knows it can pretend that one did
ETL_PING_URL = web_address("ETL_PING_URL", secret("ETL_PING_URL"))
HEALTH_MIN_FREE_MB = whole_number("HEALTH_MIN_FREE_MB", default=500)  # on the disks that we write to
HEALTH_MAX_REJECTS = whole_number("HEALTH_MAX_REJECTS", default=1000)  # that wait for a person
HEALTH_MAX_RUN_HOURS = whole_number("HEALTH_MAX_RUN_HOURS", default=6)  # that a run may take
BACKUP_FRESH_HOURS = whole_number("BACKUP_FRESH_HOURS", default=26)  # the oldest that the last proven backup may be
SENTRY_DSN = web_address("SENTRY_DSN", secret("SENTRY_DSN"))  # of an error tracker; empty: none

LOGGING_CONFIG = "core.logs.configure"
LOGGING: dict[str, Any] = {"level": log_level("LOG_LEVEL", default="INFO")}
