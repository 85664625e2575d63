"""The result of a registration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.errors import ReceiverError


@dataclass(frozen=True, slots=True)
class Refused:
    """An SMS, or a whole request, that the platform refused: no report will come for it."""

    sms_msg_id: str | None  # None: the request as a whole
    code: str
    verdict: Mapping[str, Any]  # as in the API: `action`, `meaning`, `suggestion`, ...


@dataclass(frozen=True, slots=True)
class Unusable:
    """An entry, or something in or beside it, that the receiver could not use."""

    index: int | None  # of the entry; None: it stands beside all of them
    reason: str


@dataclass(frozen=True, slots=True)
class Registered:
    """The result of one registration.

    Attributes:
        registered: sends that the receiver has on disk.
        refused: those among them that the platform refused (up to 100).
        request: the refusal of the send request as a whole.
        rejected: entries that the receiver could not use (up to 100).
        ignored: parts of entries that it left out (up to 100).
        error: why not everything is registered; None when all of it is.
        spooled: it is kept in the spool and will be delivered later.
    """

    registered: int = 0
    refused: tuple[Refused, ...] = ()
    request: Refused | None = None
    rejected: tuple[Unusable, ...] = ()
    ignored: tuple[Unusable, ...] = ()
    error: str | None = None
    spooled: bool = False


class NotRegisteredError(ReceiverError):
    """Not everything could be registered; raised only where the caller asked for it."""

    def __init__(self, result: Registered) -> None:
        super().__init__(result.error)
        self.result = result
