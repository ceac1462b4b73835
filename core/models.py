"""Who works with the registry, and what was changed in it."""

from django.contrib.auth.models import AbstractUser, Group
from django.db import models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Now

# the facility that a row of any table is or belongs to; facilities and their children name it alike
FACILITY_ID = KeyTextTransform("facility_id", Coalesce("new_values", "old_values"))
IMPORT_USER = "import"  # the system user that imports run as


class User(AbstractUser):
    """A person, or the system user that imports run as (it cannot log in)."""

    audit_hides = ("password",)
    audit_ignores = ("last_login",)

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


# who may do what is audited, too
for _granted in (User.groups, User.user_permissions, Group.permissions):
    _granted.through.audit_hides = ()  # type: ignore[union-attr] # what core/audit.py looks for


class AuditEntry(models.Model):
    """One row that was changed: its image before and after, by whom, in which run, request or command.

    Only the triggers of core/audit.py write here; sealed columns stand in the images as the tokens they are.
    """

    class Operation(models.TextChoices):
        INSERT = "INSERT"
        UPDATE = "UPDATE"
        DELETE = "DELETE"

    audit_id = models.BigAutoField(primary_key=True)
    table_name = models.CharField(max_length=100)
    record_id = models.BigIntegerField()
    operation = models.CharField(max_length=20, choices=Operation)
    old_values = models.JSONField(null=True)
    new_values = models.JSONField(null=True)
    changed_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        db_column="changed_by",
        related_name="+",
        null=True,
    )
    changed_at = models.DateTimeField(db_default=Now())
    session_id = models.CharField(max_length=100, null=True, help_text="run:N, request:ID, or db: and a database user")  # noqa: DJ001 - the document's column

    class Meta:
        db_table = "audit_trail"
        ordering = ["-audit_id"]
        verbose_name_plural = "audit trail"
        indexes = [
            models.Index(fields=["table_name", "record_id"], name="idx_audit_record"),
            models.Index(fields=["session_id"], name="idx_audit_session"),
            models.Index(FACILITY_ID, name="idx_audit_facility"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.table_name} {self.record_id}"
