"""Who works with the registry."""

from django.contrib.auth.models import AbstractUser
from django.db import models

IMPORT_USER = "import"  # the system user that imports run as


class User(AbstractUser):
    """A person, or the system user that imports run as (it cannot log in)."""

    user_id = models.BigAutoField(primary_key=True)

    class Meta:
        db_table = "users"

    @classmethod
    def import_user(cls) -> "User":
        """Return the system user that imports run as."""
        user, created = cls.objects.get_or_create(username=IMPORT_USER, defaults={"is_active": False})
        if created:
            user.set_unusable_password()
            user.save(update_fields=["password"])
        return user
