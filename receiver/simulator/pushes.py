"""The platform's format: reports and uplinks as the bytes of pushes, in order.

Pure, like the population: the same wave and seed give the same bytes in the same order.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from random import Random
from urllib.parse import quote_plus

from receiver.domain import times
from receiver.domain.compact_json import write_json
from receiver.simulator.options import SimulationOptions
from receiver.simulator.population import SimulatedReport, SimulatedUplink, Wave

MOST_REPORTS = 50  # of one batch (sms_05_0063)
_SMALLEST_FULL_BATCH = 5
_OVERTAKEN_BY = (2, 40)  # pushes
_REDELIVERED_AFTER = (1, 60)  # pushes
_ANSWERED_AFTER = (5, 80)  # pushes
_SHUFFLED_SHARE = 0.1  # of forms: a field order beyond the one the examples agree on
_BARE_DIGITS_SHARE = 0.2  # of batches: numbers without quotes, which nothing excludes

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class SimulatedPushKind(StrEnum):
    """The three pushes of the platform."""

    STATUS = "status"
    BATCH = "batch"
    UPLINK = "uplink"


@dataclass(frozen=True, slots=True)
class SimulatedPush:
    """One HTTP request of the platform.

    Attributes:
        kind: Which of the three.
        content_type: As documented, without charset.
        body: The bytes.
        trace: The `Ompsid` header, 32 hex digits.
        sms_msg_ids: The messages that the reports are about; empty for an uplink.
        begins: How many messages are heard of for the first time.
        redelivered: True when the same body has come before.
    """

    kind: SimulatedPushKind
    content_type: str
    body: bytes
    trace: str
    sms_msg_ids: tuple[str, ...]
    begins: int = 0
    redelivered: bool = False


def make_pushes(wave: Wave, options: SimulationOptions, seed: int) -> list[SimulatedPush]:
    """Write the pushes of a wave in the order in which they come."""
    random = Random(f"{seed}/{wave.number}/pushes")  # noqa: S311 - traffic, not secrets
    placed: list[tuple[float, SimulatedPush]] = []
    for place, push in _in_order(wave, random):
        if push.kind is not SimulatedPushKind.UPLINK and random.random() < options.reorder_share:
            placed.append((place + random.uniform(*_OVERTAKEN_BY), push))
        else:
            placed.append((place, push))
        if random.random() < options.redelivery_share:
            later = placed[-1][0] + random.uniform(*_REDELIVERED_AFTER)
            placed.append((later, replace(push, redelivered=True)))
    placed.sort(key=lambda entry: entry[0])
    return list(_count_beginnings(push for _, push in placed))


def _count_beginnings(pushes: Iterable[SimulatedPush]) -> Iterator[SimulatedPush]:
    heard_of: set[str] = set()
    for push in pushes:
        new = set(push.sms_msg_ids) - heard_of
        heard_of |= new
        yield replace(push, begins=len(new)) if new else push


def _in_order(wave: Wave, random: Random) -> Iterator[tuple[float, SimulatedPush]]:
    """Return each push its place; without any disorder places only grow, but for the uplinks."""
    place = 0
    waiting: list[SimulatedReport] = []
    capacity = random.randint(_SMALLEST_FULL_BATCH, MOST_REPORTS)
    for message in wave.messages:
        for report in message.reports:
            if not message.batched:
                place += 1
                yield place, _single(report, random)
                continue
            waiting.append(report)
            if len(waiting) == capacity:
                place += 1
                yield place, _batch(waiting, random)
                waiting = []
                capacity = random.randint(_SMALLEST_FULL_BATCH, MOST_REPORTS)
        if message.uplink:
            yield place + random.uniform(*_ANSWERED_AFTER), _uplink(message.uplink, random)
    if waiting:
        yield place + 1, _batch(waiting, random)


def _single(report: SimulatedReport, random: Random) -> SimulatedPush:
    fields = _fields(report)
    if random.random() < _SHUFFLED_SHARE:
        names = list(fields)
        random.shuffle(names)
        fields = {name: fields[name] for name in names}
    return SimulatedPush(
        SimulatedPushKind.STATUS, FORM, _form(fields), _trace(random), (report.sms_msg_id,)
    )


def _batch(reports: list[SimulatedReport], random: Random) -> SimulatedPush:
    bare = random.random() < _BARE_DIGITS_SHARE
    listed = [
        {
            name: int(value) if bare and name in ("total", "sequence", "source") else value
            for name, value in _fields(report).items()
        }
        for report in reports
    ]
    document = write_json({"statusReportList": listed})
    identifiers = tuple(report.sms_msg_id for report in reports)
    return SimulatedPush(SimulatedPushKind.BATCH, JSON, document, _trace(random), identifiers)


def _uplink(uplink: SimulatedUplink, random: Random) -> SimulatedPush:
    fields = {
        "from": uplink.sender,
        "to": uplink.to,
        "body": uplink.body,
        "smsMsgId": uplink.sms_msg_id,
    }
    if uplink.created_at is not None:
        fields["createTime"] = times.to_rfc3339(uplink.created_at)
    return SimulatedPush(SimulatedPushKind.UPLINK, FORM, _form(fields), _trace(random), ())


def _fields(report: SimulatedReport) -> dict[str, str]:
    """Return the fields of a report in the order of the published examples, without absent ones."""
    updated_at = report.update_time
    fields = {
        "sequence": str(report.sequence),
        "total": str(report.total),
        "statusDesc": report.description,
        "orgCode": report.org_code,
        "updateTime": None if updated_at is None else times.to_rfc3339(updated_at),
        "source": report.source,
        "smsMsgId": report.sms_msg_id,
        "status": report.status,
        "extend": report.extend,
        "to": report.to,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _form(fields: Mapping[str, str]) -> bytes:
    return "&".join(f"{name}={_escape(value)}" for name, value in fields.items()).encode("ascii")


@lru_cache(maxsize=1024)  # codes, texts and times repeat; escaping is most of the writing
def _escape(value: str) -> str:
    return quote_plus(value)


def _trace(random: Random) -> str:
    return f"{random.getrandbits(128):032x}"
