"""Doors that an attacker opened once: they stay shut."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, transaction

from core.approvals import ApprovalError, Kind, ask, decide
from core.audit import acting, seal_images
from core.models import Approval, AuditEntry, User
from core.roles import SAFEGUARDING
from etl.decisions import MergeOrder, merge, split
from etl.models import ImportRun, SourceRecord
from facilities.models import ContactType, Facility, FacilityContact, FacilityType
from facilities.pins import pin
from tests.database.test_confidential import REASON, a_shelter, user_form
from tests.site import person, visitor
from tests.world import provider, run_import, write_providers, write_source

pytestmark = pytest.mark.django_db
CONFIDENTIAL = {"confidential": "yes"}


def places(tmp_path: Any, *records: dict[str, Any]) -> list[Facility]:
    write_providers(tmp_path, list(records))
    run_import(tmp_path, "other_services", allow_shrink=True)
    return list(Facility.objects.order_by("pk"))


def words_in_trail(*words: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(string_agg(a::text, ' '), '') FROM audit_trail a")
        trail = cursor.fetchone()[0]
    return [word for word in words if word in trail]


@pytest.mark.parametrize("keeps_open_one", [True, False])
def test_a_split_writes_no_word_of_a_confidential_place_into_the_trail(tmp_path: Any, keeps_open_one: bool) -> None:
    (opened,) = places(tmp_path, provider(0))
    shelter = a_shelter(town="Qxtown")  # no ward is called so
    pin(shelter, {"facility_name", "town", "website", "registration_number"}, user=None)
    codes = opened.facility_code, shelter.facility_code
    keep = codes[0] if keeps_open_one else codes[1]
    merge(MergeOrder(codes, keep=keep), user=person("data_engineer"))
    split(keep, user=person("data_engineer"))
    assert words_in_trail("Tumaini House", "Qxtown", "tumaini.or.ke", "NGO/1", "-1.28310000") == []
    classes = {f.facility_code: f.is_confidential for f in Facility.objects.all()}
    assert classes == {codes[0]: False, codes[1]: True}


def test_a_record_that_leaves_a_confidential_place_stays_confidential(tmp_path: Any) -> None:
    record = provider(0, contact="0722 000 001")
    support = {"name": record["facility_name"], "type": "shelter", "location": {"county": "Nairobi"},
               "contacts": [{"type": "phone", "value": "0722 000 001"}]}  # fmt: skip
    write_source(tmp_path, "gbv_support_organizations", {"organizations": [support]})
    run_import(tmp_path, "gbv_support_organizations")
    (facility, *rest) = places(tmp_path, record)
    if rest:  # asked about, not merged: a person merges them
        merge(MergeOrder((facility.facility_code, rest[0].facility_code)), user=person("data_engineer"))
        split(Facility.objects.get().facility_code, user=person("data_engineer"))
        assert Facility.objects.filter(is_confidential=True).exists()
        return
    leaving = SourceRecord.objects.get(source="other_services").pk
    split(facility.facility_code, [leaving], user=person("data_engineer"))
    assert set(Facility.objects.values_list("is_confidential", flat=True)) == {True}


def test_what_a_source_said_of_a_merged_place_holds_after_the_split(tmp_path: Any) -> None:
    both = places(tmp_path, provider(0), provider(4))
    one, other = sorted(both, key=lambda f: f.facility_name == provider(4)["facility_name"])
    merge(MergeOrder((one.facility_code, other.facility_code), keep=one.facility_code), user=person("data_engineer"))
    for words in (CONFIDENTIAL, {}):
        places(tmp_path, provider(0), provider(4, **words))
    split(other.facility_code, user=person("data_engineer"))
    assert Facility.objects.get(facility_code=other.facility_code).is_confidential


def test_nobody_edits_what_makes_a_place_confidential() -> None:
    shelter = FacilityType.objects.get(code="shelter")
    form = {"type_name": "Shelter", "kind": "health", "aliases": ""}
    visitor("admin").post(f"/admin/facilities/facilitytype/{shelter.pk}/change/", form)
    after = FacilityType.objects.get(code="shelter")
    assert (after.kind, after.aliases) == ("shelter", shelter.aliases)


def test_a_request_falls_when_its_place_becomes_another_one(tmp_path: Any) -> None:
    house, shelter = places(tmp_path, provider(0, **CONFIDENTIAL), provider(4, **CONFIDENTIAL))
    approval = ask(Kind.LOWER_PROTECTION, house, reason="an old empty house", user=person("data_engineer"))
    merge(
        MergeOrder((house.facility_code, shelter.facility_code), keep=house.facility_code), user=person("data_engineer")
    )
    assert Approval.objects.get(pk=approval.pk).state == "refused"
    with pytest.raises(ApprovalError):
        decide(approval, approve=True, user=person(SAFEGUARDING))
    assert Facility.objects.get().is_confidential


def test_a_request_falls_when_its_place_was_changed_since() -> None:
    facility = a_shelter()
    approval = ask(Kind.LOWER_PROTECTION, facility, reason="an old empty house", user=person("data_engineer"))
    facility.refresh_from_db()
    facility.level = "Level 2"
    facility.save()
    with pytest.raises(ApprovalError, match="changed after"):
        decide(approval, approve=True, user=person(SAFEGUARDING))


def test_a_puppet_is_no_second_person() -> None:
    admin = person("admin")
    with acting(admin.pk, "request:1"):
        puppet = User.objects.create_user("puppet", is_staff=True, date_joined=admin.date_joined)
        puppet.groups.add(Group.objects.get(name="admin"))
    approval = ask(Kind.JOIN_SAFEGUARDING, person("viewer"), reason=REASON, user=admin)
    with pytest.raises(ApprovalError, match="gave the other"):
        decide(approval, approve=True, user=puppet)


def test_who_joins_has_an_own_password_no_older_session_and_no_hand_on_users() -> None:
    lead, newcomer, admin = person(SAFEGUARDING), person("viewer"), person("admin")
    approval = ask(Kind.JOIN_SAFEGUARDING, newcomer, reason=REASON, user=admin)
    with acting(admin.pk, "request:1"):
        newcomer.set_password("the admin knows this one")
        newcomer.save()
    with pytest.raises(ApprovalError, match="password"):
        decide(approval, approve=True, user=lead)
    with acting(newcomer.pk, "request:2"):
        newcomer.set_password("nobody else knows this one")
        newcomer.save()
    visitor("viewer")
    assert Session.objects.count() == 1
    decide(approval, approve=True, user=lead)
    assert Session.objects.count() == 0
    boss = ask(Kind.JOIN_SAFEGUARDING, admin, reason=REASON, user=person("superuser"))
    with pytest.raises(ApprovalError, match="nobody does both"):
        decide(boss, approve=True, user=lead)


def test_a_member_leaves_by_a_tick_and_is_logged_out() -> None:
    lead = person(SAFEGUARDING)
    browser = visitor(SAFEGUARDING)
    visitor("admin").post(f"/admin/core/user/{lead.pk}/change/", user_form(lead, leaves_safeguarding="on"))
    assert not lead.groups.exists()
    assert browser.get("/admin/").status_code == 302


def test_a_new_user_has_a_name() -> None:
    assert 'name="username"' in visitor("admin").get("/admin/core/user/add/").content.decode()
    words = {"password1": "a quite long password", "password2": "a quite long password", "usable_password": "true"}
    visitor("admin").post("/admin/core/user/add/", words)
    assert not User.objects.filter(username="").exists()
    visitor("admin").post("/admin/core/user/add/", words | {"username": "njeri"})
    assert User.objects.filter(username="njeri").exists()


@pytest.mark.parametrize(
    "question",
    [
        "etl/sourcerecord/?identifier__startswith=9", "etl/sourcerecord/?key__startswith=id:9",
        "etl/sourcerecord/?name_hash__startswith=a", "core/auditentry/?new_values__email__startswith=a",
        "core/auditentry/?table_name=facility_contacts&new_values__value_index__startswith=a",
        "etl/importrun/?summary__icontains=Tumaini", "etl/sourcerecord/?contact_indexes__contains=abc",
        "etl/duplicatepair/?features__name__gt=0.4", "facilities/facility/?facility_name__startswith=T",
        "etl/sourcerecordversion/?pointer__contains=NAIROBI",
    ],
)  # fmt: skip
def test_an_address_asks_only_what_its_page_offers(question: str) -> None:
    assert visitor("viewer").get(f"/admin/{question}").status_code in (302, 400)


def test_the_filters_that_a_page_offers_answer(imported: dict[str, Any]) -> None:
    browser = visitor("viewer")
    county = Facility.objects.first().county_id
    for address in (
        f"facilities/facility/?county={county}&is_active__exact=1&facility_type__code__exact=hospital&service=legal-aid",
        "etl/sourcerecord/?source=regional&outcome=created&missing_since__isempty=0",
        "etl/sourcerecordversion/?state__exact=rejected&rule=not-a-station", "etl/importrun/?status__exact=succeeded",
        "etl/importrun/?started_at__year=2026", f"etl/duplicatepair/?first__facility__county__county_id__exact={county}",
        f"geography/constituency/?county__county_id__exact={county}", "core/auditentry/?operation__exact=INSERT",
    ):  # fmt: skip
        assert browser.get(f"/admin/{address}").status_code == 200, address


def test_headings_and_names_of_confidential_places_stay_out_of_the_ledger(tmp_path: Any) -> None:
    station = {"station_name": "Amani Rescue Centre", "type": "Rescue centre", "confidential": "yes", "contacts": []}
    document = {"police_stations": {"COAST": {"KWALE": {"Qxheading": [station]}}}}
    write_source(tmp_path, "kps_stations", document)
    run_import(tmp_path, "kps_stations")
    assert SourceRecord.objects.get().latest_version.pointer == "/police_stations/*/*/*/0"
    one, other = [f for f in places(tmp_path, provider(0), provider(4)) if not f.is_confidential]
    merge(MergeOrder((one.facility_code, other.facility_code)), user=person("data_engineer"))
    assert one.facility_name not in str(list(ImportRun.objects.values_list("summary", flat=True)))


def test_no_editor_takes_a_contact_of_a_confidential_place_away() -> None:
    facility = a_shelter()
    contact = facility.contacts.get()
    form = {"facility_type": "", "is_active": "on", "has_gender_desk": "unknown",
            **{f"{prefix}-{name}_FORMS": 0 for prefix in ("contacts", "services", "coordinate", "source_records", "pins")
               for name in ("TOTAL", "INITIAL")},
            "contacts-TOTAL_FORMS": 1, "contacts-INITIAL_FORMS": 1, "contacts-0-DELETE": "on",
            "contacts-0-contact_id": contact.pk, "contacts-0-facility": facility.pk}  # fmt: skip
    visitor("data_engineer").post(f"/admin/facilities/facility/{facility.pk}/change/", form)
    assert FacilityContact.objects.filter(pk=contact.pk).exists()


def test_an_image_can_be_sealed_and_nothing_else(tmp_path: Any) -> None:
    places(tmp_path, provider(0))
    entry = AuditEntry.objects.filter(table_name="facilities", operation="INSERT").first()
    token = "gAAAA" + "A" * 80
    for forged in ({"facility_name": "Forged"}, {"sealed_details": token}, {"facility_name": "x", "sealed_details": token},
                   {"level": "Level 6", "sealed_details": token}):  # fmt: skip
        with pytest.raises(DatabaseError), transaction.atomic():
            seal_images([{"audit_id": entry.pk, "old_values": None, "new_values": entry.new_values | forged}])


def test_the_words_for_what_cannot_be_read_are_no_reason() -> None:
    facility = a_shelter()
    data = {"do": "reveal", "what": "address", "reason": "cannot be read"}
    answer = visitor(SAFEGUARDING).post(f"/admin/facilities/facility/{facility.pk}/protected/", data)
    assert answer.status_code == 400
    assert ContactType.objects.exists()
