#!/usr/bin/env python
"""The command line of GVRC Admin: `python manage.py help` lists what it can do."""

import os
import sys

from core.installation import why_not_plain

if __name__ == "__main__":
    if refused := why_not_plain(os.environ):
        print(refused, file=sys.stderr)
        sys.exit(2)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings.development")
    from core.command_line import run

    sys.exit(run(sys.argv))
