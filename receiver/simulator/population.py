"""Sends and their outcomes, generated from a seed: no I/O, no clock, no shared state.

Traffic comes in waves. A wave is a pure function of the options, the seed, its number and the
time, so that a long simulation needs the memory of one wave, and any wave can be made again.
"""

import math
from dataclasses import dataclass
from functools import partial
from random import Random
from uuid import UUID

from receiver.domain import times
from receiver.simulator import outcomes, people
from receiver.simulator.options import SimulationOptions
from receiver.simulator.outcomes import SimulatedOutcome

ACCEPTED = "000000"
_MOST_RECIPIENTS = 500  # of one send request (sms_05_0001)
_SECONDS_OF_A_WAVE = 2
_SMALLEST_WAVE, _LARGEST_WAVE = 10, 200  # larger ones would hold up the pushes while being made
_MOST_PARTS = 4
_PARTS_DIFFER_SHARE = 0.1  # of long messages
_EXTEND_SHARE = 0.3  # of send requests
_BARE_NUMBER_SHARE = 0.1  # of mainland numbers: written without +86
_DESCRIBED_SHARE = 0.6  # of reports whose code has a text: `statusDesc` is optional
# A real capture carries `extend` without `to`, against the documentation.
_NUMBER_WITH_EXTEND_SHARE = 0.9
_DATED_UPLINK_SHARE = 0.7  # the platform gives the time only when configured to
_RECIPIENTS_OF_A_REQUEST = (1, 1, 5, 20, 100, 500)
_TEMPLATES = ("8ff55eac1d0b478ab3c06c3c6a492300", "2cd5c4a5a2b84c0f9a4a0b8f3c1d7e60")


@dataclass(frozen=True, slots=True)
class SimulatedSend:
    """An entry of a send response."""

    sms_msg_id: str
    origin_to: str  # as the application wrote it
    to: str
    sender: str
    sent_at: int
    status: str
    country: str
    total: int


@dataclass(frozen=True, slots=True)
class SimulatedReport:
    """What the platform says about one part of a message."""

    sms_msg_id: str
    total: int
    sequence: int
    status: str
    source: str
    update_time: int | None
    description: str | None
    org_code: str | None
    extend: str | None
    to: str | None


@dataclass(frozen=True, slots=True)
class SimulatedUplink:
    """An answer of a recipient."""

    sms_msg_id: str
    sender: str
    to: str
    body: str
    created_at: int | None


@dataclass(frozen=True, slots=True)
class SimulatedMessage:
    """A send and all that comes of it: one report per part, none when it was refused."""

    send: SimulatedSend
    reports: tuple[SimulatedReport, ...]
    batched: bool
    uplink: SimulatedUplink | None


@dataclass(frozen=True, slots=True)
class SendRequest:
    """One call of the send API with its messages."""

    messages: tuple[SimulatedMessage, ...]
    reference: str
    template_id: str
    extend: str | None


@dataclass(frozen=True, slots=True)
class Wave:
    """Messages that are registered together and pushed together."""

    number: int
    requests: tuple[SendRequest, ...]

    @property
    def messages(self) -> tuple[SimulatedMessage, ...]:
        """All messages in the order of sending."""
        return tuple(message for request in self.requests for message in request.messages)


def wave_size(options: SimulationOptions) -> int:
    """Return the messages of a full wave: few enough for their times to stay near the present."""
    if options.rate == 0:
        return _MOST_RECIPIENTS
    wanted = math.ceil(options.rate * _SECONDS_OF_A_WAVE)
    return min(_LARGEST_WAVE, max(_SMALLEST_WAVE, wanted))


def wave_count(options: SimulationOptions) -> int:
    """Return the number of waves; the last one may be smaller."""
    return -(-options.count // wave_size(options))


def make_wave(options: SimulationOptions, seed: int, number: int, now: int) -> Wave:
    """Make one wave.

    Args:
        options: The shares, the delay and the count.
        seed: Where all chance comes from.
        number: Which wave, from 0.
        now: The present in microseconds since the epoch; no time of the wave lies after it.
    """
    random = Random(f"{seed}/{number}")  # noqa: S311 - traffic, not secrets
    size = wave_size(options)
    left = min(size, options.count - number * size)
    requests: list[SendRequest] = []
    while left:
        recipients = min(left, random.choice(_RECIPIENTS_OF_A_REQUEST))
        name = f"order-{number:05d}-{len(requests):03d}"
        requests.append(_make_request(random, options, now, recipients, name))
        left -= recipients
    return Wave(number, tuple(requests))


def _make_request(
    random: Random, options: SimulationOptions, now: int, recipients: int, name: str
) -> SendRequest:
    extend = f"{name}/extend" if random.random() < _EXTEND_SHARE else None
    sent_at = _whole_second(now) - math.ceil(options.delay_seconds[1]) * times.SECOND
    channel = random.choice(people.CHANNELS)
    make = partial(_make_message, random, options, sent_at, channel, extend)
    messages = tuple(make() for _ in range(recipients))
    return SendRequest(messages, name, random.choice(_TEMPLATES), extend)


def _make_message(
    random: Random, options: SimulationOptions, sent_at: int, channel: str, extend: str | None
) -> SimulatedMessage:
    send = _make_send(random, options, sent_at, channel)
    batched = random.random() < options.batch_share
    if send.status != ACCEPTED:
        return SimulatedMessage(send, (), batched, None)
    outcome = outcomes.draw(
        random,
        international=send.country != "CN",
        unknown_share=options.unknown_code_share,
        given_up_share=options.missing_update_time_share,
    )
    reports = _make_reports(random, options, send, outcome, extend)
    answers = random.random() < _answering_share(options)
    answerable = outcome.status == "DELIVRD" and send.country == "CN"
    uplink = _make_uplink(random, send, reports[-1]) if answers and answerable else None
    return SimulatedMessage(send, reports, batched, uplink)


def _answering_share(options: SimulationOptions) -> float:
    """Return the share of the answerable that answer, so that `uplink_share` of all do."""
    answerable = (
        outcomes.DELIVERED_SHARE * (1 - options.international_share) * (1 - outcomes.REFUSED_SHARE)
    )
    return min(1.0, options.uplink_share / answerable) if answerable else 0.0


def _make_send(
    random: Random, options: SimulationOptions, sent_at: int, channel: str
) -> SimulatedSend:
    to, country = people.mainland_number(random), "CN"
    if random.random() < options.international_share:
        to, country = people.foreign_number(random)
    bare = country == "CN" and random.random() < _BARE_NUMBER_SHARE
    refused = random.random() < outcomes.REFUSED_SHARE
    return SimulatedSend(
        sms_msg_id=f"{_uuid(random)}_{random.randrange(10 ** random.randint(1, 9))}",
        origin_to=to.removeprefix("+86") if bare else to,
        to=to,
        sender=channel,
        sent_at=sent_at,
        status=outcomes.draw_refusal(random) if refused else ACCEPTED,
        country=country,
        total=random.randint(2, _MOST_PARTS) if random.random() < options.long_share else 1,
    )


def _make_reports(
    random: Random,
    options: SimulationOptions,
    send: SimulatedSend,
    outcome: SimulatedOutcome,
    extend: str | None,
) -> tuple[SimulatedReport, ...]:
    differ = send.total > 1 and outcome.dated and random.random() < _PARTS_DIFFER_SHARE
    odd_part = random.randint(1, send.total) if differ else 0
    other = _other_outcome(random, send, outcome) if differ else outcome
    return tuple(
        _make_report(
            random,
            options,
            send,
            other if sequence == odd_part else outcome,
            sequence=sequence,
            extend=extend,
        )
        for sequence in range(1, send.total + 1)
    )


def _other_outcome(
    random: Random, send: SimulatedSend, outcome: SimulatedOutcome
) -> SimulatedOutcome:
    if outcome.status != "DELIVRD":
        return SimulatedOutcome("DELIVRD", "2")
    return outcomes.draw_failure(random, international=send.country != "CN")


def _make_report(
    random: Random,
    options: SimulationOptions,
    send: SimulatedSend,
    outcome: SimulatedOutcome,
    *,
    sequence: int,
    extend: str | None,
) -> SimulatedReport:
    delay = random.uniform(*options.delay_seconds)
    updated_at = send.sent_at + int(delay) * times.SECOND
    described = random.random() < _DESCRIBED_SHARE
    return SimulatedReport(
        sms_msg_id=send.sms_msg_id,
        total=send.total,
        sequence=sequence,
        status=outcome.status,
        source=outcome.source,
        update_time=updated_at if outcome.dated else None,
        description=outcomes.DESCRIPTIONS.get(outcome.status) if described else None,
        org_code=outcome.org_code,
        extend=extend,
        to=send.to if extend and random.random() < _NUMBER_WITH_EXTEND_SHARE else None,
    )


def _make_uplink(random: Random, send: SimulatedSend, report: SimulatedReport) -> SimulatedUplink:
    dated = random.random() < _DATED_UPLINK_SHARE
    return SimulatedUplink(
        sms_msg_id=str(_uuid(random)),
        sender=send.to,
        to=people.replied_to(random, send.sender),
        body=people.answer(random),
        created_at=report.update_time if dated else None,
    )


def _uuid(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)


def _whole_second(micros: int) -> int:
    return micros // times.SECOND * times.SECOND
