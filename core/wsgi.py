"""The WSGI application; DJANGO_SETTINGS_MODULE names the settings, production unless said otherwise.

Wrong or missing keys, weak settings and an owner's role end the server's process with one line and exit status 3; a database
that does not answer ends it with 1, so that gunicorn starts the next worker, and the others go on.
"""

import os
import sys

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.db import InterfaceError, OperationalError

from core.checks import refuse_owned_tables
from core.command_line import STOPPING, in_one_line

# what gunicorn takes for "this worker will never boot": on any other it starts the next one, for ever
NEVER_BOOTS = 3
BOOTS_LATER = 1


def load() -> WSGIHandler:
    """Return the application; where settings, keys or database keep it from serving, one line says why."""
    try:
        handler = get_wsgi_application()
        from core.key_guard import check_at_start  # noqa: PLC0415 - models are known by now

        if settings.DATABASE_ROLES_APART:
            refuse_owned_tables()  # over a connection, which checks the keys
        else:
            check_at_start()
    except STOPPING as error:
        print(in_one_line(error), file=sys.stderr)
        # each try takes POOL_PATIENCE: this is no race of workers
        sys.exit(BOOTS_LATER if isinstance(error, OperationalError | InterfaceError) else NEVER_BOOTS)
    return handler


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings.production")
application = load()
