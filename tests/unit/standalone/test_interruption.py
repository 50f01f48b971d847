import io
import os
import signal

import pytest
from slipway_standalone.interruption import Interruption


class ClosesBySignal(io.RawIOBase):
    """Gets a signal in its finaliser, where Python swallows what the handler raises."""

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_end_of_a_session_interrupts(number: signal.Signals) -> None:
    with Interruption().heeded(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


def test_an_interruption_that_python_swallows_is_found_by_the_next_check() -> None:
    interruption = Interruption()
    with interruption.heeded():
        file = ClosesBySignal()
        del file

        with pytest.raises(KeyboardInterrupt):
            interruption.check()


def test_nothing_disturbs_the_cleaning_up_after_an_interruption() -> None:
    interruption = Interruption()
    with interruption.heeded():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)

        interruption.ignore()

        os.kill(os.getpid(), signal.SIGINT)
        interruption.check()


def test_the_handlers_of_before_are_back_in_the_end() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with Interruption().heeded():
        assert signal.getsignal(signal.SIGTERM) != before

    assert signal.getsignal(signal.SIGTERM) == before
