"""The tests: fixed keys, fast password hashing, an embedded PostgreSQL of their own unless DATABASE_URL is set."""

from core.settings.base import *  # noqa: F403 - settings modules extend one another
from core.settings.base import EMBEDDED_DATABASE, VAR_DIR

SECRET_KEY = "a key for tests only"  # noqa: S105 # nosec B105 # guards nothing
FIELD_KEYS = "a-field-key-for-tests-only-long-enough-to-pass"
INDEX_KEY = "an-index-key-for-tests-only-long-enough-to-pass"
BACKUP_KEY = "a-backup-key-for-tests-only-long-enough-to-pass"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
# databases are copied and dropped by the dozen: nobody waits until that is on the disk
EMBEDDED_DATABASE |= {"EMBEDDED_DATA_DIR": str(VAR_DIR / "postgres-of-tests"), "EMBEDDED_IS_KEPT": False}
