"""The one task that waits in the database for `manage.py db_worker`; it is given the number of a request, and no value."""

from django.tasks import task

from etl.run_requests import carry_out


@task
def carry_out_later(request_id: int) -> None:
    """Carry a request out; how it ended stands in its row."""
    carry_out(request_id)
