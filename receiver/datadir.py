"""The data directory: locked by one process, with the secrets generated for the operator."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from receiver.durable import replace_file, sync_file
from receiver.errors import DataDirectoryError, InUseError

TOKEN_FILE = "callback_token"  # noqa: S105 - the name of a file
KEY_FILE = "api_key"

_LOCK_FILE = "lock"
_SECRET_BYTES = 32  # 256 bits
_LEAST_OF_A_SECRET = 43  # characters of base64 in which they are written; less is a piece of one


@contextmanager
def held(lock_file: Path, what: str) -> Iterator[None]:
    """Hold something for this process alone, by the lock of a file.

    Args:
        lock_file: made when it is not there.
        what: what is held, as people know it, for the error.

    Raises:
        DataDirectoryError: another process holds it, or the file cannot be made.
    """
    try:
        lock = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DataDirectoryError(
            f"{what} cannot be used: {error.strerror}. Check its permissions."
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
            raise InUseError(
                f"{what} is in use by another receiver (process {holder}, lock file "
                f"{lock_file}). Stop that receiver, or configure another location for "
                "this one."
            ) from error
        try:
            os.ftruncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
        except OSError as error:
            raise DataDirectoryError(f"{what} cannot be written: {error.strerror}.") from error
        yield
    finally:
        os.close(lock)


class DataDirectory:
    """A directory that this process locks until it leaves the context."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held = ExitStack()

    def __enter__(self) -> Self:
        """Create the directory when needed and take its lock.

        Raises:
            DataDirectoryError: it cannot be written, or another process holds it.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DataDirectoryError(
                f"The data directory {self.path} cannot be used: {error.strerror}. "
                "Create it and make it writable for this user, or set `data_dir` to "
                "another directory."
            ) from error
        self._held.enter_context(held(self.path / _LOCK_FILE, f"The data directory {self.path}"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the directory go."""
        self._held.close()

    def secret(self, name: str) -> str:
        """Read a secret of 256 bits from its file, making it (mode 0600) the first time."""
        path = self.path / name
        found = read_secret(path)
        if found is not None:
            return found
        made = secrets.token_urlsafe(_SECRET_BYTES)
        write_whole(path, f"{made}\n".encode())
        return made


def read_secret(path: Path) -> str | None:
    """Read a secret that was made before; None when there is none.

    Raises:
        DataDirectoryError: the file cannot be read, or holds no whole secret.
    """
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise DataDirectoryError(f"{path} cannot be read: {type(error).__name__}.") from error
    if len(text) < _LEAST_OF_A_SECRET or not is_secret(text):
        raise DataDirectoryError(
            f"{path} is damaged: it must contain one line of at least "
            f"{_LEAST_OF_A_SECRET} letters, digits, '-', '_', '.' or '~'. Restore it "
            f"from a backup, or set `{path.name}` in the settings. If you remove it, a "
            "new secret is generated, and every user of the old one must be given the "
            "new one."
        )
    return text


def is_secret(text: str) -> bool:
    """Return whether a text can stand in a URL and a header as it is."""
    return bool(text) and all(c.isascii() and (c.isalnum() or c in "-_.~") for c in text)


def give_to_owner(descriptor: int, directory: Path) -> None:
    """Let a file that root makes belong to whom the directory belongs: the service reads it."""
    owner = directory.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def write_whole(file: Path, content: bytes) -> None:
    """Put content in place of a file, mode 0600, durably.

    Raises:
        DataDirectoryError: it cannot be written; the old content stays.
    """
    beside = file.with_name(file.name + ".new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as writing:
            give_to_owner(descriptor, file.parent)
            writing.write(content)
            sync_file(writing)
        replace_file(beside, file)
    except OSError as error:
        raise DataDirectoryError(f"{file} cannot be written: {error.strerror}.") from error
