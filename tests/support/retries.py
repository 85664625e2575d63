"""Failed messages for the tests of the retry policy."""

from dataclasses import replace
from typing import Any

from receiver.domain import times
from receiver.domain.catalogue.entries import Category, RetryClass
from receiver.domain.inputs import Trust
from receiver.domain.messages.state import State
from receiver.domain.retries.planning import RetryCandidate
from receiver.domain.verdict import Action

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def at(text: str) -> int:
    """Read a time; one that is none fails the test."""
    moment = times.parse(text)
    assert moment is not None, text
    return moment


NOON = at("2026-03-10T12:00:00+08:00")

A_FAILURE = RetryCandidate(
    application="shop",
    sms_msg_id="m-1",
    number="+8613800000001",
    country="CN",
    template_id=None,
    reference=None,
    state=State.FAILED,
    category=Category.CARRIER_FAILURE,
    retry=RetryClass.RETRY_LATER,
    code="MK:0041",
    failed_at=NOON,
    first_sent_at=NOON,
    attempts=1,
    retry_after_s=None,
    action=Action.RETRY,
    duplicate_risk=False,
    registered=True,
    trust=Trust.SIGNED,
)


def a_failure(**changes: Any) -> RetryCandidate:
    """Make a message that failed at noon in China, its first send, with a code of the carrier."""
    return replace(A_FAILURE, **changes)
