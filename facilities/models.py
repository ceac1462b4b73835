"""Facilities and what belongs to them, under the document's table and column names."""

import secrets

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from core.crypto import EncryptedTextField, blind_index
from facilities.pin_targets import kind_of
from facilities.queries import FacilityQuerySet

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
    operational_status_id = models.BigAutoField(primary_key=True)
    status_name = models.CharField(max_length=100)

    class Meta(Lookup.Meta):
        db_table = "operational_statuses"
        verbose_name_plural = "operational statuses"

    def __str__(self) -> str:
        return self.status_name


class ServiceCategory(Lookup):
    service_category_id = models.BigAutoField(primary_key=True)
    category_name = models.CharField(max_length=100)

    class Meta(Lookup.Meta):
        db_table = "service_categories"
        verbose_name_plural = "service categories"

    def __str__(self) -> str:
        return self.category_name


class ContactType(Lookup):
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


class Facility(models.Model):
    """A place that helps survivors: the golden record of every source record that stands for it."""

    audit_hides = ()
    state_key = ("facility_code",)

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

    @property
    def shown_name(self) -> str:
        """The name as lists, reports and messages may show it: a confidential place has none there."""
        return "a confidential place" if self.is_confidential else self.facility_name

    def clean(self) -> None:
        """Raise ValidationError where a place does not lie inside the one above it; the database would refuse it, too."""
        if self.ward and not self.constituency:
            raise ValidationError({"ward": "A ward needs its constituency."})
        if self.ward and self.constituency and self.ward.constituency_id != self.constituency.pk:
            raise ValidationError({"ward": f"{self.ward} does not lie in {self.constituency}."})
        if self.constituency and self.county_id and self.constituency.county_id != self.county_id:
            raise ValidationError({"constituency": f"{self.constituency} does not lie in {self.county}."})

    def seal_position(self) -> None:
        """Seal the position of a confidential place where it lies open."""
        row = FacilityCoordinate.objects.filter(facility=self, latitude__isnull=False).first()
        if self.is_confidential and row:
            row.sealed_position = f"{row.latitude},{row.longitude}"
            row.latitude = row.longitude = None
            row.save()


class FacilityService(models.Model):
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


class FacilityContact(models.Model):
    """A phone number, hotline or e-mail address. It is sealed; `value_index` finds it and keeps it single."""

    audit_hides = ()
    state_key = ("facility__facility_code", "contact_type__code", "contact_value")
    state_derived = ("value_index",)

    contact_id = models.BigAutoField(primary_key=True)
    facility = models.ForeignKey(Facility, on_delete=models.CASCADE, related_name="contacts", db_index=False)
    contact_type = models.ForeignKey(ContactType, on_delete=models.PROTECT, related_name="+")
    contact_value = EncryptedTextField()
    value_index = models.CharField(max_length=64, editable=False, db_index=True)
    is_primary = models.BooleanField(default=False)

    class Meta:
        db_table = "facility_contacts"
        constraints = [
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
        """Save with the blind index of the value as it is now; an unreadable value keeps its index."""
        if getattr(self.contact_value, "is_readable", True):
            self.value_index = self.index_of(self.contact_value)
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
        return "sealed position" if self.sealed_position else f"{self.latitude}, {self.longitude}"


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
