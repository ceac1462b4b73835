"""Two people lower a place's protection: its columns open, and imports do not raise it again."""

from django.dispatch import receiver

from core.approvals import ApprovalError, Kind, approved
from core.models import Approval
from facilities.models import Facility
from facilities.pins import pin


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
    facility.open_columns()
    number = facility.registration_number
    if number and Facility.objects.exclude(pk=facility.pk).filter(registration_number=number).exists():
        facility.registration_number = None
    facility.is_confidential = False
    facility.updated_by = approval.decided_by
    facility.save()
    pin(facility, {"is_confidential"}, user=approval.decided_by)
