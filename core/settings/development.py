"""One person's machine and the demo: keys made under var/, the embedded PostgreSQL unless DATABASE_URL is set."""

from core.local_keys import read_or_create_keys
from core.settings.base import *  # noqa: F403 - settings modules extend one another
from core.settings.base import BACKUP_KEY, FIELD_KEYS, INDEX_KEY, SECRET_KEY, VAR_DIR

DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

_keys = read_or_create_keys(VAR_DIR / "keys.json")
SECRET_KEY = SECRET_KEY or _keys["SECRET_KEY"]
FIELD_KEYS = FIELD_KEYS or _keys["FIELD_KEYS"]
INDEX_KEY = INDEX_KEY or _keys["INDEX_KEY"]
BACKUP_KEY = BACKUP_KEY or _keys["BACKUP_KEY"]
