"""docs/adding-a-source.md is done as it says: its blocks are put into a copy of the project, which imports the five records."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from core.embedded_backend.base import embedded_server
from core.embedded_postgres import url
from docs.generate.modules import APPS, ROOT
from tests.docs.pages import blocks_of, text_of


def copy_of_the_project(place: Path) -> Path:
    for name in (*APPS, "fixtures"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", place)
    return place


def environment() -> dict[str, str]:
    """Return an environment in which the copy works on this test's database."""
    address = (
        settings.DATABASE_URL and settings.DATABASE_URL.rpartition("/")[0] + f"/{connection.settings_dict['NAME']}"
    )
    server = None if address else embedded_server(connection.settings_dict)
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "core.settings.test",
        "DATABASE_URL": address or url(server, connection.settings_dict["NAME"]),
        "LOG_LEVEL": "ERROR",
    }


# The page's command, all of it, in a transaction that leaves nothing in the tests' database. Before it the mapping alone, on a
# list that writes, one day, what it renames under the usual names, too.
IMPORT = """
import io, json, django
from contextlib import redirect_stdout, suppress
django.setup()
from django.core.management import call_command
from django.db import transaction
from etl.models import SourceRecordVersion
from etl.sources import SOURCES
from etl.stages.records import RawRecord
payload = {
    "name": "Amani", "email": "a@example.or.ke", "services": ["PRC"],
    "latitude": "-0.1", "longitude": "34.8", "sub_county": "Seme",
}
raw = RawRecord(source="county_clinics", file="f", pointer="/0", payload=payload, inherited={})
one = SOURCES["county_clinics"].stage(raw)
staged = [one.name, one.contacts[0].value, *one.services, one.latitude, one.longitude, one.sub_county]
with transaction.atomic(), redirect_stdout(io.StringIO()) as told:
    with suppress(SystemExit):
        call_command("import_facilities", "county_clinics", "--data-dir", "data/county", "--json", "--workers", "1")
    versions = SourceRecordVersion.objects.filter(source_record__source="county_clinics").order_by("pointer")
    rules = [[finding["rule"] for finding in version.findings] for version in versions]
    transaction.set_rollback(True)
print(json.dumps({"staged": staged, "summary": json.loads(told.getvalue()), "rules": rules}))
"""


def run_in(project: Path, program: str) -> Any:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.django_db
def test_the_five_records_of_the_page_are_imported(tmp_path: Path) -> None:
    page = text_of("adding-a-source.md")
    sample, schema, counts = (block.text for block in blocks_of(page, "json"))
    (mapping,), (registration,) = blocks_of(page, "python"), blocks_of(page, "diff")

    project = copy_of_the_project(tmp_path / "project")
    (project / "etl" / "sources" / "county_clinics.py").write_text(mapping.text)
    (project / "etl" / "schemas" / "county_clinics.json").write_text(schema)
    patch = ["patch", "--strip=1", "--silent"]
    subprocess.run(patch, cwd=project, input=registration.text, text=True, check=True)
    data = project / "data" / "county"
    data.mkdir(parents=True)
    (data / "county_clinics.json").write_text(sample)

    imported = run_in(project, IMPORT)
    assert imported["staged"] == ["Amani", "a@example.or.ke", "PRC", "-0.1", "34.8", "Seme"]
    told = imported["summary"]["sources"]["county_clinics"]
    assert {name: told[name] for name in json.loads(counts)} == json.loads(counts)
    said = re.findall(r"^\| `([a-z-]+)` \| (\d)", page, re.MULTILINE)
    assert sorted((rule, number) for number, rules in enumerate(imported["rules"], 1) for rule in rules) == sorted(
        (rule, int(number)) for rule, number in said
    )
