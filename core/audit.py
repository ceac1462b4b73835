"""The audit trail: triggers in PostgreSQL write it, so that bulk writes, admin edits and raw SQL all appear in it.

A model takes part by declaring `audit_hides`, the columns of which its images hold a short hash only (mostly none), and may
name `audit_ignores`, columns that count for nothing, and `audit_seals`: a sealed column -> the columns whose values seal_images()
may move into it later -> what stands there then. The application role may only read the trail (see database_roles.py).
Who changed a row comes from acting(), for the transaction it opens.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

# A row that differs in nothing but these did not change: a save moves them by itself.
STAMPS = ("updated_at", "updated_by")
_EVENTS = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "OLD TABLE AS old_rows",
}
# The second UPDATE statement pairs rows whose primary key itself was changed: a join by key would lose them.
_FUNCTION = """
CREATE OR REPLACE FUNCTION public.audit_image(image jsonb, hidden text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $function$
  SELECT CASE WHEN hidden = '{}' THEN image ELSE image || (
    SELECT jsonb_object_agg(name, left(encode(sha256(convert_to(image->>name, 'UTF8')), 'hex'), 12)) FROM unnest(hidden) AS name
  ) END
$function$;
CREATE OR REPLACE FUNCTION public.record_audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off -- the plan of a small first statement would serve a large one for the rest of the session
AS $function$
DECLARE
  pk CONSTANT text := TG_ARGV[0];
  hidden CONSTANT text[] := string_to_array(TG_ARGV[1], ',');
  ignored CONSTANT text[] := string_to_array(TG_ARGV[2], ',');
  stamps CONSTANT text[] := string_to_array(TG_ARGV[3], ',');
  actor CONSTANT bigint := NULLIF(current_setting('gvrc.user_id', true), '')::bigint;
  session CONSTANT text :=
    left(COALESCE(NULLIF(current_setting('gvrc.session_id', true), ''), 'db:' || session_user), 100);
BEGIN
  IF TG_TABLE_SCHEMA <> 'public' THEN
    RAISE EXCEPTION 'the audit trail takes no rows of %.%', TG_TABLE_SCHEMA, TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'INSERT' THEN
    INSERT INTO public.audit_trail (table_name, record_id, operation, new_values, changed_by, changed_at, session_id)
    SELECT TG_TABLE_NAME, (image->>pk)::bigint, TG_OP, public.audit_image(image - ignored, hidden), actor,
      clock_timestamp(), session
    FROM (SELECT to_jsonb(n) AS image FROM new_rows n) AS added;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO public.audit_trail (table_name, record_id, operation, old_values, changed_by, changed_at, session_id)
    SELECT TG_TABLE_NAME, (image->>pk)::bigint, TG_OP, public.audit_image(image - ignored, hidden), actor,
      clock_timestamp(), session
    FROM (SELECT to_jsonb(o) AS image FROM old_rows o) AS gone;
  ELSE
    INSERT INTO public.audit_trail
      (table_name, record_id, operation, old_values, new_values, changed_by, changed_at, session_id)
    WITH olds AS (SELECT to_jsonb(o) - ignored AS image FROM old_rows o),
    news AS (SELECT to_jsonb(n) - ignored AS image FROM new_rows n),
    moved_from AS (
      SELECT image, row_number() OVER (ORDER BY (image->>pk)::bigint) AS place FROM olds
      WHERE NOT EXISTS (SELECT FROM news WHERE news.image->>pk = olds.image->>pk)
    ),
    moved_to AS (
      SELECT image, row_number() OVER (ORDER BY (image->>pk)::bigint) AS place FROM news
      WHERE NOT EXISTS (SELECT FROM olds WHERE olds.image->>pk = news.image->>pk)
    ),
    pairs AS (
      SELECT olds.image AS before, news.image AS after FROM olds JOIN news ON news.image->>pk = olds.image->>pk
      UNION ALL
      SELECT moved_from.image, moved_to.image FROM moved_from JOIN moved_to USING (place)
    )
    SELECT TG_TABLE_NAME, (pairs.after->>pk)::bigint, TG_OP, public.audit_image(pairs.before, hidden),
      public.audit_image(pairs.after, hidden), actor, clock_timestamp(), session
    FROM pairs WHERE pairs.before - stamps IS DISTINCT FROM pairs.after - stamps;
  END IF;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION public.record_audit() FROM PUBLIC;
"""
# The one door through which the application role changes images: it can hide the columns that a model names, once, and
# nothing else. What it puts in their place is up to it; that they say what they said is up to facilities/sealing.py.
_SEAL = """
CREATE OR REPLACE FUNCTION public.audit_image_may_become(table_name text, image jsonb, sealed jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $function$
  SELECT image IS NOT DISTINCT FROM sealed OR CASE table_name {cases} ELSE false END
$function$;
CREATE OR REPLACE FUNCTION public.seal_audit_images(entries jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  changed bigint;
BEGIN
  UPDATE public.audit_trail a SET old_values = e.old_values, new_values = e.new_values
  FROM jsonb_to_recordset(entries) AS e(audit_id bigint, old_values jsonb, new_values jsonb)
  WHERE a.audit_id = e.audit_id
    AND public.audit_image_may_become(a.table_name, a.old_values, e.old_values)
    AND public.audit_image_may_become(a.table_name, a.new_values, e.new_values);
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF changed <> jsonb_array_length(entries) THEN
    RAISE EXCEPTION 'an audit image can be sealed, and not changed in any other way';
  END IF;
END
$function$;
REVOKE ALL ON FUNCTION public.seal_audit_images(jsonb) FROM PUBLIC;
"""


@contextmanager
def acting(user_id: int | None, session: str) -> Iterator[None]:
    """Open a transaction whose changes the audit trail gives to this user and this run, request or command.

    Inside another transaction the context before is put back at the end. `session` has at most 100 characters.
    """
    is_nested = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        previous = ("", "")
        if is_nested:
            cursor.execute(
                "SELECT coalesce(current_setting('gvrc.user_id', true), ''),"
                " coalesce(current_setting('gvrc.session_id', true), '')"
            )
            previous = cursor.fetchone() or previous
        cursor.execute(_BIND, ["" if user_id is None else str(user_id), session])
        yield
        if is_nested:
            cursor.execute(_BIND, previous)


# for the rest of the transaction, never longer: a pooled connection goes to somebody else next
_BIND = "SELECT set_config('gvrc.user_id', %s, true), set_config('gvrc.session_id', %s, true)"


def audited_models() -> list[type[models.Model]]:
    """Return the models whose changes are audited, in the order of their tables."""
    every = apps.get_models(include_auto_created=True)
    return sorted((m for m in every if hasattr(m, "audit_hides")), key=lambda m: m._meta.db_table)


def seal_images(entries: Collection[Mapping[str, Any]]) -> None:
    """Replace images of audit rows (audit_id, old_values, new_values) by sealed ones; the database refuses anything else."""
    if entries:
        with connection.cursor() as cursor:
            cursor.execute("SELECT public.seal_audit_images(%s::jsonb)", [json.dumps(list(entries))])


def install_triggers() -> None:
    """Create the trigger function and three triggers for each audited table anew; only the tables' owner can."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        cursor.execute(_FUNCTION)
        cursor.execute(_SEAL.format(cases=" ".join(_seal_cases())))
        for model in audited_models():
            if model._meta.db_table in tables:  # half of the migrations may be undone
                cursor.execute(_trigger_ddl(model))


def _seal_cases() -> Iterator[str]:
    """Yield, for each model with audit_seals, when one image may become another: the same but for what is sealed."""
    for model in audited_models():
        for seal, columns in getattr(model, "audit_seals", {}).items():
            stand_ins = json.dumps(columns).replace("'", "''")
            yield (
                f"WHEN '{model._meta.db_table}' THEN image->>'{seal}' IS NULL"  # noqa: S608 # nosec B608 # names of our own
                f" AND sealed->>'{seal}' ~ '^gAAAA[A-Za-z0-9_-]{{60,}}=*$'"
                f" AND sealed = image || (SELECT jsonb_object_agg(key, value) FROM jsonb_each('{stand_ins}'::jsonb)"
                f" WHERE image ? key) || jsonb_build_object('{seal}', sealed->'{seal}')"
            )


def _trigger_ddl(model: type[models.Model]) -> str:
    """Return the DDL of a table's triggers; one trigger cannot serve several events with transition tables."""
    meta = model._meta
    lists = (model.audit_hides, getattr(model, "audit_ignores", ()), STAMPS)  # type: ignore[attr-defined] # audited_models() looked
    arguments = ", ".join(f"'{text}'" for text in (meta.pk.column, *(",".join(names) for names in lists)))
    return "".join(
        f'CREATE OR REPLACE TRIGGER audit_{event.lower()} AFTER {event} ON "{meta.db_table}"'
        f" REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION public.record_audit({arguments});\n"
        for event, tables in _EVENTS.items()
    )
