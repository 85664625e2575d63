"""A batch is judged item by item: one bad item costs none of the good ones."""

from typing import Any

from tests.e2e.pushes import batch
from tests.support.server import Server

Item = dict[str, Any]


def an_item(number: int) -> Item:
    """Write an item as the platform does: all its values are texts."""
    return {
        "smsMsgId": f"batched_{number}",
        "status": "DELIVRD",
        "total": "1",
        "sequence": "1",
        "source": "2",
        "updateTime": "2026-01-31T08:00:00Z",
    }


def test_a_batch_of_fifty_with_an_odd_one_of_each_kind(server: Server) -> None:
    """Of 49 good items, one written in numbers and one twice, 48 are stored; one is set aside."""
    items = [an_item(number) for number in range(48)]
    items[7] |= {"total": 1, "sequence": 1, "source": 2}  # another JSON type
    items.insert(20, {name: value for name, value in an_item(0).items() if name != "smsMsgId"})
    items.append(an_item(11))  # once more
    assert len(items) == 50

    answer = server.push(batch(items))

    assert answer.status_code == 200
    server.caught_up()
    found = server.api.lookup([f"batched_{number}" for number in range(48)])
    assert len(found) == 48
    assert {message["state"] for message in found.values()} == {"delivered"}
    (report,) = found["batched_7"]["reports"]
    assert (report["sequence"], report["source"], report["raw"]["source"]) == (1, 2, 2)
    again = {name for name, one in found.items() if one["reports"][0]["redeliveries"]}
    assert again == {"batched_11"}
    assert server.api.metric("receiver_redeliveries_total") == 1
    (bad,) = server.api.get("/v1/quarantine")["quarantine"]
    assert (bad["kind"], bad["reason"]) == ("batch", "`smsMsgId` is missing.")
    assert server.rows("SELECT count(*) FROM messages") == [(48,)]
    assert server.rows("SELECT count(*), sum(redeliveries) FROM reports") == [(48, 1)]


def test_a_batch_of_bad_items_takes_nothing_from_the_others(server: Server) -> None:
    """Of 30,000 bad items a few rows tell; earlier rows stay, and pushes meanwhile are answered."""
    assert server.push(b"earlier").status_code == 400
    items = [an_item(1), *({"status": f"bad {number}"} for number in range(30_000))]
    assert server.push(batch(items)).status_code == 200
    assert server.push(b"smsMsgId=later&status=DELIVRD").status_code == 200
    server.caught_up()
    assert set(server.api.lookup(["batched_1", "later"])) == {"batched_1", "later"}
    rows = server.api.get("/v1/quarantine", limit="100")["quarantine"]
    assert (len(rows), rows[-1]["body"]) == (52, "earlier")
    assert rows[0]["reason"].startswith("29950 more items of this push are unusable")
    assert (rows[0]["size"], rows[0]["truncated"]) == (len(batch(items)), True)
    assert server.api.metric("receiver_quarantined_total") == 30_001
    assert server.api.metric("receiver_quarantine_evicted_total") == 0
