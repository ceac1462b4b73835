#!/usr/bin/env python
"""The command line of GVRC Admin: `python manage.py help` lists what it can do."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings.development")
    from core.command_line import run

    sys.exit(run(sys.argv))
