"""What a run measures of the registry, against the database and against what is known of the sample files."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from core.models import User
from etl.decisions import MergeOrder, merge
from etl.errors import UnbalancedBooksError
from etl.models import DuplicatePair, ImportRun, QualitySnapshot, SourceRecord
from etl.pipeline import ImportOptions, import_facilities
from etl.quality_reporting import read_report
from etl.rejects import RejectFilter, discard, replay
from etl.stages.drift import OnDrift
from etl.stages.quality import TARGETS, WEIGHTS, metric_of
from etl.statement import reconcile_rows
from etl.undo import undo_import
from facilities.export import Audience, Export, Format, write_export
from facilities.models import Facility
from geography.models import County
from tests.world import MANIFEST, RAW, provider, read_source, run_import, write_providers, write_source

pytestmark = pytest.mark.django_db
REPAIRED = "repair"


@pytest.fixture
def report(imported: dict[str, Any]) -> dict[str, Any]:
    return read_report()


def rows_by_rule(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["rule"]: row for row in report["rules"]}


def test_the_known_defects_stand_in_the_report_under_their_rule(report: dict[str, Any]) -> None:
    rows = rows_by_rule(report)
    rejects = Counter(reject["rule"] for source in MANIFEST["sources"].values() for reject in source["rejects"])
    assert {rule: row["records"] for rule, row in rows.items() if row["severity"] == "reject"} == rejects
    known = {rule: len(places) for rule, places in MANIFEST["repairs"].items() if rule in rows}
    known["registration-number-clash"] = len(MANIFEST["registration_number_clashes"])  # the other of each pair keeps it
    assert known.keys() >= {"coordinates-swapped", "coordinates-zero", "phone-unreadable", "ward-unknown"}
    assert {rule: rows[rule]["records"] for rule in known} == known


def test_the_known_defects_stand_under_their_metric(report: dict[str, Any]) -> None:
    metrics = {rule: row["metric"] for rule, row in rows_by_rule(report).items()}
    assert {
        rule: metrics[rule] for rule in ("county-unknown", "coordinates-zero", "email-unreadable")
    } == dict.fromkeys(("county-unknown", "coordinates-zero", "email-unreadable"), "accuracy")
    assert metrics["ward-unknown"] == metrics["constituency-ambiguous"] == "completeness"
    assert metrics["registration-number-clash"] == "uniqueness"


def test_the_five_metrics_recomputed_by_hand_are_the_reports(report: dict[str, Any]) -> None:
    by_hand = {
        "completeness": """
            SELECT count(*) FILTER (WHERE NOT is_confidential AND facility_name <> '') + count(facility_code)
                 + count(*) FILTER (WHERE NOT is_confidential AND constituency_id IS NOT NULL),
                   2 * count(*) FILTER (WHERE NOT is_confidential) + count(*) FROM facilities WHERE is_active""",
        "accuracy": """
            SELECT count(*) FILTER (WHERE NOT EXISTS (
                     SELECT FROM jsonb_array_elements(v.findings) f
                     WHERE f->>'severity' = 'reject' OR f->>'severity' = 'warning' AND NOT f->>'rule' = ANY(%s))), count(*)
            FROM source_records r JOIN source_record_versions v ON v.version_id = r.latest_version_id
            WHERE r.missing_since_id IS NULL""",
        "consistency": """
            SELECT count(*) FILTER (WHERE NOT v.findings @> '[{"rule": "ward-outside-constituency"}]'
                     AND NOT v.findings @> '[{"rule": "constituency-outside-county"}]'), count(*)
            FROM source_records r JOIN source_record_versions v ON v.version_id = r.latest_version_id
            WHERE r.outcome <> 'rejected'""",
        "timeliness": "SELECT count(DISTINCT source), 7 FROM source_files WHERE is_staged",
        "uniqueness": """
            SELECT count(*) FILTER (WHERE NOT EXISTS (
                     SELECT FROM duplicate_pairs p JOIN source_records r
                       ON r.source_record_id IN (p.first_id, p.second_id)
                     WHERE p.decision = 'to_review' AND r.facility_id = f.facility_id)), count(*) FROM facilities f""",
    }  # fmt: skip
    elsewhere = [rule for rule in rows_by_rule(report) if metric_of(rule) != "accuracy"]
    with connection.cursor() as cursor:
        for name, sql in by_hand.items():
            cursor.execute(sql, [elsewhere] if "%s" in sql else None)
            numerator, denominator = cursor.fetchone()
            metric = report["quality_metrics"][name]
            assert (name, metric["numerator"], metric["denominator"]) == (name, numerator, denominator)
            assert metric["percent"] == pytest.approx(100 * numerator / denominator, abs=0.01)
    percents = {name: metric["percent"] for name, metric in report["quality_metrics"].items()}
    assert report["quality_score"] == pytest.approx(sum(WEIGHTS[n] * p for n, p in percents.items()), abs=0.01)


def test_the_summary_prints_what_the_snapshot_says(imported: dict[str, Any]) -> None:
    snapshot = QualitySnapshot.objects.get(run=imported["run"])
    assert imported["quality"]["score"] == snapshot.score
    assert {name: imported["quality"][name] for name in TARGETS} == {n: snapshot.metrics[n]["percent"] for n in TARGETS}


def test_the_profile_counts_facilities_by_field_and_source(report: dict[str, Any]) -> None:
    profile = report["data_profiling"]
    facilities = Facility.objects.filter(is_active=True)
    assert report["total_records"] == profile["total_records"] == facilities.count()
    contacts = profile["completeness"]["contacts"]
    assert contacts["numerator"] == facilities.filter(contacts__isnull=False).distinct().count()
    wards = profile["completeness"]["ward"]
    is_open = facilities.filter(is_confidential=False)
    assert (wards["numerator"], wards["denominator"]) == (is_open.filter(ward__isnull=False).count(), is_open.count())
    stations = SourceRecord.objects.filter(source="kps_stations", facility__isnull=False).values("facility").distinct()
    assert profile["by_source"]["kps_stations"]["facilities"] == stations.count()
    assert sum(profile["distribution"]["county"].values()) == facilities.count()
    assert profile["schema"]["equity_afya"][0]["records"] == 12


def test_a_second_run_of_the_same_files_measures_the_same(imported: dict[str, Any]) -> None:
    again = run_import(RAW)
    first, second = read_report(imported["run"]), read_report(again["run"])
    assert second["compared_with"] == {"run": imported["run"], "score": first["quality_score"]}
    for part in ("data_profiling", "anomaly_detection", "rules", "quality_score", "recommendations", "schema_drift"):
        assert second[part] == first[part], part
    assert [row["run"] for row in second["trend"]] == [imported["run"], again["run"]]


def test_what_is_switched_off_is_left_out_of_an_unchanged_registry_too(imported: dict[str, Any], settings: Any) -> None:
    settings.ETL_ANOMALY_DETECTION = settings.ETL_DATA_PROFILING = False
    without = read_report(run_import(RAW)["run"])
    assert (without["data_profiling"], without["anomaly_detection"]) == (None, {"by_rule": {}, "found": []})
    settings.ETL_ANOMALY_DETECTION = settings.ETL_DATA_PROFILING = True
    again, first = read_report(run_import(RAW)["run"]), read_report(imported["run"])
    assert again["anomaly_detection"] == first["anomaly_detection"] != {"by_rule": {}, "found": []}
    assert again["data_profiling"]["completeness"] == first["data_profiling"]["completeness"]


def test_a_source_that_only_repeats_what_is_known_stands_in_the_profile(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(n) for n in range(8)])
    run_import(tmp_path, "other_services")
    with (tmp_path / "canonical.json").open("w", encoding="utf-8") as out:
        write_export(Export(Format.JSON, Audience.INTERNAL), out)
    summary = run_import(tmp_path, "canonical")
    assert summary["totals"]["unchanged"] + summary["totals"]["merged"] == 8
    assert read_report()["data_profiling"]["by_source"]["canonical"]["facilities"] == 8


def test_a_count_that_moved_is_told_once(db: None, tmp_path: Path) -> None:
    for many, told in ((80, 0), (120, 4), (120, 0)):  # spread over four counties
        write_providers(tmp_path, [provider(n) for n in range(many)])
        run_import(tmp_path, "other_services")
        assert read_report()["anomaly_detection"]["by_rule"].get("count-off", 0) == told


def test_counts_are_compared_with_a_run_that_stands(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(n) for n in range(80)])
    run_import(tmp_path, "other_services")
    write_providers(tmp_path, [provider(n) for n in range(120)])
    undo_import(run_import(tmp_path, "other_services")["run"], user=User.import_user())
    write_providers(tmp_path, [provider(n) for n in range(81)])
    run_import(tmp_path, "other_services")
    assert "count-off" not in read_report()["anomaly_detection"]["by_rule"]


def test_every_row_is_accounted_for(imported: dict[str, Any]) -> None:
    rows = imported["rows"]
    assert rows["facilities"]["after"] - rows["facilities"]["before"] == imported["totals"]["created"]
    assert rows["wards"] == {"before": 1450, "after": 1450}
    with connection.cursor() as cursor:
        for table, counted in rows.items():
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            assert counted["after"] == cursor.fetchone()[0], table


def test_books_that_do_not_balance_end_the_run(db: None, imported: dict[str, Any]) -> None:
    run = ImportRun.objects.get(pk=imported["run"])
    run.rows_before["source_records"] = 5
    with pytest.raises(UnbalancedBooksError, match="source_records: 5 rows before"):
        reconcile_rows(run)


def test_a_person_who_adds_a_facility_meanwhile_ends_no_run(imported: dict[str, Any]) -> None:
    run = ImportRun.objects.get(pk=imported["run"])
    Facility.objects.create(
        facility_code="GVRC-NEW", facility_name="New Clinic", county=Facility.objects.filter(is_active=True)[0].county
    )
    rows = reconcile_rows(run)
    assert rows["facilities"]["after"] == Facility.objects.count()


def interrupt(folder: Path, *sources: str, at: str) -> None:
    def end(step: str) -> None:
        if step == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_facilities(ImportOptions(data_dir=folder, sources=sources), progress=end)
    assert ImportRun.objects.filter(status=ImportRun.Status.INTERRUPTED).exists()


def test_a_run_goes_on_after_a_person_merged_what_somebody_entered(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(n) for n in range(8)])
    interrupt(tmp_path, "other_services", at="reconcile")
    county = County.objects.all()[0]
    for code in ("GVRC-ONE", "GVRC-TWO"):
        Facility.objects.create(facility_code=code, facility_name=f"{code} Clinic", county=county)
    merge(MergeOrder(("GVRC-ONE", "GVRC-TWO")), user=User.import_user())
    summary = run_import(tmp_path, "other_services", resume=True)
    assert (summary["status"], summary["totals"]["created"]) == ("succeeded", 8)


def test_a_run_goes_on_without_a_source_whose_file_changed(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(n) for n in range(8)])
    write_source(tmp_path, "equity_afya", read_source("equity_afya"))
    interrupt(tmp_path, "other_services", "equity_afya", at="reconcile")
    write_providers(tmp_path, [provider(n) for n in range(9)])
    summary = run_import(tmp_path, "other_services", "equity_afya", resume=True)
    assert summary["status"] == "partial"


def test_a_replay_measures_the_registry_again(imported: dict[str, Any]) -> None:
    summary = replay(RejectFilter(rule="county-unknown"), user=User.import_user())
    assert read_report(summary["run"])["quality_score"] == imported["quality"]["score"]  # nothing was mended


def test_a_run_that_reads_nothing_measures_nothing(db: None, tmp_path: Any) -> None:
    summary = run_import(tmp_path, "regional")
    assert summary["quality"] == dict.fromkeys(("score", *TARGETS))
    assert not QualitySnapshot.objects.exists()


def test_an_empty_list_has_no_percentages(db: None, tmp_path: Any) -> None:
    write_providers(tmp_path, [])
    summary = run_import(tmp_path, "other_services", allow_shrink=True)
    assert summary["quality"] == dict.fromkeys(("score", *TARGETS)) | {"score": 100.0, "timeliness": 100.0}


def test_an_open_question_about_duplicates_lowers_uniqueness_and_is_recommended(report: dict[str, Any]) -> None:
    pairs = DuplicatePair.objects.filter(decision="to_review").count()
    assert report["quality_metrics"]["uniqueness"]["offenders"]["command"] == "manage.py duplicates list"
    assert f"{pairs} possible duplicates wait for a person" in [step["why"] for step in report["recommendations"]]


def test_what_was_discarded_is_not_recommended_any_more(imported: dict[str, Any]) -> None:
    assert any("rejected by not-a-station" in step["why"] for step in read_report()["recommendations"])

    discard(RejectFilter(rule="not-a-station"), user=User.objects.create(username="asha"))
    run_import(RAW)

    report = read_report()
    rejected = [step["why"] for step in report["recommendations"] if "rejected by" in step["why"]]
    assert [why.partition(";")[0] for why in rejected] == [
        "2 records rejected by county-unknown", "1 record rejected by name-missing",
    ]  # fmt: skip
    assert rows_by_rule(report)["not-a-station"]["records"] == 8  # it lowers accuracy as before


def test_a_place_that_turns_confidential_is_taken_out_of_what_was_found(imported: dict[str, Any]) -> None:
    facility = Facility.objects.filter(is_confidential=False)[0]
    code = facility.facility_code
    snapshot = QualitySnapshot.objects.get()
    far = {
        "rule": "position-far-from-county",
        "message": f"{code} lies 303 km from ...",
        "hint": "",
        "facilities": [code],
    }
    both = {
        "rule": "facilities-on-one-point",
        "message": "2 facilities ...",
        "hint": "",
        "facilities": [code, "GVRC-2"],
    }
    snapshot.anomalies = {"by_rule": {}, "found": [far, both], "far": [code]}
    snapshot.save()
    facility.is_confidential = True
    facility.save()
    snapshot.refresh_from_db()
    assert snapshot.anomalies == {"by_rule": {}, "found": [both | {"facilities": ["GVRC-2"]}], "far": []}
    assert code not in str(ImportRun.objects.get(pk=imported["run"]).findings)


# drift


def test_a_member_that_vanishes_is_a_warning_and_is_kept(db: None, tmp_path: Any) -> None:
    write_source(tmp_path, "equity_afya", read_source("equity_afya"))
    run_import(tmp_path, "equity_afya")
    document = read_source("equity_afya")
    for facility in document["facilities"]:
        facility.pop("services")
    write_source(tmp_path, "equity_afya", document)
    summary = run_import(tmp_path, "equity_afya")
    assert summary["status"] == "succeeded"
    (warning,) = [text for text in summary["warnings"] if "shape" in text]
    assert "services is gone: it stood in 100% of the records" in warning
    assert ("path-vanished", "services", True) in [
        (move["kind"], move["path"], move["breaking"]) for move in read_report()["schema_drift"]
    ]


def test_a_member_that_vanishes_is_refused_where_that_is_asked_for(db: None, tmp_path: Any) -> None:
    write_providers(tmp_path, [provider(n) for n in range(8)])
    run_import(tmp_path, "other_services")
    before = Facility.objects.count()
    broken = [{k: v for k, v in provider(n).items() if k != "contact"} for n in range(8)]
    write_providers(tmp_path, broken)
    summary = run_import(tmp_path, "other_services", on_drift=OnDrift.FAIL)
    assert summary["status"] == "failed"
    assert "import it with --on-drift warn" in summary["sources"]["other_services"]["error"]
    assert Facility.objects.count() == before


def test_a_resumed_run_tells_how_a_shape_moved_since_the_run_before(db: None, tmp_path: Path) -> None:
    write_providers(tmp_path, [provider(n) for n in range(8)])
    run_import(tmp_path, "other_services")
    write_providers(tmp_path, [{k: v for k, v in provider(n).items() if k != "contact"} for n in range(8)])
    interrupt(tmp_path, "other_services", at="pass 2")
    run_import(tmp_path, "other_services", resume=True)
    assert [move["kind"] for move in read_report()["schema_drift"]] == ["path-vanished"]


def test_a_source_is_compared_with_its_last_run_and_not_with_its_first(db: None, tmp_path: Any) -> None:
    for count in (10, 30):
        write_providers(tmp_path, [provider(n) for n in range(count)])
        run_import(tmp_path, "other_services")
    write_providers(tmp_path, [provider(n) for n in range(10)])
    summary = run_import(tmp_path, "other_services")
    assert "holds 10 records, 30 in run" in summary["sources"]["other_services"]["error"]


# the command


def run_report(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        call_command("quality_report", *arguments)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_command_prints_text_json_and_one_self_contained_page(
    imported: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    code, text, _ = run_report(capsys=capsys)
    assert code == 0
    assert "LOW accuracy" in text
    code, out, _ = run_report("--format", "json", capsys=capsys)
    found = json.loads(out)
    assert {"timestamp", "run", "total_records", "quality_metrics", "data_profiling", "anomaly_detection",
            "recommendations", "trend"} <= found.keys()  # fmt: skip
    assert {"percent", "numerator", "denominator", "target", "by_field"} <= found["quality_metrics"][
        "completeness"
    ].keys()
    page = tmp_path / "deep" / "quality.html"
    code, out, _ = run_report("--format", "html", "--output", str(page), capsys=capsys)
    html = page.read_text(encoding="utf-8")
    assert (code, out) == (0, "")
    assert "<svg" in html
    assert not any(outside in html for outside in ("http://", "https://", "src=", "<link", "<script", "url("))


def test_an_unknown_run_is_one_clear_line(imported: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_report("--run", "99999", capsys=capsys)[::2] == (2, "there is no run 99999\n")


def test_without_a_run_the_next_step_is_named(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run_report(capsys=capsys)
    assert code == 2
    assert "import first" in err
