"""How gunicorn serves the site: `gunicorn --config deploy/gunicorn.conf.py core.wsgi` from the project's directory.

Connections to PostgreSQL: each process has a pool of its own, from which each thread takes one at most, and an import that a
page does itself holds one more: workers x (threads + 1), 15 with two cores. PostgreSQL allows 100 (max_connections). Keep
threads below DB_POOL_SIZE (10): a thread that finds no connection within 10 s answers with an error.

Whatever this file sets, an option of the command line overrides.
"""

import os
import subprocess
import sys

bind = "127.0.0.1:8000"  # the proxy in front ends TLS, and is the only one that reaches this
# of a proxy elsewhere nobody knows who else can reach it: deploy/nginx.conf stands on this machine
forwarded_allow_ips = "127.0.0.1,::1"

# About 150 MB each. Threads, since an upload may take minutes, and most of a page's time is the database's.
workers = int(os.environ.get("WEB_CONCURRENCY") or min((os.cpu_count() or 1) + 1, 5))
worker_class = "gthread"
threads = 4
worker_tmp_dir = "/dev/shm"  # noqa: S108 - in memory: on a busy disk, the heartbeat's file would make a worker look dead

# A worker that does not stir for so long is ended and replaced. Its threads may work longer: an upload, a preview of
# ETL_INLINE_RECORDS; how long a page may take, the proxy says.
timeout = 120
# seconds in which pages are finished when it is stopped or reloaded; an import that is cut off goes on by a click
graceful_timeout = 60
keepalive = 5
# what a process may have leaked goes with it; not all at the same time
max_requests = 2000
max_requests_jitter = 400

# Paths and queries are in no log of this server: the proxy writes who came, without queries.
accesslog = None
loglevel = "warning"
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"scrubbed": {"()": "core.server_log.handler_for_gunicorn"}},
    "loggers": {"gunicorn.error": {"handlers": ["scrubbed"], "level": "WARNING", "propagate": False}},
    "root": {"handlers": [], "level": "INFO"},  # core/logs.py sets it up in each worker
}

# Nothing to steer a running server by but signals: HUP loads the code anew, TERM ends it.
control_socket_disable = True


def on_starting(_server: object) -> None:
    """End before there is a worker where settings, keys or database keep the site from serving; one line says why.

    Workers would end with the same line each; of the second one gunicorn makes a traceback, and exit status 1.
    """
    tried = subprocess.run([sys.executable, "-c", "import core.wsgi"], check=False)
    if tried.returncode:
        sys.exit(tried.returncode)
