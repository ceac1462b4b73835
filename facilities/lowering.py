"""Two people lower a place's protection: its columns open, and imports do not raise it again."""

from django.dispatch import receiver

from core.approvals import ApprovalError, Kind, approved
from core.models import Approval
from facilities.models import Facility
from facilities.pins import pin
from facilities.protection import SealedError


@receiver(approved, sender=Approval)
def lower_protection(approval: Approval, **_: object) -> None:
    """Open a confidential place; what the audit trail keeps of its confidential time stays sealed.

    A registration number that another facility took in the meantime stays with that one.
    """
    if approval.kind != Kind.LOWER_PROTECTION:
        return
    facility = Facility.objects.select_for_update().filter(pk=approval.subject_id).first()
    if facility is None:
        raise ApprovalError(f"{approval.subject} was merged into another place since: ask again for that one")
    if facility.updated_at > approval.asked_at:
        raise ApprovalError(f"{approval.subject} was changed after it was asked for: look at it, and ask again")
    try:
        facility.open_columns()
    except SealedError as error:
        raise ApprovalError(str(error)) from error
    number = facility.registration_number
    if number and Facility.objects.exclude(pk=facility.pk).filter(registration_number=number).exists():
        facility.registration_number = None
    facility.is_confidential = False
    facility.updated_by = approval.decided_by
    facility.save()
    pin(facility, {"is_confidential"}, user=approval.decided_by)
