"""Signals that end a long command, blocked where it must not be interrupted."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """Raises `KeyboardInterrupt` in the main thread for signals that end the command.

    Only the first one is: the same signal again does what it did before.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._number: signal.Signals | None = None
        self._held = self._due = False

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if handler is not signal.SIG_IGN:  # as of a command under nohup
                self._before[number] = handler
                signal.signal(number, self._end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def reason(self) -> str:
        """Which signal it was, for people."""
        if self._number in (None, signal.SIGINT):
            return "Interrupted."
        return f"Ended by {self._number.name}."

    @property
    def status(self) -> int:
        """The exit status of a command that a signal has ended, as shells have it."""
        return 128 + (self._number or 0)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Do something wholly: a signal that comes meanwhile ends the command behind it."""
        outer, self._held = self._held, True
        try:
            yield
        finally:
            self._held = outer
        if self._due and not outer:
            self._due = False
            raise KeyboardInterrupt

    def _end(self, number: int, _: FrameType | None) -> None:
        self._number = signal.Signals(number)
        signal.signal(number, self._before[self._number])
        if self._held:
            self._due = True
        else:
            raise KeyboardInterrupt
