"""The projection: what a stretch of the journal changes, and what there is to count."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.inputs import Arrival, Send, StatusReport, Trust, Uplink
from receiver.domain.messages.state import State, fold
from receiver.domain.projection import (
    Event,
    Known,
    MessageBuilder,
    Policy,
    ProjectedChanges,
    Projection,
    Quarantined,
    ReportArrived,
    SendRegistered,
    UplinkArrived,
    UplinkRecord,
    keys_of,
)
from receiver.domain.suppressions.opt_outs import Intent
from receiver.domain.uplinks import digest_of
from receiver.domain.verdict import subject_of
from receiver.huawei.catalogue import load_catalogue

NOW = 1_523_600_000_000_000
CATALOGUE = load_catalogue()
SHOP = Arrival("shop", NOW)
LATER = Arrival("shop", NOW + 1)
OTHER = Arrival("other", NOW)
DELIVERED = StatusReport("m", "DELIVRD", source=2, updated_at=NOW, update_time="a")
FAILED = StatusReport("m", "UNDELIV", source=2, updated_at=NOW - 1, update_time="b")
SEND = Send("m", to="+8615500005172", total=1)
UPLINK = Uplink("u", "+8615500005172", "1069", "R")
BAD = Quarantined(SHOP, "unusable", "The body is empty.", "127.0.0.1", "", b"")


def nothing_known() -> Known:
    """Return what an empty store holds."""
    return Known({}, {}, 1)


def apply(known: Known, *events: Event, policy: Policy | None = None) -> ProjectedChanges:
    """Apply events and decide what they touched."""
    projection = Projection(known)
    for event in events:
        projection.apply(event)
    for message in projection.touched():
        projection.decide(message, policy or Policy(CATALOGUE))
    return projection.finish()


def stored(changes: ProjectedChanges) -> Known:
    """Return what the store holds after these changes."""
    messages = {
        (d.message.application, d.message.sms_msg_id): replace(
            d.message,
            reports=dict(d.message.reports),
            state_before=d.folded.state,
            new_reports=set(),
            changed_reports=set(),
        )
        for d in changes.messages
    }
    uplinks = {
        (r.arrival.application, r.uplink.sms_msg_id, r.digest): replace(
            r, is_new=False, asks_anew=False
        )
        for r in changes.uplinks
    }
    return Known(messages, uplinks, max((m.id for m in messages.values()), default=0) + 1)


def only_message(changes: ProjectedChanges) -> MessageBuilder:
    """Return the only message that changed."""
    (decided,) = changes.messages
    return decided.message


def test_a_report_before_its_send_is_an_orphan_until_it_is_bound() -> None:
    """A report without a send waits as an orphan; the send binds it when it comes."""
    first = apply(nothing_known(), ReportArrived(SHOP, DELIVERED))
    assert (first.orphans_found, first.orphans_bound) == (1, 0)
    assert only_message(first).send is None

    second = apply(stored(first), SendRegistered(LATER, SEND))
    assert (second.orphans_found, second.orphans_bound, second.sends) == (0, 1, 1)
    assert second.messages[0].folded.state is State.DELIVERED
    assert only_message(second).registered_at == NOW + 1


def test_an_orphan_is_counted_once() -> None:
    """More reports about an orphan, in this or a later batch, are the same orphan."""
    first = apply(nothing_known(), ReportArrived(SHOP, FAILED), ReportArrived(SHOP, DELIVERED))
    second = apply(stored(first), ReportArrived(SHOP, replace(FAILED, update_time="c")))

    assert (first.orphans_found, second.orphans_found) == (1, 0)


def test_a_report_after_its_send_is_no_orphan() -> None:
    """A registered send takes its report at once, in one batch or in two."""
    together = apply(nothing_known(), SendRegistered(SHOP, SEND), ReportArrived(LATER, DELIVERED))
    first = apply(nothing_known(), SendRegistered(SHOP, SEND))
    second = apply(stored(first), ReportArrived(LATER, DELIVERED))

    for changes in (together, second):
        assert (changes.orphans_found, changes.orphans_bound) == (0, 0)
        assert changes.messages[0].folded.state is State.DELIVERED
    assert first.messages[0].folded.state is State.PENDING


def test_a_registration_again_binds_nothing_anew() -> None:
    """The second registration of a send merges; the first time of registration stays."""
    first = apply(nothing_known(), ReportArrived(SHOP, DELIVERED), SendRegistered(SHOP, SEND))
    second = apply(stored(first), SendRegistered(LATER, Send("m", reference="order 7")))

    assert (first.orphans_bound, second.orphans_bound) == (1, 0)
    assert only_message(second).send == replace(SEND, reference="order 7")
    assert only_message(second).registered_at == NOW


@pytest.mark.parametrize(
    ("events", "to", "counted"),
    [
        pytest.param([SendRegistered(SHOP, SEND)], SEND.to, {"to": 1}, id="registered"),
        pytest.param(
            [SendRegistered(SHOP, Send("m")), ReportArrived(SHOP, replace(FAILED, to=SEND.to))],
            SEND.to,
            {"to": 1},
            id="reported",
        ),
        pytest.param([SendRegistered(SHOP, Send("m"))], "+8615500005173", {}, id="unknown"),
        pytest.param(
            [ReportArrived(SHOP, replace(FAILED, to=SEND.to))], "+8615500005173", {}, id="an orphan"
        ),
    ],
)
def test_a_later_registration_changes_no_recipient(
    events: list[Event], to: str, counted: dict[str, int]
) -> None:
    """Who is known to be the recipient stays; the contradiction is counted once, not each time."""
    before = apply(nothing_known(), *events)
    again = SendRegistered(LATER, Send("m", to="+8615500005173"))

    after = apply(stored(before), again, again)

    assert after.messages[0].folded.to == to
    assert after.conflicts == counted
    assert sum(apply(stored(after), again).conflicts.values()) == 0


def test_redelivery_is_counted_and_not_stored_twice() -> None:
    """The same report again changes its counters, in the same batch and in a later one."""
    first = apply(nothing_known(), ReportArrived(SHOP, FAILED), ReportArrived(LATER, FAILED))
    message = only_message(first)
    (report,) = message.reports.values()

    assert (first.redeliveries, first.reports) == (1, [FAILED])
    assert (report.received_at, report.last_received_at, report.redeliveries) == (NOW, NOW + 1, 1)
    assert message.new_reports == {report.key}

    second = apply(stored(first), ReportArrived(Arrival("shop", NOW + 2), FAILED))
    message = only_message(second)
    (report,) = message.reports.values()

    assert (second.redeliveries, second.reports) == (1, [])
    assert (report.last_received_at, report.redeliveries) == (NOW + 2, 2)
    assert (message.new_reports, message.changed_reports) == (set(), {report.key})


@pytest.mark.parametrize(
    "other",
    [
        replace(FAILED, sequence=2),
        replace(FAILED, status="EXPIRED"),
        replace(FAILED, update_time="c"),
    ],
    ids=["another part", "another status", "another time"],
)
def test_what_is_no_redelivery(other: StatusReport) -> None:
    """Part, status and the platform's time tell one report about a message from another."""
    changes = apply(nothing_known(), ReportArrived(SHOP, FAILED), ReportArrived(SHOP, other))

    assert (changes.redeliveries, changes.reports) == (0, [FAILED, other])


def test_redelivery_may_raise_trust() -> None:
    """A signed redelivery proves the report that came unsigned before."""
    signed = Arrival("shop", NOW + 1, Trust.SIGNED)

    changes = apply(nothing_known(), ReportArrived(SHOP, FAILED), ReportArrived(signed, FAILED))

    assert changes.messages[0].folded.trust is Trust.SIGNED


def test_applications_are_apart() -> None:
    """The same id in two applications is two messages and two uplinks."""
    changes = apply(
        nothing_known(),
        ReportArrived(SHOP, DELIVERED),
        ReportArrived(OTHER, DELIVERED),
        UplinkArrived(SHOP, UPLINK),
        UplinkArrived(OTHER, UPLINK),
    )

    assert [d.message.application for d in changes.messages] == ["shop", "other"]
    assert changes.redeliveries == 0
    assert len(changes.uplinks) == 2


def test_new_messages_get_rising_ids() -> None:
    """New messages are numbered from where the store stands; known ones keep their number."""
    known = stored(apply(Known({}, {}, 41), SendRegistered(SHOP, SEND)))

    changes = apply(
        known,
        SendRegistered(SHOP, Send("n")),
        ReportArrived(SHOP, DELIVERED),
        SendRegistered(SHOP, Send("o")),
    )

    assert {d.message.sms_msg_id: d.message.id for d in changes.messages} == {
        "n": 42,
        "m": 41,
        "o": 43,
    }
    assert {d.message.sms_msg_id for d in changes.messages if d.message.is_new} == {"n", "o"}


def test_only_touched_messages_change() -> None:
    """What no event speaks of is not decided again."""
    known = stored(
        apply(nothing_known(), SendRegistered(SHOP, SEND), SendRegistered(SHOP, Send("n")))
    )

    changes = apply(known, ReportArrived(SHOP, DELIVERED), ReportArrived(SHOP, DELIVERED))

    assert only_message(changes).sms_msg_id == "m"
    assert changes.messages[0].message.state_before is State.PENDING


def test_first_heard_at() -> None:
    """A message was first heard of when the first of its reports and its registration came."""
    early, late = Arrival("shop", NOW - 5), Arrival("shop", NOW + 5)

    report_first = apply(
        nothing_known(), SendRegistered(late, SEND), ReportArrived(early, DELIVERED)
    )
    send_first = apply(nothing_known(), ReportArrived(late, DELIVERED), SendRegistered(early, SEND))

    assert only_message(report_first).first_heard_at == NOW - 5
    assert only_message(send_first).first_heard_at == NOW - 5


NEWS = replace(DELIVERED, status="ACCEPTD", update_time="c")


@pytest.mark.parametrize(
    ("before", "events", "state", "category"),
    [
        pytest.param([], [SendRegistered(LATER, SEND)], "overdue", "timeout", id="send again"),
        pytest.param(
            [],
            [SendRegistered(LATER, replace(SEND, total=2))],
            "overdue",
            "timeout",
            id="send again, with more",
        ),
        pytest.param(
            [NEWS], [ReportArrived(LATER, NEWS)], "overdue", "timeout", id="redelivered report"
        ),
        pytest.param(
            [NEWS],
            [ReportArrived(LATER, NEWS), SendRegistered(LATER, SEND)],
            "overdue",
            "timeout",
            id="both again",
        ),
        pytest.param([], [ReportArrived(LATER, NEWS)], "accepted", "accepted", id="new report"),
        pytest.param(
            [NEWS],
            [ReportArrived(LATER, replace(NEWS, status="UNKNOWN"))],
            "accepted",
            "accepted",
            id="another report, which says less",
        ),
        pytest.param(
            [NEWS], [ReportArrived(LATER, DELIVERED)], "delivered", "delivered", id="final report"
        ),
        pytest.param(
            [],
            [SendRegistered(LATER, replace(SEND, status="E200033"))],
            "overdue",
            "timeout",
            id="send again, as refused",
        ),
    ],
)
def test_only_news_end_being_overdue(
    before: list[StatusReport], events: list[Event], state: str, category: str
) -> None:
    """Neither a registration again nor a redelivery undoes what the watchdog has set."""
    first = apply(
        nothing_known(), SendRegistered(SHOP, SEND), *(ReportArrived(SHOP, r) for r in before)
    )
    known = stored(first)
    for message in known.messages.values():
        message.state_before = State.OVERDUE

    (decided,) = apply(known, *events).messages

    assert (decided.state, decided.verdict.category) == (state, category)
    assert decided.overdue == (state == "overdue")


def test_uplink_and_its_redelivery() -> None:
    """An uplink that comes again is counted; its first text and arrival stand."""
    first = apply(nothing_known(), UplinkArrived(SHOP, UPLINK))
    second = apply(
        stored(first), UplinkArrived(LATER, UPLINK), UplinkArrived(SHOP, replace(UPLINK, raw={}))
    )

    known = UplinkRecord(
        UPLINK, digest_of(UPLINK), SHOP, NOW, 0, is_new=True, intent=Intent.OPT_OUT
    )
    assert first.uplinks == [replace(known, asks_anew=True)]
    assert second.uplinks == [
        replace(known, last_received_at=NOW + 1, redeliveries=2, is_new=False)
    ]
    assert (first.redeliveries, second.redeliveries) == (0, 2)
    assert not second.messages


@pytest.mark.parametrize(
    "other",
    [
        {"body": "R"}, {"sender": "+8615500000099"}, {"to": "106900000099"},
        {"create_time": "2018-02-12T15:30:20Z"},
    ],
    ids=["body", "sender", "to", "create_time"],
)  # fmt: skip
def test_another_text_under_the_same_id_is_another_uplink(other: dict[str, Any]) -> None:
    """What differs from an uplink in its content is no redelivery of it."""
    first = replace(UPLINK, body="Hello")
    second = replace(first, **other)

    changes = apply(nothing_known(), UplinkArrived(SHOP, first), UplinkArrived(LATER, second))

    assert [record.uplink for record in changes.uplinks] == [first, second]
    assert changes.redeliveries == 0


def test_a_charset_that_is_declared_later_may_lift() -> None:
    """A text whose charset was a guess asks for an opt-in when it comes again, declared."""
    guessed = replace(UPLINK, body="START", is_guess=True, guesses=("START",))
    first = apply(nothing_known(), UplinkArrived(SHOP, guessed))
    second = apply(stored(first), UplinkArrived(LATER, replace(UPLINK, body="START")))

    asked = [(record.intent, record.asks_anew) for record in first.uplinks + second.uplinks]
    assert asked == [(None, True), (Intent.OPT_IN, True)]


_UPLINKS_UNDER_ONE_ID = st.lists(
    st.tuples(
        st.sampled_from(["Hello", "R", "START"]),
        st.sampled_from(["+8615500000001", "+8615500000002"]),
        st.sampled_from(["", "2018-02-12T15:30:20Z"]),
        st.integers(0, 3),
        st.sampled_from(Trust),
    ),
    max_size=8,
)


@given(_UPLINKS_UNDER_ONE_ID, st.randoms(use_true_random=False))
def test_uplinks_are_the_same_in_any_order(arrivals: list[Any], chance: Random) -> None:
    """Whatever the order in which uplinks under one id come, the same ones are known."""
    events = [
        UplinkArrived(
            Arrival("shop", NOW + after, trust),
            replace(UPLINK, body=body, sender=sender, create_time=created),
        )
        for body, sender, created, after, trust in arrivals
    ]
    mixed = chance.sample(events, len(events))

    known, otherwise = (apply(nothing_known(), *order).uplinks for order in (events, mixed))

    assert sorted(known, key=lambda one: one.digest) == sorted(
        otherwise, key=lambda one: one.digest
    )
    assert len(known) == len({content[:3] for content in arrivals})


def test_what_was_not_understood_is_passed_on() -> None:
    """The quarantine gets its entries in order; they touch no message."""
    other = replace(BAD, reason="other")

    changes = apply(nothing_known(), BAD, other)

    assert changes == ProjectedChanges(quarantined=[BAD, other])


def test_keys_of_events() -> None:
    """The keys to load are those of the messages and of the uplinks, apart."""
    assert keys_of(
        [
            ReportArrived(SHOP, DELIVERED),
            SendRegistered(OTHER, SEND),
            UplinkArrived(SHOP, UPLINK),
            BAD,
        ]
    ) == ({("shop", "m"), ("other", "m")}, {("shop", "u", digest_of(UPLINK))})


def test_policy_reaches_the_fold() -> None:
    """The setting for late deliveries decides the state of a message."""
    events = [ReportArrived(SHOP, FAILED), ReportArrived(SHOP, DELIVERED)]
    states = [
        apply(nothing_known(), *events, policy=policy).messages[0].folded.state
        for policy in (Policy(CATALOGUE), Policy(CATALOGUE, "ignored"))
    ]

    assert states == [State.DELIVERED, State.FAILED]


def test_verdict_comes_from_the_catalogue() -> None:
    """Each touched message has the verdict on its new state, with the catalogue's version."""
    (decided,) = apply(nothing_known(), ReportArrived(SHOP, DELIVERED)).messages

    assert decided.verdict.category == "delivered"
    assert decided.verdict.catalogue == CATALOGUE.version


def test_subject_of_a_message() -> None:
    """A verdict sees the deciding report's code, source and network code, and the conflict."""
    failed = replace(FAILED, org_code="E200027")
    changes = apply(nothing_known(), ReportArrived(SHOP, failed))
    folded = changes.messages[0].folded

    subject = subject_of(folded)

    assert (subject.state, subject.code, subject.source) == (State.FAILED, "UNDELIV", 2)
    assert subject.org_code == "E200027"
    assert not subject.conflict
    assert subject_of(folded, overdue=True).state == State.OVERDUE


def test_subject_of_a_refused_message() -> None:
    """A refusal is judged by the send response's code; no report speaks for it."""
    subject = subject_of(fold(Send("m", status="E200033"), []))

    assert (subject.state, subject.code) == (State.REFUSED, "E200033")
    assert (subject.source, subject.org_code) == (None, None)
