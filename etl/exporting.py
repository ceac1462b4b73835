"""export_facilities(): who may, what is written down about it, and where the export goes."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from django.core.management.base import OutputWrapper

from core.access import Result, log_access
from core.masking import mask
from core.models import User
from core.roles import ACTIONS, IMPORT_USER, Action, may
from core.whole_files import replacing
from etl.errors import NotAllowedError, OutputError, UnknownNameError
from etl.reference import read_reference
from facilities.export import Audience, Export, Format, Tally, write_export
from facilities.export_formats import Writer
from geography.gazetteer import How
from geography.models import County

ACTION_FOR = {Audience.PUBLIC: Action.EXPORT_PUBLIC, Audience.INTERNAL: Action.EXPORT_INTERNAL}


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is asked for; without an output it goes to stdout."""

    format: Format
    audience: Audience
    county: str | None = None
    output: Path | None = None
    user: str = IMPORT_USER


def export_facilities(options: ExportOptions, stdout: OutputWrapper) -> str:
    """Return the line that says what was written and what was left out; "" where the reader of stdout went away.

    Raises UnknownNameError, NotAllowedError and OutputError. The access log has its row before a byte is written.
    """
    user = _find_user(options.user)
    export = Export(options.format, options.audience, _find_county(options.county))
    action = ACTION_FOR[export.audience]
    if not may(user, action):
        log_access(user, "export", str(export), Result.DENIED)
        raise NotAllowedError(f"{user} may not {ACTIONS[action]}; ask an administrator for a role that may")
    try:
        with _opened(export, options.output, stdout) as out:
            log_access(user, "export", str(export), count=export.facilities.count())
            tally = write_export(export, out)
    except BrokenPipeError:
        _let_go_of_stdout()
        return ""
    return _remark(export, tally, options.output)


def _find_user(name: str) -> User:
    user = User.import_user() if name == IMPORT_USER else User.objects.filter(username=name).first()
    if user is None:
        raise UnknownNameError(f"there is no user '{mask(name)}': the list of users is in admin")
    return user


def _find_county(text: str | None) -> County | None:
    """Return the county of this name or code, also under an alias; a misspelling is no answer but a question."""
    if text is None:
        return None
    found = next(iter(read_reference().gazetteer.resolve(county=text).matches), None)
    if found and found.place and found.how in {How.CODE, How.EXACT, How.ALIAS}:
        return County.objects.get(county_code=found.place.code)
    nearest = [found.place] if found and found.place else found.candidates if found else []
    hint = f"; did you mean {', '.join(place.name for place in nearest)}?" if nearest else ", such as 047"
    raise UnknownNameError(f"there is no county '{mask(text)}': give its name or its code{hint}")


@contextmanager
def _opened(export: Export, path: Path | None, stdout: OutputWrapper) -> Iterator[Writer]:
    """Give what to write to: stdout, or a file beside the path that takes its place once it is whole."""
    if path is None:
        with _cannot_be_written("stdout"):
            yield _Verbatim(stdout)
            stdout.flush()
        return
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent} is no folder: make it, or name another --output")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is no regular file: name another --output")
    mode = 0o600 if export.audience is Audience.INTERNAL else 0o666 & ~_umask()
    with _cannot_be_written(str(path)), replacing(path, mode=mode) as out:
        yield out


@contextmanager
def _cannot_be_written(where: str) -> Iterator[None]:
    """Raise OutputError for what the operating system refuses; that a reader went away is no error."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{where} cannot be written: {error.strerror}; the export is not whole") from error


class _Verbatim:
    """A command's stdout that takes text as it is: in UTF-8, and without a line end of its own."""

    def __init__(self, stdout: OutputWrapper) -> None:
        self._stdout = stdout
        if reconfigure := getattr(sys.stdout, "reconfigure", None):
            reconfigure(encoding="utf-8", newline="")

    def write(self, text: str, /) -> None:
        self._stdout.write(text, ending="")


def _let_go_of_stdout() -> None:
    """Let what is left in stdout's buffer go nowhere: its reader went away, and Python would complain at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _umask() -> int:
    """Return the mask of new files, which can only be asked for by setting it."""
    os.umask(mask_before := os.umask(0o077))
    return mask_before


def _remark(export: Export, tally: Tally, output: Path | None) -> str:
    """Return one line; no number is in it from which a count that is too small to tell could be worked out."""
    left_out = [f"{count} out of service"] if (count := export.out_of_service.count()) else []
    if hidden := export.count_confidential():
        places = ", ".join(f"{row['county']} {row['confidential_places']}" for row in hidden)
        left_out.append(f"confidential places ({places})")
    if tally.unreadable:
        left_out.append(f"{tally.unreadable} values that no key opens")
    return f"{tally.facilities} {export} -> {output or 'stdout'}; left out: {'; '.join(left_out) or 'nothing'}"
