"""The site's own process: fills an empty database as the demo does, adds a person of each role, and serves over TLS.

    python -m tests.browser.site_process PEM < people.json

Production's settings and middleware to the letter; only the server is Django's own, which production does not use.
It prints its port once it listens, and ends when its standard input does.
"""

import io
import json
import os
import ssl
import sys
import threading

import django
from django.conf import settings
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler


def fill(people: dict[str, str]) -> None:
    """Migrate, load and import data/raw; then make a user of each role, with these passwords."""
    call_command("migrate", verbosity=0)
    call_command("load_geography", stdout=io.StringIO())
    from django.contrib.auth.models import Group  # noqa: PLC0415 - after setup()

    from core.models import User  # noqa: PLC0415
    from etl.pipeline import ImportOptions, import_facilities  # noqa: PLC0415

    import_facilities(ImportOptions(data_dir=settings.RAW_DATA_DIR))
    for role, password in people.items():
        user = User.objects.create_user(role, password=password, is_staff=True)
        user.groups.add(Group.objects.get(name=role))


class QuietHandler(WSGIRequestHandler):
    """Requests without a line in the log for each."""

    def log_message(self, *_: object) -> None:
        pass


def serve(pem: str) -> None:
    """Serve the site on a free port of this machine, until standard input ends."""
    from core.wsgi import application  # noqa: PLC0415 - after setup()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = ThreadedWSGIServer(("127.0.0.1", 0), QuietHandler)
    # the handshake is left to each connection's thread: one that keeps silent holds up nobody
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.base_environ["HTTPS"] = "on"  # wsgiref's way to say that it is
    server.set_app(application)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    os._exit(0)  # connections that a browser keeps open are nobody's concern any more


if __name__ == "__main__":
    django.setup()
    fill(json.loads(sys.stdin.readline()))
    serve(sys.argv[1])
