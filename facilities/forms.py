"""The forms of a facility's page: what is sealed keeps its token unless a person changed it."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from facilities.models import FacilityContact, FacilityCoordinate
from facilities.typed_values import check_position, check_website


class SealedForm(forms.ModelForm):  # type: ignore[type-arg] # stubs make it generic, Django does not
    """A form that leaves a sealed value as it was read unless a person changed it: it keeps its token, readable or not."""

    sealed_fields: tuple[str, ...] = ()

    def clean(self) -> dict[str, Any]:
        """Return the form's values, those that were not changed as the instance holds them."""
        values = super().clean() or self.cleaned_data
        for name in self.sealed_fields:
            if self.instance.pk and name in values and name not in self.changed_data:
                values[name] = self.initial[name]
        return values


class FacilityForm(SealedForm):
    """A facility; a page that was opened before the facility changed is not saved over the change."""

    sealed_fields = ("address",)
    seen_at = forms.CharField(required=False, widget=forms.HiddenInput, label="")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_at"] = self._changed_at()

    def _changed_at(self) -> str:
        return self.instance.updated_at.isoformat() if self.instance.pk else ""

    @property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name != "seen_at"]

    def clean_website(self) -> str:
        """Return the web address; one that an import wrote, and nobody changed, as it stands."""
        website = str(self.cleaned_data["website"])
        if "website" in self.changed_data:
            check_website(website)
        return website

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if values.get("seen_at") and values["seen_at"] != self._changed_at():
            by = self.instance.updated_by or "somebody"
            raise forms.ValidationError(
                f"{by} changed this facility after you opened the page. Open it again, then make your change."
            )
        return values


class ContactForm(SealedForm):
    """A contact; a value that cannot be read is shown as such and kept."""

    sealed_fields = ("contact_value",)
    contact_value = forms.CharField(
        max_length=255, widget=UnfoldAdminTextInputWidget(attrs={"style": "min-width: 13rem"})
    )

    class Meta:
        model = FacilityContact
        fields = ["contact_type", "contact_value", "is_primary"]


class ContactFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg] # stubs make it generic, Django does not
    """A facility's contacts: each once, and one primary of a type."""

    def clean(self) -> None:
        """Raise ValidationError where the database would refuse the rows."""
        super().clean()
        if self.instance.is_confidential:
            return  # its contacts are not in the form
        kept = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        values = [(row.get("contact_type"), row.get("contact_value")) for row in kept]
        primary = [row.get("contact_type") for row in kept if row.get("is_primary")]
        if len(values) != len(set(values)):
            raise forms.ValidationError("A contact is listed twice.")
        if len(primary) != len(set(primary)):
            raise forms.ValidationError("Only one contact of each type can be the primary one.")


class CoordinateForm(forms.ModelForm):  # type: ignore[type-arg] # stubs make it generic, Django does not
    """A position; a browser always sends some accuracy, so that alone is no position."""

    class Meta:
        model = FacilityCoordinate
        fields = ["latitude", "longitude", "accuracy_level"]

    def has_changed(self) -> bool:
        return bool({"latitude", "longitude"} & set(self.changed_data)) or bool(self.instance.pk and self.changed_data)

    def clean(self) -> dict[str, Any]:
        """Return the form's values; raises ValidationError for half a position, or one off the map."""
        values = super().clean() or self.cleaned_data
        latitude, longitude = values.get("latitude"), values.get("longitude")
        if not self.errors and (latitude is None or longitude is None):
            raise forms.ValidationError("A position needs both latitude and longitude; to take it away, delete it.")
        if latitude is not None and longitude is not None and {"latitude", "longitude"} & set(self.changed_data):
            check_position(latitude, longitude)
        return values
