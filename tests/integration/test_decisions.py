"""One decision about a message: every answer says the same, and what the chain has become of."""

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.app.credentials import now
from receiver.domain import times
from receiver.domain.catalogue.entries import Category, RetryClass
from receiver.domain.inputs import Trust
from receiver.domain.messages.state import State
from receiver.domain.retries.decision import Decision, Facts, decide_retry, settle
from receiver.domain.retries.items import ItemState
from receiver.domain.times import SECOND
from receiver.domain.verdict import Action, Subject, decide
from tests.integration.api.test_retries import (
    FAILURE,
    NUMBER,
    a_failed_message,
    ago,
    claim,
    complete,
    report,
    send,
)
from tests.integration.api.test_retries import settle as end_item
from tests.support.parts import NOW, Served, a_node, form, policy
from tests.support.retries import a_failure

Json = dict[str, Any]
CODES = {"overrides": [{"template_id": "otp", "kind": "code"}]}


async def all_answers(served: Served, sms_msg_id: str) -> list[Json]:
    """Return verdict and retry of a message as each answer tells them."""
    message = await served.get(f"/v1/messages/{sms_msg_id}")
    explained = await served.get(f"/v1/messages/{sms_msg_id}/explain")
    found = await served.api.post("/v1/messages/lookup", json={"ids": [sms_msg_id]})
    lines = (await served.api.get("/v1/export/messages")).text.splitlines()
    told = [
        message,
        explained,
        *found.json()["messages"],
        *(one for line in lines if (one := json.loads(line))["sms_msg_id"] == sms_msg_id),
        *(
            one
            for one in (await served.get("/v1/messages"))["messages"]
            if one["sms_msg_id"] == sms_msg_id
        ),
    ]
    assert len(told) == 5
    explained["retry"].pop("steps")
    return [{"verdict": one["verdict"], "retry": one["retry"]} for one in told]


async def the_decision(served: Served, sms_msg_id: str) -> Json:
    """Return what all answers say alike."""
    first, *others = await all_answers(served, sms_msg_id)
    assert all(one == first for one in others)
    for state in ({}, *({"state": one.value} for one in ItemState)):
        for row in (await served.get("/v1/retries", **state))["retries"]:
            assert row["sms_msg_id"] != sms_msg_id or row["retry"] == first["retry"]
    return first


async def handed_out_in_vain(served: Served) -> None:
    """Claim it and let the lease run out."""
    assert len(await claim(served, lease_seconds=1)) == 1
    await asyncio.sleep(1.1)


async def nothing(_: Served) -> None:
    """Leave the message as it is."""


async def handed_out(served: Served) -> None:
    """Claim it."""
    assert len(await claim(served)) == 1


async def sent_again(served: Served) -> None:
    """Claim it and send it again."""
    (item,) = await claim(served)
    assert (await complete(served, item, "m2")).status_code == 200


async def delivered_again(served: Served) -> None:
    """Send it again; that arrives."""
    await sent_again(served)
    await served.push(report("m2", "DELIVRD", seconds_ago=0))


async def given_up(served: Served) -> None:
    """Claim it and give it up."""
    (item,) = await claim(served)
    assert (await end_item(served, item, "abandon", reason="no use")).status_code == 200


async def suppressed_for_a_minute(served: Served) -> None:
    """Suppress its number until soon."""
    until = ago(-60)
    answer = await served.api.put(
        f"/v1/suppressions/{NUMBER}", json={"reason": "asked", "until": until}
    )
    assert answer.status_code == 200


async def suppressed(served: Served) -> None:
    """Suppress its number."""
    answer = await served.api.put(f"/v1/suppressions/{NUMBER}", json={"reason": "asked"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("happens", "decision", "reason", "action"),
    [
        (nothing, "retry", None, "retry"),
        (handed_out, "claimed", None, "retry"),
        (handed_out_in_vain, "retry", None, "retry"),
        (sent_again, "no", "superseded", "none"),
        (delivered_again, "no", "chain-delivered", "none"),
        (given_up, "no", "abandoned", "stop"),
        (suppressed, "no", "suppressed", "stop"),
        (suppressed_for_a_minute, "retry", None, "retry"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_every_answer_says_what_becomes_of_a_message(
    tmp_path: Path,
    happens: Callable[[Served], Awaitable[None]],
    decision: str,
    reason: str | None,
    action: str,
) -> None:
    """Message, list, look-up, explanation and export follow queue, chain and suppression list."""
    async with a_failed_message(tmp_path) as served:
        await happens(served)
        told = await the_decision(served, "m1")
    verdict, retry = told["verdict"], told["retry"]
    assert (retry["decision"], retry["reason"]) == (decision, reason)
    assert verdict["action"] == action
    assert verdict["retryable"] is (decision != "no")
    assert verdict["not_before"] == retry["not_before"]
    assert (retry["text"] is None) is (reason is None)


async def test_a_chain_is_named_by_each_of_its_messages(tmp_path: Path) -> None:
    """The first attempt names the next one and what became of all, and so does the next."""
    async with a_failed_message(tmp_path) as served:
        await delivered_again(served)
        first = (await served.get("/v1/messages/m1"))["attempts"]
        second = (await served.get("/v1/messages/m2"))["attempts"]
        table = await served.api.get("/v1/export/messages", params={"format": "csv"})
    assert first == {"previous": None, "next": "m2", "count": 2, "outcome": "delivered"}
    assert second == {"previous": "m1", "next": None, "count": 2, "outcome": "delivered"}
    rows = {
        row["sms_msg_id"]: row for row in csv.DictReader(io.StringIO(table.text.lstrip("\ufeff")))
    }
    assert (rows["m1"]["retry_decision"], rows["m1"]["retry_reason"]) == ("no", "chain-delivered")
    assert (rows["m1"]["attempts"], rows["m1"]["attempts_outcome"]) == ("2", "delivered")


async def test_a_code_that_may_have_arrived_is_not_said_to_be_retried(tmp_path: Path) -> None:
    """A verification code that expired is not sent again, and no answer says otherwise."""
    async with a_node(tmp_path, retry=CODES) as served:
        await served.register(sends=[send("m1", template_id="otp")])
        await served.push(report("m1", "EXPIRED"))
        told = await the_decision(served, "m1")
        assert await claim(served) == []
    assert (told["verdict"]["action"], told["verdict"]["retryable"]) == ("stop", False)
    assert (told["retry"]["decision"], told["retry"]["reason"]) == ("no", "duplicate-risk")


async def test_what_one_report_says_arrived_is_not_sent_again(tmp_path: Path) -> None:
    """With late deliveries left out a message stays failed, and yet nobody is handed it."""
    async with a_node(tmp_path, late_delivered="ignored") as served:
        await served.register(sends=[send("m1")])
        await served.push(report("m1"))
        assert (await the_decision(served, "m1"))["retry"]["decision"] == "retry"
        await served.push(report("m1", "DELIVRD", seconds_ago=60))
        assert (await served.get("/v1/messages/m1"))["state"] == "failed"
        told = await the_decision(served, "m1")
        assert await claim(served) == []
    assert (told["retry"]["decision"], told["retry"]["reason"]) == ("no", "arrived")
    assert told["verdict"]["action"] == "none"


async def test_a_refused_send_is_judged_alike_at_once_and_later(tmp_path: Path) -> None:
    """The answer to the registration says what the message itself says."""
    async with a_node(tmp_path) as served:
        refused = send("m1", status="E000623")
        answer = await served.api.post("/v1/sends", json={"sends": [refused]})
        (at_once,) = answer.json()["refused"]
        told = await the_decision(served, "m1")
    assert {name: at_once[name] for name in told} == told


async def test_a_refusal_that_is_disputed_may_have_been_taken(tmp_path: Path) -> None:
    """Registered as refused and as accepted, a verification code is not sent a second time."""
    refused = send("m1", status="E000623", template_id="otp", sent_at=None)
    async with a_node(tmp_path, retry=CODES) as served:
        await served.register(sends=[refused])
        before = await the_decision(served, "m1")
        await served.register(sends=[{**refused, "status": "000000"}])
        told = await the_decision(served, "m1")
        message = await served.get("/v1/messages/m1")
        assert await claim(served) == []
    assert before["retry"]["reason"] != "duplicate-risk"
    assert (told["retry"]["decision"], told["retry"]["reason"]) == ("no", "duplicate-risk")
    assert (message["state"], message["conflict"]) == ("refused", True)
    assert [one["status"] for one in message["registration_conflicts"]] == ["000000"]


async def test_what_is_handed_out_carries_the_verdict_of_the_message(tmp_path: Path) -> None:
    """The claimer and whoever looks the message up read the same."""
    async with a_failed_message(tmp_path) as served:
        (item,) = await claim(served)
        assert item["verdict"] == (await the_decision(served, "m1"))["verdict"]


STRONG, WEAK = "Qz7RkW3mVx9TbL2pNd8sHf4Y", "w7Kp3x"
TWO_TOKENS = [{"name": "two", "tokens": [STRONG, WEAK]}]


@pytest.mark.parametrize(
    ("sent", "told", "state", "action", "decision", "reason"),
    [
        pytest.param({}, [(STRONG, FAILURE)], "failed", "retry", "retry", None, id="trusted"),
        pytest.param(
            {}, [(WEAK, FAILURE)], "failed", "retry", "advise", "open-trust", id="open alone"
        ),
        pytest.param(
            {}, [(STRONG, "ACCEPTD"), (WEAK, FAILURE)], "failed", "retry", "advise", "open-trust",
            id="an open failure of what was accepted",
        ),
        pytest.param(
            {}, [(STRONG, "ACCEPTD"), (WEAK, "MK:0001")], "failed", "stop", "no", "not-retryable",
            id="an open failure that is never retried",
        ),
        pytest.param(
            {}, [(STRONG, "MK:0001"), (WEAK, "DELIVRD")], "delivered", "none", "no", "delivered",
            id="an open delivery",
        ),
        pytest.param(
            {"status": "E200041"}, [(WEAK, "DELIVRD")], "delivered", "none", "no", "delivered",
            id="an open delivery of what was refused",
        ),
        pytest.param(
            {"status": "E000623", "sent_at": None}, [], "refused", "retry", "retry", None,
            id="refused at no known time",
        ),
        pytest.param(
            {"status": "E000623", "template_id": "otp"}, [(STRONG, "ACCEPTD")], "refused", "stop",
            "no", "duplicate-risk", id="refused, and heard of all the same",
        ),
    ],
)  # fmt: skip
async def test_what_does_not_count_gives_advice_alone(
    tmp_path: Path,
    sent: Json,
    told: list[tuple[str, str]],
    state: str,
    action: str,
    decision: str,
    reason: str | None,
) -> None:
    """State, action, decision and reason fit each other, by whatever tokens reports came."""
    async with a_node(tmp_path, applications=TWO_TOKENS, retry=CODES) as served:
        await served.register(sends=[send("m1", **sent)], application="two")
        for place, (token, status) in enumerate(told):
            await served.push(report("m1", status, seconds_ago=100 - place), token)
        decided = await the_decision(served, "m1")
        assert (await served.get("/v1/messages/m1"))["state"] == state
        claimable = (await served.get("/v1/retries"))["waiting"]
    assert decided["verdict"]["action"] == action
    assert (decided["retry"]["decision"], decided["retry"]["reason"]) == (decision, reason)
    assert claimable == (decision == "retry")


async def test_a_report_from_years_ago_ends_no_retry(tmp_path: Path) -> None:
    """A failure that is told for long before the sending has a wrong clock, and no other effect."""
    async with a_node(tmp_path) as served:
        await served.register(sends=[send("m1", sent_at=ago(600))])
        await served.push(report("m1", seconds_ago=5 * 365 * 24 * 3600))
        told = await the_decision(served, "m1")
    assert told["retry"]["decision"] == "retry"


async def test_late_deliveries_prove_a_number_all_the_same(tmp_path: Path) -> None:
    """Whether or not they count for the state, nobody who got an SMS has a lost number."""
    async with a_node(tmp_path, late_delivered="ignored") as served:
        await served.register(sends=[send("m1")])
        await served.push(report("m1", "MK:0001", seconds_ago=100))
        assert not (await served.get(f"/v1/recipients/{NUMBER}"))["may_send"]
        await served.push(report("m1", "DELIVRD", seconds_ago=60))
        assert (await served.get(f"/v1/recipients/{NUMBER}"))["may_send"]
        assert (await the_decision(served, "m1"))["retry"]["reason"] == "arrived"


async def test_a_suppression_that_ends_in_time_ends_no_retry(tmp_path: Path) -> None:
    """What is claimed in vain while its number is suppressed waits for the end of that."""
    async with a_failed_message(tmp_path) as served:
        rule = {"reason": "maintenance", "until": times.to_rfc3339(now() + SECOND)}
        assert (await served.api.put(f"/v1/suppressions/{NUMBER}", json=rule)).status_code == 200
        assert await claim(served) == []
        await asyncio.sleep(1.1)
        assert len(await claim(served)) == 1


async def test_an_extension_that_a_report_told_is_handed_out(tmp_path: Path) -> None:
    """The claimer gets the `extend` that the message shows, and the next attempt has it too."""
    async with a_node(tmp_path) as served:
        await served.register(sends=[send("m1")])
        fields = {"source": "2", "updateTime": ago(7200), "extend": "order-9"}
        await served.push(form(smsMsgId="m1", status=FAILURE, **fields))
        (item,) = await claim(served)
        assert (await complete(served, item, "m2")).status_code == 200
        following = await served.get("/v1/messages/m2")
    assert item["extend"] == following["extend"] == "order-9"


# --- the rule by itself ------------------------------------------------------------------------


DUE = a_failure(failed_at=NOW, first_sent_at=NOW)
LATE = NOW + 400 * 24 * 3600 * SECOND


@pytest.mark.parametrize(
    ("changes", "facts", "decision", "reason"),
    [
        pytest.param({}, Facts(NOW), Decision.RETRY, None, id="due"),
        pytest.param({}, Facts(LATE), Decision.NO, "deadline", id="too late by now"),
        pytest.param(
            {}, Facts(LATE, ItemState.CLAIMED), Decision.CLAIMED, None, id="late, but under way"
        ),
        pytest.param(
            {"trust": Trust.OPEN}, Facts(NOW), Decision.ADVISE, "open-trust", id="open trust"
        ),
        pytest.param(
            {"trust": Trust.OPEN}, Facts(LATE), Decision.NO, "deadline", id="open, and too late"
        ),
        pytest.param(
            {"trust": Trust.OPEN, "number": None}, Facts(NOW), Decision.NO, "no-number",
            id="open, and no number",
        ),
        pytest.param({"registered": False}, Facts(NOW), Decision.NO, "orphan", id="orphan"),
        pytest.param(
            {}, Facts(NOW, ItemState.COMPLETED), Decision.NO, "superseded", id="completed"
        ),
        pytest.param(
            {}, Facts(NOW, ItemState.ENDED, item_reason="hours"), Decision.NO, "ended", id="ended"
        ),
        pytest.param({}, Facts(NOW, suppressed="uplink"), Decision.NO, "suppressed", id="opt-out"),
        pytest.param(
            {"state": State.DELIVERED}, Facts(NOW), Decision.NO, "delivered", id="delivered"
        ),
        pytest.param(
            {"state": State.PENDING}, Facts(NOW), Decision.NO, "no-failure", id="nothing heard"
        ),
    ],
)  # fmt: skip
def test_a_decision_has_one_reason(
    changes: Json, facts: Facts, decision: Decision, reason: str | None
) -> None:
    """Plan, chain, queue, suppression list and clock give one decision and one reason."""
    retry, _ = decide_retry(a_failure(**{**_facts_of(DUE), **changes}), policy().retry, facts)
    assert retry.decision is decision
    assert (None if retry.reason is None else retry.reason.rule.value) == reason
    assert (retry.not_before is None) is (decision is Decision.NO)
    assert (retry.deadline is None) is (decision is Decision.NO)


def test_what_the_queue_puts_off_is_a_step() -> None:
    """The arithmetic of a plan ends with the time that is told, however it came about."""
    told = Facts(NOW, ItemState.WAITING, NOW + 3600 * SECOND, "limit")
    retry, planned = decide_retry(DUE, policy().retry, told)
    assert retry.not_before == told.put_off_to
    assert planned.steps[-1].rule.value == "retry-put-off"
    assert planned.steps[-1].words.en.endswith(f"{times.to_rfc3339(told.put_off_to)} (limit)")
    _, as_planned = decide_retry(DUE, policy().retry, Facts(NOW, ItemState.WAITING, NOW))
    assert as_planned.steps[-1].rule.value != "retry-put-off"


def _facts_of(candidate: Any) -> Json:
    return {name: getattr(candidate, name) for name in candidate.__slots__}


@settings(max_examples=200)
@given(
    code=st.sampled_from(["EXPIRED", "UNDELIV", "MK:0001", "E200027", "DELIVRD", "?!"]),
    changes=st.fixed_dictionaries(
        {
            "state": st.sampled_from(State),
            "trust": st.sampled_from(Trust),
            "registered": st.booleans(),
            "number": st.sampled_from([NUMBER, "123", None]),
            "attempts": st.integers(1, 9),
            "chain_delivered": st.booleans(),
            "superseded": st.booleans(),
            "category": st.sampled_from(Category),
            "retry": st.sampled_from(RetryClass),
        }
    ),
    item=st.none() | st.sampled_from(ItemState),
    suppressed=st.none() | st.just("hand"),
    now=st.integers(NOW, LATE),
)
def test_a_verdict_never_contradicts_its_decision(
    code: str, changes: Json, item: ItemState | None, suppressed: str | None, now: int
) -> None:
    """`retry` is said exactly where another send is called for, with the same time."""
    rules = policy()
    meaning = decide(Subject(changes["state"], code, 2, None), rules.catalogue)
    candidate = a_failure(**{**_facts_of(DUE), **changes, "action": meaning.action})
    retry, _ = decide_retry(candidate, rules.retry, Facts(now, item, suppressed=suppressed))
    verdict = settle(meaning, candidate.state, retry)
    assert (verdict.action is Action.RETRY) is retry.may_help is verdict.retryable
    assert verdict.not_before == retry.not_before
    assert (verdict.meaning, verdict.category) == (meaning.meaning, meaning.category)


# --- age ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent_at", "failed_s_ago", "reason"),
    [
        pytest.param(None, 7200, "deadline", id="no time of sending: the failure's counts"),
        pytest.param(-8 * 3600, 7200, "deadline", id="sent in the future, failed long ago"),
        pytest.param(-8 * 3600, -8 * 3600, None, id="both in the future: the arrival counts"),
        pytest.param(7200, 60, "too-old", id="sent long ago"),
        pytest.param(60, 30, None, id="fresh"),
    ],
)
async def test_the_age_of_a_code_counts_from_what_is_known_to_be_true(
    tmp_path: Path, sent_at: float | None, failed_s_ago: float, reason: str | None
) -> None:
    """A missing or impossible time of sending makes no verification code young again."""
    async with a_node(tmp_path, retry=CODES) as served:
        sent = send("m1", template_id="otp", sent_at=None if sent_at is None else ago(sent_at))
        await served.register(sends=[sent])
        await served.push(report("m1", "UNDELIV", seconds_ago=failed_s_ago))
        told = await the_decision(served, "m1")
    assert told["retry"]["reason"] == reason
    if reason is None:
        not_before = times.parse(told["retry"]["not_before"])
        assert not_before is not None
        assert not_before < now() + 600 * SECOND
