"""One file of the spool: its name, and the two lines in it."""

import json
import os
import secrets
import stat
import time
from pathlib import Path
from typing import Any

from receiver.client.interruptions import let_through

KEPT = ".ndjson"


class UnusableFileError(ValueError):
    """A file of the spool was not written by a client."""


def new_name(ending: str) -> str:
    """Return a name that no file has, behind all older ones."""
    return f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}{ending}"


def content_of(file: Path) -> bytes:
    """Read a file.

    Raises:
        UnusableFileError: it is something else, of which a read may never end.
        OSError: it cannot be read.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            raise UnusableFileError("An entry of the spool is a pipe.")
        with open(descriptor, "rb", closefd=False) as opened:
            return opened.read()
    finally:
        os.close(descriptor)


def is_of_nobody(name: str) -> bool:
    """Return whether a name is of the form that does not say whose the file is."""
    return name.count(".") == 1


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return whose a registration is, and the registration.

    Raises:
        UnusableFileError: the content does not say so.
    """
    head, _, line = content.rstrip(b"\n").partition(b"\n")
    owner = read_object(head)
    if not line or not {"address", "application"} <= owner.keys():
        raise UnusableFileError("A file of the spool does not name its client.")
    return owner, line


def is_whole(name: str, content: bytes) -> bool:
    """Return whether what would have this name was written to its last byte."""
    try:
        line = content if is_of_nobody(name) else split(content)[1]
        read_object(line)
    except UnusableFileError:
        return False
    return content.endswith(b"\n")


def read_object(line: bytes) -> dict[str, Any]:
    """Read a line.

    Raises:
        UnusableFileError: it is not a JSON object.
    """
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        let_through(error)
        document = None
    if not isinstance(document, dict):
        raise UnusableFileError("A line of a spool file is not a JSON object.")
    return document


def rename_application(line: bytes, before: str | None, now: str | None) -> bytes:
    """Return a registration with the application of the client that delivers it."""
    document = read_object(line)
    if before is not None:
        document.pop("application", None)
    if now is not None:
        document["application"] = now
    return json.dumps(document, separators=(",", ":")).encode()
