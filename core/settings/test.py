"""The tests: fixed keys, fast password hashing, the embedded PostgreSQL unless DATABASE_URL is set."""

from core.settings.base import *  # noqa: F403 - settings modules extend one another

SECRET_KEY = "a key for tests only"  # noqa: S105 # nosec B105 # guards nothing
FIELD_KEYS = "a-field-key-for-tests-only-long-enough-to-pass"
INDEX_KEY = "an-index-key-for-tests-only-long-enough-to-pass"
BACKUP_KEY = "a-backup-key-for-tests-only-long-enough-to-pass"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
