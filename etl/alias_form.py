"""The form on a reject's page that says what its place text means, and what that mends."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from core.models import User
from core.roles import Action, may
from etl.models import SourceRecord, SourceRecordVersion
from etl.reference import read_reference
from etl.rejects import RejectFilter, find_waiting_for, replay
from etl.rejects_page import replay_told
from etl.rule_words import OF_PLACES
from etl.shown_records import ShownRecord, staged_of
from etl.stages import clean
from facilities.models import Facility
from geography.models import Constituency, County, PlaceAlias, Ward
from geography.names import location_segments, place_key, stated

_FIELD = Facility._meta.get_field  # noqa: SLF001 - documented API
Kind = PlaceAlias.Kind
KINDS = [Kind.SPELLING, Kind.FORMER_NAME, Kind.SUB_COUNTY, Kind.TOWN]
MOST_NAMED = 5  # facilities in one message


def _place(name: str, model: type[County | Constituency | Ward], label: str) -> Any:
    widget = AutocompleteSelect(_FIELD(name), admin.site)
    places = model._default_manager.all()  # noqa: SLF001 - documented API
    return forms.ModelChoiceField(places, required=False, widget=widget, label=label)


class AliasForm(forms.ModelForm):  # type: ignore[type-arg] # stubs make it generic, Django does not
    """A spelling and the one place that it means; `evidence` says where it was met, unless that is nobody's business."""

    county = _place("county", County, "means the county")
    constituency = _place("constituency", Constituency, "or the constituency")
    ward = _place("ward", Ward, "or the ward")

    class Meta:
        model = PlaceAlias
        fields = ["alias", "kind"]
        labels = {"alias": "This text", "kind": "and is a"}
        widgets = {"alias": UnfoldAdminTextInputWidget, "kind": UnfoldAdminSelectWidget}

    def __init__(self, *args: Any, shown: ShownRecord, evidence: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].choices = [(kind.value, kind.label) for kind in KINDS]  # type: ignore[attr-defined]
        self.initial.setdefault("kind", Kind.SPELLING)
        self.order_fields(["alias", "county", "constituency", "ward", "kind"])
        self.instance.evidence = evidence if shown.is_open else ""
        if not shown.is_open:  # an alias is for everybody to read: a ward would lead to the place, its county does not
            del self.fields["constituency"], self.fields["ward"]
            self.fields["alias"].help_text = (
                "The record is protected: write the spelling of the county as its source has it. Everybody can read aliases:"
                " write nothing else of the place here, no town and no street."
            )

    def clean(self) -> dict[str, Any]:
        """Return the form's values, with the alias's level and codes set; raises ValidationError unless one place is chosen."""
        values = super().clean() or self.cleaned_data
        if not any(letter.isalpha() for letter in place_key(values.get("alias") or "")):
            self.add_error("alias", "Write the text as the source has it; a number is no name.")
        chosen = [values[name] for name in ("county", "constituency", "ward") if values.get(name)]
        if len(chosen) != 1:
            raise forms.ValidationError("Choose one place: the one that the text names.")
        alias, place = self.instance, chosen[0]
        alias.level = PlaceAlias.Level(type(place).__name__.lower())
        alias.target_code, alias.parent_code = _codes(place)
        codes = {name: getattr(alias, name) for name in ("level", "target_code", "parent_code")}
        if PlaceAlias.objects.filter(alias=values.get("alias", ""), **codes).exists():
            self.add_error("alias", f"That it means {place} is known already: replay the reject.")
        return values


def _codes(place: County | Constituency | Ward) -> tuple[str, str]:
    if isinstance(place, Ward):
        return place.ward_code, place.constituency.constituency_code
    if isinstance(place, Constituency):
        return place.constituency_code, place.county.county_code
    return place.county_code, ""


def alias_form(request: HttpRequest, version: SourceRecordVersion, shown: ShownRecord) -> AliasForm | None:
    """Return the form for a reject that an alias can mend, to who may add one and replay; None for any other."""
    is_of_place = any(f["rule"] in OF_PLACES and f["severity"] == "reject" for f in version.findings)
    is_open = version.state == SourceRecordVersion.State.REJECTED
    if not (is_of_place and is_open and may(request.user, Action.TRANSFORM) and may(request.user, Action.WRITE)):
        return None
    data = request.POST if request.method == "POST" else None
    initial = {"alias": _text_of(version) if shown.is_open else ""}
    evidence = f"said of reject {version.source_record_id}"
    return AliasForm(data, initial=initial, prefix="alias", shown=shown, evidence=evidence)


def _text_of(version: SourceRecordVersion) -> str:
    """Return the text that named no county: the county's own, else the last part of the location."""
    staged = staged_of(version)
    if text := stated(clean.to_value(staged.county)):
        return text
    segments = location_segments(staged.location_text)
    return segments[-1][0] if segments else ""


def save_alias(form: AliasForm) -> None:
    """Save a valid form; raises ReferenceDataError where the gazetteer cannot be read with it, and saves nothing then."""
    form.save()
    read_reference()


def replay_waiting(form: AliasForm, version: SourceRecordVersion, *, user: User) -> SafeString:
    """Return what came of a new alias: this reject, and all that waited for the same spelling, are replayed.

    Raises EtlError and KeysDoNotFitError; the alias stands then.
    """
    names_a_county = form.instance.level == PlaceAlias.Level.COUNTY
    waiting = find_waiting_for(form.instance.alias) if names_a_county else []
    numbers = tuple({version.source_record_id, *waiting})
    told = replay_told(replay(RejectFilter(ids=numbers), user=user))
    loaded = SourceRecord.objects.filter(pk__in=numbers, latest_version__state=SourceRecordVersion.State.LOADED)
    facilities = Facility.objects.filter(source_records__in=loaded).distinct().order_by("pk")
    rows = (
        (reverse("admin:facilities_facility_change", args=[f.pk]), f.facility_name) for f in facilities[:MOST_NAMED]
    )
    links = format_html_join(", ", '<a class="underline" href="{}">{}</a>', rows)
    return format_html("The alias stands. {}{}{}", told, " Now there: " if links else "", links)
