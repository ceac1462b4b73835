"""The review queue on the command line and in the browser's pages, and what matching puts into it."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.urls import reverse

from etl.decisions import MergeOrder, merge
from etl.explain import explain
from etl.models import DuplicatePair, ImportRun, SourceRecord
from facilities.models import Facility, RetiredCode
from tests.world import provider, run_import, write_providers, write_source

TWINS = [
    provider(0, facility_name="Tumaini Counselling Office", contact="", opening_hours="Mon-Fri"),
    provider(4, facility_name="Tumaini Counselling Office", contact="", location="Elsewhere"),
]


def places(*facilities, county="Nandi"):
    return {"regions": [{"region": "X", "counties": [{"county": county, "facilities": list(facilities)}]}]}


def place(name, code, kind="Hospital", **fields):
    location = {"constituency": "", "ward": "", "town": ""} | fields.pop("location", {})
    return {
        "name": name, "mfl_code": code, "registration_number": "N/A", "type": kind, "ownership": "", "status": "Operational",
        "location": location, "contacts": {"phone": "N/A", "email": "N/A"}, "services": ["PRC"],
    } | fields  # fmt: skip


@pytest.fixture
def queue(db, tmp_path):
    """Return the one open pair of two facilities of one name."""
    write_providers(tmp_path, TWINS)
    run_import(tmp_path, "other_services", allow_shrink=True)
    return DuplicatePair.objects.get()


@pytest.fixture
def duplicates(capsys):
    """Return a function that runs the command and returns its exit code, stdout and stderr."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            call_command("duplicates", *map(str, arguments))
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


# what goes into the queue


def test_one_code_in_two_counties_goes_to_review_and_merges_nothing(db, tmp_path):
    two = places(place("Kapsabet Hospital", 7))
    two["regions"][0]["counties"] += places(place("Eldama Hospital", 7), county="Baringo")["regions"][0]["counties"]
    write_source(tmp_path, "regional", two)
    run_import(tmp_path, "regional", allow_shrink=True)
    pair = DuplicatePair.objects.get()
    assert (Facility.objects.count(), pair.decision) == (2, "to_review")
    assert "one national facility code" in pair.reason
    run_import(tmp_path, "regional", allow_shrink=True)
    assert DuplicatePair.objects.count() == 1


def test_one_name_and_private_phone_in_two_counties_goes_to_review(db, tmp_path):
    write_providers(tmp_path, [provider(0), provider(0, county="Mombasa", location="Plot 9"), provider(1)])
    summary = run_import(tmp_path, "other_services", allow_shrink=True)
    assert summary["duplicates"] == {"merged": 0, "to_review": 1}
    assert "two counties" in DuplicatePair.objects.get().reason


def test_a_number_on_many_facilities_asks_nothing(db, tmp_path):
    write_providers(tmp_path, [provider(number, contact="0722 100 100") for number in range(0, 40, 4)])
    assert run_import(tmp_path, "other_services", allow_shrink=True)["duplicates"] == {"merged": 0, "to_review": 0}


def test_a_record_that_moves_county_says_so(db, tmp_path):
    write_source(tmp_path, "regional", places(place("Kapsabet Hospital", 7)))
    run_import(tmp_path, "regional", allow_shrink=True)
    write_source(tmp_path, "regional", places(place("Kapsabet Hospital", 7), county="Baringo"))
    run_import(tmp_path, "regional", allow_shrink=True)
    assert str(Facility.objects.get().county) == "Baringo"
    findings = SourceRecord.objects.get().latest_version.findings
    assert [f["rule"] for f in findings if f["severity"] == "warning"][-1:] == ["county-changed"]


def test_an_upgraded_facility_is_an_update(db, tmp_path):
    location = {"constituency": "Emgwen", "ward": "Kapsabet", "town": "Kapsabet"}
    write_source(tmp_path, "regional", places(place("Kapsabet Dispensary", "", "Dispensary", location=location)))
    run_import(tmp_path, "regional", allow_shrink=True)
    before = Facility.objects.get()
    write_source(tmp_path, "regional", places(place("Kapsabet Health Centre", "", "Health Centre", location=location)))
    summary = run_import(tmp_path, "regional", allow_shrink=True)
    after = Facility.objects.get()
    assert (after.pk, after.facility_code) == (before.pk, before.facility_code)
    assert (after.facility_name, after.facility_type_id) == ("Kapsabet Health Centre", "health-centre")
    assert (summary["totals"]["created"], summary["totals"]["missing"]) == (0, 1)


def test_a_record_that_bridges_two_facilities_goes_to_review_with_both(db, tmp_path):
    write_providers(
        tmp_path, [provider(0, contact="0722 100 001"), provider(0, contact="0722 100 002", location="Plot 9")]
    )
    run_import(tmp_path, "other_services", allow_shrink=True)
    assert Facility.objects.count() == 2
    bridge = provider(0, contact="0722 100 001 / 0722 100 002", location="Plot 10")
    write_providers(
        tmp_path, [provider(0, contact="0722 100 001"), provider(0, contact="0722 100 002", location="Plot 9"), bridge]
    )
    summary = run_import(tmp_path, "other_services", allow_shrink=True)
    assert (summary["totals"]["created"], summary["totals"]["merged"]) == (1, 0)
    assert sum("join what is apart" in reason for reason in DuplicatePair.objects.values_list("reason", flat=True)) == 2


# the command


def test_the_queue_is_listed_shown_and_decided_by_number(queue, duplicates):
    code, out, _ = duplicates("list")
    assert code == 0
    assert f"{queue.pk:>6}  0.50  Tumaini Counselling Office (GVRC-" in out
    listed = json.loads(duplicates("list", "--json")[1])
    assert [(pair["id"], pair["state"], pair["features"]) for pair in listed] == [(queue.pk, "open", queue.features)]
    shown = duplicates("show", queue.pk)[1]
    assert "* opening_hours" in shown
    assert "  name           +0.45 +++++++++" in shown
    rehearsed = duplicates("merge", queue.pk, "--dry-run")
    assert "nothing was written" in rehearsed[1]
    code, out, _ = duplicates("merge", queue.pk, "--json")
    decided = json.loads(out)
    assert (code, decided["action"], decided["records_moved"]) == (0, "merge", 1)
    assert duplicates("list")[1] == "No pair.\n"
    merged = json.loads(duplicates("list", "--state", "merged", "--json")[1])
    assert [pair["decided_by"] for pair in merged] == ["import"]
    assert "came with" in duplicates("show", decided["facilities"][0])[1]
    code, out, _ = duplicates("split", decided["retired"][0])
    assert (code, Facility.objects.count()) == (0, 2)
    assert "told apart for good" in out
    assert [pair["state"] for pair in json.loads(duplicates("list", "--state", "all", "--json")[1])] == ["separate"]


def test_a_pair_is_told_apart_by_number_and_listed_by_county(queue, duplicates):
    assert duplicates("list", "--county", "Nairobi")[1].startswith(f"{queue.pk:>6}")
    assert duplicates("list", "--county", "001")[1] == "No pair.\n"
    code, out, _ = duplicates("separate", queue.pk)
    assert (code, "told apart for good" in out) == (0, True)
    assert DuplicatePair.objects.get().decision == "separate"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["merge"], "name the number of a pair"),
        (["merge", "999999"], "there is no pair 999999"),
        (["merge", "GVRC-NONE", "GVRC-NADA"], "no facility has the code GVRC-NONE"),
        (["split"], "name a pair, or a code"),
        (["split", "GVRC-NONE", "x"], "name a pair, or a code"),
        (["show"], "name the pair or the facility"),
        (["list", "3"], "list takes no names"),
        (["list", "--county", "Atlantis"], "there is no county"),
        (["merge", "99999999999999999999"], "no facility has the code"),
        (["merge", "9999999999999999999"], "there is no pair"),
        (["show", "9" * 5000], "no facility has the code"),
    ],
)
def test_a_wrong_name_ends_with_2_and_one_line(db, duplicates, arguments, message):
    code, out, err = duplicates(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1 or "{" in err


def test_the_disputed_values_of_a_facility_are_shown_with_their_sources(db, duplicates, tmp_path):
    write_providers(
        tmp_path, [provider(0, opening_hours="Mon-Fri"), provider(0, opening_hours="24 hours", location="Plot 2")]
    )
    run_import(tmp_path, "other_services", allow_shrink=True)
    facility = Facility.objects.get()
    shown = duplicates("show", facility.facility_code)[1]
    assert "opening_hours: other_services says" in shown
    assert "(believed)" in shown


def test_explaining_a_facility_tells_what_merged_and_who_decided(queue):
    user = get_user_model().objects.create_user("amina")
    codes = tuple(Facility.objects.values_list("facility_code", flat=True))
    decided = merge(MergeOrder(codes), user=user)
    text = "\n".join(explain(decided.retired[0]))
    assert f"{decided.retired[0]} was retired by a merge" in text
    assert "decided by amina" in text
    assert f"came with {decided.retired[0]}" in text


# the pages


@pytest.fixture
def staff(db):
    """Return a person who may look at pairs, and one who may decide about them."""
    people = {}
    for name, role in (("looks", "viewer"), ("decides", "data_engineer")):
        person = get_user_model().objects.create_user(name, is_staff=True)
        person.groups.add(Group.objects.get(name=role))
        people[name] = person
    return people


def page(pair):
    return reverse("admin:etl_duplicatepair_change", args=[pair.pk])


def seen(pair):
    """Return what the page of a pair sends back to say what it showed."""
    pair = DuplicatePair.objects.get(pk=pair.pk)
    return f"{pair.first.facility.facility_code} {pair.second.facility.facility_code} {pair.decision}"


def test_the_page_shows_both_sides_and_a_merge_with_a_choice_is_one_click(queue, staff, client):
    client.force_login(staff["decides"])
    text = client.get(page(queue)).content.decode()
    assert text.count("Tumaini Counselling Office") >= 2
    assert "Which one stays" in text
    one, other = queue.first.facility.facility_code, queue.second.facility.facility_code
    answer = client.post(page(queue), {"decision": "merge", "keep": other, "seen": seen(queue)}, follow=True)
    assert f"{one} merged into {other}" in answer.content.decode()
    queue.refresh_from_db()
    assert (queue.decision, queue.decided_by) == ("merged", staff["decides"])
    assert ImportRun.objects.first().started_by == staff["decides"]
    assert "A split brings" in client.get(page(queue)).content.decode()
    client.post(page(queue), {"decision": "split", "seen": seen(queue)})
    assert (Facility.objects.count(), RetiredCode.objects.count()) == (2, 0)


def test_who_may_only_look_decides_nothing(queue, staff, client):
    client.force_login(staff["looks"])
    assert "Which one stays" not in client.get(page(queue)).content.decode()
    for decision in ("merge", "separate", "split"):
        assert client.post(page(queue), {"decision": decision}).status_code == 403
    assert Facility.objects.count() == 2
    client.force_login(get_user_model().objects.create_user("nobody", is_staff=True))
    assert client.get(page(queue)).status_code == 403


def test_a_decision_that_cannot_be_is_told_on_the_page(queue, staff, client):
    client.force_login(staff["decides"])
    for data in ({"decision": "split"}, {"decision": "merge", "keep": "GVRC-NONE", "seen": seen(queue)},
                 {"decision": "merge", "keep": "\x00", "seen": seen(queue)}, {"decision": "nonsense"}, {"decision": "merge"},
                 {"decision": "merge", "choose_\x00": "one", "seen": seen(queue)},
                 {"decision": "merge", "seen": "GVRC-1 GVRC-2 to_review"}):  # fmt: skip
        answer = client.post(page(queue), data, follow=True)
        assert answer.status_code == 200
        assert Facility.objects.count() == 2


def test_the_page_and_the_list_hide_what_is_confidential(queue, staff, client):
    facility = queue.first.facility
    facility.is_confidential, facility.town, facility.address = True, "Secret Town", "Hidden Road 5"
    facility.save()
    assert client.get(page(queue)).status_code == 302, "who does not safeguard hears of no pair that tells its name"
    staff["decides"].groups.add(Group.objects.get(name="safeguarding_lead"))
    client.force_login(staff["decides"])
    texts = [client.get(page(queue)).content.decode()]
    texts.append(
        client.get(reverse("admin:etl_duplicatepair_changelist") + "?decision__exact=to_review").content.decode()
    )
    assert "a confidential place" in texts[1]
    assert not any(word in text for text in texts for word in ("Secret Town", "Hidden Road"))


def test_the_queue_opens_with_what_is_open_and_retired_codes_find_the_survivor(queue, client, admin_user):
    client.force_login(admin_user)
    answer = client.get(reverse("admin:etl_duplicatepair_changelist"))
    assert answer.context["cl"].params == {"decision__exact": "to_review"}
    pk_of = dict(Facility.objects.values_list("facility_code", "pk"))
    decided = merge(MergeOrder(tuple(pk_of)), user=admin_user)
    found = client.get(reverse("admin:facilities_facility_changelist"), {"q": decided.retired[0]})
    assert decided.facilities[0] in found.content.decode()
    was = reverse("admin:facilities_facility_change", args=[pk_of[decided.retired[0]]])
    answer = client.get(was)
    assert answer.url == reverse("admin:facilities_facility_change", args=[pk_of[decided.facilities[0]]])
    assert "merged into this facility" in client.get(was, follow=True).content.decode()


def test_a_merge_by_codes_names_the_places_and_warns_of_what_speaks_against_it(queue, duplicates, tmp_path):
    write_providers(tmp_path, [*TWINS, provider(1, facility_name="Mombasa Police Station", service_type="Police")])
    run_import(tmp_path, "other_services", allow_shrink=True)
    one, other = queue.first.facility, Facility.objects.get(county__county_name="Mombasa")
    out = duplicates("merge", one.facility_code, other.facility_code, "--dry-run", "--json")[1]
    told = json.loads(out)
    assert set(told["names"].values()) == {"Tumaini Counselling Office, Nairobi", "Mombasa Police Station, Mombasa"}
    assert len(told["warnings"]) == 1
    assert "warning: " in duplicates("merge", one.facility_code, other.facility_code, "--dry-run")[1]
    get_user_model().objects.create_user("amina")
    assert duplicates("separate", queue.pk, "--by", "nobody")[0] == 2
    assert duplicates("separate", queue.pk, "--by", "amina")[0] == 0
    assert str(DuplicatePair.objects.get(pk=queue.pk).decided_by) == "amina"
    assert "told them apart before" in duplicates("merge", queue.pk, "--dry-run")[1]


def test_no_score_tells_how_far_a_place_lies_from_one_that_a_person_hid(db, tmp_path):
    hidden = provider(0, contact="", latitude="-1.2800", longitude="36.8100")
    write_providers(tmp_path, [hidden])
    run_import(tmp_path, "other_services", allow_shrink=True)
    facility = Facility.objects.get()
    facility.is_confidential = True
    facility.save()
    beside = provider(0, contact="", location="Plot 9", latitude="-1.2900", longitude="36.8100")  # 1.1 km
    write_providers(tmp_path, [hidden, beside])
    run_import(tmp_path, "other_services", allow_shrink=True)
    pair = DuplicatePair.objects.get()
    assert pair.features["distance"] == 0.2, "as of any place within two kilometres"
