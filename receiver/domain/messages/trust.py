"""Which reports of a message are trusted enough to act on.

What is shown of a message is the fold of all its reports. Anyone who guesses a short callback token
can forge one of these, so while `retry.trust_open` is `advise` nothing is done or undone by them:
neither a retry nor a suppression.
"""

from collections.abc import Sequence

from receiver.domain.inputs import Send, Trust
from receiver.domain.messages.state import Folded, State, StoredReport
from receiver.domain.retries.policy import TrustOpen


def believed(
    send: Send | None, reports: Sequence[StoredReport], trust_open: TrustOpen
) -> Sequence[StoredReport]:
    """Return the reports that count: those that are trusted, where there are any.

    Where there is none, all of them are advice. But that the platform refused a send we were told
    ourselves, and no other report takes that back.
    """
    if trust_open == "queue":
        return reports
    trusted = [stored for stored in reports if stored.trust is not Trust.OPEN]
    if len(trusted) == len(reports):
        return reports
    return trusted if trusted or (send is not None and send.refused) else reports


def is_trusted(folded: Folded, trust_open: TrustOpen) -> bool:
    """Return whether something may be done by a fold of the reports that count."""
    by_ourselves = folded.state is State.REFUSED
    return trust_open == "queue" or by_ourselves or folded.trust is not Trust.OPEN
