"""How this copy of the program is started: by hand from a checkout, or on a server by deploy/gvrc-admin. Imports no Django."""

import os
from collections.abc import Mapping
from pathlib import Path

LINK = Path("/usr/local/bin/gvrc-admin")  # docs/deployment.md, step 1
OURS = Path(__file__).resolve().parent.parent / "deploy" / "gvrc-admin"
# what a person types before a command; deploy/gvrc-admin and the units say it of themselves
MANAGE = os.environ.get("GVRC_COMMAND") or ".venv/bin/python manage.py"
IS_SERVER = "GVRC_COMMAND" in os.environ


def why_not_plain(environment: Mapping[str, str], link: Path = LINK) -> str | None:
    """Return why manage.py may not run as on a developer's machine, or None where it may.

    On a server it would make keys and start a database beside the registry, and all that it then says would be of that one.
    """
    if environment.get("DJANGO_SETTINGS_MODULE") or link.resolve() != OURS:
        return None
    return (
        "this is a server's registry: say `sudo gvrc-admin COMMAND`; plain manage.py would start a database of its own"
    )
