"""The list of rejects: what may be shown of each row of the page is read once, for the page's rows only."""

from typing import Any

from unfold.views import ChangeList

from etl.shown_records import read_kinds, show


class RejectList(ChangeList):
    """A page of versions, each with what may be shown of it as `shown`."""

    result_list: Any

    def get_results(self, request: Any) -> None:
        super().get_results(request)
        kinds = read_kinds()
        versions = list(self.result_list)
        for version in versions:
            version.shown = show(version, kinds)
        self.result_list = versions
