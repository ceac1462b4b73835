"""The two forms of "Import now": a file of one's own, or a file of the server's data folder."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat

from etl.rule_words import ACCEPT_OTHER_SHAPE, ACCEPT_SHORTER
from etl.sources import IMPORTED, SOURCES
from etl.uploads import size_of


class SeveralFilesInput(forms.ClearableFileInput):
    """A file input that takes several."""

    allow_multiple_selected = True


class SeveralFilesField(forms.FileField):
    """One file or several; none of them empty."""

    widget = SeveralFilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        """Return the files; raises ValidationError without one, or where one is empty."""
        given = data if isinstance(data, list | tuple) else [data]
        return [super(SeveralFilesField, self).clean(one, initial) for one in given or [None]]


class OptionsForm(forms.Form):
    """What both forms ask beside the file."""

    allow_shrink = forms.BooleanField(
        required=False,
        label=ACCEPT_SHORTER,
        help_text="A list that holds no record, or a fifth fewer than last time, is refused as a broken delivery."
        " Tick this if the shorter list is right.",
    )
    allow_drift = forms.BooleanField(
        required=False,
        label=ACCEPT_OTHER_SHAPE,
        help_text="A list whose records lack what they had last time, or hold it in another form, is refused: it may be"
        " another source's list. Tick this if its maker changed it.",
    )
    deactivate_missing = forms.BooleanField(
        required=False,
        label="Take places out of service that no list names any more",
        help_text="Without it, a place that vanished from its list is only marked as missing."
        " Nothing is deleted: it comes back when a list names it again.",
    )

    def option_fields(self) -> list[forms.BoundField]:
        """Return what is ticked."""
        return [self[name] for name in OptionsForm.base_fields]

    def non_option_fields(self) -> list[forms.BoundField]:
        """Return what is chosen."""
        return [self[name] for name in self.fields if name not in OptionsForm.base_fields]


class UploadForm(OptionsForm):
    """A file of the person's own."""

    source = forms.ChoiceField(
        choices=[("", "choose a source"), *((name, name) for name in IMPORTED)],
        label="Source",
        help_text="Whose list it is. The file's own name does not matter.",
    )
    parts = SeveralFilesField(label="File", help_text="JSON. Choose several files if the list comes in parts.")

    def __init__(self, request: HttpRequest, *, is_filled: bool) -> None:
        data, files = (request.POST, request.FILES) if is_filled else (None, None)
        super().__init__(data, files, prefix="upload")
        self.was_too_large = getattr(request, "upload_was_too_large", False)  # etl/upload_handler.py

    def clean(self) -> dict[str, Any]:
        """Return the form's values; raises ValidationError for more than the server takes."""
        values = super().clean() or self.cleaned_data
        if self.was_too_large:
            self.errors.pop("parts", None)
            self.add_error("parts", f"More than {settings.ETL_MAX_FILE_MB} MB (ETL_MAX_FILE_MB): nothing was kept.")
        return values


class ServerForm(OptionsForm):
    """A file of the server's data folder, or all of them."""

    source = forms.ChoiceField(required=False, label="Source")

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, prefix="server")
        folder = settings.RAW_DATA_DIR
        sizes = {name: size_of([name], folder) for name in IMPORTED}
        named = [(name, f"{name} ({filesizeformat(size)})") for name, size in sizes.items() if size]
        self.is_empty = not named
        every = [("", f"all {len(SOURCES)} sources")]
        self.fields["source"].choices = [*every, *named]  # type: ignore[attr-defined] # a ChoiceField
