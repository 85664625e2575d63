"""Which message an uplink answers: by number, channel number and time, never by id."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from receiver.domain.channels import UNKNOWN, fit
from receiver.domain.numbers import normalise_channel

MOST_CANDIDATES = 10


class MatchRule(StrEnum):
    """What fits between an uplink and the message that it answers."""

    CHANNEL = "channel"  # the number, and the channel number with an extension or without
    NUMBER = "number"  # only the number: the message's channel number is an alias or unknown


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message to the person who wrote an uplink."""

    sms_msg_id: str
    channel: str | None  # `from` of its send
    at: int  # microseconds
    reference: str | None = None
    extend: str | None = None


@dataclass(frozen=True, slots=True)
class ReplyMatch:
    """The message that an uplink answers, and how sure that is."""

    message: SentMessage
    rule: MatchRule
    ambiguous: bool  # several messages fit as well; this is the newest
    candidates: tuple[str, ...]  # their ids, the newest first, this one included


def find_answered(
    channel: str, written_at: int, sent: Iterable[SentMessage], within_us: int
) -> ReplyMatch | None:
    """Find the message that an uplink answers: longest channel number first, then the newest.

    Args:
        channel: the number that the person wrote to.
        written_at: microseconds; messages after it are left aside.
        sent: messages to the person, in any order.
        within_us: how long before it a message may have been sent.
    """
    written_to = normalise_channel(channel)
    fitting: defaultdict[int, list[SentMessage]] = defaultdict(list)
    for message in sent:
        if not written_at - within_us <= message.at <= written_at:
            continue
        fits = fit(normalise_channel(message.channel or ""), written_to)
        if fits is not None:
            fitting[fits].append(message)
    if not fitting:
        return None
    best = max(fitting)
    newest = sorted(fitting[best], key=lambda one: (one.at, one.sms_msg_id), reverse=True)
    return ReplyMatch(
        message=newest[0],
        rule=MatchRule.NUMBER if best == UNKNOWN else MatchRule.CHANNEL,
        ambiguous=len(newest) > 1,
        candidates=tuple(one.sms_msg_id for one in newest[:MOST_CANDIDATES]),
    )
