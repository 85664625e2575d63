"""Whatever the order, the repetition and the batches: the same message in the end."""

import json
import socket
from collections.abc import Iterator
from itertools import permutations, product
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.load import exchange, post
from tests.e2e.pushes import FORM, JSON, batch, form
from tests.support.server import Server, at_length

Report = dict[str, str]

# What legitimately differs: when something arrived, and how often.
ARRIVALS = {
    "first_report_at",
    "last_report_at",
    "received_at",
    "last_received_at",
    "redeliveries",
}
PART_1_FAILED = {"sequence": "1", "status": "MK:0001", "updateTime": "2024-01-01T00:00:10Z"}
PART_1_DELIVERED = {"sequence": "1", "status": "DELIVRD", "updateTime": "2024-01-01T00:00:20Z"}
PART_2_DELIVERED = {"sequence": "2", "status": "DELIVRD", "updateTime": "2024-01-01T00:00:15Z"}
PART_2_EXPIRED = {"sequence": "2", "status": "EXPIRED"}
COMMON = {"total": "2", "source": "2", "extend": "order 7", "to": "+8613800000001"}

WAYS = ("singly", "one batch", "two batches")
REGISTERED = ("first", "between", "last")
TAKEN = at_length(4, 1)  # one in so many of the nine ways, others for the next order
CASES = {
    "a failure that turned into a delivery": (
        [PART_1_FAILED, PART_1_DELIVERED, PART_2_DELIVERED],
        ("delivered", "DELIVRD", True),
    ),
    "parts that end differently": (
        [PART_1_DELIVERED, PART_2_EXPIRED],
        ("partial", "EXPIRED", False),
    ),
}


def orders(count: int) -> list[tuple[int, ...]]:
    """Return every order of the numbers below `count`, each number twice."""
    return sorted(set(permutations([*range(count), *range(count)])))


def cuts(reports: list[Report], way: str) -> Iterator[bytes]:
    """Cut reports into pushes."""
    if way == "singly":
        yield from (form(**report) for report in reports)
    elif way == "one batch":
        yield batch(reports)
    else:
        middle = len(reports) // 2
        yield batch(reports[:middle])
        yield batch(reports[middle:])


def registration(sms_msg_id: str) -> dict[str, Any]:
    """Return the registration of the long message."""
    entry = {
        "originTo": "+8613800000001",
        "createTime": "2024-01-01T00:00:00Z",
        "from": "1069000000000012",
        "smsMsgId": sms_msg_id,
        "status": "000000",
        "countryId": "CN",
        "total": 2,
    }
    response = {"result": [entry], "code": "000000", "description": "Success"}
    return {"response": response, "reference": "order 7"}


def arrive(
    server: Server, connection: socket.socket, sms_msg_id: str, pushes: list[bytes], registered: str
) -> None:
    """Push one after the other, and register the send before, between or after them."""
    at = {"first": 0, "between": len(pushes) // 2, "last": len(pushes)}[registered]
    for number in range(len(pushes) + 1):
        if number == at:
            server.api.register(registration(sms_msg_id))
        if number < len(pushes):
            push = pushes[number]
            kind = JSON if push.startswith(b"{") else FORM
            request = post(server.callback_path, push, kind, stays=True)
            assert exchange(connection, request)[0] == 200


def without_arrivals(value: Any) -> Any:
    """Leave out what tells of arrivals, on every level."""
    if isinstance(value, dict):
        return {k: without_arrivals(v) for k, v in value.items() if k not in ARRIVALS}
    return [without_arrivals(v) for v in value] if isinstance(value, list) else value


def anonymous(message: dict[str, Any]) -> str:
    """Write a message so that two can be compared."""
    text = json.dumps(without_arrivals(message), sort_keys=True)
    return text.replace(message["sms_msg_id"], "ID")


@pytest.mark.parametrize("case", CASES)
def test_any_arrival_gives_the_same_message(server: Server, case: str) -> None:
    """Every order, each report twice, in any cut, registered at any time, ends the same.

    Each order in one of a few ways; at length in all of them.
    """
    reports, expected = CASES[case]
    told: dict[str, str] = {}
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        ways = list(product(WAYS, REGISTERED))
        for number, order in enumerate(orders(len(reports))):
            for way, registered in ways[number % TAKEN :: TAKEN]:
                sms_msg_id = f"{uuid4()}_1"
                told[sms_msg_id] = f"{order} {way}, registered {registered}"
                items = [{"smsMsgId": sms_msg_id, **COMMON, **reports[place]} for place in order]
                arrive(server, connection, sms_msg_id, list(cuts(items, way)), registered)
    server.caught_up()
    compare(server, told, len(reports), expected)


def compare(
    server: Server, told: dict[str, str], reports: int, expected: tuple[str, str, bool]
) -> None:
    """Assert that all messages are as expected and alike."""
    found: dict[str, dict[str, Any]] = {}
    ids = list(told)
    for start in range(0, len(ids), 500):
        found |= server.api.lookup(ids[start : start + 500])
    assert set(found) == set(told)
    first = found[ids[0]]
    assert (first["state"], first["code"], first["conflict"]) == expected
    assert first["registered"] is True
    assert [report["redeliveries"] for report in first["reports"]] == [1] * reports
    for sms_msg_id, how in told.items():
        assert anonymous(found[sms_msg_id]) == anonymous(first), how
    assert server.api.message(ids[0]) == first
