"""The demo: an empty machine becomes a populated registry with one admin."""

import secrets

from django.conf import settings
from django.core.management import call_command

from core.installation import MANAGE
from core.models import User
from etl.console import Stream, print_summary, show_progress, write_report
from etl.errors import EtlError
from etl.pipeline import ImportOptions, import_facilities
from etl.stages.gates import exit_code

ADMIN = "admin"


class DemoRefusedError(EtlError):
    """The demo never touches a database that somebody named."""

    code = "demo-refused"


def set_up_demo(stdout: Stream) -> int:
    """Return the exit code of the demo's import, after migrating, loading reference data and creating an admin."""
    if settings.DATABASE_URL:
        message = (
            "DATABASE_URL is set: the demo only fills the embedded PostgreSQL; unset it, or see docs/configuration.md"
        )
        raise DemoRefusedError(message)
    stdout.write("Migrating ...")
    call_command("migrate", verbosity=0)
    stdout.write("Loading geography and lookups ...")
    call_command("load_geography", stdout=stdout)
    with show_progress(quiet=False) as progress:
        summary = import_facilities(ImportOptions(data_dir=settings.RAW_DATA_DIR), progress=progress)
    report = settings.REPORTS_DIR / f"run-{summary['run']}.html"
    write_report(summary, report)
    print_summary(summary, stdout)
    stdout.write(f"\nReport: {report}")
    stdout.write(_create_admin())
    stdout.write("Next: `make serve`, then open http://127.0.0.1:8000/")
    return exit_code(summary, limit=None, fail_on="never")


def _create_admin() -> str:
    """Return the line that tells how to log in; the password is shown this once."""
    user, created = User.objects.get_or_create(username=ADMIN, defaults={"is_staff": True, "is_superuser": True})
    if not created:
        return f"Log in as '{ADMIN}' with the password of the first run, or set one: {MANAGE} changepassword {ADMIN}"
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.save()
    return f"Log in as '{ADMIN}' with the password {password} (shown only now)"
