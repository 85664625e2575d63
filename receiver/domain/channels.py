"""Whether two channel numbers may be the same channel.

A message may be sent from an alias (`csms12345678`, `x8824060312575`), and a person then answers
to the number behind it, which nobody has told us. Reply matching and suppression both decide by
these functions, so that an opt-out that answers a message also prevents a resend of that message.
"""

UNKNOWN = 0  # characters that fit where the number behind an alias is not known


def fit(sent_from: str, written_to: str) -> int | None:
    """Return how well a message fits an answer by its channel: the longer, the better.

    Both are as `numbers.normalise_channel` returns them; an empty one is not known.

    Returns:
        How many characters of the number that was written to are the message's; `UNKNOWN` where
        the message's number is not known; None where it is another.
    """
    if sent_from == written_to:
        return len(sent_from)
    if not _is_number(sent_from):
        return None if _is_alias(sent_from) and _is_alias(written_to) else UNKNOWN
    return len(sent_from) if written_to.startswith(sent_from) else None


def may_be_same(one: str, other: str) -> bool:
    """Return whether two channels may be one: wherever one fits the other, and more.

    An extension may be cut off on the way as well as added. Two aliases are two channels: they are
    names that the application itself has given.
    """
    if _is_number(one) and _is_number(other):
        return extends(one, other) or extends(other, one)
    return one == other or not (_is_alias(one) and _is_alias(other))


def extends(longer: str, channel: str) -> bool:
    """Return whether one channel number is another, with an extension or without."""
    return _is_number(longer) and _is_number(channel) and longer.startswith(channel)


def _is_number(channel: str) -> bool:
    return channel.isascii() and channel.isdigit()


def _is_alias(channel: str) -> bool:
    return channel != "" and not _is_number(channel)
