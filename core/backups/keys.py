"""The keys of BACKUP_KEY, the newest first."""

from django.conf import settings

from core.backups.errors import BackupError
from core.crypto import SHORTEST_KEY

_NEW_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"


def backup_keys() -> list[str]:
    """Return the keys that seal and open backups: the first seals. Raises BackupError where there is none, or a short one."""
    keys = [key.strip() for key in settings.BACKUP_KEY.split(",") if key.strip()]
    if not keys:
        raise BackupError(
            f"BACKUP_KEY is not set: make one ({_NEW_KEY}), keep it away from the backups, see .env.example"
        )
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise BackupError(
            f"BACKUP_KEY holds a key of fewer than {SHORTEST_KEY} characters: make a new one ({_NEW_KEY})"
        )
    return keys
