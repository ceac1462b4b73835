"""Facilities and what belongs to them, under the document's table and column names."""

import secrets
from decimal import Decimal
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from core.crypto import Decrypted, EncryptedTextField, Unreadable, blind_index
from facilities.pin_targets import kind_of
from facilities.protection import STAND_INS, Details, SealedError
from facilities.queries import FacilityQuerySet
from facilities.sealing import seal_history
from geography.models import Constituency, Ward

FACILITY_CODE = r"\A[A-Z0-9-]+\Z"


def new_code() -> str:
    """Return a code for a facility that a person enters: as imports write them, but drawn at random."""
    letters = "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(12))
    return f"GVRC-{letters[:4]}-{letters[4:8]}-{letters[8:]}"


class Lookup(models.Model):
    """A row of a closed list: a stable code, a name for people, and the texts that sources write for it."""

    audit_hides = ()
    state_key = ("code",)

    code = models.CharField(max_length=50, unique=True)
    aliases = ArrayField(models.CharField(max_length=100), default=list, blank=True)

    class Meta:
        abstract = True
        ordering = ["code"]


class OperationalStatus(Lookup):
    """Whether a place is open, closed or between: a closed list."""

    operational_status_id = models.BigAutoField(primary_key=True)
    status_name = models.CharField(max_length=100)

    class Meta(Lookup.Meta):
        db_table = "operational_statuses"
        verbose_name_plural = "operational statuses"

    def __str__(self) -> str:
        return self.status_name


class ServiceCategory(Lookup):
    """A service that a survivor may ask for: a closed list."""

    service_category_id = models.BigAutoField(primary_key=True)
    category_name = models.CharField(max_length=100)

    class Meta(Lookup.Meta):
        db_table = "service_categories"
        verbose_name_plural = "service categories"

    def __str__(self) -> str:
        return self.category_name


class ContactType(Lookup):
    """A kind of contact, such as phone, hotline or email: a closed list."""

    contact_type_id = models.BigAutoField(primary_key=True)
    type_name = models.CharField(max_length=100)

    class Meta(Lookup.Meta):
        db_table = "contact_types"

    def __str__(self) -> str:
        return self.type_name


class FacilityType(Lookup):
    """A kind of place. Two facilities of different `kind` (health, police, shelter ...) are never duplicates."""

    facility_type_id = models.BigAutoField(primary_key=True)
    type_name = models.CharField(max_length=100)
    kind = models.CharField(max_length=30)

    class Meta(Lookup.Meta):
        db_table = "facility_types"

    def __str__(self) -> str:
        return self.type_name


_HOLDS_STAND_INS: dict[str, Any] = {
    f"{name.removesuffix('_id')}__isnull" if stand_in is None else name: True if stand_in is None else stand_in
    for name, stand_in in STAND_INS.items()
}


class Facility(models.Model):
    """A place that helps survivors: the golden record of every source record that stands for it.

    What is protected of a confidential place lies in `sealed_details`, and stand-ins in its open columns: lists, searches,
    filters, titles and logs have nothing to leak. save() sees to it, whoever sets `is_confidential`.
    """

    audit_hides = ()
    audit_seals = {"sealed_details": dict(STAND_INS)}
    state_key = ("facility_code",)
    _token: Decrypted | None = None  # of what open_columns() took out of the sealed column

    facility_id = models.BigAutoField(primary_key=True)
    facility_code = models.CharField(max_length=50, unique=True, validators=[RegexValidator(FACILITY_CODE)])
    registration_number = models.CharField(max_length=100, unique=True, null=True, blank=True)
    facility_name = models.CharField(max_length=255)
    facility_type = models.ForeignKey(
        FacilityType,
        on_delete=models.PROTECT,
        to_field="code",
        db_column="facility_type",
        null=True,
        blank=True,
    )
    operational_status = models.ForeignKey(OperationalStatus, on_delete=models.PROTECT, null=True, blank=True)
    county = models.ForeignKey("geography.County", on_delete=models.PROTECT, related_name="facilities")
    constituency = models.ForeignKey(
        "geography.Constituency",
        on_delete=models.PROTECT,
        related_name="facilities",
        null=True,
        blank=True,
    )
    ward = models.ForeignKey(
        "geography.Ward", on_delete=models.PROTECT, related_name="facilities", null=True, blank=True
    )
    address = EncryptedTextField(blank=True)
    town = models.CharField(max_length=100, blank=True)
    level = models.CharField(max_length=50, blank=True)
    ownership = models.CharField(max_length=100, blank=True)
    opening_hours = models.CharField(max_length=200, blank=True)
    website = models.CharField(max_length=255, blank=True)
    has_gender_desk = models.BooleanField(null=True, blank=True)
    is_confidential = models.BooleanField(
        default=False, help_text="a place whose position and contacts must stay hidden"
    )
    sealed_details = EncryptedTextField(
        null=True,
        editable=False,
        help_text="JSON of what is protected of a confidential place (facilities/protection.py)",
    )
    is_active = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        "core.User",
        on_delete=models.PROTECT,
        db_column="created_by",
        related_name="+",
        null=True,
        editable=False,
    )
    updated_by = models.ForeignKey(
        "core.User",
        on_delete=models.PROTECT,
        db_column="updated_by",
        related_name="+",
        null=True,
        editable=False,
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = FacilityQuerySet.as_manager()

    class Meta:
        db_table = "facilities"
        ordering = ["facility_name", "facility_code"]
        verbose_name_plural = "facilities"
        constraints = [
            models.CheckConstraint(condition=Q(facility_code__regex=r"^[A-Z0-9-]+$"), name="facility_code_pattern"),
            models.CheckConstraint(condition=~Q(registration_number=""), name="registration_number_null_not_blank"),
            models.CheckConstraint(condition=~Q(facility_name=""), name="facility_has_a_name"),
            models.CheckConstraint(
                condition=Q(ward__isnull=True) | Q(constituency__isnull=False),
                name="no_ward_without_constituency",
            ),
            models.CheckConstraint(
                condition=Q(is_confidential=False, sealed_details__isnull=True)
                | Q(is_confidential=True, sealed_details__isnull=False, **_HOLDS_STAND_INS),
                name="confidential_is_sealed",
            ),
        ]
        # docs/adr/0004 says which of the document's indexes are covered by others
        indexes = [
            models.Index(fields=["ward", "operational_status"], name="idx_facilities_location_status"),
            models.Index(fields=["created_at", "updated_at"], name="idx_facilities_created_updated"),
            models.Index(fields=["facility_id"], condition=Q(is_active=True), name="idx_facilities_active"),
            models.Index(fields=["facility_name"], name="idx_facilities_name"),
        ]

    def __str__(self) -> str:
        return self.facility_name

    def save(self, *args: object, **kwargs: object) -> None:
        """Save with what is protected where its class wants it; a place that turns confidential takes its past along."""
        turns_confidential = bool(self.pk and self.is_confidential and self.sealed_details is None and not self._token)
        if self.is_confidential:
            self.seal_columns()
        else:
            self.open_columns()
        if isinstance(names := kwargs.get("update_fields"), list | tuple | set | frozenset):
            kwargs["update_fields"] = {*names, "is_confidential", "sealed_details", *STAND_INS}
        super().save(*args, **kwargs)  # type: ignore[arg-type] # passed on as they came
        self._token = None
        for position in FacilityCoordinate.objects.filter(facility=self, latitude__isnull=not self.is_confidential):
            position.facility = self
            position.save()
        if turns_confidential:
            self.pins.filter(target="is_confidential").delete()  # the word of the two who lowered it
            seal_history([self.pk])

    @property
    def details(self) -> Details | None:
        """What is protected of a confidential place; of an open one what its columns say; None where no key opens it."""
        if isinstance(self.sealed_details, Unreadable):
            return None
        if self.sealed_details is not None:
            return Details.from_text(str(self.sealed_details))
        return Details(
            facility_name=self.facility_name,
            registration_number=self.registration_number or "",
            constituency_code=self.constituency.constituency_code if self.constituency else "",
            ward_code=self.ward.ward_code if self.ward else "",
            town=self.town,
            ownership=self.ownership,
            opening_hours=self.opening_hours,
            website=self.website,
        )

    @property
    def known(self) -> dict[str, bool]:
        """What is recorded of what completeness.py finds worth having, never its value; a confidential place's, too."""
        details = self.details or Details(*[""] * 8)
        return {
            "facility_type": bool(self.facility_type_id),
            "constituency": bool(details.constituency_code),
            "ward": bool(details.ward_code),
            "operational_status": bool(self.operational_status_id),
            "registration_number": bool(details.registration_number),
            "opening_hours": bool(details.opening_hours),
            "address": bool(self.address),
            "contacts": self.contacts.exists(),
            "services": self.services.filter(is_active=True).exists(),
            "position": hasattr(self, "coordinate"),
        }

    def open_columns(self) -> Self:
        """Return self with what is protected in its columns, in memory: save() seals it again while it is confidential.

        Raises SealedError where no key opens it.
        """
        if self.sealed_details is None:
            return self
        details = self.details
        if details is None:
            raise SealedError(f"what is protected of {self.facility_code} cannot be read: it was left as it is")
        self._token, self.sealed_details = self.sealed_details, None
        self.facility_name, self.registration_number = details.facility_name, details.registration_number or None
        self.constituency = Constituency.objects.filter(constituency_code=details.constituency_code).first()
        self.ward = Ward.objects.filter(ward_code=details.ward_code).first()
        self.town, self.ownership = details.town, details.ownership
        self.opening_hours, self.website = details.opening_hours, details.website
        return self

    def seal_columns(self) -> None:
        """Put what is protected into the sealed column and stand-ins into the open ones, in memory.

        What stands in an open column beside a sealed one was set since, and counts.
        """
        if self.sealed_details is not None:
            edited = {
                name: getattr(self, name) for name, stand_in in STAND_INS.items() if getattr(self, name) != stand_in
            }
            if not edited:
                return
            self.open_columns()
            for name, value in edited.items():
                setattr(self, name, value)
        details = self.details
        assert details is not None, "open columns can be read"
        self.hold_sealed(details, before=self._token)

    def hold_sealed(self, details: Details | None, *, before: Decrypted | None) -> None:
        """Hold details sealed, with the token of before if they say the same; None: what no key opens stays as before."""
        text = details and details.to_text()
        self.sealed_details = before if text is None or before == text else text
        for name, stand_in in STAND_INS.items():
            setattr(self, name, stand_in)

    def clean(self) -> None:
        """Raise ValidationError where a place does not lie inside the one above it; the database would refuse it, too."""
        if self.ward and not self.constituency:
            raise ValidationError({"ward": "A ward needs its constituency."})
        if self.ward and self.constituency and self.ward.constituency_id != self.constituency.pk:
            raise ValidationError({"ward": f"{self.ward} does not lie in {self.constituency}."})
        if self.constituency and self.county_id and self.constituency.county_id != self.county_id:
            raise ValidationError({"constituency": f"{self.constituency} does not lie in {self.county}."})


class FacilityService(models.Model):
    """A service that a facility states; services that no source states are not here."""

    audit_hides = ()
    state_key = ("facility__facility_code", "service_category__code")

    service_id = models.BigAutoField(primary_key=True)
    facility = models.ForeignKey(Facility, on_delete=models.CASCADE, related_name="services", db_index=False)
    service_category = models.ForeignKey(ServiceCategory, on_delete=models.PROTECT, related_name="facility_services")
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "facility_services"
        constraints = [
            models.UniqueConstraint(fields=["facility", "service_category"], name="service_once_per_facility"),
        ]

    def __str__(self) -> str:
        return str(self.service_category)


_WITH_THE_VALUE = ("value_index", "verified_at", "verified_by", "verification_method")


class FacilityContact(models.Model):
    """A phone number, hotline or e-mail address. It is sealed; `value_index` finds it and keeps it single.

    `verified_*` say who reached the place by it, when and how: all three or none. Another value was reached by nobody yet.
    """

    class Verification(models.TextChoices):
        CALLED = "called", "called: it is answered"
        VISITED = "visited", "visited: it is theirs"
        WRITTEN = "written", "written to: it is answered"

    audit_hides = ()
    state_key = ("facility__facility_code", "contact_type__code", "contact_value")
    state_derived = ("value_index", "verified_at", "verified_by", "verification_method")
    blind_indexes = {"contact_value": "value_index"}  # what core/key_guard.py knows an INDEX_KEY by

    contact_id = models.BigAutoField(primary_key=True)
    facility = models.ForeignKey(Facility, on_delete=models.CASCADE, related_name="contacts", db_index=False)
    contact_type = models.ForeignKey(ContactType, on_delete=models.PROTECT, related_name="+")
    contact_value = EncryptedTextField()
    value_index = models.CharField(max_length=64, editable=False, db_index=True)
    is_primary = models.BooleanField(default=False)
    verified_at = models.DateTimeField(null=True, blank=True, editable=False)
    verified_by = models.ForeignKey(
        "core.User",
        on_delete=models.PROTECT,
        db_column="verified_by",
        related_name="+",
        null=True,
        editable=False,
    )
    verification_method = models.CharField(  # noqa: DJ001 - NULL as its fellows
        max_length=20,
        choices=Verification,
        null=True,
        blank=True,
        editable=False,
    )

    class Meta:
        db_table = "facility_contacts"
        constraints = [
            models.CheckConstraint(
                condition=Q(verified_at__isnull=True, verified_by__isnull=True, verification_method__isnull=True)
                | Q(
                    verified_at__isnull=False,
                    verified_by__isnull=False,
                    verification_method__in=["called", "visited", "written"],
                ),
                name="verified_when_by_whom_and_how",
            ),
            models.UniqueConstraint(
                fields=["facility", "contact_type", "value_index"],
                name="contact_once_per_facility",
            ),
            models.UniqueConstraint(
                fields=["facility", "contact_type"],
                condition=Q(is_primary=True),
                name="one_primary_contact_per_type",
            ),
        ]

    def __str__(self) -> str:
        return str(self.contact_type)

    def save(self, *args: object, **kwargs: object) -> None:
        """Save with the blind index of the value as it is now, verified if it is the value that was.

        An unreadable value keeps its index.
        """
        if getattr(self.contact_value, "is_readable", True):
            before, self.value_index = self.value_index, self.index_of(self.contact_value)
            if before not in {"", self.value_index}:
                self.verified_at = self.verified_by = self.verification_method = None
            if isinstance(names := kwargs.get("update_fields"), list | tuple | set | frozenset):
                kwargs["update_fields"] = {*names, *(_WITH_THE_VALUE if "contact_value" in names else ())}
        super().save(*args, **kwargs)  # type: ignore[arg-type] # passed on as they came

    @staticmethod
    def index_of(value: str) -> str:
        """Return the blind index of a normalised contact value."""
        return blind_index(value, purpose="facility_contacts.contact_value")


class FacilityCoordinate(models.Model):
    """Where a facility is, in degrees WGS 84; a confidential place's position is sealed and its columns are NULL."""

    class Accuracy(models.TextChoices):
        EXACT = "exact"
        APPROXIMATE = "approximate"
        PLACE_CENTRE = "place-centre"

    audit_hides = ()
    audit_seals = {"sealed_position": {"latitude": None, "longitude": None}}
    state_key = ("facility__facility_code",)

    coordinate_id = models.BigAutoField(primary_key=True)
    facility = models.OneToOneField(Facility, on_delete=models.CASCADE, related_name="coordinate")
    latitude = models.DecimalField(max_digits=10, decimal_places=8, null=True, blank=True)
    longitude = models.DecimalField(max_digits=11, decimal_places=8, null=True, blank=True)
    sealed_position = EncryptedTextField(
        null=True, editable=False, help_text="'latitude,longitude' of a confidential place"
    )
    accuracy_level = models.CharField(max_length=50, choices=Accuracy)

    class Meta:
        db_table = "facility_coordinates"
        constraints = [
            models.CheckConstraint(
                condition=Q(latitude__isnull=False, longitude__isnull=False)
                & Q(latitude__range=(-90, 90))
                & Q(longitude__range=(-180, 180))
                & Q(sealed_position__isnull=True)
                | Q(latitude__isnull=True, longitude__isnull=True, sealed_position__isnull=False),
                name="position_open_or_sealed",
            ),
        ]

    def __str__(self) -> str:
        return "position"  # its degrees would stand in titles and in admin's log

    def save(self, *args: object, **kwargs: object) -> None:
        """Save sealed for a confidential place, open for another one; what no key opens stays as it is."""
        if self.facility.is_confidential and self.latitude is not None:
            self.sealed_position = f"{self.latitude},{self.longitude}"
            self.latitude = self.longitude = None
        elif not self.facility.is_confidential and self.sealed_position is not None and self.degrees:
            (self.latitude, self.longitude), self.sealed_position = self.degrees, None
        super().save(*args, **kwargs)  # type: ignore[arg-type] # passed on as they came

    @property
    def degrees(self) -> tuple[Decimal, Decimal] | None:
        """Latitude and longitude, sealed or not; None where no key opens them."""
        if isinstance(self.sealed_position, Unreadable):
            return None
        if self.sealed_position is None:
            assert self.latitude is not None
            assert self.longitude is not None
            return self.latitude, self.longitude
        latitude, _, longitude = str(self.sealed_position).partition(",")
        return Decimal(latitude), Decimal(longitude)


class RetiredCode(models.Model):
    """A facility that a merge took out of use: its code keeps resolving to the facility that stands for it now.

    `facility_was` and `session_id` name its rows and the audit images that a split restores them from. The other columns say
    whose word the survivor's protection and service are: the class and service that each side had by itself.
    """

    audit_hides = ()
    state_key = ("retired_code",)
    state_derived = ("facility_was", "session_id")

    retired_code_id = models.BigAutoField(primary_key=True)
    retired_code = models.CharField(max_length=50, unique=True)
    facility = models.ForeignKey(Facility, on_delete=models.CASCADE, related_name="retired_codes")
    facility_was = models.BigIntegerField(null=True)
    session_id = models.CharField(max_length=100, blank=True)
    was_confidential = models.BooleanField(default=False)
    into_was_confidential = models.BooleanField(default=False)
    was_active = models.BooleanField(default=True)
    into_was_active = models.BooleanField(default=True)
    retired_at = models.DateTimeField(auto_now_add=True)
    retired_by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="+", null=True)

    class Meta:
        db_table = "retired_codes"

    def __str__(self) -> str:
        return self.retired_code


class Pin(models.Model):
    """What a person set on a facility: imports keep it, whatever their sources say.

    `target` is a column ("facility_name"), the position or a child, as pin_targets.py names them.
    A child that a person took away is pinned, too: it stays away.
    """

    audit_hides = ()

    pin_id = models.BigAutoField(primary_key=True)
    facility = models.ForeignKey(Facility, on_delete=models.CASCADE, related_name="pins", db_index=False)
    target = models.CharField(max_length=150)
    pinned_by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="+", null=True)
    pinned_at = models.DateTimeField(auto_now_add=True)
    came_with = models.ForeignKey(
        RetiredCode,
        on_delete=models.CASCADE,
        related_name="pins",
        null=True,
        db_index=False,
        help_text="the facility that it was set on, before that one was merged into this one",
    )

    class Meta:
        db_table = "pins"
        ordering = ["target"]
        constraints = [models.UniqueConstraint(fields=["facility", "target"], name="pin_once")]

    def __str__(self) -> str:
        return kind_of(self.target)
