"""API keys: scopes (read, write, admin) and the application that a key is restricted to."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from receiver.domain.digests import secret_digest


class Scope(StrEnum):
    """What a key may do; `admin` includes the others."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key by its digest."""

    name: str
    digest: bytes
    scopes: frozenset[Scope]
    application: str | None = None  # the only one that it may ask about; None: any
    expires_at: int | None = None  # microseconds; None: never

    def may(self, scope: Scope) -> bool:
        """Return whether the key has a scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def is_over(self, now: int) -> bool:
        """Return whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at


def make_key(name: str, key: str, scopes: Iterable[str]) -> Key:
    """Return a key from its text, which is not kept."""
    return Key(name, secret_digest(key), frozenset(Scope(scope) for scope in scopes))


class Keys:
    """The keys of the private API."""

    def __init__(self, keys: Iterable[Key]) -> None:
        """Keep keys that stay for as long as the process runs."""
        self._fixed = tuple(keys)
        self._keys = self._fixed
        self.used: dict[bytes, int] = {}  # digest -> when it was used last, microseconds

    def beside(self, keys: Iterable[Key]) -> None:
        """Put these keys beside the fixed ones, in place of those that were there before."""
        self._keys = (*self._fixed, *keys)

    def find(self, digest: bytes) -> Key | None:
        """Return the key of a digest, None when there is none."""
        # All are compared, so that the time taken does not tell which one nearly fitted.
        found = [key for key in self._keys if hmac.compare_digest(key.digest, digest)]
        return found[0] if found else None


def digest_of(authorization: str) -> bytes:
    """Return the digest of the key in `Authorization: Bearer KEY`; empty: there is none."""
    scheme, _, credentials = authorization.partition(" ")
    return secret_digest(credentials.strip()) if scheme.lower() == "bearer" else b""
