"""Metrics: what they say, that success alone moves the time of success, and that alerts and docs speak of what is written."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from prometheus_client.parser import text_string_to_metric_families

from etl.errors import OutputError
from etl.metrics import METRICS, metrics_text, write_metrics
from etl.models import ImportRun, SourceFile
from etl.sources import SOURCES
from etl.successes import last_success_by_source
from etl.undo import undo_import
from tests.site import person
from tests.world import RAW, run_import, write_providers

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.django_db


def samples() -> dict[tuple[str, ...], float]:
    """Return every sample that is written, by its name and the values of its labels in alphabetical order of the labels."""
    families = text_string_to_metric_families(metrics_text().decode())
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


def labels_written() -> dict[str, set[frozenset[str]]]:
    found: dict[str, set[frozenset[str]]] = {}
    for family in text_string_to_metric_families(metrics_text().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).add(frozenset(sample.labels))
    return found


def test_the_metrics_say_what_the_run_said(imported: dict[str, Any]) -> None:
    found = samples()
    ended = ImportRun.objects.get(pk=imported["run"]).finished_at
    assert ended
    for source, row in imported["sources"].items():
        assert found["gvrc_last_success_timestamp_seconds", source] == pytest.approx(ended.timestamp())
        for outcome in ("created", "merged", "rejected"):
            assert found["gvrc_records", outcome, source] == row[outcome]
        assert found["gvrc_rejects_open", source] == row["rejected"]
    for metric in ("completeness", "uniqueness"):
        assert found["gvrc_quality_percent", metric] == imported["quality"][metric]
    assert found["gvrc_quality_score_percent",] == imported["quality"]["score"]
    assert found["gvrc_run_peak_rss_bytes",] == imported["peak_rss_mb"] * 1e6
    statuses = {key[2]: value for key, value in found.items() if key[:2] == ("gvrc_last_run_status", "import")}
    assert statuses == {"succeeded": 1, "running": 0, "partial": 0, "failed": 0, "interrupted": 0}
    assert ("gvrc_running_since_timestamp_seconds",) not in found


def test_an_empty_registry_has_metrics_and_claims_no_success() -> None:
    found = samples()
    assert found["gvrc_facilities_in_service",] == 0
    names = {key[0] for key in found}
    assert names.isdisjoint({"gvrc_last_success_timestamp_seconds", "gvrc_last_run_status", "gvrc_quality_percent"})


def test_the_newest_proven_backup_is_told_and_an_unfinished_one_is_not(settings: Any, tmp_path: Path) -> None:
    settings.BACKUP_DIR = tmp_path
    name = ("gvrc_backup_last_proven_timestamp_seconds",)
    (tmp_path / "gvrc-admin-20261127T014500Z.backup.partial").touch()
    assert name not in samples()
    (tmp_path / "gvrc-admin-20261126T014500Z.backup").touch()
    assert samples()[name] == datetime(2026, 11, 26, 1, 45, tzinfo=UTC).timestamp()


# success


def change(**values: Any) -> Callable[[ImportRun], None]:
    def act(run: ImportRun) -> None:
        ImportRun.objects.filter(pk=run.pk).update(**values)

    return act


def refuse_regional(run: ImportRun) -> None:
    run.status = "partial"
    run.summary["sources"]["regional"]["error"] = "regional.json is no sound JSON"
    run.save()


def refuse_file(run: ImportRun) -> None:
    change(status="partial")(run)
    SourceFile.objects.filter(run=run, source="regional").update(status="refused")


NO_SUCCESS = {
    "failed": change(status="failed"),
    "interrupted": change(status="interrupted"),
    "running": change(status="running", finished_at=None),
    "a replay": change(kind="replay"),
    "partial for that source": refuse_regional,
    "its file was refused": refuse_file,
}


def later_run(earlier: ImportRun) -> ImportRun:
    """Return a copy of a run, an hour later."""
    assert earlier.finished_at
    run = ImportRun.objects.get(pk=earlier.pk)
    run.pk, run.finished_at = None, earlier.finished_at + timedelta(hours=1)
    run.save()
    SourceFile.objects.bulk_create(
        SourceFile(run=run, source=source, name=f"{source}.json", status="sound") for source in SOURCES
    )
    return run


@pytest.mark.parametrize("how", NO_SUCCESS)
def test_a_run_that_is_no_success_for_a_source_does_not_move_it(how: str, imported: dict[str, Any]) -> None:
    good = ImportRun.objects.get(pk=imported["run"])
    NO_SUCCESS[how](later_run(good))
    assert last_success_by_source()["regional"] == good.finished_at


def test_a_partial_run_is_a_success_for_the_sources_that_it_loaded(imported: dict[str, Any]) -> None:
    good = ImportRun.objects.get(pk=imported["run"])
    refuse_regional(later_run(good))
    assert last_success_by_source()["category_A"] != good.finished_at


def test_a_dry_run_and_an_undone_one_move_nothing(tmp_path: Path) -> None:
    write_providers(tmp_path, [{"facility_name": "Amani Office", "county": "Nairobi", "contact": "0722 000 001"}])
    run_import(tmp_path, "other_services", dry_run=True)
    assert last_success_by_source()["other_services"] is None
    summary = run_import(tmp_path, "other_services")
    assert last_success_by_source()["other_services"] is not None
    undo_import(summary["run"], user=person("data_engineer"))
    assert last_success_by_source()["other_services"] is None
    assert samples()["gvrc_last_run_status", "undo", "succeeded"] == 1


# the file


def test_the_file_is_whole_and_readable_for_others(imported: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "gvrc.prom"
    path.write_text("old")
    path.chmod(0o600)
    write_metrics(path)
    assert path.stat().st_mode & 0o777 == 0o644
    assert "gvrc_healthy" in path.read_text()
    assert [found.name for found in tmp_path.iterdir()] == ["gvrc.prom"]


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="make the folder"):
        write_metrics(tmp_path / "no" / "gvrc.prom")


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gvrc.prom")
    with pytest.raises(OutputError, match="no regular file"):
        write_metrics(tmp_path / "gvrc.prom")
    assert (tmp_path / "gvrc.prom").is_fifo()


def test_the_command_prints_or_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), ("--output", str(tmp_path / "a.prom")), ("--output", str(tmp_path / "b.prom"), "--quiet")):
        with pytest.raises(SystemExit) as ended:
            call_command("write_metrics", *arguments)
        assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "gvrc_metrics_written_timestamp_seconds" in out
    assert out.splitlines()[-1].startswith("Metrics written to")
    assert (tmp_path / "b.prom").exists()


@pytest.mark.parametrize("is_there", [True, False])
def test_a_run_writes_them_when_it_is_committed_and_is_as_good_where_that_fails(
    is_there: bool,
    tmp_path: Path,
    settings: Any,
    django_capture_on_commit_callbacks: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.ETL_TEXTFILE = str(tmp_path / ("gvrc.prom" if is_there else "no/gvrc.prom"))
    with django_capture_on_commit_callbacks(execute=True) as written:
        summary = run_import(RAW, "equity_afya")
    assert summary["status"] == "succeeded"
    assert len(written) == 1
    assert Path(settings.ETL_TEXTFILE).exists() is is_there
    assert ("metrics-unwritten" in caplog.text) is not is_there


def test_a_run_that_fails_writes_them_too(
    tmp_path: Path, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.ETL_TEXTFILE = str(tmp_path / "gvrc.prom")
    with django_capture_on_commit_callbacks(execute=True):
        run_import(tmp_path, "regional")
    assert Path(settings.ETL_TEXTFILE).exists()


# alerts and docs


def expressions() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus-alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_every_metric_of_an_alert_is_written_with_its_labels(imported: dict[str, Any]) -> None:
    change(kind="import", status="running", finished_at=None)(later_run(ImportRun.objects.get(pk=imported["run"])))
    written = labels_written()
    assert written.keys() >= METRICS.keys() - {"gvrc_backup_last_proven_timestamp_seconds"}
    assert {name: {frozenset(METRICS[name].labels)} for name in written} == written
    assert len(expressions()) >= 8
    for rule in expressions().values():
        used = re.findall(r"(gvrc_\w+)(?:\{([^}]*)\})?", rule["expr"])
        assert used, rule
        for name, selector in used:
            assert set(re.findall(r"(\w+)\s*(?:=~|!=|=)", selector)) <= set(METRICS[name].labels), rule
            for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
                assert label in METRICS[name].labels


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus' promtool is not installed")
def test_the_alerts_go_off_when_they_should_and_not_before() -> None:
    asked = ["promtool", "test", "rules", str(ROOT / "tests" / "data" / "prometheus_alerts_test.yml")]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_says_what_to_do_where_the_docs_do() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    anchors = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    for rule in expressions().values():
        page, _, anchor = rule["annotations"]["what_to_do"].partition("#")
        assert (page, anchor in anchors) == ("docs/monitoring.md", True), rule


def test_the_docs_name_every_metric_with_its_labels_and_no_other() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    rows = re.findall(r"^\| `(gvrc_\w+)` \|([^|]*)\|", text, re.MULTILINE)
    assert {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == {
        name: metric.labels for name, metric in METRICS.items()
    }
