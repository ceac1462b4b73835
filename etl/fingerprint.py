"""The pipeline's fingerprint: a record that was read by other mappings, schemas, aliases or rules is read again."""

from dataclasses import astuple
from hashlib import sha256
from pathlib import Path

import phonenumbers

from etl.stages.records import Lookup, Reference

_ROOT = Path(__file__).resolve().parent.parent
_WHAT_READS = (
    "core/masking.py", "core/short_codes.py", "geography/names.py", "geography/gazetteer.py", "etl/assessment.py",
    "etl/sources/*.py", "etl/schemas/*.json", "etl/stages/clean/*.py", "etl/stages/canonical.py", "etl/stages/identity.py",
    "etl/stages/records.py", "etl/stages/rules.py", "etl/stages/survivors.py", "etl/stages/transform.py",
    "etl/stages/validate.py",
)  # fmt: skip
_APPS = ("core", "geography", "facilities", "etl")


def code_fingerprint() -> str:
    """Return a SHA-256 over the project's code as it stands on this machine's disk now."""
    digest = sha256()
    for path in sorted(path for app in _APPS for path in (_ROOT / app).rglob("*.py")):
        digest.update(f"{path.relative_to(_ROOT)} {path.stat().st_size} ".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def pipeline_fingerprint(reference: Reference) -> str:
    """Return a SHA-256 over the code and the reference data that turn a raw record into a canonical one."""
    digest = sha256(f"{reference.gazetteer.fingerprint} {phonenumbers.__version__}".encode())
    for pattern in _WHAT_READS:
        for path in sorted(_ROOT.glob(pattern)):
            digest.update(path.read_bytes())
    for lookup in (reference.facility_types, reference.services, reference.statuses, reference.contact_types):
        digest.update(_lookup_bytes(lookup))
    digest.update(repr(sorted(reference.kind_by_type.items())).encode())
    return digest.hexdigest()


def _lookup_bytes(lookup: Lookup) -> bytes:
    codes, code_by_text = astuple(lookup)
    return repr((sorted(codes), sorted(code_by_text.items()))).encode()
