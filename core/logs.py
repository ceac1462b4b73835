"""One structlog configuration for everything that logs: JSON lines on stderr, a readable line each on a terminal.

The scrubber stands last before the line is written, so no phone number, e-mail address or database value gets past it.
"""

import logging
import re
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from core.masking import mask_contacts

# PostgreSQL quotes the clashing value in its DETAIL line: `Key (value_index)=(...) already exists.`
_POSTGRES_VALUES = re.compile(
    r"(Key \([^)]*\)=)\(.*?\)(?= )|(Failing row contains )\(.*\)|(CONTEXT:|DETAIL:) .*", re.DOTALL
)


def scrub(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Return the event with phone numbers, e-mail addresses and quoted database values masked, at any depth."""
    return {key: value if key == "timestamp" else _scrubbed(value) for key, value in event.items()}


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return mask_contacts(_POSTGRES_VALUES.sub(lambda hit: f"{hit[1] or hit[2] or hit[3]}(masked)", value))
    if isinstance(value, dict):
        return {key: _scrubbed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_scrubbed(inner) for inner in value]
    return value if isinstance(value, int | float | bool | None) else _scrubbed(str(value))


def configure(options: dict[str, Any]) -> None:
    """Set up structlog and the standard library's logging; Django calls this with settings.LOGGING."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        # the plain formatter: the rich one prints local variables
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
        if not sys.stderr.isatty()
        else structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, scrub, renderer],
        ),
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(options["level"])
    # Django's defaults print and mail tracebacks as they are: what they say goes through the scrubber, too
    logging.getLogger("django").handlers = []
    # Django's own server prints its requests; at INFO they would drown the import's events.
    logging.getLogger("django.server").propagate = False
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
