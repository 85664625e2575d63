"""The retry queue over the private API: claims, leases, chains, and nothing sent twice."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.app.credentials import now
from receiver.domain import times
from tests.support.parts import Served, a_node, check_problem, form, read_rows

CHANNEL = "1069000000000012"
NUMBER = "+8615500005172"
FAILURE = "UNDELIV"
Json = dict[str, Any]


def ago(seconds: float) -> str:
    """Write a time that lies so far back."""
    return times.to_rfc3339(now() - round(seconds) * times.SECOND)


def report(sms_msg_id: str, status: str = FAILURE, *, seconds_ago: float = 7200) -> bytes:
    """Write a status report of the carrier."""
    fields = {"source": "2", "updateTime": ago(seconds_ago)}
    return form(smsMsgId=sms_msg_id, status=status, **fields)


def send(sms_msg_id: str, **fields: Any) -> Json:
    """Write a send of some hours ago."""
    usual = {"to": NUMBER, "from": CHANNEL, "sent_at": ago(7230)}
    return {"sms_msg_id": sms_msg_id, **usual, **fields}


def response(sms_msg_id: str, status: str = "000000", *, seconds_ago: float = 0) -> Json:
    """Write the platform's answer to a send."""
    entry = {
        "originTo": NUMBER,
        "createTime": ago(seconds_ago),
        "from": CHANNEL,
        "smsMsgId": sms_msg_id,
        "status": status,
    }
    return {"code": "000000", "description": "Success", "result": [entry]}


@asynccontextmanager
async def a_failed_message(directory: Path, **settings: Any) -> AsyncIterator[Served]:
    """Run a node that knows of one message, `m1`, which failed two hours ago."""
    async with a_node(directory, **settings) as served:
        sends = [send("m1", reference="order-1", extend="x1", template_id="t1")]
        await served.register(sends=sends)
        await served.push(report("m1"))
        yield served


async def claim(served: Served, key: str | None = None, **order: Any) -> list[Json]:
    """Claim items."""
    headers = {} if key is None else {"idempotency-key": key}
    answer = await served.api.post("/v1/retries/claim", json=order, headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["retries"]
    return found


async def settle(served: Served, item: Json, how: str, **more: Any) -> httpx.Response:
    """Complete, release or abandon an item."""
    body = {"lease": item["lease"], **more}
    return await served.api.post(f"/v1/retries/{item['id']}/{how}", json=body)


async def complete(served: Served, item: Json, sms_msg_id: str) -> httpx.Response:
    """Complete an item by another send."""
    return await settle(served, item, "complete", response=response(sms_msg_id))


async def test_a_failed_message_is_claimed_sent_again_and_completed(tmp_path: Path) -> None:
    """The claimer gets all it needs to send again; what it sent is the next attempt."""
    async with a_failed_message(tmp_path) as served:
        (item,) = await claim(served, limit=10, lease_seconds=60)
        assert await claim(served, limit=10) == []
        answer = await complete(served, item, "m2")
        first = await served.get("/v1/messages/m1")
        second = await served.get("/v1/messages/m2")
        await served.push(report("m2", "DELIVRD", seconds_ago=0))
        chain = await served.get("/v1/messages/m2/attempts")
        metrics = (await served.api.get("/metrics")).text
    assert {
        name: item[name]
        for name in ("sms_msg_id", "application", "to", "from", "extend", "reference",
                     "template_id", "attempt", "kind")
    } == {
        "sms_msg_id": "m1", "application": "default", "to": NUMBER, "from": CHANNEL,
        "extend": "x1", "reference": "order-1", "template_id": "t1", "attempt": 2,
        "kind": "notification",
    }  # fmt: skip
    assert item["verdict"]["action"] == "retry"
    assert item["deadline"] == times.to_rfc3339(
        (times.parse(first["sent_at"]) or 0) + 24 * 3600 * times.SECOND
    )
    assert answer.status_code == 200
    assert answer.json()["state"] == "completed"
    assert first["attempts"] == {
        "previous": None, "next": "m2", "count": 2, "outcome": "pending",
    }  # fmt: skip
    assert second["attempts"] == {
        "previous": "m1", "next": None, "count": 2, "outcome": "pending",
    }  # fmt: skip
    assert (second["reference"], second["template_id"]) == ("order-1", "t1")
    assert chain["outcome"] == "delivered"
    assert [(one["sms_msg_id"], one["state"]) for one in chain["attempts"]] == [
        ("m1", "failed"),
        ("m2", "delivered"),
    ]
    assert "receiver_retries_saved_total 1.0" in metrics
    assert 'receiver_retries_total{outcome="completed"} 1.0' in metrics


async def test_a_delivered_message_is_never_handed_out(tmp_path: Path) -> None:
    """A delivery that comes late takes the message out of the queue, whoever delivered it."""
    async with a_failed_message(tmp_path) as served:
        await served.push(report("m1", "DELIVRD", seconds_ago=10))
        assert await claim(served, limit=10) == []
        assert (await served.get("/v1/retries"))["retries"] == []


@pytest.mark.parametrize("delivered", ["m1", "m2"])
async def test_completing_after_a_delivery_is_told(tmp_path: Path, delivered: str) -> None:
    """A delivery while the item is claimed: 409 with the state, and what was sent is kept."""
    async with a_failed_message(tmp_path) as served:
        (item,) = await claim(served, limit=1)
        last = "m2"
        if delivered == "m2":
            # Another attempt was registered by hand meanwhile, and arrived.
            await served.register(sends=[send("m2", retry_of="m1", sent_at=ago(60))])
            last = "m3"
        await served.push(report(delivered, "DELIVRD", seconds_ago=1))
        answer = await complete(served, item, last)
        problem = check_problem(answer, 409)
        chain = await served.get("/v1/messages/m1/attempts")
        assert await claim(served, limit=10) == []
        again = await complete(served, item, last)
    assert problem["state"] == "delivered"
    assert again.status_code == 409
    assert last in [one["sms_msg_id"] for one in chain["attempts"]]
    assert chain["outcome"] == "delivered"


async def test_what_was_sent_by_another_way_is_not_handed_out(tmp_path: Path) -> None:
    """An attempt that was registered with `retry_of` takes the one before out of the queue."""
    async with a_failed_message(tmp_path) as served:
        await served.register(sends=[send("m2", retry_of="m1", sent_at=ago(60))])
        assert await claim(served, limit=10) == []
        (row,) = (await served.get("/v1/retries", state="ended"))["retries"]
    assert (row["sms_msg_id"], row["reason"]) == ("m1", "superseded")


async def test_attempts_are_counted_over_the_chain(tmp_path: Path) -> None:
    """After the last attempt that the policy allows nothing is handed out any more."""
    limited = {"categories": {"handset-unreachable": {"attempts": 2}}}
    async with a_failed_message(tmp_path, retry=limited) as served:
        (item,) = await claim(served, limit=1)
        sent = response("m2", seconds_ago=5000)
        assert (await settle(served, item, "complete", response=sent)).status_code == 200
        await served.push(report("m2", seconds_ago=3600))
        assert await claim(served, limit=10) == []
        (row,) = (await served.get("/v1/retries", state="ended"))["retries"]
    assert (row["sms_msg_id"], row["reason"]) == ("m2", "attempts-used-up")


async def test_a_lease_that_is_over_gives_the_item_to_another(tmp_path: Path) -> None:
    """Who lost the lease cannot settle the item, but what it sent is registered all the same."""
    async with a_failed_message(tmp_path) as served:
        (item,) = await claim(served, limit=1, lease_seconds=1)
        assert await claim(served, limit=1) == []
        await asyncio.sleep(1.1)
        (other,) = await claim(served, limit=1)
        assert (other["id"], other["lease"] != item["lease"]) == (item["id"], True)
        for how, more in (("release", {}), ("abandon", {"reason": "x"})):
            check_problem(await settle(served, item, how, **more), 409)
        check_problem(await complete(served, item, "m2"), 409)
        assert (await served.get("/v1/messages/m2"))["attempts"]["previous"] == "m1"
        metrics = (await served.api.get("/metrics")).text
    assert "receiver_retries_lease_expired_total 1.0" in metrics


async def test_a_lease_that_is_over_and_that_nobody_took_still_counts(tmp_path: Path) -> None:
    """Completing late is accepted as long as nobody else has the item."""
    async with a_failed_message(tmp_path) as served:
        (item,) = await claim(served, limit=1, lease_seconds=1)
        await asyncio.sleep(1.1)
        assert (await complete(served, item, "m2")).status_code == 200
        assert await claim(served, limit=1) == []


async def test_an_item_is_released_and_abandoned(tmp_path: Path) -> None:
    """A released item comes again, at once or after a delay; an abandoned one never."""
    async with a_failed_message(tmp_path) as served:
        (item,) = await claim(served, limit=1)
        assert (await settle(served, item, "release")).json()["state"] == "waiting"
        (item,) = await claim(served, limit=1)
        assert (await settle(served, item, "release", delay_seconds=3600)).status_code == 200
        assert await claim(served, limit=1) == []
        (row,) = (await served.get("/v1/retries"))["retries"]
        assert (row["state"], row["reason"], row["claims"]) == ("waiting", "released", 2)
    async with a_failed_message(tmp_path / "other") as served:
        (item,) = await claim(served, limit=1)
        answer = await settle(served, item, "abandon", reason="no budget")
        assert answer.json()["state"] == "abandoned"
        await served.push(report("m1", "MK:0005", seconds_ago=10))
        assert await claim(served, limit=1) == []
        (row,) = (await served.get("/v1/retries", state="abandoned"))["retries"]
    assert row["reason"] == "no budget"


async def test_no_body_means_the_same_as_an_empty_object(tmp_path: Path) -> None:
    """A claim that leaves everything open may be repeated in either writing."""
    headers = {"idempotency-key": "key-1"}
    async with a_failed_message(tmp_path) as served:
        answers = [
            await served.api.post("/v1/retries/claim", content=body, headers=headers)
            for body in (b"", b"{}", b" { } ")
        ]
    assert [one.status_code for one in answers] == [200] * 3
    assert answers[0].json()["retries"]
    assert all(one.json() == answers[0].json() for one in answers)


async def test_the_same_request_again_gets_the_same_answer(tmp_path: Path) -> None:
    """With an Idempotency-Key what is repeated changes nothing, however it is written."""
    async with a_failed_message(tmp_path) as served:
        first = await claim(served, "key-1", limit=5)
        assert len(first) == 1
        assert await claim(served, "key-1", limit=5) == first
        other = await served.api.post(
            "/v1/retries/claim", json={"limit": 4}, headers={"idempotency-key": "key-1"}
        )
        check_problem(other, 422)
        path, body = f"/v1/retries/{first[0]['id']}/complete", {
            "lease": first[0]["lease"], "response": response("m2"),
        }  # fmt: skip
        answers = [
            await served.api.post(path, json=body, headers={"idempotency-key": "key-2"})
            for _ in range(2)
        ]
        answers.append(
            await served.api.post(
                path,
                content=json.dumps(dict(reversed(body.items())), indent=2),
                headers={"idempotency-key": "key-2"},
            )
        )
        plain = await served.api.post(path, json=body)
    assert [one.status_code for one in (*answers, plain)] == [200] * 4
    assert answers[0].json() == answers[1].json() == answers[2].json()


KEYS: Json = {"old": "old-key-0123456789abcdef", "new": "new-key-9876543210fedcba"}


def a_key(name: str, key: str, application: str | None = None) -> Json:
    """Write a key of the settings."""
    return {"name": name, "key": KEYS[key], "scopes": ["write"], "application": application}


@pytest.mark.parametrize(
    ("before", "after", "key", "is_same"),
    [
        pytest.param(a_key("app", "old"), a_key("app", "old"), "old", True, id="the same key"),
        pytest.param(a_key("app", "old"), a_key("app-2", "old"), "old", True, id="renamed"),
        pytest.param(a_key("app", "old"), a_key("app", "new"), "new", False, id="made again"),
        pytest.param(
            a_key("app", "old", "default"), a_key("app", "old"), "old", False, id="for all now"
        ),
        pytest.param(
            a_key("app", "old"), a_key("app", "old", "default"), "old", False, id="for one now"
        ),
        pytest.param(
            a_key("app", "old", "default"),
            a_key("app", "new", "default"),
            "new",
            False,
            id="made again for one",
        ),
    ],
)
async def test_answers_belong_to_the_key_and_its_application(
    tmp_path: Path, before: Json, after: Json, key: str, is_same: bool
) -> None:
    """A kept answer is given to the very key that got it and while it may see the same, only."""

    async def claim_by(served: Served, secret: str) -> Json:
        headers = {"idempotency-key": "key-1", "authorization": f"Bearer {secret}"}
        answer = await served.api.post("/v1/retries/claim", json={"limit": 5}, headers=headers)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async with a_failed_message(tmp_path, api_keys=[before]) as served:
        first = await claim_by(served, KEYS["old"])
        assert len(first["retries"]) == 1
    async with a_node(tmp_path, api_keys=[after]) as served:
        again = await claim_by(served, KEYS[key])
    assert (again == first) is is_same
    assert is_same or again["retries"] == []
    rows = read_rows(tmp_path / "store.sqlite3", "SELECT owner FROM idempotency")
    assert not any(secret in owner for secret in KEYS.values() for (owner,) in rows)


async def test_the_same_request_twice_at_once_is_done_once(tmp_path: Path) -> None:
    """Of requests with one Idempotency-Key that are under way together one does the work."""
    async with a_node(tmp_path) as served:
        await served.register(sends=[send(f"m{n}") for n in range(20)])
        for n in range(20):
            await served.push(report(f"m{n}"))
        claims = [claim(served, "key-1", limit=3) for _ in range(10)]
        others = [claim(served, f"other-{n}", limit=1) for n in range(3)]
        found = await asyncio.gather(*claims, *others)
        (one, *more) = found[:10]
        assert all(other == one for other in more)
        ids = [item["id"] for items in (one, *found[10:]) for item in items]
        assert len(set(ids)) == len(ids) == 6


async def test_an_answer_that_is_too_large_to_keep_is_not_given(tmp_path: Path) -> None:
    """Beyond the largest answer nothing is done and the caller is told; fewer at a time go."""
    async with a_node(tmp_path, idempotency={"answer_bytes": 8192}) as served:
        await served.register(sends=[send(f"m{n}", to=f"+8615500005{n:03}") for n in range(20)])
        for n in range(20):
            await served.push(report(f"m{n}"))
        headers = {"idempotency-key": "key-1"}
        answer = await served.api.post("/v1/retries/claim", json={"limit": 20}, headers=headers)
        assert "idempotency.answer_bytes" in check_problem(answer, 400)["detail"]
        assert len(await claim(served, "key-1", limit=1)) == 1
        assert len(await claim(served, limit=20)) == 19


async def test_orphans_and_open_pushes_are_never_queued(tmp_path: Path) -> None:
    """Only registered messages, and reports that came by a token that is hard to guess."""
    async with a_node(tmp_path) as served:
        await served.push(report("orphan"))
        assert await claim(served, limit=10) == []
        await served.register(sends=[send("orphan")])
        (item,) = await claim(served, limit=10)
    assert item["sms_msg_id"] == "orphan"
    short = [{"name": "weak", "tokens": ["short-token"]}]
    for trust_open, expected in (("advise", 0), ("queue", 1)):
        settings: Json = {"applications": short, "retry": {"trust_open": trust_open}}
        async with a_node(tmp_path / trust_open, **settings) as served:
            await served.register(sends=[send("m1")], application="weak")
            await served.push(report("m1"), "short-token")
            assert len(await claim(served, limit=10)) == expected
            message = await served.get("/v1/messages/m1")
            assert (message["trust"], message["verdict"]["action"]) == ("open", "retry")


async def test_a_person_who_opted_out_is_not_handed_out(tmp_path: Path) -> None:
    """An opt-out to the channel number, with or without an extension, ends the item."""
    async with a_failed_message(tmp_path) as served:
        await served.push(form(smsMsgId="u1", from_=NUMBER, to=CHANNEL + "77", body="R"))
        assert await claim(served, limit=10) == []
        (row,) = (await served.get("/v1/retries", state="ended"))["retries"]
    assert row["reason"] == "suppressed"


async def test_the_number_s_limits_hold_an_item_back(tmp_path: Path) -> None:
    """What the platform would refuse as too much waits until there is room."""
    async with a_node(tmp_path, retry={"kinds": {"notification": {"per_minute": 2}}}) as served:
        await served.register(
            sends=[send(f"m{n}", sent_at=ago(7230 + n)) for n in range(3)]
            + [send("just", sent_at=ago(1))]
        )
        for n in range(3):
            await served.push(report(f"m{n}"))
        given = await claim(served, limit=10)
        rows = (await served.get("/v1/retries", state="waiting"))["retries"]
    assert len(given) == 1
    assert [row["reason"] for row in rows] == ["number-limit"] * 2
    assert all((times.parse(row["due_at"]) or 0) > now() for row in rows)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("claim", {"limit": 0}, 400, id="no items"),
        pytest.param("claim", {"limit": 501}, 400, id="too many items"),
        pytest.param("claim", {"limit": True}, 400, id="no number"),
        pytest.param("claim", {"lease_seconds": 0}, 400, id="no time"),
        pytest.param("claim", {"application": 7}, 400, id="no application"),
        pytest.param("99/complete", {"lease": "x", "response": response("m2")}, 404, id="no item"),
        pytest.param(
            f"{2**64}/complete",
            {"lease": "x", "response": response("m2")},
            404,
            id="no such number",
        ),
        pytest.param("1/complete", {"response": response("m2")}, 400, id="no lease"),
        pytest.param("1/complete", {"lease": "x"}, 400, id="no response"),
        pytest.param(
            "1/complete",
            {"lease": "x", "response": {"code": "E000510"}},
            400,
            id="nothing was sent",
        ),
        pytest.param(
            "1/complete", {"lease": "x", "response": response("m1")}, 400, id="the message itself"
        ),
        pytest.param("1/release", {"lease": "x"}, 409, id="not held"),
        pytest.param("1/release", {"lease": "x", "delay_seconds": -1}, 400, id="no delay"),
        pytest.param("1/abandon", {"lease": "x"}, 400, id="no reason"),
        pytest.param("1/abandon", {"lease": "\ud800", "reason": "x"}, 400, id="no text"),
        pytest.param("x/abandon", {}, 404, id="no id"),
    ],
)
async def test_bad_requests_say_what_to_do(
    tmp_path: Path, path: str, body: Json, status: int
) -> None:
    """Each is a problem document, and the queue is as before."""
    async with a_failed_message(tmp_path) as served:
        content = json.dumps(body)
        check_problem(await served.api.post(f"/v1/retries/{path}", content=content), status)
        assert len(await claim(served, limit=10)) == 1


async def test_parallel_claimers_share_the_queue(tmp_path: Path) -> None:
    """Each item is given to one of them, and together they get all."""
    async with a_node(tmp_path) as served:
        names = [f"m{n}" for n in range(60)]
        await served.register(
            sends=[send(name, to=f"+86155{n:08}") for n, name in enumerate(names)]
        )
        for name in names:
            await served.push(report(name))
        began = time.monotonic()
        shares = await asyncio.gather(*(claim(served, limit=7) for _ in range(12)))
        assert time.monotonic() - began < 30
    given = [item["sms_msg_id"] for share in shares for item in share]
    assert sorted(given) == sorted(names)
