"""manage.py import_facilities: exit codes, what goes to stdout and to stderr, files that must not be trusted."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from core.embedded_backend.base import embedded_server
from core.embedded_postgres import url
from etl.models import ImportRun, SourceFile, SourceRecord
from facilities.models import Facility
from tests.world import SOURCE_NAMES, row_counts

Run = Callable[..., tuple[int, str, str]]

KEYS = {"run", "status", "dry_run", "sources", "totals", "rejects_by_rule", "duplicates", "quality", "seconds",
        "records_per_second", "peak_rss_mb"}  # fmt: skip
COUNTS = {"read", "created", "updated", "unchanged", "merged", "rejected", "missing"}


@pytest.fixture
def data_dir(small_data_dir: Path) -> Path:
    return small_data_dir


def spoken(stderr: str) -> list[str]:
    """Return the lines on stderr that are not log lines."""
    return [line for line in stderr.splitlines() if line.strip() and not line.startswith("{")]


def test_a_sound_import_ends_with_0_and_names_the_run_on_the_last_line(run_command: Run, data_dir: Path) -> None:
    code, out, err = run_command("--data-dir", data_dir)
    assert (code, spoken(err)) == (0, [])
    assert re.fullmatch(r"Run \d+ succeeded\. Next: .+", out.strip().splitlines()[-1])


def test_json_is_one_object_with_the_keys_of_the_interface(run_command: Run, data_dir: Path) -> None:
    code, out, _ = run_command("--data-dir", data_dir, "--json")
    summary = json.loads(out)
    assert code == 0
    assert set(summary) >= KEYS
    assert list(summary["sources"]) == list(SOURCE_NAMES)
    assert all(set(row) == COUNTS | {"sha256"} for row in summary["sources"].values())
    assert set(summary["totals"]) == COUNTS
    assert set(summary["duplicates"]) == {"merged", "to_review"}
    assert set(summary["quality"]) == {"score", "completeness", "accuracy", "consistency", "timeliness", "uniqueness"}
    assert summary["run"] == ImportRun.objects.get().pk


def test_after_a_refusal_the_last_line_names_the_sources_to_go_on_with(run_command: Run, data_dir: Path) -> None:
    for path in data_dir.glob("*.json"):
        if path.stem not in {"regional", "category_A"}:
            path.unlink()

    _, dry, _ = run_command("--data-dir", data_dir, "--dry-run")
    assert dry.strip().endswith("Next: mend what was refused, or import the others: regional category_A")

    _, out, _ = run_command("regional", "equity_afya", "--data-dir", data_dir)
    assert re.search(r"partial\. Next: mend what was refused, then .+ import_facilities equity_afya$", out.strip())


def test_a_dry_run_says_so_and_names_no_run(run_command: Run, data_dir: Path) -> None:
    code, out, _ = run_command("--data-dir", data_dir, "--dry-run", "--json")
    summary = json.loads(out)
    assert (code, summary["run"], summary["dry_run"]) == (0, None, True)
    assert not Facility.objects.exists()


def test_quiet_prints_nothing_on_success(run_command: Run, data_dir: Path) -> None:
    code, out, err = run_command("--data-dir", data_dir, "--quiet")
    assert (code, out, spoken(err)) == (0, "", [])


def test_quiet_still_speaks_when_a_source_is_refused(run_command: Run, data_dir: Path) -> None:
    (data_dir / "regional.json").unlink()
    code, out, err = run_command("--data-dir", data_dir, "--quiet")
    assert code == 1
    assert "regional.json" in out + err


# hostile files


def truncated(text: bytes) -> bytes:
    return text[: len(text) - 40]


HOSTILE_FILES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": truncated,
    "NaN": lambda text: text.replace(b'"-1.2467"', b"NaN"),
    "Infinity": lambda text: text.replace(b'"-1.2467"', b"-Infinity"),
    "trailing comma": lambda text: text.rstrip().removesuffix(b"]") + b",]",
    "comment": lambda text: text.rstrip().removesuffix(b"]") + b"/* the end */]",
    "empty": lambda _: b"",
    "white space only": lambda _: b" \n ",
    "a number instead of a list": lambda _: b"12",
    "a text instead of a list": lambda _: b'"other services"',
    "null": lambda _: b"null",
    "raw NUL": lambda text: text.replace(b"Wangu", b"Wan\x00u"),
    "invalid UTF-8": lambda text: text.replace(b"Wangu", b"Wan\xff\xfeu"),
    "UTF-16": lambda text: text.decode("utf-8-sig").encode("utf-16"),
    "a number beyond double": lambda text: text.replace(b'"-1.2467"', b"1e400"),
    "a hundred thousand brackets": lambda _: b"[" * 100_000,
    "nested beyond 64": lambda text: text.rstrip().removesuffix(b"]") + b"," + b"[" * 70 + b"]" * 70 + b"]",
    "rubbish after the end": lambda text: text + b"{}",
    "HTML": lambda _: b"<!doctype html><title>404</title>",
}


@pytest.mark.parametrize("spoil", HOSTILE_FILES.values(), ids=HOSTILE_FILES)
def test_an_unsound_file_is_refused_whole_in_one_line_and_the_others_load(
    run_command: Run, data_dir: Path, spoil: Callable[[bytes], bytes]
) -> None:
    path = data_dir / "other_services.json"
    spoilt = spoil(path.read_bytes())
    assert spoilt != path.read_bytes()
    path.write_bytes(spoilt)
    code, out, err = run_command("other_services", "category_A", "--data-dir", data_dir, "--json")
    summary = json.loads(out)
    error = summary["sources"]["other_services"]["error"]
    assert (code, summary["status"]) == (1, "partial")
    assert error.startswith("other_services.json")
    assert "\n" not in error
    assert "Traceback" not in out + err
    assert not SourceRecord.objects.filter(source="other_services").exists()
    assert SourceRecord.objects.filter(source="category_A").exists()
    assert SourceFile.objects.get(source="other_services").status == "refused"


@pytest.mark.parametrize("name", ["truncated", "NaN", "trailing comma", "empty"])
def test_what_was_wrong_with_a_file_is_said_in_one_line(run_command: Run, data_dir: Path, name: str) -> None:
    path = data_dir / "other_services.json"
    path.write_bytes(HOSTILE_FILES[name](path.read_bytes()))
    code, out, err = run_command("other_services", "--data-dir", data_dir)
    assert code == 1
    assert len([line for line in (out + err).splitlines() if "other_services.json" in line]) == 1


def test_a_file_that_was_sound_before_and_is_not_now_changes_nothing(run_command: Run, data_dir: Path) -> None:
    run_command("--data-dir", data_dir)
    before = row_counts()
    path = data_dir / "regional.json"
    path.write_bytes(truncated(path.read_bytes()))
    code, _, _ = run_command("--data-dir", data_dir)
    after = row_counts()
    assert code == 1
    assert {t for t in after if after[t] != before[t]} == {
        "access_log", "import_runs", "source_files", "quality_snapshots",
    }  # fmt: skip
    assert not SourceRecord.objects.filter(missing_since__isnull=False).exists()


def test_one_unsound_part_refuses_its_whole_source(run_command: Run, data_dir: Path) -> None:
    (data_dir / "other_services").mkdir()
    (data_dir / "other_services.json").rename(data_dir / "other_services" / "1.json")
    (data_dir / "other_services" / "2.json").write_text("[{]")
    code, out, _ = run_command("--data-dir", data_dir, "--json")
    assert (code, json.loads(out)["status"]) == (1, "partial")
    assert not SourceRecord.objects.filter(source="other_services").exists()


def test_a_missing_file_is_an_error_and_the_others_load(run_command: Run, data_dir: Path) -> None:
    (data_dir / "kps_stations.json").unlink()
    code, out, _ = run_command("--data-dir", data_dir, "--json")
    summary = json.loads(out)
    assert (code, summary["status"]) == (1, "partial")
    assert "kps_stations.json" in summary["sources"]["kps_stations"]["error"]
    assert summary["totals"]["read"] > 0


def test_no_file_at_all_is_a_failed_run(run_command: Run, tmp_path: Path) -> None:
    code, out, err = run_command("--data-dir", tmp_path / "nowhere", "--json")
    assert (code, json.loads(out)["status"]) == (1, "failed")
    assert "Traceback" not in err


def test_a_folder_where_a_file_should_be_is_refused(run_command: Run, data_dir: Path) -> None:
    (data_dir / "regional.json").unlink()
    (data_dir / "regional.json").mkdir()
    code, _, err = run_command("--data-dir", data_dir)
    assert code == 1
    assert "Traceback" not in err


def test_an_unsound_file_ends_a_dry_run_with_1_too(run_command: Run, data_dir: Path) -> None:
    (data_dir / "regional.json").write_text("[")
    assert run_command("--data-dir", data_dir, "--dry-run")[0] == 1


# usage


def test_an_unknown_source_is_wrong_usage_and_names_the_known(run_command: Run, data_dir: Path) -> None:
    code, out, err = run_command("regionel", "--data-dir", data_dir)
    assert (code, out) == (2, "")
    assert len(spoken(err)) == 1
    assert "regionel" in err
    assert "regional" in err
    assert not ImportRun.objects.exists()


@pytest.mark.parametrize(
    "arguments", [["--batch-size", "0"], ["--batch-size", "many"], ["--max-rejects", "-1"], ["--max-rejects", "5 %%"],
                  ["--fail-on", "anything"]],
)  # fmt: skip
def test_a_wrong_option_is_refused_before_anything_is_read(db: None, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("import_facilities", *arguments)
    assert not ImportRun.objects.exists()


# gates: data/raw has 11 rejects in 237 records, 4.6 %


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        (["--max-rejects", "5"], 4),
        (["--max-rejects", "10"], 4),
        (["--max-rejects", "11"], 0),
        (["--max-rejects", "0"], 4),
        (["--max-rejects", "4%"], 4),
        (["--max-rejects", "5%"], 0),
        (["--fail-on", "rejects"], 4),
        (["--fail-on", "never"], 0),
    ],
)
def test_a_gate_ends_a_finished_run_with_4(run_command: Run, whole_data_dir: Path, gate: list[str], code: int) -> None:
    assert run_command("--data-dir", whole_data_dir, *gate)[0] == code
    assert ImportRun.objects.get().status == "succeeded"


def test_a_source_without_rejects_passes_the_gate(run_command: Run, data_dir: Path) -> None:
    assert run_command("category_A", "--data-dir", data_dir, "--fail-on", "rejects")[0] == 0


# report


def test_the_report_is_one_html_file_that_loads_nothing(run_command: Run, data_dir: Path, tmp_path: Path) -> None:
    report = tmp_path / "reports" / "run.html"
    code, _, _ = run_command("--data-dir", data_dir, "--report", report)
    html = report.read_text(encoding="utf-8")
    assert code == 0
    assert "<table" in html
    assert "not-a-station" in html
    assert not re.search(r"""(?:src|href)\s*=|url\(|@import|<script|<link""", html)
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html


def test_a_report_that_cannot_be_written_ends_with_1_in_one_line(run_command: Run, data_dir: Path) -> None:
    (data_dir / "file").write_text("")
    code, _, err = run_command("--data-dir", data_dir, "--report", data_dir / "file" / "run.html")
    assert code == 1
    assert len(spoken(err)) == 1


# as a process


def manage(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run manage.py as cron does, on the test database; only dry runs and wrong usage, so that no row is left."""
    name = str(connection.settings_dict["NAME"])
    if settings.DATABASE_URL:
        database_url = urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}").geturl()
    else:
        database_url = url(embedded_server(connection.settings_dict), name)
    return subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "core.settings.test", "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_process_prints_json_only_on_stdout_and_json_lines_on_stderr(db: None, data_dir: Path) -> None:
    ended = manage("import_facilities", "--dry-run", "--json", "--data-dir", data_dir)
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["totals"]["read"] > 0
    assert [json.loads(line)["level"] for line in ended.stderr.splitlines()]
    assert not ImportRun.objects.exists()


def test_the_process_ends_with_1_and_one_line_of_error_for_an_unsound_file(db: None, data_dir: Path) -> None:
    path = data_dir / "other_services.json"
    path.write_bytes(truncated(path.read_bytes()))
    ended = manage("import_facilities", "--dry-run", "--json", "--data-dir", data_dir)
    events = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    assert (ended.returncode, json.loads(ended.stdout)["status"]) == (1, "partial")
    assert [event["source"] for event in events if event["level"] == "error"] == ["other_services"]
    assert (
        len([line for line in ended.stderr.splitlines() if "other_services.json" in line and not line.startswith("{")])
        == 1
    )
    assert "Traceback" not in ended.stderr


def test_the_process_ends_with_4_beyond_a_gate(db: None, data_dir: Path) -> None:
    arguments = ("import_facilities", "kps_stations", "--dry-run", "--quiet", "--data-dir", data_dir)
    assert manage(*arguments, "--max-rejects", "0").returncode == 4
    assert manage(*arguments, "--max-rejects", "99").returncode == 0


def test_the_process_ends_with_2_and_one_line_for_an_unknown_source(db: None) -> None:
    ended = manage("import_facilities", "nowhere")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(spoken(ended.stderr)) == 1
    assert "Traceback" not in ended.stderr


def test_the_process_ends_with_2_for_an_unknown_option(db: None) -> None:
    ended = manage("import_facilities", "--no-such-option")
    assert (ended.returncode, ended.stdout) == (2, "")


def test_load_geography_again_changes_no_count(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    before = row_counts()
    call_command("load_geography")
    assert row_counts() == before
    assert "47 counties, 290 constituencies, 1450 wards" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["profile.html", "profile.txt"])
def test_a_profile_says_where_the_time_goes(run_command: Run, data_dir: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "reports" / name
    code, out, _ = run_command("equity_afya", "--data-dir", data_dir, "--profile", path)
    assert code == 0
    assert "succeeded" in out
    assert "load_pending" in path.read_text(encoding="utf-8")


def test_above_the_memory_ceiling_an_import_reads_less_at_once_and_says_so(
    run_command: Run, whole_data_dir: Path, settings: Any
) -> None:
    settings.ETL_MAX_MEMORY_MB = 1
    code, out, _ = run_command("--data-dir", whole_data_dir, "--json")
    summary = json.loads(out)
    assert code == 0
    assert summary["totals"]["read"] == 237
    (said,) = [warning for warning in summary["warnings"] if "ETL_MAX_MEMORY_MB" in warning]
    assert "more than ETL_MAX_MEMORY_MB = 1" in said

    settings.ETL_MAX_MEMORY_MB = 0
    code, out, _ = run_command("--data-dir", whole_data_dir, "--json")
    assert not [warning for warning in json.loads(out)["warnings"] if "ETL_MAX_MEMORY_MB" in warning]
