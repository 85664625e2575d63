"""Watches the writing process: if it does not respond, it is logged and replaced."""

import time

import structlog

from receiver.journal.entries import JournalLimits
from receiver.journal.file import JournalFile

_log = structlog.get_logger(__name__)

_SAID_EVERY_S = 30.0
_STOPPED = "T"  # by a signal: it does not go on by itself
_NAMES = {"T": "stopped by a signal", "D": "waiting for the disk", "Z": "dead"}


class WriterGuard:
    """Looks at the writer from time to time.

    It is killed, never abandoned: another one starts only when the lock that the kernel keeps for
    it is free, so two never write at once. One that the disk holds ends when the disk answers.
    """

    def __init__(self, file: JournalFile, limits: JournalLimits) -> None:
        """Make the guard of an open file."""
        self._file = file
        self._limits = limits
        self._killed: int | None = None  # process id
        self._say_at = 0.0
        self.trouble = ""  # what is wrong now

    def look(self) -> None:
        """Kill a writer that has been silent for too long; say so, again and again."""
        writer = self._file.writer
        silent = writer.silent_s()
        state = writer.state() if silent else ""
        patience = self._limits.writer_timeout_s
        if state == _STOPPED:
            patience = min(patience, self._limits.stopped_s)
        if silent < patience:
            if self.trouble:
                _log.warning("journal writer responds again", writer=writer.pid)
            self.trouble, self._killed = "", None
            return
        self.trouble = (
            f"The journal writer (process {writer.pid}) has not responded for "
            f"{silent:.0f} s; it is {_NAMES.get(state, 'running')}. Pushes are rejected "
            "until it is replaced."
        )
        if self._killed != writer.pid or time.monotonic() >= self._say_at:
            self._say_at = time.monotonic() + _SAID_EVERY_S
            _log.error("journal writer does not respond; replacing it", reason=self.trouble)
        self._killed = writer.pid
        writer.kill()
