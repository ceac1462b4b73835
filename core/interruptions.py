"""Work that SIGTERM (systemd, cron's timeout), a lost terminal or Ctrl-C ends tidily.

The first is heard, and no other one disturbs the tidying up.
"""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Let the first signal to end raise KeyboardInterrupt in the block, and the others do nothing until it has ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _HEARD}

    def interrupt(*_: object) -> None:
        _set(dict.fromkeys(_HEARD, signal.SIG_IGN))
        raise KeyboardInterrupt

    _set({number: before[number] if before[number] == signal.SIG_IGN else interrupt for number in _HEARD})  # nohup
    try:
        yield
    finally:
        _set(before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let no signal to end be heard before the block has ended: it is short, and must not end halfway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _set(handlers: Mapping[signal.Signals, object]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)  # type: ignore[arg-type] # what getsignal() said
