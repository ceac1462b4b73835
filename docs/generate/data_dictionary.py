"""docs/data-dictionary.md: every table of ours, column by column, from the models, the protection classes and the database."""

import inspect
from typing import Any

from django.apps import apps
from django.db import connection, models

from core.roles import OF_CONFIDENTIAL, class_of
from docs.generate.code import Code
from docs.generate.column_words import own_words_of, words_of
from docs.generate.ddl import Table, read_table
from docs.generate.markdown import code_span, table
from docs.generate.modules import APPS

PATH = "data-dictionary.md"
_INTRODUCTION = """\
The tables of the registry as the database has them after `manage.py migrate`: PostgreSQL 16, schema `public`. "class"
says how well a column is protected ([security.md](security.md)); "protected where confidential" means that a
confidential place has a stand-in there, and the value sealed elsewhere. Sealed columns hold Fernet tokens: SQL cannot
read them. Every `record_audit` trigger writes one row to `audit_trail` for each row that changed; its last arguments
name the columns that are hashed, left out, or do not count as a change.
"""
# what another app brought, and what of it is kept there
FOREIGN = {
    "auth_": "roles and permissions (Django)",
    "django_admin_log": "admin's own log (Django): who saved what; the audit trail is the one to believe",
    "django_content_type": "the models that there are (Django)",
    "django_session": "logged-in sessions (Django)",
    "django_migrations": "which migrations were applied (Django)",
    "django_tasks_": "what waits for the worker, and what became of it (django-tasks-db): numbers of requests only",
    "axes_": "failed logins (django-axes)",
}


def write_page(_: Code) -> str:
    """Return the page; reads the catalog of the database that Django is connected to."""
    found = our_models()
    tables = {model: read_table(model._meta.db_table) for model in found}
    parts = [f"# Data dictionary\n\n{_INTRODUCTION}", _drawing(found), _contents(found)]
    parts += [_describe(model, tables[model]) for model in found]
    parts += [_foreign(), _functions()]
    return "\n".join(parts)


def our_models() -> list[type[models.Model]]:
    """Return the models of our apps, those that join two tables too, in the order of the apps."""
    found = [
        model
        for app in (*APPS[1:], "core")
        for model in apps.get_app_config(app).get_models(include_auto_created=True)
        if model._meta.managed
    ]
    return list(dict.fromkeys(found))


def _contents(found: list[type[models.Model]]) -> str:
    rows = ((f"[{model._meta.db_table}](#{model._meta.db_table})", _first_line(model)) for model in found)
    return f"## Tables\n\n{table(('table', 'holds'), rows)}"


def _drawing(found: list[type[models.Model]]) -> str:
    """Return how the tables hang together, as Mermaid text."""
    names = {model._meta.db_table for model in found}
    lines = [
        f"  {field.related_model._meta.db_table} ||--o{{ {model._meta.db_table} : {field.column}"
        for model in found
        for field in model._meta.fields
        if field.is_relation
        and isinstance(field.related_model, type)
        and field.related_model._meta.db_table in names - {"users"}
    ]
    return "\n".join(["## How they hang together\n", "```mermaid", "erDiagram", *sorted(lines), "```\n"])


def _describe(model: type[models.Model], described: Table) -> str:
    name = model._meta.db_table
    fields = {field.column: field for field in model._meta.fields}
    rows = []
    for column in described.columns:
        field = fields[column.name]
        rows.append(
            (
                code_span(column.name),
                column.type,
                "" if column.is_required else "yes",
                _keys(field, described),
                _class(f"{name}.{column.name}"),
                _words(f"{name}.{column.name}", field),
            )
        )
    lines = [f"## {name}\n", f"{_docstring(model)}\n"]
    lines.append(table(("column", "type", "NULL", "key", "class", "what it is"), rows))
    lines += ["```sql", *described.statements, "```\n"]
    return "\n".join(lines)


def _keys(field: Any, described: Table) -> str:
    keys = []
    if field.primary_key:
        keys.append("primary key")
    elif field.unique:
        keys.append("unique")
    if field.is_relation:
        keys.append(f"{field.related_model._meta.db_table}.{field.target_field.column}")
    elif not keys and any(f"({field.column})" in index for index in described.indexes):
        keys.append("indexed")
    return ", ".join(keys)


def _class(column: str) -> str:
    open_class, hidden_class = class_of(column), class_of(column, is_confidential=True)
    return f"{open_class}; {hidden_class} where confidential" if column in OF_CONFIDENTIAL else str(open_class)


def _words(column: str, field: Any) -> str:
    """Return what is said of a field: its help, its choices, whether it is sealed."""
    said = [text] if (text := str(field.help_text) or own_words_of(column)) else []
    if field.choices and not field.is_relation:
        said.append("one of " + ", ".join(code_span(str(value)) for value, _ in field.flatchoices if value != ""))
    if type(field).__name__.startswith("Encrypted"):
        said.append("sealed")
    return "; ".join(said) or words_of(column, field)


def _docstring(model: type[models.Model]) -> str:
    own = model.__doc__ or ""
    if own.startswith(f"{model.__name__}("):  # Django's, for a model without one
        return f"{_of_whom(model)}."
    paragraphs = inspect.cleandoc(own).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _of_whom(model: type[models.Model]) -> str:
    """Return what a model without a docstring is: what it joins, or its plain name."""
    joins = [
        field.related_model._meta.verbose_name
        for field in model._meta.fields
        if field.is_relation and field.related_model
    ]
    if model._meta.auto_created:
        return f"Which {joins[0]} has which {joins[-1]}"
    return f"{str(model._meta.verbose_name).capitalize()}" + (f": of a {joins[0]}" if joins else "")


def _first_line(model: type[models.Model]) -> str:
    return _docstring(model).split("\n")[0].split(". ")[0].rstrip(".")


def _foreign() -> str:
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
    ours = {model._meta.db_table for model in our_models()}
    rows = [(code_span(name), _words_of_foreign(name)) for name in sorted(set(names) - ours)]
    return f"## Tables of packages\n\n{table(('table', 'holds'), rows)}"


def _words_of_foreign(name: str) -> str:
    return next((words for start, words in FOREIGN.items() if name.startswith(start)), "")


def _functions() -> str:
    """Return what the database has beside tables: the functions that triggers and the application call."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', p.prosecdef FROM pg_proc p"
            " JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public' ORDER BY 1"
        )
        rows = [
            (code_span(name), "the owner" if is_definer else "the caller") for name, is_definer in cursor.fetchall()
        ]
    said = "Those of the audit trail are written anew after each `migrate`, by `core/audit.py`."
    return f"## Functions\n\n{said}\n\n{table(('function', 'works as'), rows)}"
