"""Keys and callback tokens created by the command line, stored as digests.

Anyone who reads the file learns no key. It is written whole, beside itself, and put in its place: a
receiver that reads it meanwhile sees the old content or the new one.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from receiver.datadir import give_to_owner, write_whole
from receiver.domain.digests import secret_digest
from receiver.errors import DataDirectoryError

RING_FILE = "keys.json"
USED_FILE = "keys-used.json"
_LOCK_FILE = "keys.lock"

ScopeName = Literal["read", "write", "admin"]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RingKey(_Row):
    """A key of the private API. Times are microseconds since the epoch."""

    name: str
    digest: str  # SHA-256 of the key, in hex: 256 random bits need no slow hash
    scopes: tuple[ScopeName, ...]
    application: str | None  # the only one that it may ask about
    created_at: int
    expires_at: int | None


class RingToken(_Row):
    """A callback token in addition to those of the settings."""

    application: str
    digest: str
    created_at: int


class Ring(_Row):
    """The content of the file."""

    keys: tuple[RingKey, ...] = ()
    tokens: tuple[RingToken, ...] = ()
    retired: tuple[str, ...] = ()  # digests of tokens that are no longer taken

    def with_key(self, key: RingKey) -> Self:
        """Add a key."""
        return self.model_copy(update={"keys": (*self.keys, key)})

    def without_key(self, name: str) -> Self:
        """Take a key out."""
        return self.model_copy(update={"keys": tuple(k for k in self.keys if k.name != name)})

    def with_token(self, token: RingToken) -> Self:
        """Add a callback token."""
        return self.model_copy(update={"tokens": (*self.tokens, token)})

    def without_tokens(self, digests: frozenset[str]) -> Self:
        """Retire callback tokens, those of the settings too."""
        kept = tuple(one for one in self.tokens if one.digest not in digests)
        known = {one.digest for one in self.tokens}
        retired = dict.fromkeys([*self.retired, *sorted(digests - known)])
        return self.model_copy(update={"tokens": kept, "retired": tuple(retired)})


def digest_of(secret: str) -> str:
    """Return what is kept of a key or token."""
    return secret_digest(secret).hex()


def make_secret() -> str:
    """Make 256 random bits that can stand in a URL and a header."""
    return secrets.token_urlsafe(32)


def read_ring(directory: Path) -> Ring:
    """Read the file; an empty ring where there is none.

    Raises:
        DataDirectoryError: it cannot be read, or is none of ours.
    """
    file = directory / RING_FILE
    try:
        return Ring.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return Ring()
    except ValidationError:
        raise DataDirectoryError(
            f"{file} was not written by `receiver key` or is damaged. Restore it from a "
            "backup, or remove it to start without these keys."
        ) from None
    except OSError as error:
        raise DataDirectoryError(f"{file} cannot be read: {error.strerror}.") from error


@contextmanager
def changing(directory: Path) -> Iterator[list[Ring]]:
    """Change the file alone; the list's only element is what it holds, put another in its place.

    Raises:
        DataDirectoryError: it cannot be read or written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        give_to_owner(lock, directory)
    except OSError as error:
        raise DataDirectoryError(f"{directory} cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = [read_ring(directory)]
        yield held
        write_whole(directory / RING_FILE, held[0].model_dump_json(indent=1).encode() + b"\n")
    finally:
        os.close(lock)
