"""Watches the keyring file: changes by the command line take effect within two seconds."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import structlog

from receiver.api.access.auth import Key, Keys, Scope
from receiver.datadir import write_whole
from receiver.errors import DataDirectoryError
from receiver.keyring import RING_FILE, USED_FILE, Ring, RingKey, read_ring

_log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 1.0
_SAVE_EVERY_LOOKS = 10
_NOT_SOONER_US = 50_000  # strangers make us look at the file no more often


class KeyringWatcher:
    """The keyring file as last read."""

    def __init__(
        self,
        directory: Path,
        keys: Keys,
        take_tokens: Callable[[Ring], None],
        clock: Callable[[], int],
    ) -> None:
        """Watch a data directory.

        Args:
            directory: where the file is.
            keys: where its keys go.
            take_tokens: takes its callback tokens into use.
            clock: the time, microseconds since the epoch.
        """
        self._directory = directory
        self._keys = keys
        self._take_tokens = take_tokens
        self._clock = clock
        self._seen: tuple[int, ...] | None = None  # what told the file from others
        self._told: tuple[int, ...] | None = None  # of a file that could not be used
        self._looked_at = 0
        self._saved: dict[str, dict[str, int]] = {}
        self.tokens_used: dict[bytes, int] = {}  # digest -> when a push came by it, microseconds

    def look(self) -> None:
        """Read the file if it has changed.

        Raises:
            DataDirectoryError: it cannot be used.
        """
        now = self._stamp()
        if now == self._seen:
            return
        ring = read_ring(self._directory)
        self._seen = now
        self._keys.beside(_key_of(one) for one in ring.keys)
        self._take_tokens(ring)

    async def run(self) -> None:
        """Look again and again; what cannot be read is told, and what was in force stays."""
        looks = 0
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.try_look()
            looks += 1
            if looks % _SAVE_EVERY_LOOKS == 0:
                await self.save_used()

    def try_look(self) -> bool:
        """Read the file if it has changed, and tell so; one that cannot be used is told once."""
        before, self._looked_at = self._seen, self._clock()
        try:
            self.look()
        except DataDirectoryError as error:
            stamp = self._stamp()
            if stamp != self._told:
                self._told = stamp
                _log.error(
                    "keyring file cannot be read; keeping the previous keys", reason=str(error)
                )
        return self._seen != before

    def look_now(self) -> bool:
        """Look because somebody came with what is not known; tell whether there is news."""
        soon = abs(self._clock() - self._looked_at) < _NOT_SOONER_US
        return False if soon else self.try_look()

    async def save_used(self) -> None:
        """Keep when each key and token was used last; to lose a little of it does no harm."""
        used = {
            "keys": {digest.hex(): at for digest, at in self._keys.used.items()},
            "tokens": {digest.hex(): at for digest, at in self.tokens_used.items()},
        }
        if used == self._saved:
            return
        content = json.dumps(used).encode()
        try:
            await asyncio.to_thread(write_whole, self._directory / USED_FILE, content)
        except DataDirectoryError as error:
            _log.warning("last use of keys could not be saved", reason=str(error))
        else:
            self._saved = used

    def _stamp(self) -> tuple[int, ...]:
        try:
            found = (self._directory / RING_FILE).stat()
        except OSError:
            return ()
        return found.st_ino, found.st_mtime_ns, found.st_size


def _key_of(one: RingKey) -> Key:
    return Key(
        one.name,
        bytes.fromhex(one.digest),
        frozenset(Scope(scope) for scope in one.scopes),
        one.application,
        one.expires_at,
    )
