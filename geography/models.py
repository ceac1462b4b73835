"""Counties, constituencies and wards with their IEBC codes: closed reference data. Imports never create a row here."""

from django.core.exceptions import ValidationError
from django.db import models


class County(models.Model):
    """One of the 47 counties; imports never make one."""

    audit_hides = ()
    state_key = ("county_code",)

    county_id = models.BigAutoField(primary_key=True)
    county_name = models.CharField(max_length=100)
    county_code = models.CharField(max_length=10, unique=True)

    class Meta:
        db_table = "counties"
        ordering = ["county_name"]
        verbose_name_plural = "counties"

    def __str__(self) -> str:
        return self.county_name


class Constituency(models.Model):
    """One of the 290 constituencies, inside its county; imports never make one."""

    audit_hides = ()
    state_key = ("constituency_code",)

    constituency_id = models.BigAutoField(primary_key=True)
    constituency_name = models.CharField(max_length=100)
    constituency_code = models.CharField(max_length=10, unique=True)
    county = models.ForeignKey(County, on_delete=models.PROTECT, related_name="constituencies")

    class Meta:
        db_table = "constituencies"
        ordering = ["constituency_name"]
        verbose_name_plural = "constituencies"
        constraints = [
            models.UniqueConstraint(fields=["county", "constituency_name"], name="constituency_name_once_in_county"),
            # what a facility's composite foreign key points to
            models.UniqueConstraint(fields=["constituency_id", "county"], name="constituency_in_its_county"),
        ]

    def __str__(self) -> str:
        return self.constituency_name


class Ward(models.Model):
    """One of the 1,450 wards, inside its constituency; imports never make one."""

    audit_hides = ()
    state_key = ("ward_code",)

    ward_id = models.BigAutoField(primary_key=True)
    ward_name = models.CharField(max_length=100)
    ward_code = models.CharField(max_length=10, unique=True)
    constituency = models.ForeignKey(Constituency, on_delete=models.PROTECT, related_name="wards")

    class Meta:
        db_table = "wards"
        ordering = ["ward_name"]
        constraints = [
            models.UniqueConstraint(fields=["constituency", "ward_name"], name="ward_name_once_in_constituency"),
            # what a facility's composite foreign key points to
            models.UniqueConstraint(fields=["ward_id", "constituency"], name="ward_in_its_constituency"),
        ]

    def __str__(self) -> str:
        return self.ward_name


class PlaceAlias(models.Model):
    """Another spelling of a place inside its parent; `kind` says how far it can be trusted."""

    class Level(models.TextChoices):
        COUNTY = "county"
        CONSTITUENCY = "constituency"
        WARD = "ward"
        TOWN = "town"

    class Kind(models.TextChoices):
        SPELLING = "spelling"
        FORMER_NAME = "former-name"
        SUB_COUNTY = "sub-county"
        PRE_2012_CONSTITUENCY = "pre-2012-constituency"
        TOWN = "town"

    audit_hides = ()
    state_key = ("level", "alias", "parent_code", "target_code")

    alias_id = models.BigAutoField(primary_key=True)
    level = models.CharField(max_length=20, choices=Level)
    alias = models.CharField(max_length=100)
    parent_code = models.CharField(
        max_length=10, blank=True, help_text="code of the place it lies in; empty for a county"
    )
    target_code = models.CharField(max_length=10, help_text="code of the place it stands for; a county's for a town")
    kind = models.CharField(max_length=30, choices=Kind)
    evidence = models.CharField(max_length=200, blank=True)
    is_shipped = models.BooleanField(default=False, editable=False, help_text="from fixtures/place_aliases.csv")

    class Meta:
        db_table = "place_aliases"
        ordering = ["level", "alias"]
        verbose_name_plural = "place aliases"
        constraints = [
            models.UniqueConstraint(fields=["level", "alias", "parent_code", "target_code"], name="alias_once"),
        ]

    def __str__(self) -> str:
        return f"{self.alias} ({self.level})"

    def clean(self) -> None:
        """Raise ValidationError where the codes name no place, or one elsewhere: the gazetteer could not be read."""
        if self.level not in _PLACES:
            return  # its field complains
        model, parent = _PLACES[self.level]
        place = model._default_manager.filter(**{f"{model.__name__.lower()}_code": self.target_code})  # noqa: SLF001 - documented API
        if not place.exists():
            raise ValidationError({"target_code": f"There is no {model.__name__.lower()} {self.target_code}."})
        if parent and not place.filter(**{parent: self.parent_code}).exists():
            raise ValidationError({"parent_code": f"{self.target_code} does not lie in {self.parent_code or 'that'}."})


# level -> (what the target is, where it says in what it lies)
_PLACES: dict[str, tuple[type[models.Model], str]] = {
    "county": (County, ""),
    "town": (County, ""),
    "constituency": (Constituency, "county__county_code"),
    "ward": (Ward, "constituency__constituency_code"),
}
