"""The results of reading a file: rows with a send, and unusable rows."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import NamedTuple

from receiver.domain.inputs import Send

# Of a row of our own exports. Registered, it would be taken for sent, and be sent again.
NEVER_REGISTERED = "According to the export, the send was never registered. Nothing is known of it."


class ExportError(ValueError):
    """The file as a whole, or what is left of it, cannot be read; the text says what to do."""


class SendRow(NamedTuple):
    """A send of the file."""

    line: int  # of the file, or row of the sheet, from 1; where the row begins
    send: Send
    application: str | None  # None: the row does not say
    raw: object  # the row as received: cells, or a line of JSON


class Fault(NamedTuple):
    """A row that cannot be used."""

    line: int
    reason: str  # names fields, never their values
    raw: object


Row = SendRow | Fault


@dataclass(frozen=True, slots=True)
class How:
    """How a file is to be read."""

    columns: Mapping[str, str] = field(default_factory=dict)  # our name -> column, "" for none
    sheet: str | None = None  # None: the first
    zone: tzinfo = UTC  # of times that name none
    international: bool = False  # numbers without a plus sign carry their country code
    encoding: str | None = None  # of CSV; None: what the bytes look like
    now: int = field(default_factory=lambda: time.time_ns() // 1000)  # no send has a later time
