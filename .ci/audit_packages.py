"""Asks whether a package that we install is known to be vulnerable: `make check` fails on what nobody answered below."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

# A finding that does not touch us: its id, and why. Take it out once the package is newer.
ACCEPTED: dict[str, str] = {}

SERVICES = ("pypi", "osv")  # the second where the first does not answer, or knows none of the packages
PATIENCE = 28.0  # seconds for both: nobody who works without a network waits longer
PIP_AUDIT = str(Path(sys.executable).with_name("pip-audit"))
ABOUT_THESE = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--timeout", "4", "--format", "json")
NOT_CHECKED = "pip-audit: not checked (its service was not reached)"

Report = Mapping[str, Any]


def main(requirements: str) -> int:
    """Return the exit status: 1 where a package has a finding that is not accepted. Says what it knows in a few lines."""
    deadline = monotonic() + PATIENCE
    for service in SERVICES:
        if report := ask(service, requirements, seconds=max(1.0, deadline - monotonic())):
            found = findings(report)
            print("\n".join([*unknown(report), *(found or ["pip-audit: nothing is known against the packages"])]))
            return 1 if found else 0
    print(NOT_CHECKED)
    return 0


def ask(service: str, requirements: str, *, seconds: float) -> Report | None:
    """Return what a service says of the packages; None where it was not reached, or knows none of them (a mirror)."""
    command = [PIP_AUDIT, *ABOUT_THESE, "--vulnerability-service", service, "-r", requirements]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)  # noqa: S603 - our own words
        report: Report = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None
    return report if any("vulns" in package for package in report["dependencies"]) else None


def findings(report: Report) -> list[str]:
    """Return a line for each finding that is not accepted."""
    return [
        f"pip-audit: {package['name']} {package['version']}: {found['id']}, mended in {_versions(found)}"
        for package in report["dependencies"]
        for found in package.get("vulns", ())
        if not {found["id"], *found.get("aliases", ())} & ACCEPTED.keys()
    ]


def _versions(found: Report) -> str:
    return ", ".join(found["fix_versions"]) or "no version yet"


def unknown(report: Report) -> list[str]:
    """Return a line for each package that the service does not know."""
    return [f"pip-audit: {p['name']} is not known to its service" for p in report["dependencies"] if "vulns" not in p]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
