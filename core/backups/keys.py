"""The keys of BACKUP_KEY, the newest first."""

from django.conf import settings

from core.backups.errors import BackupError
from core.environment import SHORTEST_KEY, keys_in
from core.refusals import NEW_KEY


def backup_keys() -> list[str]:
    """Return the keys that seal and open backups: the first seals. Raises BackupError where there is none, or a short one."""
    keys = keys_in(settings.BACKUP_KEY)
    if not keys:
        raise BackupError(f"BACKUP_KEY is not set: {NEW_KEY}, keep it away from the backups, see .env.example")
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise BackupError(f"BACKUP_KEY holds a key of fewer than {SHORTEST_KEY} characters: {NEW_KEY}")
    return keys
