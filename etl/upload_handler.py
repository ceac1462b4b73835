"""What a browser sends lies on the disk from its first byte, is bounded, and is taken from those only who may import."""

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import StopUpload, TemporaryFileUploadHandler

from core.roles import Action, may

BYTES_PER_MB = 1024 * 1024


class BoundedUploadHandler(TemporaryFileUploadHandler):
    """Takes the files of one request up to ETL_MAX_FILE_MB in all; what is beyond is read off the wire, and kept nowhere.

    It is asked before the page is, and before CSRF is checked: who may not import must not fill the disk.
    """

    received = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Open a file; raises StopUpload for who may not import."""
        user = getattr(self.request, "user", None)
        if user is None or not may(user, Action.TRANSFORM):
            raise StopUpload
        super().new_file(*args, **kwargs)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write a chunk; raises StopUpload beyond the limit."""
        self.received += len(raw_data)
        if self.received > settings.ETL_MAX_FILE_MB * BYTES_PER_MB:
            if self.request is not None:
                self.request.upload_was_too_large = True  # type: ignore[attr-defined] # read by etl/request_forms.py
            raise StopUpload
        super().receive_data_chunk(raw_data, start)
