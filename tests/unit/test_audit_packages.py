""".ci/audit_packages.py: a finding fails the check, an answered one does not, and no network is no finding."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "audit_packages.py"
REPORT = {
    "dependencies": [
        {"name": "sound", "version": "1.0", "vulns": []},
        {
            "name": "weak",
            "version": "2.0",
            "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1", "3.0"], "description": "..."}],
        },
        {"name": "ours", "skip_reason": "not found"},
    ]
}


@pytest.fixture
def audit() -> ModuleType:
    described = importlib.util.spec_from_file_location("audit_packages", SCRIPT)
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


def test_a_finding_names_the_package_and_the_version_that_mends_it(audit: ModuleType) -> None:
    assert audit.findings(REPORT) == ["pip-audit: weak 2.0: PYSEC-1, mended in 2.1, 3.0"]
    assert audit.unknown(REPORT) == ["pip-audit: ours is not known to its service"]


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-1"])
def test_an_accepted_finding_is_none(audit: ModuleType, name: str) -> None:
    audit.ACCEPTED[name] = "the function at fault is never called"
    assert audit.findings(REPORT) == []


def test_a_service_that_is_not_reached_is_said_and_no_failure() -> None:
    nowhere = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, str(SCRIPT), "requirements.txt"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | nowhere, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "pip-audit: not checked (its service was not reached)\n"), done.stderr
