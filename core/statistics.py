"""What PostgreSQL's planner knows of the tables: refreshed by the application when it has just filled them.

Autovacuum looks once a minute, and never into an open transaction: if it looks while a big source is being staged, it takes the
ledger for nearly empty, and joins of 10,000 records are planned as nested loops (a source of 10,000 ran into the statement
timeout so). Only the owner of a table may analyse it, so the application does it through a function of the owner's.
"""

import structlog
from django.db import OperationalError, connection, transaction

from core.database_errors import sqlstate_of

log = structlog.get_logger(__name__)
LOCK = 0x414E4C5A  # "ANLZ"
STATEMENT_TIMEOUT = "57014"
_UNLESS_SOMEBODY_DOES = """
SELECT public.refresh_statistics() FROM (SELECT pg_try_advisory_xact_lock(%s) AS is_mine) AS lock WHERE is_mine
"""
FUNCTION = """
CREATE OR REPLACE FUNCTION public.refresh_statistics() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  name regclass;
BEGIN
  FOR name IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
    EXECUTE format('ANALYZE %s', name);
  END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION public.refresh_statistics() FROM PUBLIC;
"""


def refresh_statistics() -> None:
    """Let the planner see the tables as they are now, rows of the open transaction included.

    Where somebody is at it, they do it for all: two would wait for one another. That it takes too long ends nothing.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_UNLESS_SOMEBODY_DOES, [LOCK])
    except OperationalError as error:
        if sqlstate_of(error) != STATEMENT_TIMEOUT:
            raise
        log.warning("statistics not refreshed", code="statement-timeout")
