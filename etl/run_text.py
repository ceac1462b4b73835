"""A run as a page names it."""

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def link_to_run(number: int) -> SafeString:
    """Return "Run 12" as a link to its page."""
    where = reverse("admin:etl_importrun_change", args=[number])
    return format_html('<a class="underline" href="{}">Run {}</a>', where, number)
