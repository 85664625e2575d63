"""The inputs that pushes and registrations carry, in platform-neutral terms."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from receiver.domain.whole_numbers import is_given


class Trust(StrEnum):
    """How sure we are that the platform itself sent a push."""

    OPEN = "open"  # anyone who guesses the callback URL could have sent it
    TOKEN = "token"  # noqa: S105 - whoever knows the callback URL could; it cannot be guessed
    ALLOWLISTED = "allowlisted"  # it came by the token, from an address that may push
    SIGNED = "signed"  # the platform's push signature was verified


_TRUST_ORDER = (Trust.OPEN, Trust.TOKEN, Trust.ALLOWLISTED, Trust.SIGNED)


def trust_order(trust: Trust) -> int:
    """Return the place of a trust among all, the better the higher."""
    return _TRUST_ORDER.index(trust)


@dataclass(frozen=True, slots=True)
class Arrival:
    """When and how an input arrived; the same for all items of one push."""

    application: str
    received_at: int  # microseconds since the epoch, UTC
    trust: Trust = Trust.OPEN


# A number that is there and cannot be read is not a missing one: nothing final follows from it.
UNREADABLE_SEQUENCE = -1
UNREADABLE_TOTAL = 0


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One item of a push about one part of one sent SMS (sms_05_0003, sms_05_0063)."""

    sms_msg_id: str
    status: str
    sequence: int = 1  # which part, from 1, or from 0; may be `UNREADABLE_SEQUENCE`
    total: int | None = None  # how many parts, where the report says so; or `UNREADABLE_TOTAL`
    source: int | None = None  # 1 SMS platform, 2 SMSC, 3 Huawei platform
    updated_at: int | None = None  # microseconds; None when absent or not a time
    update_time: str = ""  # the field as received: it identifies a redelivery
    status_desc: str | None = None
    org_code: str | None = None
    extend: str | None = None
    to: str | None = None
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def tells_sequence(self) -> bool:
        """Whether it says which part it is about, as far as it is known how it came."""
        return not self.raw or is_given(self.raw.get("sequence"))


@dataclass(frozen=True, slots=True)
class Uplink:
    """An SMS that a person sent to us (sms_05_0004)."""

    sms_msg_id: str
    sender: str
    to: str
    body: str
    original_body: str | None = None  # as received, where `body` shows it otherwise
    created_at: int | None = None  # microseconds
    create_time: str = ""  # the field as received
    text: str | None = None  # what it says, where `body` had to be escaped
    is_guess: bool = False  # `body` is in an undeclared charset
    guesses: tuple[str, ...] = ()  # what it may say; nothing is sure about any of them
    raw: dict[str, Any] = field(default_factory=dict)


def written_at(created_at: int | None, received_at: int) -> int:
    """Return when a person wrote an uplink; after it arrived it cannot have been, microseconds."""
    return received_at if created_at is None else min(created_at, received_at)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A value of a later registration that contradicts the earlier one, which is kept."""

    field: str  # of `Send`
    value: str | int | None  # as registered; None: erased
    registered_at: int | None = None  # microseconds: the first registration that said so


@dataclass(frozen=True, slots=True)
class Send:
    """The record of one SMS that the application handed to the platform (sms_05_0001)."""

    sms_msg_id: str
    status: str | None = None  # the response entry's own; None: not told, which means accepted
    to: str | None = None
    sender: str | None = None  # the channel number in `from`
    sent_at: int | None = None  # microseconds
    total: int | None = None
    country: str | None = None  # ISO 3166 alpha-2, as the platform gave it
    extend: str | None = None
    reference: str | None = None
    template_id: str | None = None
    text_length: int | None = None  # characters, as the application counted them
    retry_of: str | None = None  # the smsMsgId of the attempt before this one
    conflicts: tuple[Conflict, ...] = ()
    conflicts_omitted: bool = False  # there were more than are kept

    @property
    def refused(self) -> bool:
        """Whether the platform did not take this SMS."""
        return self.status not in (None, ACCEPTED_BY_PLATFORM)

    @property
    def disputed(self) -> bool:
        """Whether registrations told different statuses, so that the platform may have taken it."""
        return any(one.field == "status" for one in self.conflicts)


ACCEPTED_BY_PLATFORM = "000000"
