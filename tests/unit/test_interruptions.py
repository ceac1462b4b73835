"""What a signal to end does to a command."""

import os
import signal

import pytest

from core.interruptions import interrupted_once


def test_an_error_of_tidying_up_does_not_hide_that_somebody_broke_it_off() -> None:
    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise OSError("the connection is closed")

    with pytest.raises(KeyboardInterrupt), interrupted_once():
        work()


def test_an_error_without_a_signal_stays_what_it_is() -> None:
    with pytest.raises(OSError, match="closed"), interrupted_once():
        raise OSError("the connection is closed")
