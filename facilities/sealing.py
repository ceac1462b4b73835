"""When a place turns confidential, what was written of it before is sealed, too: audit images, admin's log, the ledger."""

from collections.abc import Collection, Mapping
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Q
from django.dispatch import Signal

from core.audit import seal_images
from core.crypto import encrypt
from core.models import FACILITY_ID, AuditEntry
from facilities.protection import A_CONFIDENTIAL_PLACE, STAND_INS, Details
from geography.models import Constituency, Ward

Image = dict[str, Any]
sealed = Signal()  # sender: Facility; facilities: their ids. Apps above seal what they keep of them


def seal_history(facilities: Collection[int]) -> None:
    """Seal what the audit trail, admin's log and the apps above keep of places that are confidential now.

    It takes along the facilities that were merged into them: they were the same places. Images keep what they said, sealed,
    so that an undo and a split find it.
    """
    from facilities.models import Facility, RetiredCode  # noqa: PLC0415 - models call this when they are saved

    merged = RetiredCode.objects.filter(facility__in=facilities, facility_was__isnull=False)
    ids = {*facilities, *(pk for pk in merged.values_list("facility_was", flat=True) if pk)}
    _seal_images(ids)
    logged = LogEntry.objects.filter(
        content_type__app_label="facilities", content_type__model="facility", object_id__in=[str(pk) for pk in ids]
    )
    logged.exclude(object_repr=A_CONFIDENTIAL_PLACE).update(object_repr=A_CONFIDENTIAL_PLACE, change_message="")
    sealed.send(sender=Facility, facilities=ids)


def _seal_images(facilities: Collection[int]) -> None:
    open_images = Q(table_name="facilities") | Q(table_name="facility_coordinates")
    about = AuditEntry.objects.alias(facility=FACILITY_ID).filter(facility__in=[str(pk) for pk in facilities])
    places = PlaceCodes()
    changed = []
    for entry in about.filter(open_images).order_by("audit_id"):
        images = [sealed_image(entry.table_name, image, places) for image in (entry.old_values, entry.new_values)]
        if images != [entry.old_values, entry.new_values]:
            changed.append({"audit_id": entry.pk, "old_values": images[0], "new_values": images[1]})
    seal_images(changed)


def sealed_image(table: str, image: Image | None, places: "PlaceCodes") -> Image | None:
    """Return an image with what is protected in its sealed column; one that is sealed already as it is."""
    if image is None:
        return None
    if table == "facilities" and image.get("sealed_details") is None:
        text = places.details_of(image).to_text()
        stand_ins = {name: stand_in for name, stand_in in STAND_INS.items() if name in image}
        return image | stand_ins | {"sealed_details": encrypt(text, column="facilities.sealed_details")}
    if table == "facility_coordinates" and image.get("latitude") is not None:
        text = f"{image['latitude']},{image['longitude']}"
        token = encrypt(text, column="facility_coordinates.sealed_position")
        return image | {"latitude": None, "longitude": None, "sealed_position": token}
    return image


class PlaceCodes:
    """The codes of constituencies and wards by their ids, which images hold; read when first asked for."""

    def __init__(self) -> None:
        self._by_id: dict[str, dict[int, str]] = {}

    def details_of(self, image: Mapping[str, Any]) -> Details:
        return Details(
            facility_name=image.get("facility_name") or "",
            registration_number=image.get("registration_number") or "",
            constituency_code=self._code(Constituency, image.get("constituency_id")),
            ward_code=self._code(Ward, image.get("ward_id")),
            town=image.get("town") or "",
            ownership=image.get("ownership") or "",
            opening_hours=image.get("opening_hours") or "",
            website=image.get("website") or "",
        )

    def _code(self, model: type[Constituency | Ward], pk: int | None) -> str:
        if pk is None:
            return ""
        column = "ward_code" if model is Ward else "constituency_code"
        if column not in self._by_id:
            self._by_id[column] = dict(model._default_manager.values_list("pk", column))  # noqa: SLF001 - documented API
        return self._by_id[column].get(pk, "")
