"""When each source was last read with success: what health and metrics both tell."""

from datetime import datetime

from etl.models import ImportRun, SourceFile
from etl.sources import SOURCES

GOOD = (ImportRun.Status.SUCCEEDED, ImportRun.Status.PARTIAL)


def last_success_by_source() -> dict[str, datetime | None]:
    """Return for each source when the last import ended that loaded it, None where none did.

    A run that was undone, or that refused the source while it loaded others, does not count; a dry run leaves none.
    """
    return {source: _last_success(source) for source in SOURCES}


def _last_success(source: str) -> datetime | None:
    runs = ImportRun.objects.filter(
        kind=ImportRun.Kind.IMPORT,
        status__in=GOOD,
        undone_by__isnull=True,
        finished_at__isnull=False,
        files__source=source,
        files__status=SourceFile.Status.SOUND,
    ).exclude(**{f"summary__sources__{source}__has_key": "error"})
    return runs.order_by("-run_id").values_list("finished_at", flat=True).first()
