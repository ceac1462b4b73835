"""A machine of production: its environment, a certificate, and a PostgreSQL with the two roles of deploy/roles.sql."""

import os
import re
import secrets
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.management import get_commands, load_command_class

from core.embedded_postgres import Server, bin_dir, ensure_running, url

ROOT = Path(__file__).resolve().parent.parent
KEYS = {name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "FIELD_KEYS", "INDEX_KEY", "BACKUP_KEY")}
GOOD = KEYS | {
    "DATABASE_URL": "postgres://gvrc_app:s7-Kilimani-west@db.example.or.ke:5432/gvrc_admin",
    "DATABASE_OWNER_URL": "postgres://gvrc_owner:t8-Lavington-east@db.example.or.ke:5432/gvrc_admin",
    "ALLOWED_HOSTS": "registry.example.or.ke",
}
OURS = re.compile(
    r"(ETL|DB|DATABASE|DJANGO|PG|BACKUP|HEALTH|SENTRY)_?|SECRET_KEY|FIELD_KEYS|INDEX_KEY|ALLOWED_HOSTS|DEBUG"
)


def environment(changed: dict[str, str | None]) -> dict[str, str]:
    """Return production's environment with these changes to good settings; None takes a variable away."""
    inherited = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    chosen = GOOD | {"DJANGO_SETTINGS_MODULE": "core.settings.production"} | changed
    return inherited | {name: value for name, value in chosen.items() if value is not None}


def assert_can_be_typed(command: str) -> None:
    """Check that there is a command of this name which takes these options and arguments."""
    name, *arguments = shlex.split(command)
    assert name in get_commands(), name
    load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(arguments)


def start_postgres(place: Path) -> Server:
    """Return a new server with the two roles, which stop() of core.embedded_postgres ends."""
    server = ensure_running(place, is_kept=False)
    make_roles(server)
    return server


def make_roles(server: Server, *options: str) -> None:
    """Run deploy/roles.sql as docs/deployment.md says."""
    psql = [str(bin_dir() / "psql"), "-v", "ON_ERROR_STOP=1", "-d", url(server, "postgres"), "-f", "deploy/roles.sql"]
    subprocess.run([*psql, *options], cwd=ROOT, check=True, capture_output=True)


def on(server: Server, application: str = "gvrc_app", *, database: str = "gvrc_admin") -> dict[str, str | None]:
    """Return the URLs of a database on a UNIX socket, where no password and no TLS is asked for."""
    address = url(server, database)
    urls = {"DATABASE_URL": application, "DATABASE_OWNER_URL": "gvrc_owner"}
    return {name: address.replace("//postgres@", f"//{role}@") for name, role in urls.items()}


def certificate(folder: Path, host: str) -> Path:
    """Return a file with a key and a certificate for this host that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{host}.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
