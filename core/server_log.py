"""What gunicorn says of itself: JSON lines like all others, without the address that a browser asked for.

A query may hold a point near a survivor or a name that was searched for; gunicorn quotes both in its errors.
"""

import logging
import sys

from core.logs import handler_for

# gunicorn.workers.base writes the rest of this message into its text, where no formatter can leave it out
_QUOTES_THE_REQUEST = "Invalid request"


def handler_for_gunicorn() -> logging.Handler:
    """Return the handler of the logger "gunicorn.error"; deploy/gunicorn.conf.py names it."""
    handler = handler_for(sys.stderr)
    handler.addFilter(_cut_request)
    return handler


def _cut_request(record: logging.LogRecord) -> bool:
    """Return True: the line is shown; of a request that cannot be read it says only that it came."""
    if str(record.msg).startswith(_QUOTES_THE_REQUEST):
        record.msg, record.args = _QUOTES_THE_REQUEST, ()
    return True
