"""What a person decides about duplicates: merge, tell apart, split; nothing is lost, and all of it can be taken back."""

import random
from decimal import Decimal
from itertools import permutations

import pytest
from django.contrib.auth import get_user_model

from core.models import AuditEntry
from core.state import state_hash
from etl.decisions import MergeOrder, merge, separate, split
from etl.errors import DecisionError, UnknownFacilityError, UnknownRunError
from etl.models import DuplicatePair, FieldChoice, ImportRun, SourceRecord
from etl.sources import SOURCES
from etl.stages.identity import natural_key
from etl.stages.records import RawRecord
from etl.undo import undo_import
from facilities.models import ContactType, Facility, FacilityContact, FacilityCoordinate, Pin, RetiredCode, new_code
from facilities.pins import pin
from geography.models import County
from tests.world import provider, registry, run_import, write_providers

NUMBERS = (0, 4, 8, 12)  # providers of one county, none like another


def key_of(number):
    """Return the natural key of a provider."""
    raw = RawRecord(source="other_services", file="", pointer="", payload=provider(number), inherited={})
    return natural_key(SOURCES["other_services"].stage(raw))


@pytest.fixture
def admin(db):
    return get_user_model().objects.create_superuser("amina", password="not used here")


@pytest.fixture
def places(db, tmp_path):
    """Return the codes of four unlike facilities of one county: B with a pinned name, C confidential, D entered by hand."""
    write_providers(tmp_path, [provider(n, is_confidential="yes" if n == 8 else "") for n in NUMBERS[:3]])
    run_import(tmp_path, "other_services", allow_shrink=True)
    a, b, c = (Facility.objects.get(source_records__key=key_of(number)) for number in NUMBERS[:3])
    Facility.objects.filter(pk=b.pk).update(
        facility_name="Baraka House", address="Plot 4, Moi Avenue", registration_number="NGO/4"
    )
    pin(b, {"facility_name", "address", "registration_number"}, user=None)
    Facility.objects.filter(pk=c.pk).update(is_confidential=True)
    c.refresh_from_db()
    FacilityCoordinate.objects.create(facility=c, sealed_position="-1.28,36.82", accuracy_level="exact")
    pin(c, {"position"}, user=None)
    d = Facility.objects.create(
        facility_code=new_code(),
        facility_name="Dada Centre",
        county=County.objects.get(county_code="001"),
        town="Nyali",
    )
    FacilityContact.objects.create(
        facility=d, contact_type=ContactType.objects.get(code="phone"), contact_value="+254712999999", is_primary=True
    )
    FacilityCoordinate.objects.create(
        facility=d, latitude=Decimal("-1.30"), longitude=Decimal("36.80"), accuracy_level="approximate"
    )
    return [place.facility_code for place in (a, b, c, d)]


def test_a_registration_number_that_another_facility_took_since_stays_with_that_one(places, admin):
    a, b, _, c = places
    merge(MergeOrder((a, b), keep=a), user=admin)
    survivor = Facility.objects.get(facility_code=a).open_columns()
    survivor.registration_number = None
    survivor.save()
    Facility.objects.filter(facility_code=c).update(registration_number="NGO/4")
    split(b, user=admin)
    assert {code: registry()[code]["registration_number"] for code in (b, c)} == {b: None, c: "NGO/4"}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_merging_in_any_order_then_splitting_any_gives_the_originals_back(places, admin, order):
    before, hash_before = registry(), state_hash()
    first, *others = (places[index] for index in order)
    for other in others:
        merge(MergeOrder((first, other)), user=admin)
    assert len(registry()) == 2
    chance = random.Random(sum(index * 10**place for place, index in enumerate(order)))
    retired = list(RetiredCode.objects.order_by("retired_code").values_list("retired_code", flat=True))
    chance.shuffle(retired)
    for code in retired:
        split(code, user=admin)
        assert registry()[code] == before[code], "what was split off is what it was"
    assert registry() == before
    assert state_hash() == hash_before


@pytest.mark.parametrize("seed", range(8))
def test_any_history_of_merges_and_splits_comes_back_to_the_originals(places, admin, seed):
    before, hash_before = registry(), state_hash()
    chance = random.Random(seed)
    for _ in range(6):
        standing = list(registry())
        retired = list(RetiredCode.objects.order_by("retired_code").values_list("retired_code", flat=True))
        if len(standing) > 1 and (not retired or chance.random() < 0.6):
            merge(MergeOrder(tuple(chance.sample(standing, 2)), keep=""), user=admin)
        else:
            split(chance.choice(retired), user=admin)
    while code := RetiredCode.objects.order_by("retired_code").values_list("retired_code", flat=True).first():
        split(code, user=admin)
    assert registry() == before
    assert state_hash() == hash_before


def test_a_facilitys_own_code_takes_out_all_that_it_absorbed(places, admin):
    before = registry()
    merged = merge(MergeOrder(tuple(places)), user=admin)
    assert sorted(registry()) == [merged.facilities[0]]
    assert sorted(merged.retired) == sorted(set(places) - {merged.facilities[0]})
    undone = split(merged.facilities[0], user=admin)
    assert sorted(undone.restored) == sorted(merged.retired)
    assert registry() == before


def test_the_same_facility_stays_in_whatever_order_they_are_merged(places, admin):
    kept = []
    for order in (places[:3], places[2::-1]):
        kept.append(merge(MergeOrder(tuple(order)), user=admin).facilities[0])
        split(kept[-1], user=admin)
    assert kept[0] == kept[1]


def test_a_merged_facility_unites_contacts_and_keeps_pins_and_the_stricter_class(places, admin):
    a, b, c, _ = places
    merged = merge(MergeOrder((a, b, c), keep=a), user=admin)
    assert merged.records_moved == 2
    golden = registry()[a]
    assert golden["facility_name"] == "Baraka House", "what a person set on one of them holds"
    assert len(golden["contacts"]) == 3
    assert golden["is_confidential"] is True
    assert golden["position"][2], "the position of a confidential place is sealed"
    assert {pin.came_with.retired_code for pin in Pin.objects.filter(facility__facility_code=a)} == {b, c}


def test_retired_codes_keep_resolving_through_later_merges(places, admin):
    a, b, c, d = places
    merge(MergeOrder((b, a), keep=b), user=admin)
    merge(MergeOrder((b, c), keep=c), user=admin)
    merge(MergeOrder((a, d), keep=d), user=admin)  # a is c by now
    assert {Facility.objects.by_code(code).facility_code for code in (a, b, c, d, a.lower())} == {d}
    with pytest.raises(UnknownFacilityError, match="no facility has the code"):
        merge(MergeOrder((a, "GVRC-NONE")), user=admin)
    with pytest.raises(DecisionError, match="one facility"):
        merge(MergeOrder((a, b)), user=admin)


def test_an_import_after_a_merge_writes_nothing_and_makes_no_facility(places, admin, tmp_path):
    a, b, *_ = places
    merge(MergeOrder((a, b), keep=a), user=admin)
    state, entries = state_hash(), AuditEntry.objects.count()
    summary = run_import(tmp_path, "other_services", allow_shrink=True)
    assert summary["totals"]["unchanged"] == 3
    assert (state_hash(), AuditEntry.objects.count()) == (state, entries)


def test_what_a_record_says_after_a_merge_is_kept_through_a_split(places, admin, tmp_path):
    a, b, *_ = places
    merge(MergeOrder((a, b), keep=a), user=admin)
    changed = provider(4, contact="0722 555 444")
    write_providers(tmp_path, [provider(0), changed, provider(8, is_confidential="yes")])
    run_import(tmp_path, "other_services", allow_shrink=True)
    assert ("phone", "+254722555444") in [contact[:2] for contact in registry()[a]["contacts"]]
    split(b, user=admin)
    assert [contact[:2] for contact in registry()[b]["contacts"]] == [("phone", "+254722555444")]
    assert ("phone", "+254722555444") not in [contact[:2] for contact in registry()[a]["contacts"]]


def test_a_choice_of_one_sources_word_holds_and_ends_with_the_split(places, admin):
    a, b, *_ = places
    Pin.objects.filter(facility__facility_code=b).delete()
    with pytest.raises(DecisionError, match="there is no field"):
        merge(MergeOrder((a, b), choices={"colour": b}), user=admin)
    before = registry()
    named = Facility.objects.get(facility_code=b).source_records.get()
    merge(MergeOrder((a, b), keep=a, choices={"name": b}), user=admin)
    assert registry()[a]["facility_name"] not in {before[a]["facility_name"], before[b]["facility_name"]}
    assert registry()[a]["facility_name"].endswith("Counselling Office"), (
        "the word of the record of b, no longer pinned"
    )
    assert FieldChoice.objects.get().source_record == named
    split(b, user=admin)
    assert registry()[a] == before[a]


def test_what_is_pinned_on_the_one_that_stays_gives_way_to_nobody(places, admin):
    a, b, *_ = places
    with pytest.raises(DecisionError, match="take the pin off"):
        merge(MergeOrder((a, b), keep=b, choices={"name": a}), user=admin)
    assert len(registry()) == 4
    assert ImportRun.objects.first().status == ImportRun.Status.FAILED


def test_a_dry_run_leaves_no_row(places, admin):
    before, runs = registry(), ImportRun.objects.count()
    rehearsed = merge(MergeOrder((places[0], places[1])), user=admin, dry_run=True)
    assert rehearsed.run is None
    assert (registry(), ImportRun.objects.count(), RetiredCode.objects.count()) == (before, runs, 0)


def test_a_decision_is_not_undone_as_an_import_is(places, admin):
    merged = merge(MergeOrder((places[0], places[1])), user=admin)
    with pytest.raises(UnknownRunError, match="duplicates split"):
        undo_import(merged.run, user=admin)


def test_undoing_the_import_that_made_a_merged_facility_keeps_what_absorbed_it(places, admin, tmp_path):
    first = ImportRun.objects.order_by("pk").first()
    a, b, *_ = places
    merge(MergeOrder((a, b), keep=a), user=admin)
    undone = undo_import(first.pk, user=admin)
    assert a in undone.kept
    assert SourceRecord.objects.filter(facility__facility_code=a).count() == 2


# twins: what matching asks about


def twins(**fields):
    """Return two records of one name in one county that matching asks about."""
    return [
        provider(0, facility_name="Tumaini Counselling Office", contact="", **fields),
        provider(4, facility_name="Tumaini Counselling Office", contact="", location="Elsewhere"),
    ]


def test_what_a_person_told_apart_is_never_asked_again(admin, tmp_path):
    write_providers(tmp_path, twins())
    assert run_import(tmp_path, "other_services", allow_shrink=True)["duplicates"]["to_review"] == 1
    one, other = Facility.objects.values_list("facility_code", flat=True)
    separate((one, other), user=admin)
    for changed in ({"contact": "0722 100 200"}, {"opening_hours": "Mon-Fri"}):
        write_providers(tmp_path, twins() if not changed else [twins()[0] | changed, twins()[1] | changed])
        summary = run_import(tmp_path, "other_services", allow_shrink=True)
        assert summary["duplicates"]["to_review"] == 0
        assert Facility.objects.count() == 2, "even where the next list gives both one phone"
    pair = DuplicatePair.objects.get()
    assert (pair.decision, pair.decided_by) == (DuplicatePair.Decision.SEPARATE, admin)


def test_a_merge_by_a_person_outlives_records_that_contradict_it(admin, tmp_path):
    write_providers(tmp_path, twins())
    run_import(tmp_path, "other_services", allow_shrink=True)
    codes = tuple(Facility.objects.values_list("facility_code", flat=True))
    merge(MergeOrder(codes), user=admin)
    write_providers(tmp_path, [record | {"opening_hours": "Mon-Fri"} for record in twins()])
    summary = run_import(tmp_path, "other_services", allow_shrink=True)
    assert (Facility.objects.count(), summary["duplicates"]["to_review"]) == (1, 0)


def test_records_that_matching_merged_are_split_for_good(admin, tmp_path):
    alike = [provider(0), provider(0, location="Plot 9")]
    write_providers(tmp_path, alike)
    run_import(tmp_path, "other_services", allow_shrink=True)
    facility = Facility.objects.get()
    founder, other = facility.source_records.order_by("key")
    with pytest.raises(DecisionError, match="name the records to take out"):
        split(facility.facility_code, user=admin)
    with pytest.raises(DecisionError, match="does not stand for"):
        split(facility.facility_code, [other.pk, 999_999], user=admin)
    with pytest.raises(DecisionError, match="would be left"):
        split(facility.facility_code, [founder.pk, other.pk], user=admin)
    decided = split(facility.facility_code, [other.pk], user=admin)
    assert Facility.objects.count() == 2
    assert decided.restored[0] != facility.facility_code
    write_providers(tmp_path, [record | {"opening_hours": "Mon-Fri"} for record in alike])
    run_import(tmp_path, "other_services", allow_shrink=True)
    assert Facility.objects.count() == 2
    assert not DuplicatePair.objects.filter(decision=DuplicatePair.Decision.TO_REVIEW).exists()
    merge(MergeOrder((facility.facility_code, decided.restored[0])), user=admin)
    assert Facility.objects.count() == 1


def test_a_hand_entered_facility_is_found_by_the_next_import(admin, tmp_path):
    entered = Facility.objects.create(
        facility_code=new_code(), facility_name="Amani Amani Counselling Office", county=County.objects.get(county_code="047"),
    )  # fmt: skip
    FacilityContact.objects.create(
        facility=entered, contact_type=ContactType.objects.get(code="phone"), contact_value="+254722100000"
    )
    write_providers(tmp_path, [provider(0)])
    summary = run_import(tmp_path, "other_services", allow_shrink=True)
    assert summary["totals"]["merged"] == 1
    assert Facility.objects.get() == entered
    assert sorted(entered.source_records.values_list("source", flat=True)) == ["entered", "other_services"]


def test_undoing_the_import_that_met_an_entered_facility_leaves_it_whole(admin, tmp_path):
    entered = Facility.objects.create(
        facility_code=new_code(), facility_name="Amani Amani Counselling Office", town="Kilimani",
        county=County.objects.get(county_code="047"),
    )  # fmt: skip
    FacilityContact.objects.create(
        facility=entered, contact_type=ContactType.objects.get(code="phone"), contact_value="+254722100000"
    )
    before = registry()
    write_providers(tmp_path, [provider(0, opening_hours="24 hours")])
    first = run_import(tmp_path, "other_services", allow_shrink=True)
    merged = registry()
    assert merged[entered.facility_code]["opening_hours"] == "24 hours"
    undo_import(first["run"], user=admin)
    assert registry() == before
    run_import(tmp_path, "other_services", allow_shrink=True)
    assert registry() == merged
    record = SourceRecord.objects.get(source="other_services")
    split(entered.facility_code, [record.pk], user=admin)
    assert registry()[entered.facility_code] == before[entered.facility_code]


# what fresh eyes found


def by_code(code):
    return Facility.objects.by_code(code)


def raise_by_hand(code):
    facility = by_code(code)
    facility.is_confidential = True
    facility.save()


def reimport(tmp_path, *records, **options):
    write_providers(tmp_path, list(records))
    return run_import(tmp_path, "other_services", allow_shrink=True, **options)


CONFIDENTIAL = {"is_confidential": "yes"}


@pytest.mark.parametrize("seed", range(8))
def test_a_random_survivor_changes_nothing_in_what_a_split_gives_back(places, admin, seed):
    before = registry()
    chance = random.Random(seed)
    for _ in range(3):
        pair = chance.sample(sorted(registry()), 2)
        merge(MergeOrder(tuple(pair), keep=chance.choice(pair)), user=admin)
    while code := RetiredCode.objects.order_by("?").values_list("retired_code", flat=True).first():
        split(code, user=admin)
    assert registry() == before


def test_what_is_in_service_on_either_side_is_and_a_split_gives_each_its_own(places, admin):
    a, b, *_ = places
    Facility.objects.filter(facility_code=b).update(is_active=False)
    pin(by_code(b), {"is_active"}, user=admin)
    before = registry()
    for keep in (a, b):
        merge(MergeOrder((a, b), keep=keep), user=admin)
        assert registry()[keep]["is_active"] is True
        split(keep, user=admin)
        assert registry() == before


def test_what_was_only_entered_comes_back_whole_even_where_a_pin_was_taken_off(places, admin):
    a, *_, d = places
    merge(MergeOrder((a, d), keep=d), user=admin)
    split(a, user=admin)
    by_code(d).pins.filter(target="town").delete()
    before = registry()
    for keep in (a, d):
        merge(MergeOrder((a, d), keep=keep), user=admin)
        split(keep, user=admin)
        assert registry() == before


def test_a_place_that_a_person_made_confidential_opens_with_no_split(places, admin):
    a, b, c, _ = places
    merge(MergeOrder((a, b), keep=a), user=admin)
    raise_by_hand(a)
    merge(MergeOrder((a, c), keep=c), user=admin)
    split(a, user=admin)
    split(b, user=admin)
    assert {code: registry()[code]["is_confidential"] for code in (a, b, c)} == {a: True, b: True, c: True}
    assert not FacilityCoordinate.objects.filter(facility__is_confidential=True, latitude__isnull=False).exists()


def test_what_its_own_source_said_once_keeps_a_place_confidential_through_a_split(places, admin, tmp_path):
    a, _, c, _ = places
    merge(MergeOrder((a, c), keep=a), user=admin)
    mine = [0, 4, 8]
    number = next(n for n in mine if by_code(a).source_records.filter(home=None).get().key == key_of(n))
    for words in (CONFIDENTIAL, {}):
        reimport(tmp_path, *(provider(n, **(words if n == number else CONFIDENTIAL if n == 8 else {})) for n in mine))
    split(c, user=admin)
    assert registry()[a]["is_confidential"] is True


def test_a_record_that_leaves_a_place_hidden_by_a_person_stays_hidden(admin, tmp_path):
    alike = [provider(0), provider(0, location="Plot 9")]
    reimport(tmp_path, *alike)
    code = Facility.objects.get().facility_code
    raise_by_hand(code)
    reimport(tmp_path, alike[0] | CONFIDENTIAL, alike[1])
    leaving = next(r for r in SourceRecord.objects.all() if not r.good_version.standardised["is_confidential"])
    decided = split(code, [leaving.pk], user=admin)
    assert by_code(decided.restored[0]).is_confidential


def test_records_that_came_with_another_facility_are_not_split_off_by_number(places, admin):
    a, b, c, d = places
    merge(MergeOrder((a, b, c, d), keep=a), user=admin)
    records = {
        r.home.retired_code: r.pk for r in SourceRecord.objects.filter(home__isnull=False).exclude(source="entered")
    }
    with pytest.raises(DecisionError, match="came with"):
        split(a, [records[b], records[c]], user=admin)
    entered = SourceRecord.objects.get(source="entered")
    with pytest.raises(DecisionError, match="a person entered"):
        split(a, [entered.pk], user=admin)


def test_what_a_person_edits_after_a_merge_is_the_survivors(places, admin):
    a, b, *_ = places
    merge(MergeOrder((a, b), keep=a), user=admin)
    Facility.objects.filter(facility_code=a).update(facility_name="Amani House")
    pin(by_code(a), {"facility_name"}, user=admin)
    split(b, user=admin)
    assert (registry()[a]["facility_name"], registry()[b]["facility_name"]) == ("Amani House", "Baraka House")


def test_a_merge_of_what_contradicts_itself_is_not_asked_again(admin, tmp_path):
    west, coast = provider(0, location="Plot 1"), provider(1, contact="0722 777 111")
    reimport(tmp_path, west, provider(0, location="Plot 2"), coast)
    codes = tuple(Facility.objects.values_list("facility_code", flat=True))
    assert len(codes) == 2
    merge(MergeOrder(codes), user=admin)
    changed = (record | {"opening_hours": "24 hours"} for record in (west, provider(0, location="Plot 2"), coast))
    summary = reimport(tmp_path, *changed)
    assert summary["duplicates"]["to_review"] == 0
    assert not DuplicatePair.objects.filter(decision=DuplicatePair.Decision.TO_REVIEW).exists()


def test_what_was_told_apart_stays_so_through_merges_and_splits_of_others(places, admin):
    a, b, c, _ = places
    separate((b, c), user=admin)
    merge(MergeOrder((a, b), keep=a), user=admin)
    merge(MergeOrder((a, c), keep=a), user=admin)
    split(c, user=admin)
    split(b, user=admin)
    pair = DuplicatePair.objects.get(
        first__facility__facility_code__in=(b, c), second__facility__facility_code__in=(b, c)
    )
    assert (pair.decision, pair.decided_by) == (DuplicatePair.Decision.SEPARATE, admin)


def test_no_is_an_answer_that_can_be_chosen(admin, tmp_path):
    reimport(tmp_path, provider(0, gender_desk="yes"), provider(4, gender_desk="no"))
    a, b = Facility.objects.order_by("-has_gender_desk")
    if a.has_gender_desk is None:
        pytest.skip("this source says nothing of gender desks")
    merge(MergeOrder((a.facility_code, b.facility_code), keep=a.facility_code, choices={"has_gender_desk": b.facility_code}),
          user=admin)  # fmt: skip
    assert by_code(a.facility_code).has_gender_desk is False


def test_a_field_that_a_side_says_nothing_of_cannot_be_chosen_from_it(places, admin):
    a, _, _, d = places
    with pytest.raises(DecisionError, match="says nothing of website"):
        merge(MergeOrder((a, d), choices={"website": a}), user=admin)


def test_what_was_withdrawn_while_it_was_merged_comes_back_out_of_service(places, admin, tmp_path):
    a, b, *_ = places
    kept = by_code(a).source_records.get()
    merge(MergeOrder((a, b), keep=a), user=admin)
    listed = [n for n in (0, 4, 8) if key_of(n) != SourceRecord.objects.exclude(home=None).get().key]
    reimport(tmp_path, *(provider(n, **(CONFIDENTIAL if n == 8 else {})) for n in listed), deactivate_missing=True)
    split(b, user=admin)
    assert (registry()[a]["is_active"], registry()[b]["is_active"]) == (True, False)
    assert kept.facility.facility_code == a


def test_a_contact_that_a_person_took_away_does_not_come_back_with_a_merge(admin, tmp_path):
    reimport(tmp_path, provider(0), provider(4))
    a, b = Facility.objects.order_by("facility_id")
    number = a.contacts.get()
    pin(b, {f"contact:phone:{number.value_index}"}, user=admin)  # taken away there: pinned, and not there
    merge(MergeOrder((a.facility_code, b.facility_code), keep=a.facility_code), user=admin)
    assert number.value_index not in set(a.contacts.values_list("value_index", flat=True))
    split(b.facility_code, user=admin)
    assert [contact.value_index for contact in a.contacts.all()] == [number.value_index]


def test_a_mistyped_code_opens_no_run(places, admin):
    runs = ImportRun.objects.count()
    for decide in (lambda: merge(MergeOrder(("GVRC-NONE", places[0])), user=admin), lambda: split("GVRC-\0", user=admin),
                   lambda: separate((places[0], "x" * 500), user=admin)):  # fmt: skip
        with pytest.raises(UnknownFacilityError):
            decide()
    assert ImportRun.objects.count() == runs


def test_a_copy_that_a_person_enters_of_a_place_that_is_there_is_asked_about(admin, tmp_path):
    reimport(tmp_path, provider(0))
    listed = Facility.objects.get()
    entered = Facility.objects.create(
        facility_code=new_code(), facility_name=listed.facility_name, county=listed.county,
        facility_type=listed.facility_type,
    )  # fmt: skip
    summary = reimport(tmp_path, provider(0))
    pair = DuplicatePair.objects.get()
    assert {pair.first.facility, pair.second.facility} == {listed, entered}
    assert summary["duplicates"]["to_review"] == 1
    assert merge(MergeOrder((entered.facility_code, listed.facility_code)), user=admin).facilities == (
        listed.facility_code,
    )


def test_what_was_split_off_is_kept_by_the_undo_of_its_import_and_takes_its_record_again(admin, tmp_path):
    alike = [provider(0), provider(0, location="Plot 9")]
    first = reimport(tmp_path, *alike)
    facility = Facility.objects.get()
    leaving = facility.source_records.order_by("key").last()
    decided = split(facility.facility_code, [leaving.pk], user=admin)
    undo_import(first["run"], user=admin)
    reimport(tmp_path, *alike)
    assert Facility.objects.count() == 2
    leaving.refresh_from_db()
    assert leaving.facility.facility_code == decided.restored[0]
    assert not SourceRecord.objects.filter(source="entered").exists()
