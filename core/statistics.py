"""What PostgreSQL's planner knows of the tables: refreshed by the application when it has just filled them.

Autovacuum looks once a minute, and never into an open transaction: if it looks while a big source is being staged, it takes the
ledger for nearly empty, and joins of 10,000 records are planned as nested loops (a source of 10,000 ran into the statement
timeout so). Only the owner of a table may analyse it, so the application does it through a function of the owner's.
"""

from django.db import connection

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
    """Let the planner see the tables as they are now, rows of the open transaction included."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT public.refresh_statistics()")
