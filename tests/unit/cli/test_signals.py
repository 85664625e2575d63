"""Signals that end a long command."""

import signal
from collections.abc import Iterator

import pytest

from receiver.cli.signals import Ending


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Restore the handlers of the test run."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGINT, "Interrupted."),
        (signal.SIGTERM, "Ended by SIGTERM."),
        (signal.SIGHUP, "Ended by SIGHUP."),
    ],
)
def test_each_signal_interrupts_and_is_named(number: signal.Signals, reason: str) -> None:
    """All that asks a command to end is told apart, and the handler of before comes back."""
    before = signal.getsignal(number)
    ending = Ending()

    with pytest.raises(KeyboardInterrupt), ending:
        signal.raise_signal(number)
    assert ending.reason == reason
    assert signal.getsignal(number) is before


def test_what_is_held_is_done_wholly() -> None:
    """A signal that comes meanwhile interrupts behind it."""
    done = []

    def work(ending: Ending) -> None:
        with ending.held(), ending.held():
            signal.raise_signal(signal.SIGTERM)
            done.append("held")
        done.append("behind")

    with Ending() as ending, pytest.raises(KeyboardInterrupt):
        work(ending)
    assert done == ["held"]


def test_a_signal_that_is_ignored_stays_so() -> None:
    """A command under nohup outlives its terminal."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with Ending():
        signal.raise_signal(signal.SIGHUP)
