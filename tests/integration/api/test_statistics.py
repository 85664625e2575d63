"""`GET /v1/stats` and `GET /v1/stats/silence`: what they take, refuse and answer."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from receiver.api.gauges import Watch
from receiver.app.credentials import now
from receiver.domain import times
from receiver.domain.silence import DAY, SilenceOptions
from receiver.errors import StoreUnavailableError
from receiver.metrics import Metrics
from receiver.store.database.urls import FILE_NAME
from receiver.store.schema import rhythms
from receiver.store.store import Store
from tests.support.parts import (
    NOW,
    Served,
    a_journal,
    a_node,
    a_store,
    batch,
    check_problem,
    entry,
    form,
    write_lock,
)
from tests.unit.test_metrics import values

HOUR = 3600 * times.SECOND
STATES = dict.fromkeys(
    ("pending", "accepted", "delivered", "failed", "partial", "refused", "unknown", "overdue"), 0
)
NOTHING_TIMED = {"count": 0, "p50": None, "p90": None, "p99": None}
NOTHING = {
    "messages": 0,
    "states": STATES,
    "delivered_share": None,
    "delivery_seconds": NOTHING_TIMED,
}
DAYS_16_17 = {"since": "2023-11-16T00:00:00Z", "until": "2023-11-18T00:00:00Z"}


def a_send(number: int, sent_at: str, **fields: Any) -> dict[str, Any]:
    """Make a send of one of two templates, over one of three channels."""
    return {
        "sms_msg_id": f"m{number}",
        "to": f"+861391234{number:04d}",
        "from": f"1069{number % 3}",
        "template_id": f"t{number % 2}",
        "country": "CN",
        "sent_at": sent_at,
        **fields,
    }


def a_report(number: int, status: str, at: str) -> dict[str, str]:
    """Make a report of the recipient's network."""
    return {"smsMsgId": f"m{number}", "status": status, "updateTime": at, "source": "2"}


async def fill(served: Served) -> None:
    """Let a node have twelve messages of two days.

    On the 16th at 09:xx six are sent and delivered, each within 4 to 5 seconds; on the 17th at
    10:xx three are sent that fail, at 23:xx three of which nothing is heard.
    """
    morning = [a_send(n, f"2023-11-16T09:0{n}:00Z") for n in range(6)]
    later = [a_send(n, f"2023-11-17T10:0{n}:00Z") for n in range(6, 9)]
    last = [a_send(n, "2023-11-17T23:30:00Z", country="SG") for n in range(9, 12)]
    await served.register(sends=[*morning, *later, *last])
    delivered = [a_report(n, "DELIVRD", f"2023-11-16T09:0{n}:04Z") for n in range(6)]
    failed = [a_report(n, "MK:0001", f"2023-11-17T10:0{n}:09Z") for n in range(6, 9)]
    assert (await served.push(batch([*delivered, *failed]))).status_code == 200


# --- statistics ----------------------------------------------------------------------------------


async def test_a_period_is_summed_up(tmp_path: Path) -> None:
    """States, the share delivered of what is final, delivery times, and no groups unless asked."""
    async with a_node(tmp_path) as served:
        await fill(served)
        document = await served.get("/v1/stats", **DAYS_16_17)
    assert document == {
        **DAYS_16_17,
        "by": [],
        "interval": None,
        "messages": 12,
        "states": {**STATES, "delivered": 6, "failed": 3, "pending": 3},
        "delivered_share": 0.6667,
        # Six in the class of 4 and 5 s: the third, sixth and sixth of them.
        "delivery_seconds": {"count": 6, "p50": 4.4, "p90": 4.9, "p99": 4.9},
        "groups": [],
        "omitted": {"groups": 0, "messages": 0},
    }


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({"by": "application"}, [(["default"], 12)], id="application"),
        pytest.param(
            {"by": "state"}, [(["delivered"], 6), (["failed"], 3), (["pending"], 3)], id="state"
        ),
        pytest.param(
            {"by": "category"},
            [(["delivered"], 6), ([None], 3), (["invalid-number"], 3)],
            id="category, also none",
        ),
        pytest.param({"by": "country"}, [(["CN"], 9), (["SG"], 3)], id="country"),
        pytest.param(
            {"by": "code"}, [(["DELIVRD"], 6), ([None], 3), (["MK:0001"], 3)], id="code, also none"
        ),
        pytest.param({"by": "template"}, [(["t0"], 6), (["t1"], 6)], id="template"),
        pytest.param(
            {"by": "channel"}, [(["10690"], 4), (["10691"], 4), (["10692"], 4)], id="channel"
        ),
        pytest.param({"by": "registered"}, [([True], 12)], id="registered"),
        pytest.param(
            {"by": "country,state", "template": "t1"},
            [(["CN", "delivered"], 3), (["SG", "pending"], 2), (["CN", "failed"], 1)],
            id="two at once, of one template",
        ),
        pytest.param(
            {"by": "state", "channel": "10691"},
            [(["delivered"], 2), (["failed"], 1), (["pending"], 1)],
            id="of a channel",
        ),
        pytest.param(
            {"by": "state", "state": "failed"}, [(["failed"], 3)], id="of one state"
        ),
        pytest.param({"by": "code", "code": "mk:0001"}, [(["MK:0001"], 3)], id="code in any case"),
        pytest.param({"by": "state", "registered": "false"}, [], id="orphans only"),
        pytest.param(
            {"by": "state", "since": "2023-11-17T10:59:59Z", "until": "2023-11-17T11:00:00Z"},
            [(["failed"], 3)],
            id="a second, and so its hour",
        ),
        pytest.param(
            {"by": "state", "since": "2023-11-16T10:00:00Z"},
            [(["failed"], 3), (["pending"], 3)],
            id="from a time on",
        ),
    ],
)  # fmt: skip
async def test_messages_are_grouped(
    tmp_path: Path, parameters: dict[str, str], expected: list[tuple[list[Any], int]]
) -> None:
    """Every dimension groups and filters; the largest group comes first, null stands for none."""
    async with a_node(tmp_path) as served:
        await fill(served)
        document = await served.get("/v1/stats", **{**DAYS_16_17, **parameters})
    assert document["by"] == parameters["by"].split(",")
    found = [
        ([group[name] for name in document["by"]], group["messages"])
        for group in document["groups"]
    ]
    assert found == expected
    assert document["messages"] == sum(number for _, number in expected)


async def test_groups_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    """What is not shown is said: how many groups, and how many messages are in them."""
    async with a_node(tmp_path) as served:
        await fill(served)
        document = await served.get("/v1/stats", by="channel,code", limit="2", **DAYS_16_17)
    assert [group["messages"] for group in document["groups"]] == [2, 2]
    assert document["omitted"] == {"groups": 7, "messages": 8}
    assert document["messages"] == 12


async def test_names_may_stand_several_times(tmp_path: Path) -> None:
    """`by` repeated is as with commas; a filter repeated means any of its values."""
    async with a_node(tmp_path) as served:
        await fill(served)
        query = "since=2023-11-16T00:00:00Z&until=2023-11-18T00:00:00Z"
        path = f"/v1/stats?{query}&by=state&by=country,state&state=failed&state=pending"
        document = (await served.api.get(path)).json()
    assert document["by"] == ["state", "country"]
    assert [(g["state"], g["country"], g["messages"]) for g in document["groups"]] == [
        ("failed", "CN", 3),
        ("pending", "SG", 3),
    ]


async def test_a_time_series_has_every_step(tmp_path: Path) -> None:
    """Each step of the period is there, those without messages too, for all and for each group."""
    async with a_node(tmp_path) as served:
        await fill(served)
        by_day = await served.get(
            "/v1/stats",
            interval="day",
            by="state",
            since="2023-11-15T07:00:00Z",
            until="2023-11-17T01:00:00Z",
        )
        by_hour = await served.get(
            "/v1/stats", interval="hour", since="2023-11-17T09:30:00Z", until="2023-11-17T12:00:00Z"
        )
    assert (by_day["since"], by_day["until"]) == ("2023-11-15T00:00:00Z", "2023-11-18T00:00:00Z")
    of_days = [f"2023-11-{day}T00:00:00Z" for day in (15, 16, 17)]
    assert [point["start"] for point in by_day["series"]] == of_days
    assert [point["messages"] for point in by_day["series"]] == [0, 6, 6]
    assert by_day["series"][0] == {"start": of_days[0], **NOTHING}
    series = {g["state"]: [point["messages"] for point in g["series"]] for g in by_day["groups"]}
    assert series == {"delivered": [0, 6, 0], "failed": [0, 0, 3], "pending": [0, 0, 3]}
    assert [(point["start"], point["messages"]) for point in by_hour["series"]] == [
        ("2023-11-17T09:00:00Z", 0),
        ("2023-11-17T10:00:00Z", 3),
        ("2023-11-17T11:00:00Z", 0),
    ]


async def test_the_last_day_is_the_usual_period(tmp_path: Path) -> None:
    """Without a period it is the last 24 hours up to now, on full hours; nothing is an answer."""
    async with a_node(tmp_path) as served:
        await served.push(form(**a_report(1, "DELIVRD", "2023-11-16T09:00:00Z")))
        before = now()
        document = await served.get("/v1/stats", by="registered,template")
        nothing = await served.get("/v1/stats", by="code", until="2023-01-01T00:00:00Z")
    since, until = times.parse(document["since"]), times.parse(document["until"])
    assert since is not None
    assert until is not None
    assert since % HOUR == until % HOUR == 0
    assert since <= before - DAY < since + HOUR
    assert before <= until
    assert until - since in (24 * HOUR, 25 * HOUR)
    (group,) = document["groups"]
    assert (group["registered"], group["template"], group["messages"]) == (False, None, 1)
    assert group["delivery_seconds"] == NOTHING_TIMED
    assert nothing == {
        "since": "2022-12-31T00:00:00Z",
        "until": "2023-01-01T00:00:00Z",
        "by": ["code"],
        "interval": None,
        **NOTHING,
        "groups": [],
        "omitted": {"groups": 0, "messages": 0},
    }


@pytest.mark.parametrize(
    ("query", "advice"),
    [
        pytest.param("by=colour", "application, state", id="no such dimension"),
        pytest.param("by=state,,code", "application, state", id="an empty dimension"),
        pytest.param("by=", "is empty", id="nothing to group by"),
        pytest.param("interval=week", "hour, day", id="no such interval"),
        pytest.param("state=gone", "one of pending", id="no such state"),
        pytest.param("category=bad", "one of", id="no such category"),
        pytest.param("registered=maybe", "true or false", id="no flag"),
        pytest.param("since=yesterday", "RFC 3339", id="no time"),
        pytest.param(
            "since=2023-01-02T00:00:00Z&until=2023-01-01T00:00:00Z", "before `until`", id="reversed"
        ),
        pytest.param("since=2999-01-01T00:00:00Z", "before `until`", id="in the future"),
        pytest.param("since=2020-01-01T00:00:00Z", "366 days", id="too long"),
        pytest.param(
            "since=2020-01-01T00:00:00Z&until=2020-12-31T00:00:00Z&interval=hour",
            "interval=day",
            id="too many points",
        ),
        pytest.param(
            "since=2020-01-01T00:00:00Z&until=2020-01-11T00:00:00Z&interval=hour&by=code&limit=8",
            "limit=7",
            id="too many groups for the points",
        ),
        pytest.param("limit=0", "from 1 to 1000", id="no group"),
        pytest.param("colour=red", "unknown parameters", id="no such parameter"),
    ],
)
async def test_what_cannot_be_answered_is_explained(
    tmp_path: Path, query: str, advice: str
) -> None:
    """A question that makes no sense, or too large a one, gets advice."""
    async with a_node(tmp_path) as served:
        answer = await served.api.get(f"/v1/stats?{query}")
    assert advice in check_problem(answer, 400)["detail"]


async def test_a_time_series_shows_as_many_groups_as_fit(tmp_path: Path) -> None:
    """Where no limit is asked for, the number of groups follows from the number of points."""
    async with a_node(tmp_path) as served:
        await served.register(
            sends=[a_send(n, "2023-11-16T09:00:00Z", template_id=f"t{n}") for n in range(30)]
        )
        document = await served.get(
            "/v1/stats",
            by="template",
            interval="hour",
            since="2023-11-10T00:00:00Z",
            until="2023-11-20T00:00:00Z",
        )
    assert len(document["groups"]) == 7  # (7 + 1) x 240 <= 2,000
    assert document["omitted"] == {"groups": 23, "messages": 23}


@pytest.mark.parametrize("path", ["/v1/stats", "/v1/stats/silence"])
async def test_a_key_is_needed(tmp_path: Path, path: str) -> None:
    """Without a key nothing is told."""
    async with a_node(tmp_path) as served:
        answer = await served.api.get(path, headers={"authorization": "none"})
    check_problem(answer, 401)


# --- silence -------------------------------------------------------------------------------------


def ago(hours: float) -> str:
    """Return the time so many hours ago."""
    return times.to_rfc3339(now() - round(hours * HOUR))


async def test_silence_is_told_by_age(tmp_path: Path) -> None:
    """What is pending and what is an orphan, by age, with the oldest and the last report."""
    async with a_node(tmp_path) as served:
        await served.register(
            sends=[
                {"sms_msg_id": "a", "sent_at": ago(0.1)},
                {"sms_msg_id": "b", "sent_at": ago(3)},
                {"sms_msg_id": "c", "sent_at": ago(12)},
                {"sms_msg_id": "d", "sent_at": ago(48)},
                {"sms_msg_id": "e", "sent_at": ago(100)},
                {"sms_msg_id": "f", "sent_at": ago(100)},
                {"sms_msg_id": "g", "sent_at": ago(40 * 24)},
            ]
        )
        items = [("b", "ACCEPTD"), ("c", "UNKNOWN"), ("f", "DELIVRD"), ("x", "DELIVRD")]
        before = now()
        await served.push(batch([{"smsMsgId": name, "status": code} for name, code in items]))
        document = await served.get("/v1/stats/silence")
        other = await served.get("/v1/stats/silence", application="other")
    (one,) = document["applications"]
    assert one["application"] == "default"
    assert one["pending"] == {
        "messages": 5,
        "states": {"pending": 3, "accepted": 1, "unknown": 1, "overdue": 0},
        "by_age": {"under_1h": 1, "1h_to_6h": 1, "6h_to_24h": 1, "24h_to_72h": 1, "over_72h": 1},
    }
    assert one["orphans"] == {
        "messages": 1,
        "by_age": {"under_1h": 1, "1h_to_6h": 0, "6h_to_24h": 0, "24h_to_72h": 0, "over_72h": 0},
    }
    assert one["oldest_pending"]["sms_msg_id"] == "e"  # "g" is left aside
    assert 0 <= one["oldest_pending"]["age_seconds"] - 100 * 3600 < 60
    heard_at = times.parse(one["last_report_at"])
    assert heard_at is not None
    assert before <= heard_at <= now()
    assert (one["usual_gap_seconds"], one["alarm_after_seconds"], one["alarm"]) == (
        None,
        None,
        False,
    )
    assert other["applications"] == []


async def test_an_application_that_never_heard_anything_is_told(tmp_path: Path) -> None:
    """Each configured application is in the answer, with nothing where nothing is known."""
    async with a_node(tmp_path) as served:
        (one,) = (await served.get("/v1/stats/silence"))["applications"]
    assert one["pending"]["messages"] == one["orphans"]["messages"] == 0
    for name in ("oldest_pending", "last_report_at", "gap_seconds", "usual_gap_seconds"):
        assert one[name] is None


# --- the gauges ----------------------------------------------------------------------------------


async def store_rhythm(store: Store, last_at: int, gap: int) -> None:
    """Let two applications have a rhythm, one of them not configured."""
    day = last_at // DAY
    gaps = json.dumps({day: gap, day - 1: gap})
    row = {"application": "default", "heard": 100, "last_at": last_at, "gaps": gaps}
    async with store.writing() as connection:
        await connection.execute(insert(rhythms), [row, {**row, "application": "gone"}])


async def test_a_gap_is_told_for_each_configured_application(tmp_path: Path) -> None:
    """The gauges say gap, usual gap and alarm; while the store is away it is remembered."""
    metrics = Metrics("1.0")
    heard_until = NOW + 10 * HOUR

    async def until() -> int:
        return heard_until

    async with a_store(f"sqlite:///{tmp_path / FILE_NAME}") as store:
        watch = Watch(
            store,
            metrics,
            ["default"],
            SilenceOptions(),
            clock=lambda: NOW + DAY,
            heard_until=until,
        )
        await store_rhythm(store, NOW, HOUR)
        await watch.look()
        seen = values(metrics.registry)
        assert seen["receiver_report_gap_seconds application=default"] == 36_000
        assert seen["receiver_report_gap_usual_seconds application=default"] == 3600
        assert seen["receiver_report_gap_alarm application=default"] == 1
        assert not [name for name in seen if "gone" in name]
        heard_until = NOW + HOUR
        (tmp_path / FILE_NAME).rename(tmp_path / "away")
        await store.close()
        with pytest.raises(StoreUnavailableError):
            await store.ping()
        await watch.look()
        assert values(metrics.registry)["receiver_report_gap_alarm application=default"] == 0


async def test_what_is_not_projected_yet_is_no_silence(tmp_path: Path) -> None:
    """A report that waits in the journal for a store that is locked ends the silence."""
    async with a_store(f"sqlite:///{tmp_path / FILE_NAME}") as store:
        await store_rhythm(store, NOW - HOUR, HOUR)
    async with a_journal(tmp_path) as journal:
        await journal.append(entry(form(smsMsgId="a", status="DELIVRD"), received_at=NOW))
    with write_lock(tmp_path / FILE_NAME):
        async with a_node(tmp_path, ready=False) as served:
            await served.api.get("/metrics")
            document = await served.get("/v1/stats/silence", application="default")
            seen = values(served.metrics.registry)
    assert seen["receiver_projector_lag_rows"] == 1
    assert seen["receiver_report_gap_seconds application=default"] == 3600
    assert seen["receiver_report_gap_alarm application=default"] == 0
    (one,) = document["applications"]
    assert (one["gap_seconds"], one["alarm_after_seconds"], one["alarm"]) == (3600, 5400, False)
