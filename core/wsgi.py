"""The WSGI application; DJANGO_SETTINGS_MODULE names the settings, production unless said otherwise."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings.production")
application = get_wsgi_application()
