"""Which numbers are suppressed, from the entries of all sources.

The words about a number stand side by side, one for each source, channel and application. A person
takes an opt-out back by an opt-in that is trusted as much; what a code proved is disproved by a
delivery after the failure; a manual entry is lifted manually. A manual lift covers what was said
before it, a person's own opt-out only where it says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from receiver.domain.catalogue.entries import Category
from receiver.domain.channels import extends, may_be_same
from receiver.domain.inputs import Trust, trust_order


class Source(StrEnum):
    """Where a word comes from, what binds most first."""

    HAND = "hand"  # somebody set or lifted it through the API
    UPLINK = "uplink"  # the person wrote it
    CODE = "code"  # a verdict says that sending to the number again is no use


@dataclass(frozen=True, slots=True)
class SuppressionScope:
    """A suppressed number, with its channel and application."""

    number: str  # E.164 where it is a number
    channel: str  # of an uplink with the person's extension; empty: every channel
    application: str  # empty: every application


@dataclass(frozen=True, slots=True)
class SuppressionEntry:
    """That a number is not to be sent to, or may be again."""

    suppressed: bool
    decided_at: int  # microseconds: when the person wrote it, the message failed, it was set
    source: Source
    source_id: str  # smsMsgId of the uplink or message; the API key by which it was set
    reason: str | None = None  # of a code the code itself; by hand the words of whoever set it
    until: int | None = None  # microseconds; None: unlimited
    overrides: bool = False  # a lift that covers the person's own opt-out too
    trust: Trust | None = None  # of the uplink; None: it did not come by one
    restored_at: int | None = None  # when the undo of a reclassification put it back

    def is_in_force(self, now: int) -> bool:
        """Return whether its time is not over."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class ScopedEntry:
    """A suppression entry and its scope."""

    party: SuppressionScope
    word: SuppressionEntry


@dataclass(frozen=True, slots=True)
class DeliveryEvidence:
    """What happened to a message to a number, as far as it proves something about the number."""

    channel: str  # empty: not known
    sms_msg_id: str
    ended_at: int  # microseconds: when it failed, or when a part of it was delivered
    hopeless: Category | None  # why no other message will arrive; None: it was delivered
    code: str | None = None


def last_word(one: SuppressionEntry, other: SuppressionEntry) -> SuppressionEntry:
    """Return the word that holds, of two from the same source.

    The newer one; of two at the same moment the opt-out. Any order and any repetition of words
    gives the same. An opt-in is therefore kept also where no opt-out is known: an older one may
    still come.
    """
    return max(one, other, key=_weight)


def standing(words: Iterable[SuppressionEntry]) -> list[SuppressionEntry]:
    """Return the words that count, of those from one source about one party, most trusted first.

    An opt-in takes back only what is trusted no more than itself, while anybody may opt out. So of
    each trust the last word counts among those that are trusted as much or more, and the party is
    suppressed by any of these that is an opt-out. Any order and any repetition gives the same.
    """
    last: SuppressionEntry | None = None
    counting = []
    for _, some in groupby(sorted(words, key=_trust, reverse=True), key=_trust):
        newest = max(some, key=_weight)
        if last is None or last_word(last, newest) != last:
            last = newest
            counting.append(last)
    return counting


def _trust(word: SuppressionEntry) -> int:
    return 0 if word.trust is None else trust_order(word.trust)


def _weight(word: SuppressionEntry) -> tuple[int, bool, str, str, str, int, bool, int]:
    return (
        word.decided_at,
        word.suppressed,
        word.source_id,
        word.source,
        word.reason or "",
        word.until or 0,
        word.overrides,
        _trust(word),
    )


def last_delivery(ended: Iterable[DeliveryEvidence], channel: str) -> int | None:
    """Return when something was last delivered by a channel, by any where it is empty."""
    delivered = (
        one.ended_at for one in ended if one.hopeless is None and channel in ("", one.channel)
    )
    return max(delivered, default=None)


def by_codes(ended: Iterable[DeliveryEvidence], kept_us: int) -> dict[str, SuppressionEntry]:
    """Return what codes prove about a number, by channel; empty for every channel.

    A delivery disproves what failed before it, whichever was sent first and whichever was heard of
    first. That a number does not exist holds for every channel and is disproved by any; that
    somebody blocks us holds for the channel through which it was found out.

    Args:
        ended: messages to one number, of one application, in any order.
        kept_us: for how long a code suppresses, microseconds from the failure.
    """
    arrived: dict[str, int] = {}
    failed: dict[str, DeliveryEvidence] = {}
    for one in sorted(ended, key=lambda one: (one.ended_at, one.sms_msg_id)):
        if one.hopeless is None:
            arrived[one.channel] = arrived[""] = one.ended_at
        else:
            failed["" if one.hopeless is Category.INVALID_NUMBER else one.channel] = one
    return {
        channel: SuppressionEntry(
            suppressed=True,
            decided_at=one.ended_at,
            source=Source.CODE,
            source_id=one.sms_msg_id,
            reason=one.code,
            until=one.ended_at + kept_us,
        )
        for channel, one in failed.items()
        if channel not in arrived or arrived[channel] <= one.ended_at
    }


def holding(
    said: Iterable[ScopedEntry], party: SuppressionScope, now: int
) -> tuple[ScopedEntry, ...]:
    """Return the words that keep a party from being sent to, what binds most first.

    A word counts when it is about every channel or about one that may be the party's, and about its
    application or every one. Where the party leaves channel or application open, any counts.

    Args:
        said: words about any numbers, the lifts included.
        party: who is to be sent to.
        now: microseconds.
    """
    said = list(said)
    about = [one for one in said if concerns(one.party, party)]
    # A lift reaches extensions of its channel, also where those alone are asked about.
    lifts = [
        one
        for one in said
        if one.party.number == party.number
        and _same_or_open(one.party.application, party.application)
        and one.word.source is Source.HAND
        and not one.word.suppressed
    ]
    found = [
        one
        for one in about
        if one.word.suppressed
        and one.word.is_in_force(now)
        and not any(_lifts(lift, one, party) for lift in lifts)
    ]
    return tuple(sorted(found, key=lambda one: (_BINDING[one.word.source], -one.word.decided_at)))


def until_when(holds: Sequence[ScopedEntry]) -> int | None:
    """Return when the last of some words is over, microseconds; None: never."""
    ends = [one.word.until for one in holds]
    known = [end for end in ends if end is not None]
    return max(known) if len(known) == len(ends) and known else None


_BINDING: Mapping[Source, int] = {source: place for place, source in enumerate(Source)}


def concerns(of_word: SuppressionScope, asked: SuppressionScope) -> bool:
    """Return whether a word is about somebody, or may be."""
    return (
        of_word.number == asked.number
        and _same_or_open(of_word.application, asked.application)
        and may_be_same(of_word.channel, asked.channel)
    )


def _same_or_open(one: str, other: str) -> bool:
    return one == other or "" in (one, other)


def _lifts(lift: ScopedEntry, said: ScopedEntry, asked: SuppressionScope) -> bool:
    """Return whether a manual lift revokes an entry, within the scope that is asked about."""
    if lift.word.decided_at < said.word.decided_at:
        return False
    if said.word.source is Source.UPLINK and not lift.word.overrides:
        return False
    return _lifts_application(
        lift.party.application, said.party.application, asked.application
    ) and _lifts_channel(lift.party.channel, said.party.channel, asked.channel)


def _lifts_application(of_lift: str, of_word: str, asked: str) -> bool:
    """Return whether a lift reaches a word: where it is as wide, or all that is asked.

    A word about every application that is lifted for one still holds for a query about any.
    """
    return of_lift in ("", of_word) or (of_word == "" and of_lift == asked)


def _lifts_channel(of_lift: str, of_word: str, asked: str) -> bool:
    """Tell whether a lift reaches a word: where it is as wide, or names the channel that is asked.

    It reaches extensions of its channel. A word that may be about several channels, lifted for one,
    still stands for the others.
    """
    return of_lift in ("", of_word, asked) or extends(of_word, of_lift)
