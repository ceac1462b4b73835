"""Who works with the registry, and what was changed in it."""

from django.contrib.auth.models import AbstractUser, Group
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Now

from core.crypto import EncryptedTextField
from core.roles import IMPORT_USER

# the facility that a row of any table is or belongs to; facilities and their children name it alike
FACILITY_ID = KeyTextTransform("facility_id", Coalesce("new_values", "old_values"))


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


class AccessLog(models.Model):
    """One decision about personal or protected values, an export or an import: who asked for what, and what was answered.

    The application role may add rows, and neither change nor delete them (see database_roles.py).
    """

    class Result(models.TextChoices):
        ALLOWED = "allowed"
        DENIED = "denied"
        LIMITED = "limited"  # allowed in itself, but too often in too short a time

    access_id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True)
    action = models.CharField(max_length=30, help_text="reveal, see, edit, export, import ...")
    resource = models.CharField(
        max_length=200, help_text="facility:CODE value, a run, an export and its audience, a page"
    )
    result = models.CharField(max_length=20, choices=Result)
    reason = EncryptedTextField(blank=True, help_text="as the person typed it")
    count = models.PositiveBigIntegerField(null=True, help_text="how many facilities an export or import touched")
    at = models.DateTimeField(db_default=Now())
    ip = models.GenericIPAddressField(null=True, help_text="NULL for a command")

    class Meta:
        db_table = "access_log"
        ordering = ["-access_id"]
        verbose_name_plural = "access log"
        indexes = [
            models.Index(fields=["user", "action", "at"], name="idx_access_user"),
            models.Index(fields=["at"], name="idx_access_at"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.resource}: {self.result}"


class Approval(models.Model):
    """What one person asked for and another one decides: see core/approvals.py."""

    class Kind(models.TextChoices):
        JOIN_SAFEGUARDING = "join-safeguarding"
        LOWER_PROTECTION = "lower-protection"

    class State(models.TextChoices):
        OPEN = "open"
        APPROVED = "approved"
        REFUSED = "refused"

    audit_hides = ()

    approval_id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=30, choices=Kind)
    subject_id = models.BigIntegerField(help_text="the user or the facility that it is about")
    subject = models.CharField(max_length=150, help_text="its name when it was asked: a user name, a facility code")
    reason = EncryptedTextField()
    state = models.CharField(max_length=20, choices=State, default=State.OPEN)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "approvals"
        ordering = ["-approval_id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="approved") | (Q(decided_by__isnull=False) & ~Q(decided_by=F("asked_by"))),
                name="approved_by_another",
            ),
            models.UniqueConstraint(fields=["kind", "subject_id"], condition=Q(state="open"), name="asked_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"


class KeyCheck(models.Model):
    """A known text, sealed and indexed under the keys that the database is written with; see core/key_guard.py.

    One row; two while a rotation is under way, since values stand under two keys then.
    """

    key_check_id = models.PositiveSmallIntegerField(primary_key=True)
    known_text = EncryptedTextField()
    text_index = models.CharField(max_length=64)

    class Meta:
        db_table = "key_checks"

    def __str__(self) -> str:
        return f"Key check {self.pk}"
