"""Confidential places: sealed by whoever makes them so, revealed one value at a time, lowered by two people only."""

import json
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from core.approvals import ApprovalError, Kind, ask, decide
from core.models import AccessLog, Approval, AuditEntry, User
from core.roles import OF_CONFIDENTIAL, ROLES, SAFEGUARDING, Action, FieldClass, class_of, may
from etl.models import SourceRecordVersion
from etl.review import PROTECTED
from facilities.models import (
    ContactType,
    Facility,
    FacilityContact,
    FacilityCoordinate,
    FacilityType,
    Pin,
    ServiceCategory,
)
from facilities.protection import STAND_INS, Details
from facilities.reveal import LABELS, MOST_REVEALED
from geography.models import County, Ward
from tests.database.test_canaries import change_in_browser
from tests.site import person, visitor
from tests.world import provider, registry, run_import, write_providers

pytestmark = pytest.mark.django_db
REASON = "a survivor is brought there tonight"


def a_shelter(**values: Any) -> Facility:
    ward = Ward.objects.select_related("constituency__county").get(ward_code="1366")
    place = {"county": ward.constituency.county, "constituency": ward.constituency, "ward": ward}
    facility = Facility.objects.create(
        **{
            "facility_code": "GVRC-TEST-1", "facility_name": "Tumaini House", "town": "Kawangware", "website": "tumaini.or.ke",
            "registration_number": "NGO/1", "address": "Plot 7, Naivasha Road", "is_confidential": True, **place,
        }
        | values
    )  # fmt: skip
    FacilityContact.objects.create(
        facility=facility, contact_type=ContactType.objects.get(code="phone"), contact_value="+254722000913"
    )
    FacilityCoordinate.objects.create(
        facility=facility, latitude=Decimal("-1.2831"), longitude=Decimal("36.7411"), accuracy_level="exact"
    )
    return facility


def page_of(facility: Facility) -> str:
    return f"/admin/facilities/facility/{facility.pk}/protected/"


# what the rows hold


def test_whoever_saves_a_confidential_place_saves_it_sealed() -> None:
    a_shelter()
    facility = Facility.objects.get()
    assert (str(facility), facility.registration_number, facility.ward, facility.town) == (
        "a confidential place",
        None,
        None,
        "",
    )
    assert facility.details.facility_name == "Tumaini House"
    assert facility.coordinate.latitude is None
    assert facility.coordinate.degrees == (Decimal("-1.2831"), Decimal("36.7411"))


def test_a_save_that_changes_nothing_keeps_the_token_of_what_is_sealed() -> None:
    a_shelter()
    before = Facility.objects.get().sealed_details.token
    last = AuditEntry.objects.first().pk
    Facility.objects.get().save()
    facility = Facility.objects.get().open_columns()
    facility.save()
    assert Facility.objects.get().sealed_details.token == before
    assert AuditEntry.objects.first().pk == last


def test_a_save_of_an_open_place_asks_for_its_position_and_nothing_else(django_assert_num_queries: Any) -> None:
    a_shelter(is_confidential=False)
    facility = Facility.objects.get()
    with django_assert_num_queries(2):  # whether a position lies sealed, and the row
        facility.save()


def test_what_is_sealed_and_cannot_be_read_is_kept(settings: Any) -> None:
    a_shelter()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE facilities SET sealed_details = 'gAAAA-nothing-opens-this'")
    facility = Facility.objects.get()
    facility.level = "Level 2"
    facility.save()
    assert facility.details is None
    assert Facility.objects.get().sealed_details.token == "gAAAA-nothing-opens-this"
    facility = Facility.objects.get()
    facility.facility_name = "Another name"
    with pytest.raises(ValueError, match="cannot be read"):
        facility.save()


def test_a_shelter_that_a_person_enters_is_confidential_from_the_start() -> None:
    form = {"facility_name": "Baraka Refuge", "county": County.objects.get(county_code="047").pk, "is_active": "on",
            "facility_type": FacilityType.objects.get(code="shelter").code, "has_gender_desk": "unknown",
            **{f"{prefix}-{name}_FORMS": 0 for prefix in ("contacts", "services", "coordinate", "source_records", "pins")
               for name in ("TOTAL", "INITIAL")}}  # fmt: skip
    answer = visitor("data_engineer").post("/admin/facilities/facility/add/", form, follow=True)
    assert Facility.objects.get().details.facility_name == "Baraka Refuge"
    assert "Baraka Refuge" not in answer.content.decode()


@pytest.mark.parametrize("first", ["open", "confidential", "both"])
def test_a_registration_number_that_a_confidential_place_has_too_is_no_clash(first: str, tmp_path: Any) -> None:
    places = {
        "open": provider(0, registration_number="NGO/77"),
        "confidential": provider(1, registration_number="NGO/77", confidential="yes"),
    }
    for records in ([places[first]], list(places.values())) if first in places else (list(places.values()),):
        write_providers(tmp_path, records)
        run_import(tmp_path, "other_services")
    assert {f.is_confidential: f.details.registration_number for f in Facility.objects.all()} == {
        False: "NGO/77",
        True: "NGO/77",
    }
    assert not SourceRecordVersion.objects.filter(findings__contains=[{"rule": "registration-number-clash"}]).exists()


def test_whoever_gives_shelter_is_confidential_whatever_it_is_called() -> None:
    form = {"facility_name": "Baraka Trust", "county": County.objects.get(county_code="047").pk, "is_active": "on",
            "facility_type": "support-organisation", "has_gender_desk": "unknown",
            **{f"{prefix}-{name}_FORMS": 0 for prefix in ("contacts", "services", "coordinate", "source_records", "pins")
               for name in ("TOTAL", "INITIAL")}}  # fmt: skip
    form |= {
        "services-TOTAL_FORMS": 1,
        "services-0-service_category": ServiceCategory.objects.get(code="shelter").pk,
        "services-0-is_active": "on",
    }
    visitor("data_engineer").post("/admin/facilities/facility/add/", form, follow=True)
    assert Facility.objects.get().is_confidential


def test_an_import_takes_no_words_of_a_place_that_a_person_hid(tmp_path: Any) -> None:
    record = provider(0, location="Kilimany Wrd, Nairobi")
    write_providers(tmp_path, [record])
    run_import(tmp_path, "other_services")
    facility = Facility.objects.get()
    facility.is_confidential = True
    facility.save()
    write_providers(tmp_path, [record | {"service_type": "Fortune telling", "contact": "0722 12"}])
    run_import(tmp_path, "other_services")
    findings = [finding for version in SourceRecordVersion.objects.all() for finding in version.findings]
    assert len(findings) >= 2
    assert not [f for f in findings if "Fortune" in str(f) or "0722" in str(f) or "Kilimany" in str(f)]


# reveal


def test_a_reveal_shows_one_value_and_is_written_down_with_its_reason() -> None:
    facility, lead = a_shelter(), visitor(SAFEGUARDING)
    shown = lead.post(page_of(facility), {"do": "reveal", "what": "address", "reason": REASON}).content.decode()
    assert "Plot 7, Naivasha Road" in shown
    assert "Tumaini House" not in shown
    (entry,) = AccessLog.objects.filter(action="reveal")
    assert (entry.user.username, entry.resource, entry.result, entry.ip) == (
        f"a-{SAFEGUARDING}", "facility:GVRC-TEST-1 address", "allowed", "127.0.0.1",
    )  # fmt: skip
    assert entry.reason == REASON


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("facility_name", "Tumaini House"), ("ward_code", "Kitisuru"), ("position", "-1.2831"), ("town", "Kawangware"),
        ("website", "tumaini.or.ke"), ("registration_number", "NGO/1"),
    ],
)  # fmt: skip
def test_every_protected_value_can_be_revealed(what: str, value: str) -> None:
    facility = a_shelter()
    answer = visitor(SAFEGUARDING).post(page_of(facility), {"do": "reveal", "what": what, "reason": REASON})
    assert value in answer.content.decode()


def test_a_contact_is_revealed_by_its_number() -> None:
    facility = a_shelter()
    what = f"contact:{facility.contacts.get().pk}"
    answer = visitor(SAFEGUARDING).post(page_of(facility), {"do": "reveal", "what": what, "reason": REASON})
    assert "+254722000913" in answer.content.decode()


@pytest.mark.parametrize("reason", ["", "because", "          "])
def test_a_reveal_needs_a_reason(reason: str) -> None:
    facility = a_shelter()
    answer = visitor(SAFEGUARDING).post(page_of(facility), {"do": "reveal", "what": "address", "reason": reason})
    assert answer.status_code == 400
    assert "Naivasha Road" not in answer.content.decode()


@pytest.mark.parametrize("role", ["viewer", "data_analyst", "data_engineer", "admin", "superuser"])
def test_no_other_role_reveals_and_the_attempt_is_written_down(role: str) -> None:
    facility = a_shelter()
    data = {"do": "reveal", "what": "address", "reason": REASON}
    answer = visitor(role).post(page_of(facility), data)
    assert answer.status_code == 403
    assert "Naivasha Road" not in answer.content.decode()
    assert AccessLog.objects.filter(action="reveal", result="denied", user=person(role)).exists()


def test_reveals_are_limited_within_an_hour() -> None:
    facility, lead = a_shelter(), visitor(SAFEGUARDING)
    data = {"do": "reveal", "what": "address", "reason": REASON}
    statuses = [lead.post(page_of(facility), data).status_code for _ in range(MOST_REVEALED + 2)]
    assert statuses == [200] * MOST_REVEALED + [429, 429]
    assert AccessLog.objects.filter(result="limited").count() == 2


def test_a_value_cannot_be_revealed_by_address_or_by_get() -> None:
    facility, lead = a_shelter(), visitor(SAFEGUARDING)
    answer = lead.get(page_of(facility), {"do": "reveal", "what": "address", "reason": REASON})
    assert "Naivasha Road" not in answer.content.decode()


def test_nothing_grants_reveal_but_the_group() -> None:
    superuser = person("superuser")
    superuser.user_permissions.add(Permission.objects.get(codename="reveal"))
    Group.objects.get(name="viewer").permissions.add(Permission.objects.get(codename="reveal"))
    assert may(superuser, Action.WRITE)
    assert not may(User.objects.get(pk=superuser.pk), Action.REVEAL)
    assert not may(person("viewer"), Action.REVEAL)
    assert may(person(SAFEGUARDING), Action.REVEAL)


def test_the_access_log_takes_no_change_from_the_application() -> None:
    a_shelter()
    visitor("viewer").get(page_of(Facility.objects.get()))
    entry = AccessLog.objects.first()
    for sql in ("UPDATE access_log SET result = 'allowed'", "DELETE FROM access_log", "TRUNCATE access_log"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    assert AccessLog.objects.filter(pk=entry.pk, result="denied").exists()


# set


def test_safeguarding_sets_a_value_that_imports_keep(tmp_path: Any) -> None:
    shelter = provider(0, service_type="Shelter", latitude="-1.2921", longitude="36.8219")
    write_providers(tmp_path, [shelter])
    run_import(tmp_path, "other_services")
    facility, lead = Facility.objects.get(), visitor(SAFEGUARDING)
    new = {"facility_name": "Neema House", "address": "Plot 9", "position": "-1.3, 36.9", "town": ""}
    for what, value in new.items():
        assert lead.post(page_of(facility), {"do": "set", "what": what, "value": value}).status_code == 200
    phone = ContactType.objects.get(code="phone").pk
    lead.post(page_of(facility), {"do": "set", "what": f"new:{phone}", "value": "0733 000 123"})
    write_providers(tmp_path, [shelter | {"contact": "0722 555 000"}])
    run_import(tmp_path, "other_services")
    (state,) = registry().values()
    assert (state["facility_name"], state["address"]) == ("Neema House", "Plot 9")
    assert [Decimal(part) for part in state["position"][2].split(",")] == [Decimal("-1.3"), Decimal("36.9")]
    assert ("phone", "+254733000123", False) in state["contacts"]
    assert AccessLog.objects.filter(action="edit").count() == 5


@pytest.mark.parametrize(
    ("what", "value"),
    [("position", "here"), ("position", "95, 36"), ("ward_code", "0001"), ("nonsense", "x"), ("facility_name", ""),
     ("town", "x" * 101), ("new:1", "no number"), ("new:999", "0722000111"), ("contact:0", "0722000111"), ("", "")],
)  # fmt: skip
def test_what_cannot_be_set_changes_nothing(what: str, value: str) -> None:
    facility = a_shelter()
    before = registry()
    assert visitor(SAFEGUARDING).post(page_of(facility), {"do": "set", "what": what, "value": value}).status_code == 400
    assert registry() == before


def test_a_contact_is_replaced_and_taken_away() -> None:
    facility, lead = a_shelter(), visitor(SAFEGUARDING)
    data = {"do": "set", "what": f"contact:{facility.contacts.get().pk}", "value": "0733 000 123"}
    lead.post(page_of(facility), data)
    assert facility.contacts.get().contact_value == "+254733000123"
    lead.post(page_of(facility), {"do": "set", "what": f"contact:{facility.contacts.get().pk}", "value": ""})
    assert not facility.contacts.exists()


def test_a_confidential_place_with_two_phones_can_be_saved() -> None:
    facility = a_shelter()
    phone = ContactType.objects.get(code="phone")
    FacilityContact.objects.create(facility=facility, contact_type=phone, contact_value="+254722000914")
    change_in_browser(visitor("data_engineer"), facility, level="Level 3")
    assert Facility.objects.get().level == "Level 3"
    assert facility.contacts.count() == 2


def test_nobody_else_sets_a_protected_value() -> None:
    facility = a_shelter()
    before = registry()
    for role in ("data_engineer", "admin", "superuser"):
        data = {"do": "set", "what": "address", "value": "Elsewhere"}
        assert visitor(role).post(page_of(facility), data).status_code == 403
    assert registry() == before


# two people


def test_one_asks_to_lower_and_another_one_approves(tmp_path: Any) -> None:
    facility = a_shelter()
    answer = visitor("data_engineer").post(page_of(facility), {"do": "lower", "reason": "it is a public office now"})
    assert answer.status_code == 200
    approval = Approval.objects.get()
    with pytest.raises(ApprovalError, match="safeguarding"):
        decide(approval, approve=True, user=person("admin"))
    visitor(SAFEGUARDING).post(
        "/admin/core/approval/", {"action": "approve", "_selected_action": [approval.pk]}, follow=True
    )
    facility.refresh_from_db()
    assert (facility.facility_name, facility.is_confidential, facility.ward.ward_code) == (
        "Tumaini House",
        False,
        "1366",
    )
    assert facility.coordinate.latitude == Decimal("-1.2831")
    assert Pin.objects.filter(target="is_confidential").exists()


def test_nobody_approves_the_own_request() -> None:
    a_shelter()
    approval = ask(
        Kind.LOWER_PROTECTION, Facility.objects.get(), reason="it is a public office now", user=person(SAFEGUARDING)
    )
    with pytest.raises(ApprovalError, match="yourself"):
        decide(approval, approve=True, user=person(SAFEGUARDING))
    assert Facility.objects.get().is_confidential


def test_no_form_lowers_a_confidential_place() -> None:
    facility = a_shelter()
    change_in_browser(visitor("superuser"), facility, is_confidential="", level="Level 3")
    assert Facility.objects.get().is_confidential
    assert Facility.objects.get().details.facility_name == "Tumaini House"


def test_an_import_does_not_raise_what_two_people_lowered(tmp_path: Any) -> None:
    shelter = provider(0, service_type="Shelter")
    write_providers(tmp_path, [shelter])
    run_import(tmp_path, "other_services")
    approval = ask(
        Kind.LOWER_PROTECTION, Facility.objects.get(), reason="it is a public office now", user=person("data_engineer")
    )
    decide(approval, approve=True, user=person(SAFEGUARDING))
    write_providers(tmp_path, [shelter | {"contact": "0722 555 000"}])
    assert run_import(tmp_path, "other_services")["totals"]["updated"] == 1
    assert not Facility.objects.get().is_confidential


def test_joining_the_safeguarding_group_takes_two_people() -> None:
    admin, newcomer = person("admin"), person("viewer")
    visitor("admin").post(
        f"/admin/core/user/{newcomer.pk}/change/", user_form(newcomer, groups=[SAFEGUARDING, "viewer"])
    )
    assert not newcomer.groups.filter(name=SAFEGUARDING).exists()
    visitor("admin").post(f"/admin/core/user/{newcomer.pk}/change/", user_form(newcomer, safeguarding_reason=REASON))
    approval = Approval.objects.get()
    for user, why in ((admin, "yourself"), (newcomer, "about yourself"), (person("data_engineer"), "safeguarding")):
        with pytest.raises(ApprovalError, match=why):
            decide(approval, approve=True, user=user)
    second = User.objects.create_user("second-admin", is_staff=True, date_joined=timezone.now() - timedelta(days=1))
    second.groups.add(Group.objects.get(name="admin"))
    decide(approval, approve=True, user=second)
    assert newcomer.groups.filter(name=SAFEGUARDING).exists()


def test_with_a_member_in_place_no_second_admin_lets_another_one_in() -> None:
    person(SAFEGUARDING)
    second = User.objects.create_user("second-admin", is_staff=True, date_joined=timezone.now() - timedelta(days=1))
    second.groups.add(Group.objects.get(name="admin"))
    approval = ask(Kind.JOIN_SAFEGUARDING, person("viewer"), reason=REASON, user=person("admin"))
    with pytest.raises(ApprovalError, match="safeguarding"):
        decide(approval, approve=True, user=second)


def test_a_request_is_about_the_person_and_not_about_a_name() -> None:
    lead, trusted, puppet = person(SAFEGUARDING), person("viewer"), person("data_analyst")
    approval = ask(Kind.JOIN_SAFEGUARDING, trusted, reason=REASON, user=person("admin"))
    User.objects.filter(pk=trusted.pk).update(username="somebody")
    User.objects.filter(pk=puppet.pk).update(username="a-viewer")
    with pytest.raises(ApprovalError, match="called somebody by now"):
        decide(approval, approve=True, user=lead)
    assert not Group.objects.get(name=SAFEGUARDING).user_set.exclude(pk=lead.pk).exists()


def test_no_admin_takes_over_the_account_of_a_member() -> None:
    lead = person(SAFEGUARDING)
    for role in ("admin", "superuser"):
        browser = visitor(role)
        data = {"usable_password": "true", "password1": "a quite long password", "password2": "a quite long password"}
        assert browser.post(f"/admin/core/user/{lead.pk}/password/", data).status_code == 403
        browser.post(f"/admin/core/user/{lead.pk}/change/", user_form(lead, username="mine", email="me@example.or.ke"))
    lead.refresh_from_db()
    assert (lead.username, lead.email) == (f"a-{SAFEGUARDING}", "")


def user_form(user: User, *, groups: list[str] | None = None, **values: str) -> dict[str, Any]:
    names = groups if groups is not None else list(user.groups.values_list("name", flat=True))
    ids = list(Group.objects.filter(name__in=names).values_list("pk", flat=True))
    return {"username": user.username, "is_active": "on", "is_staff": "on", "groups": ids} | values


# declarations


def test_every_column_of_every_table_has_a_protection_class() -> None:
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.concrete_fields:
            assert class_of(f"{model._meta.db_table}.{field.column}") in FieldClass


def test_every_sealed_column_is_personal_or_stricter() -> None:
    from core.crypto import EncryptedTextField  # noqa: PLC0415 - here alone

    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, EncryptedTextField):
                assert class_of(f"{model._meta.db_table}.{field.column}") in {FieldClass.PERSONAL, FieldClass.PROTECTED}


def test_the_groups_hold_what_the_roles_declare() -> None:
    for name, actions in ROLES.items():
        codes = Group.objects.get(name=name).permissions.values_list("codename", flat=True)
        assert set(codes) == set(actions)


def test_what_is_sealed_of_a_confidential_place_is_what_its_class_says() -> None:
    of_facilities = {name.removeprefix("facilities.") for name in OF_CONFIDENTIAL if name.startswith("facilities.")}
    assert of_facilities == {*STAND_INS, "address"}
    assert class_of("facilities.town") is FieldClass.PUBLIC
    assert class_of("facilities.town", is_confidential=True) is FieldClass.PROTECTED


# search and report


def test_a_whole_contact_finds_the_open_places_that_have_it_for_who_may_query(tmp_path: Any) -> None:
    write_providers(tmp_path, [provider(0, contact="0722 000 913")])
    run_import(tmp_path, "other_services")
    a_shelter()
    for role, found in (("data_analyst", 1), ("data_engineer", 1), ("viewer", 0), (SAFEGUARDING, 0)):
        answer = visitor(role).get("/admin/facilities/facility/", {"q": "+254 722-000 913"})
        assert answer.context["cl"].result_count == found, role
    assert AccessLog.objects.filter(action="query").count() >= 2


def test_the_breach_report_says_who_saw_what(capsys: pytest.CaptureFixture[str]) -> None:
    facility = a_shelter()
    visitor(SAFEGUARDING).post(page_of(facility), {"do": "reveal", "what": "address", "reason": REASON})
    visitor("admin").post(page_of(facility), {"do": "reveal", "what": "address", "reason": "curious about it"})
    call_command("breach_report", "--since", "2026-01-01")
    told = capsys.readouterr().out
    assert f'a-{SAFEGUARDING} reveal facility:GVRC-TEST-1 address from 127.0.0.1: "{REASON}"' in told
    assert "1 looks at 1 facilities, 0 exports" in told
    assert "1 refused" in told
    call_command("breach_report", "--user", "a-admin", "--json")
    report = json.loads(capsys.readouterr().out)
    assert (report["looks"], report["refused"][0]["user"]) == ([], "a-admin")
    call_command("breach_report", "--since", "2999-01-01")
    assert "Nobody saw" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [("--since", "yesterday"), ("--user", "nobody"), ("--since", "2026-13-01")])
def test_a_breach_report_that_cannot_be_is_refused_in_one_line(arguments: tuple[str, str]) -> None:
    with pytest.raises(CommandError):
        call_command("breach_report", *arguments)


def test_every_list_of_what_is_protected_names_the_same() -> None:
    details = {field.name for field in fields(Details)}
    assert details | {"address", "position"} == set(LABELS)
    assert {"name", "place", "contacts", "address", "position"} | details - {
        "facility_name", "constituency_code", "ward_code",
    } == set(PROTECTED)  # fmt: skip
