"""Decisions that one person alone may not take: one asks with a reason, another one approves or refuses.

What an approval brings about is done by the app that it is about: it listens to `approved`, in the same transaction.
"""

from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.db.models import F, Q
from django.dispatch import Signal, receiver
from django.utils import timezone

from core.access import log_access
from core.models import Approval, AuditEntry, User
from core.roles import SAFEGUARDING, Action, may

Kind, State = Approval.Kind, Approval.State
SHORTEST_REASON = 10  # characters

approved = Signal()  # sender: Approval; approval


class ApprovalError(Exception):
    """A request, or a decision on one, that cannot be; the message is one line for the person who asked."""


def ask(kind: Approval.Kind, subject: models.Model, *, reason: str, user: User) -> Approval:
    """Return the open request; raises ApprovalError without a reason, or where the same was asked for already."""
    if len(reason.strip()) < SHORTEST_REASON:
        raise ApprovalError(f"give a reason of at least {SHORTEST_REASON} characters")
    if not may_ask(user, kind):
        raise ApprovalError("your role may not ask for this")
    approval, created = Approval.objects.get_or_create(
        kind=kind,
        subject_id=subject.pk,
        state=State.OPEN,
        defaults={"subject": _name_of(subject), "reason": reason.strip(), "asked_by": user},
    )
    if not created:
        raise ApprovalError(f"{approval.asked_by} asked for this already: another person decides")
    log_access(user, f"ask {kind}", approval.subject, reason=reason)
    return approval


def _name_of(subject: models.Model) -> str:
    return subject.username if isinstance(subject, User) else str(getattr(subject, "facility_code", subject.pk))


def decide(approval: Approval, *, approve: bool, user: User) -> None:
    """Approve or refuse a request; raises ApprovalError where this person may not, or somebody decided before."""
    locked = Approval.objects.select_for_update().get(pk=approval.pk)
    if locked.state != State.OPEN:
        raise ApprovalError(f"{locked.decided_by} decided this already: {locked.state}")
    if reason := why_not(locked, user):
        raise ApprovalError(reason)
    locked.state = State.APPROVED if approve else State.REFUSED
    locked.decided_by, locked.decided_at = user, timezone.now()
    with transaction.atomic():  # what it brings about may still be refused
        locked.save()
        log_access(user, f"{'approve' if approve else 'refuse'} {locked.kind}", locked.subject)
        if approve:
            approved.send(sender=Approval, approval=locked)


def may_ask(user: User, kind: Approval.Kind) -> bool:
    """Return whether a role may ask: for a new member who manages users, for a lower class who edits or safeguards."""
    if kind == Kind.JOIN_SAFEGUARDING:
        return may(user, Action.MANAGE_USERS) or may(user, Action.REVEAL)
    return may(user, Action.WRITE) or may(user, Action.REVEAL)


def why_not(approval: Approval, user: User) -> str:
    """Return why a person may not decide a request, "" where they may.

    Safeguarding decides. While it has no active member beside the one who asked and the one it is about, somebody else who
    manages users does: that is how the first member comes in.
    """
    asker = approval.asked_by
    objections = {
        "you asked for this yourself": user.pk == asker.pk,
        "this is about yourself": approval.kind == Kind.JOIN_SAFEGUARDING and user.pk == approval.subject_id,
        "your account is younger than this request": user.date_joined > approval.asked_at,
        "one of you gave the other their account or password": _gave_account(user, asker) or _gave_account(asker, user),
    }
    for objection, holds in objections.items():
        if holds:
            return f"{objection}: another person decides"
    if may(user, Action.REVEAL):
        return ""
    members = User.objects.filter(groups__name=SAFEGUARDING, is_active=True)
    others = members.exclude(pk__in=[approval.asked_by_id, approval.subject_id])
    if approval.kind == Kind.JOIN_SAFEGUARDING and not others.exists() and may(user, Action.MANAGE_USERS):
        return ""
    return "a member of the safeguarding group decides this"


@receiver(approved, sender=Approval)
def let_in(approval: Approval, **_: object) -> None:
    """Make the person a member of the safeguarding group."""
    if approval.kind == Kind.JOIN_SAFEGUARDING:
        person = User.objects.get(pk=approval.subject_id)  # whatever it is called by now
        if person.username != approval.subject:
            raise ApprovalError(f"{approval.subject} is called {person.username} by now: ask again")
        if may(person, Action.MANAGE_USERS):
            raise ApprovalError(f"{person} manages users: nobody does both")
        if _set_password_of(person) not in {None, person.pk}:
            raise ApprovalError(f"another person set {person}'s password: {person} sets an own one first")
        person.groups.add(Group.objects.get(name=SAFEGUARDING))
        end_sessions(person)


def _gave_account(user: User, giver: User) -> bool:
    """Return whether somebody made another one's account, or set its password: they may be one person."""
    images = AuditEntry.objects.filter(table_name="users", record_id=user.pk, changed_by=giver)
    changed = ~Q(old_values__password=F("new_values__password"))
    return user.pk != giver.pk and images.filter(Q(operation="INSERT") | (Q(operation="UPDATE") & changed)).exists()


def _set_password_of(user: User) -> int | None:
    """Return who set a user's password last; None where it was set on the server, outside of any login."""
    images = AuditEntry.objects.filter(table_name="users", record_id=user.pk).order_by("-audit_id")
    changed = Q(operation="INSERT") | ~Q(old_values__password=F("new_values__password"))
    return images.filter(changed).values_list("changed_by", flat=True).first()


def end_sessions(user: User) -> None:
    """Log a user out everywhere: who took a session before must not go on with it."""
    for session in Session.objects.filter(expire_date__gt=timezone.now()):
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()
