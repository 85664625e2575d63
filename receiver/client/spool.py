"""Undelivered registrations, kept on disk until they can be delivered.

One file for each, of two lines of JSON: whose it is, and the registration. It is written under
another name, synced, then renamed. So a file that is there is whole, several processes can share a
directory without locks, and the worst that a crash leaves is a registration that is delivered
twice, which changes nothing.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import Self

from receiver.client.interruptions import let_through
from receiver.client.spool_files import (
    KEPT,
    UnusableFileError,
    content_of,
    is_of_nobody,
    is_whole,
    new_name,
    read_object,
    rename_application,
    split,
)
from receiver.durable import sync_directory, sync_file

MOST_KEPT = 100_000  # registrations; a block of the file system each
MOST_REFUSED = 1_000  # for people to look at; the oldest go
_REFUSED = ".refused"
_UNFINISHED = ".tmp"
_PUT_AWAY = "refused"  # a directory, so that nothing reads past what lies in it
_RECOVERED_AFTER_S = 10.0  # nobody is that slow between the last byte and the new name
_ABANDONED_S = 3600.0
_PUT_OFF_S = 60.0
# The count is taken again when this part of the room that was left may be used up: so many
# processes can fill a directory together without passing its limit.
_SHARERS = 64
_FULL = (
    f"The spool is full ({MOST_KEPT} registrations). Check that the receiver can be reached; the "
    "spool empties once it responds."
)
_FULL_FOR_S = 1.0

_log = logging.getLogger("receiver.client")


class SpoolFullError(OSError):
    """The spool is full."""


@dataclass(frozen=True)
class Owner:
    """The client whose registrations are kept and delivered."""

    address: str
    key: str  # a fingerprint
    application: str | None

    @classmethod
    def of(cls, address: str, key: str, application: str | None) -> Self:
        """Describe a client; 32 bits tell keys apart, and confirm nobody's guess at one."""
        return cls(address, hashlib.sha256(key.encode()).hexdigest()[:8], application)

    @cached_property
    def head(self) -> bytes:
        """The first line of its files."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @cached_property
    def ending(self) -> str:
        """How the names of its files end."""
        return f".{hashlib.sha256(self.head).hexdigest()[:16]}{KEPT}"


class Spool:
    """A directory of registrations, created on demand and readable only by its owner.

    Args:
        directory: where the files are.
        owner: whose registrations are kept and delivered here.

    Raises:
        OSError: it cannot be made or read.
    """

    def __init__(self, directory: Path, owner: Owner) -> None:
        self._directory = directory
        self._owner = owner
        self._room = 0  # for how many registrations the count need not be taken again
        self._full_until = 0.0
        self._put_off: dict[str, float] = {}  # names, until when
        self._make(directory)
        refused = list(directory.glob(f"*{_REFUSED}"))  # of earlier versions
        if refused:
            self._put_away(refused)
        self.waiting()

    def keep(self, line: bytes) -> Path:
        """Keep a registration; return its file, which is on disk then.

        Raises:
            OSError: it cannot be kept.
        """
        self._take_room()
        return self._keep(line)

    def _keep(self, line: bytes) -> Path:
        name = new_name(self._owner.ending)
        try:
            self._write(name, line)
        except FileNotFoundError:  # a cleaner has removed the directory, or the file
            self._make(self._directory)
            self._write(name, line)
        return self._directory / name

    def waiting(self) -> list[Path]:
        """Return what this client may deliver, the oldest first."""
        return [
            self._directory / name
            for name in self._names()
            if name.endswith(self._owner.ending) or is_of_nobody(name)
        ]

    def count_others(self, older_than_s: float) -> int:
        """Return how many registrations only other clients deliver, and for that long did not."""
        count = 0
        for file in self._of_others():
            try:
                count += time.time() - file.stat().st_mtime > older_than_s
            except OSError as error:  # gone meanwhile, or nothing that anybody can read
                let_through(error)
        return count

    def adopt(self, address: str, application: str | None) -> int:
        """Make what was kept for an address and an application this client's own.

        Args:
            address: where the clients that kept it would have delivered it.
            application: the one that they were made with.

        Returns:
            How many they are.

        Raises:
            OSError: some cannot be read or kept; all others have been adopted.
        """
        count, failure = 0, None
        for file in self._of_others():
            try:
                head, line = split(content_of(file))
                if (head["address"], head["application"]) != (address, application):
                    continue
                # One comes and one goes: this needs no room.
                self._keep(rename_application(line, application, self._owner.application))
                self.remove(file)
                count += 1
            except UnusableFileError:
                continue
            except FileNotFoundError:
                continue  # another process has seen to it
            except OSError as error:
                let_through(error)
                failure = failure or error
        if failure is not None:
            raise failure
        return count

    def read(self, file: Path) -> bytes | None:
        """Return what is kept in a file; None when there is nothing in it for this client.

        Raises:
            UnusableFileError: it is no registration.
            OSError: it cannot be read.
        """
        try:
            content = content_of(file)
        except FileNotFoundError:  # another has delivered it
            self._put_off.pop(file.name, None)
            return None
        if not is_of_nobody(file.name):
            return split(content)[1]
        # Of a file that does not say whose it is, the registration itself may.
        named = read_object(content).get("application")
        return content.rstrip(b"\n") if named == self._owner.application else None

    def remove(self, file: Path) -> None:
        """Forget what has been delivered."""
        file.unlink(missing_ok=True)
        self._put_off.pop(file.name, None)

    def put_off(self, file: Path) -> None:
        """Leave a file alone for a while, for it could not be dealt with."""
        self._put_off[file.name] = monotonic() + _PUT_OFF_S

    def put_behind(self, file: Path) -> None:
        """Leave a file alone for a while; programs that only live for a moment find it last."""
        self.put_off(file)
        behind = file.with_name(new_name("".join(file.suffixes)))
        try:
            file.rename(behind)
        except OSError as error:
            let_through(error)
        else:
            self.put_off(behind)

    def is_put_off(self, file: Path) -> bool:
        """Return whether a file is left alone for now."""
        until = self._put_off.get(file.name)
        return until is not None and monotonic() < until

    def set_aside(self, file: Path) -> None:
        """Put away, to be looked at but not tried again, what the receiver refuses for good."""
        self._put_away([file])
        self._put_off.pop(file.name, None)

    def _make(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _take_room(self) -> None:
        if monotonic() < self._full_until:
            raise SpoolFullError(_FULL)
        if self._room < 1:
            left = MOST_KEPT - len(self._names())
            if left < 1:
                self._full_until = monotonic() + _FULL_FOR_S
                raise SpoolFullError(_FULL)
            self._room = max(left // _SHARERS, 1)
        self._room -= 1

    def _names(self) -> list[str]:
        """Return the names of the files that any client kept, the oldest first."""
        try:
            with os.scandir(self._directory) as entries:
                names = [entry.name for entry in entries]
        except FileNotFoundError:  # a cleaner has removed the directory
            return []
        recovered = [self._recover(name) for name in names if name.endswith(_UNFINISHED)]
        kept = [name for name in names if name.endswith(KEPT)]
        kept += [name for name in recovered if name]
        put_off = self._put_off  # another thread may put a new one in its place
        self._put_off = {name: put_off[name] for name in kept if name in put_off}
        return sorted(kept)

    def _of_others(self) -> Iterator[Path]:
        for name in self._names():
            if not (name.endswith(self._owner.ending) or is_of_nobody(name)):
                yield self._directory / name

    def _write(self, name: str, line: bytes) -> None:
        unfinished = self._directory / (name + _UNFINISHED)
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(self._owner.head + b"\n" + line + b"\n")
                sync_file(file)
            unfinished.rename(self._directory / name)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        sync_directory(self._directory)

    def _recover(self, name: str) -> str | None:
        """Rename a file that a process completed before it ended; remove an incomplete one."""
        unfinished = self._directory / name
        finished = name.removesuffix(_UNFINISHED)
        finished += "" if finished.endswith(KEPT) else KEPT
        try:
            age_s = time.time() - unfinished.stat().st_mtime
            if abs(age_s) < _RECOVERED_AFTER_S:  # a clock may have been set back
                return None
            if is_whole(finished, unfinished.read_bytes()):
                unfinished.rename(self._directory / finished)
                return finished
            if age_s > _ABANDONED_S:
                unfinished.unlink()
                _log.error(
                    "A registration was removed that a program had not finished writing. "
                    "Register its sends again."
                )
        except OSError as error:
            let_through(error)
        return None

    def _put_away(self, files: Iterable[Path]) -> None:
        aside = self._directory / _PUT_AWAY
        self._make(aside)
        for file in files:
            with suppress(FileNotFoundError):  # another process has seen to it
                file.rename(aside / file.with_suffix(_REFUSED).name)
        refused = sorted(aside.glob(f"*{_REFUSED}"))
        surplus = refused[: max(len(refused) - MOST_REFUSED, 0)]
        for oldest in surplus:
            oldest.unlink(missing_ok=True)
        if surplus:
            _log.warning(
                "More than %d refused registrations were kept; the oldest %d were removed.",
                MOST_REFUSED,
                len(surplus),
            )
