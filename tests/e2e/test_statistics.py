"""Statistics and silence of a real process: right through kills, and remembered by a restart."""

import json
import sqlite3
import time
from collections import Counter
from contextlib import closing

from tests.e2e.pushes import batch
from tests.support.server import MakeServer, Server, eventually

DAY_US = 24 * 3600 * 1_000_000
PERIOD = {"since": "2023-11-16T00:00:00Z", "until": "2023-11-18T00:00:00Z"}
MANY = 600
CODES = ("DELIVRD", "MK:0001", "ACCEPTD")


def register(server: Server, numbers: range) -> None:
    """Register sends of two days, each to a template and a channel."""
    server.api.register(
        {
            "sends": [
                {
                    "sms_msg_id": f"m{n}",
                    "sent_at": f"2023-11-{16 + n % 2}T{n % 24:02d}:30:00Z",
                    "template_id": f"t{n % 7}",
                    "from": f"1069{n % 3}",
                }
                for n in numbers
            ]
        }
    )


def report(server: Server, numbers: range) -> None:
    """Push a report of each, delivered ones within 4 to 5 seconds."""
    items = [
        {
            "smsMsgId": f"m{n}",
            "status": CODES[n % 3],
            "updateTime": f"2023-11-{16 + n % 2}T{n % 24:02d}:30:04Z",
            "source": "2",
        }
        for n in numbers
    ]
    assert server.push(batch(items)).status_code == 200


def test_statistics_are_those_of_the_messages_after_kills(make_server: MakeServer) -> None:
    """Killed while it works and told everything twice: each message is counted once."""
    server = make_server().start()
    for start in range(0, MANY, 100):
        report(server, range(start, start + 100))
        register(server, range(start, start + 100))
        if start % 200 == 0:
            server.kill(all_of_it=True)
            server.start()
    report(server, range(MANY))
    register(server, range(MANY))
    server.caught_up()
    document = server.api.get("/v1/stats", by="template,state", limit="1000", **PERIOD)
    states = ("delivered", "failed", "accepted")
    expected = Counter((f"t{n % 7}", states[n % 3]) for n in range(MANY))
    assert {(g["template"], g["state"]): g["messages"] for g in document["groups"]} == expected
    assert document["messages"] == MANY
    assert document["delivered_share"] == 0.5
    assert document["delivery_seconds"]["count"] == MANY // 3
    for percent in ("p50", "p90", "p99"):
        assert 4 <= document["delivery_seconds"][percent] <= 5
    stored = Counter(server.rows("SELECT template_id, state FROM messages"))
    assert stored == expected


def test_an_alarm_survives_a_restart_and_ends_with_a_report(make_server: MakeServer) -> None:
    """A rhythm that was learnt before is what silence is judged by after a start."""
    settings = {
        "RECEIVER_SILENCE__FLOOR_MINUTES": "10",
        "RECEIVER_SILENCE__FACTOR": "20",
        "RECEIVER_SILENCE__MIN_HEARD": "5000",
    }
    server = make_server(settings).start()
    report(server, range(3))
    server.caught_up()
    assert server.api.metric("receiver_report_gap_alarm") == 0
    assert server.stop() == 0
    last_at = time.time_ns() // 1000 - 3600 * 1_000_000
    day = last_at // DAY_US
    gaps = json.dumps({day: 60 * 1_000_000, day - 1: 30 * 1_000_000})
    with closing(sqlite3.connect(server.store_file)) as connection:
        connection.execute(
            "UPDATE rhythms SET heard = 5000, last_at = ?, gaps = ?", (last_at, gaps)
        )
        connection.commit()
    server.start()
    server.ready()
    assert server.api.metric("receiver_report_gap_alarm") == 1
    assert server.api.metric("receiver_report_gap_usual_seconds") == 60
    assert server.api.metric("receiver_report_gap_seconds") >= 3600
    (one,) = server.api.get("/v1/stats/silence")["applications"]
    assert (one["alarm"], one["alarm_after_seconds"]) == (True, 20 * 60)
    report(server, range(1))
    server.caught_up()
    eventually(lambda: server.api.metric("receiver_report_gap_alarm") == 0, "the alarm has ended")
    (one,) = server.api.get("/v1/stats/silence")["applications"]
    assert not one["alarm"]
    assert one["usual_gap_seconds"] >= 3600
