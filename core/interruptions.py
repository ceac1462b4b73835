"""Work that SIGTERM (systemd, cron's timeout), a lost terminal or Ctrl-C ends tidily.

The first is heard, and no other one disturbs the tidying up.
"""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_hearing: list[bool] = []  # an entry while interrupted_once() is at work


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Let the first signal to end raise KeyboardInterrupt in the block, and the others do nothing until it has ended.

    An error of tidying up, such as of a connection that was broken off, does not take its place.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _HEARD}
    heard: list[bool] = []

    def interrupt(*_: object) -> None:
        heard.append(True)
        _set(dict.fromkeys(_HEARD, signal.SIG_IGN))
        raise KeyboardInterrupt

    _set({number: before[number] if before[number] == signal.SIG_IGN else interrupt for number in _HEARD})  # nohup
    _hearing.append(True)
    try:
        yield
    except Exception as error:  # whatever tidying up raises
        if heard:
            raise KeyboardInterrupt from error
        raise
    finally:
        _hearing.pop()
        _set(before)


def hear_no_more() -> None:
    """Let no signal interrupt the block of interrupted_once() any more: what comes now must not end halfway."""
    if _hearing:
        _set(dict.fromkeys(_HEARD, signal.SIG_IGN))


def _set(handlers: Mapping[signal.Signals, object]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)  # type: ignore[arg-type] # what getsignal() said
