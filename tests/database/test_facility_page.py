"""The facility's page: how complete it is, places that lie in places, positions in Kenya, web addresses."""

from typing import Any

import pytest

from facilities.corrections import correct
from facilities.models import Facility, FacilityCoordinate
from geography.models import Constituency, County
from tests.site import person, visitor
from tests.world import provider, run_import, write_providers

pytestmark = pytest.mark.django_db


@pytest.fixture
def facility(db: None, tmp_path: Any) -> Facility:
    write_providers(tmp_path, [provider(0)])
    run_import(tmp_path, "other_services")
    return Facility.objects.get()


def page_of(facility: Facility) -> str:
    return f"/admin/facilities/facility/{facility.pk}/change/"


def errors(facility: Facility, **changes: str) -> str:
    """Return what the page says of a form that was sent with these changes, "" where it took them."""
    browser = visitor("admin")
    context = browser.get(page_of(facility)).context
    form = context["adminform"].form
    fields = {name: form[name].value() for name in form.fields}
    for formset in (inline.formset for inline in context["inline_admin_formsets"]):
        for bound in (formset.management_form, *formset.forms):
            fields |= {bound.add_prefix(name): bound[name].value() for name in bound.fields}
    data = {name: value for name, value in (fields | changes).items() if value is not None and value is not False}
    answer = browser.post(page_of(facility), data)
    return str(answer.context["errors"]) if answer.status_code == 200 else ""


def test_the_page_says_how_complete_a_facility_is_and_what_is_missing(facility: Facility) -> None:
    assert "missing: a constituency, a ward" in visitor("viewer").get(page_of(facility)).content.decode()


def suggested(field: str, **chosen: object) -> set[str]:
    answer = visitor("admin").get(
        "/admin/autocomplete/", {"app_label": "facilities", "model_name": "facility", "field_name": field, **chosen}
    )
    return {row["text"] for row in answer.json()["results"]}


def test_constituencies_and_wards_are_those_of_what_is_chosen_above() -> None:
    mombasa = County.objects.get(county_code="001")
    nyali = Constituency.objects.get(constituency_name="Nyali")
    inside = set(mombasa.constituencies.values_list("constituency_name", flat=True))
    assert suggested("constituency", county=mombasa.pk) == inside
    wards = set(nyali.wards.values_list("ward_name", flat=True))
    assert suggested("ward", county=mombasa.pk, constituency=nyali.pk) == wards
    assert not suggested("ward", county=mombasa.pk + 1, constituency=nyali.pk)
    assert len(suggested("ward", county="x")) > len(wards)


@pytest.mark.parametrize(
    ("latitude", "longitude", "reason"), [("36.8219", "-1.2921", "swapped"), ("51.5", "-0.1", "outside Kenya")]
)
def test_a_typed_position_that_is_swapped_or_abroad_is_refused(
    latitude: str, longitude: str, reason: str, facility: Facility
) -> None:
    typed = {
        "coordinate-0-latitude": latitude,
        "coordinate-0-longitude": longitude,
        "coordinate-0-accuracy_level": "exact",
    }
    assert reason in errors(facility, **typed)
    facility.is_confidential = True
    facility.save()
    with pytest.raises(Exception, match=reason):
        correct(facility, "position", f"{latitude}, {longitude}", user=person("admin"))
    assert not FacilityCoordinate.objects.exists()


@pytest.mark.parametrize("address", ["javascript:alert(1)", "ftp://example.or.ke/", "example", "//example.or.ke"])
def test_a_website_is_a_web_address(address: str, facility: Facility) -> None:
    assert "begins with https" in errors(facility, website=address)
    with pytest.raises(Exception, match="begins with https"):
        correct(facility, "website", address, user=person("admin"))
    assert errors(facility, website="https://example.or.ke/") == ""


def test_a_website_that_an_import_wrote_without_its_scheme_keeps_nobody_from_editing(facility: Facility) -> None:
    Facility.objects.update(website="www.example.or.ke")
    assert errors(facility, town="Nyali") == ""
    assert Facility.objects.get().website == "www.example.or.ke"
