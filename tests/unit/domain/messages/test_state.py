"""The fold: a message's state is a pure function of its send and the set of its reports."""

import functools
from dataclasses import fields, replace
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.domain import times
from receiver.domain.inputs import (
    UNREADABLE_SEQUENCE,
    UNREADABLE_TOTAL,
    Arrival,
    Send,
    StatusReport,
    Trust,
)
from receiver.domain.messages.merge import merge_reports, merge_sends
from receiver.domain.messages.precedence import Weight, weigh
from receiver.domain.messages.state import (
    FINAL_STATES,
    MOST_PARTS,
    Folded,
    LateDelivered,
    State,
    StoredReport,
    by_part,
    fold,
    report_key,
)
from receiver.domain.projection import (
    Event,
    Known,
    MessageBuilder,
    Policy,
    Projection,
    ReportArrived,
    SendRegistered,
)
from receiver.huawei.catalogue import load_catalogue

CATALOGUE = load_catalogue()
NOW = 1_523_600_000_000_000  # when everything arrives, unless a test says otherwise
SEND = Send("m", to="+8615500005172", sent_at=NOW - times.SECOND)


def at(minute: int) -> str:
    """Write the platform's time of a minute."""
    return f"2018-04-13T06:{minute:02}:00Z"


def moment(minute: int) -> int:
    """Return the platform's time of a minute, microseconds."""
    return 1_523_599_200 * times.SECOND + minute * 60 * times.SECOND  # 2018-04-13T06:00:00Z


def heard(
    status: str,
    minute: int | None = 1,
    *,
    part: int = 1,
    arrived: int = NOW,
    trust: Trust = Trust.OPEN,
    **others: Any,
) -> StoredReport:
    """Return a report of the SMSC (source 2) with the platform's time of a minute."""
    update_time = "" if minute is None else at(minute)
    given: dict[str, Any] = {"source": 2, "update_time": update_time, "sequence": part, **others}
    report = StatusReport("m", status, updated_at=times.parse(given["update_time"]), **given)
    return StoredReport(report, arrived, arrived, trust=trust)


# --- which report about a part is believed --------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "weight"),
    [
        pytest.param(heard("DELIVRD"), Weight.DELIVERED, id="delivered"),
        pytest.param(heard("delivrd "), Weight.DELIVERED, id="delivered in any writing"),
        pytest.param(heard("DELIVRD", None, source=1), Weight.DELIVERED, id="whoever says it"),
        pytest.param(heard("UNDELIV"), Weight.CARRIER_FAILURE, id="failure of the SMSC"),
        pytest.param(heard("UNDELIV", source=None), Weight.CARRIER_FAILURE, id="source not said"),
        pytest.param(heard("UNDELIV", source=1), Weight.PLATFORM_FAILURE, id="SMS platform"),
        pytest.param(heard("UNDELIV", source=3), Weight.PLATFORM_FAILURE, id="Huawei platform"),
        pytest.param(heard("UNDELIV", None), Weight.PLATFORM_FAILURE, id="without updateTime"),
        pytest.param(heard("nonsense"), Weight.CARRIER_FAILURE, id="an unlisted code is a failure"),
        pytest.param(heard("ACCEPTD"), Weight.ACCEPTED, id="accepted"),
        pytest.param(heard("UNKNOWN"), Weight.UNKNOWN, id="unknown"),
    ],
)
def test_weight(stored: StoredReport, weight: Weight) -> None:
    """A report weighs by its code, then by who made it."""
    assert weigh(stored.report) is weight


PRECEDENCE: list[Any] = [
    pytest.param(heard("DELIVRD", 2), heard("UNDELIV", 1), True, id="delivered over a failure"),
    pytest.param(heard("DELIVRD", 1), heard("UNDELIV", 2), True, id="also over a later failure"),
    pytest.param(
        heard("DELIVRD"), heard("E200027", source=1), True, id="delivered over platform failure"
    ),
    pytest.param(heard("DELIVRD", 1), heard("ACCEPTD", 2), False, id="delivered over accepted"),
    pytest.param(heard("DELIVRD", 1), heard("UNKNOWN", 2), False, id="delivered over unknown"),
    pytest.param(
        heard("UNDELIV", 1), heard("E200027", 2, source=1), False, id="carrier over SMS platform"
    ),
    pytest.param(
        heard("UNDELIV", 1), heard("E200027", 2, source=3), False, id="carrier over Huawei platform"
    ),
    pytest.param(
        heard("UNDELIV", 1), heard("EXPIRED", None), False, id="carrier over what has no time"
    ),
    pytest.param(heard("UNDELIV", 1), heard("ACCEPTD", 2), False, id="carrier over accepted"),
    pytest.param(heard("UNDELIV", 1), heard("UNKNOWN", 2), False, id="carrier over unknown"),
    pytest.param(
        heard("E200027", None, source=1), heard("ACCEPTD", 2), False, id="platform over accepted"
    ),
    pytest.param(
        heard("E200027", None, source=1), heard("UNKNOWN", 2), False, id="platform over unknown"
    ),
    pytest.param(heard("ACCEPTD", 1), heard("UNKNOWN", 2), False, id="accepted over unknown"),
    pytest.param(heard("EXPIRED", 2), heard("UNDELIV", 1), False, id="equals: the later time"),
    pytest.param(
        heard("E200027", 2, source=3),
        heard("EXPIRED", 1, source=1),
        False,
        id="equals of the platform: the later time",
    ),
    pytest.param(
        heard("E200027", 1, source=1),
        heard("EXPIRED", None),
        False,
        id="equals: a known time over none",
    ),
]


@pytest.mark.parametrize(("winner", "loser", "conflict"), PRECEDENCE)
def test_precedence(winner: StoredReport, loser: StoredReport, conflict: bool) -> None:
    """Of two reports about a part one decides, in either order of arrival."""
    for earlier, later in permutations((winner, loser)):
        folded = fold(SEND, [earlier, replace(later, received_at=NOW + times.SECOND)])
        assert folded.deciding == winner.report
        assert (folded.code, folded.conflict) == (winner.report.status, conflict)


# --- states ---------------------------------------------------------------------------------

REFUSED = Send("m", status="E200033", total=1)

STATES: list[Any] = [
    pytest.param(SEND, [], State.PENDING, None, 1, id="registered, nothing heard"),
    pytest.param(Send("m", total=3), [], State.PENDING, None, 3, id="long SMS, nothing heard"),
    pytest.param(None, [heard("DELIVRD")], State.DELIVERED, "DELIVRD", 1, id="orphan"),
    pytest.param(SEND, [heard("DELIVRD")], State.DELIVERED, "DELIVRD", 1, id="delivered"),
    pytest.param(SEND, [heard("MK:0012")], State.FAILED, "MK:0012", 1, id="failed"),
    pytest.param(SEND, [heard("ACCEPTD")], State.ACCEPTED, "ACCEPTD", 1, id="accepted"),
    pytest.param(SEND, [heard("UNKNOWN")], State.UNKNOWN, "UNKNOWN", 1, id="unknown"),
    pytest.param(SEND, [heard("odd:99")], State.FAILED, "odd:99", 1, id="unlisted code"),
    pytest.param(
        Send("m", total=2),
        [heard("DELIVRD"), heard("DELIVRD", part=2)],
        State.DELIVERED,
        "DELIVRD",
        2,
        id="all parts delivered",
    ),
    pytest.param(
        Send("m", total=2),
        [heard("DELIVRD"), heard("UNDELIV", part=2)],
        State.PARTIAL,
        "UNDELIV",
        2,
        id="partial: the failure speaks",
    ),
    pytest.param(
        Send("m", total=2),
        [heard("MK:0012", part=2), heard("UNDELIV")],
        State.FAILED,
        "UNDELIV",
        2,
        id="all parts failed: the first part speaks",
    ),
    pytest.param(
        Send("m", total=2), [heard("DELIVRD")], State.ACCEPTED, "DELIVRD", 2, id="part missing"
    ),
    pytest.param(
        Send("m", total=2),
        [heard("UNDELIV", part=2)],
        State.ACCEPTED,
        "UNDELIV",
        2,
        id="part missing, the other failed",
    ),
    pytest.param(
        None, [heard("DELIVRD", total=2)], State.ACCEPTED, "DELIVRD", 2, id="the report says total"
    ),
    pytest.param(
        Send("m", total=2),
        [heard("DELIVRD"), heard("UNKNOWN", part=2)],
        State.ACCEPTED,
        "UNKNOWN",
        2,
        id="a part final, the other unknown",
    ),
    pytest.param(
        Send("m", total=2),
        [heard("ACCEPTD"), heard("UNKNOWN", part=2)],
        State.ACCEPTED,
        "UNKNOWN",
        2,
        id="a part accepted, the other unknown",
    ),
    pytest.param(
        Send("m", total=2), [heard("UNKNOWN")], State.UNKNOWN, "UNKNOWN", 2, id="a part unknown"
    ),
    pytest.param(
        Send("m", total=1),
        [heard("DELIVRD", total=2), heard("DELIVRD", part=2, total=2)],
        State.DELIVERED,
        "DELIVRD",
        2,
        id="the greater total counts",
    ),
    pytest.param(REFUSED, [], State.REFUSED, "E200033", 1, id="refused"),
    pytest.param(
        REFUSED, [heard("ACCEPTD")], State.REFUSED, "E200033", 1, id="refused stays, not final"
    ),
]


@pytest.mark.parametrize(("send", "reports", "state", "code", "total"), STATES)
def test_state(
    send: Send | None, reports: list[StoredReport], state: State, code: str | None, total: int
) -> None:
    """A message's state follows from its send and its reports, without a contradiction here."""
    folded = fold(send, reports)

    assert (folded.state, folded.code, folded.total) == (state, code, total)
    assert folded.final == (state in FINAL_STATES)
    assert [part.sequence for part in folded.parts] == list(range(1, total + 1))
    assert not folded.conflict


def test_final_states() -> None:
    """Delivered, failed, partial and refused are final; nothing else is."""
    assert {"delivered", "failed", "partial", "refused"} == FINAL_STATES


def test_parts_of_a_refused_send_are_refused() -> None:
    """Each part that nothing was heard of is refused as the message is."""
    folded = fold(replace(REFUSED, total=2), [part(1, "ACCEPTD")])
    assert folded.state is State.REFUSED
    assert [one.state for one in folded.parts] == [State.ACCEPTED, State.REFUSED]


@pytest.mark.parametrize(
    ("status", "state"), [("DELIVRD", State.DELIVERED), ("UNDELIV", State.FAILED)]
)
def test_refused_yet_reported(status: str, state: State) -> None:
    """A final report about a refused send is believed, and the contradiction is shown."""
    folded = fold(REFUSED, [heard(status)])

    assert (folded.state, folded.code, folded.conflict) == (state, status, True)


def test_parts_have_their_own_states() -> None:
    """Each part has the state of its own deciding report and its own conflict."""
    lost, arrived = heard("UNDELIV", 1), heard("DELIVRD", 2)
    folded = fold(Send("m", total=3), [lost, arrived, heard("UNKNOWN", part=2)])

    assert [(part.state, part.conflict) for part in folded.parts] == [
        (State.DELIVERED, True),
        (State.UNKNOWN, False),
        (State.PENDING, False),
    ]
    assert folded.parts[0].report == arrived.report
    assert folded.parts[2].report is None
    assert folded.conflict


def test_parts_are_bounded() -> None:
    """No report makes us wait for more parts than an SMS can have."""
    folded = fold(None, [heard("DELIVRD", part=10_000, total=20_000)])

    assert folded.total == MOST_PARTS
    assert [part.sequence for part in folded.parts] == [*range(1, MOST_PARTS + 1), 10_000]


# --- parts: how many there are --------------------------------------------------------------

SIX_OF = [heard("DELIVRD", part=part, total=6) for part in range(1, 7)]
PARTS: list[Any] = [
    pytest.param(Send("m", total=3), [], 3, [], State.PENDING, id="the send states"),
    pytest.param(None, [heard("DELIVRD", total=2)], 2, [], State.ACCEPTED, id="a report states"),
    pytest.param(
        Send("m", total=2), [heard("DELIVRD", total=3)], 3, [], State.ACCEPTED, id="reports more"
    ),
    pytest.param(
        Send("m", total=3), [heard("DELIVRD", total=2)], 3, [], State.ACCEPTED, id="the send more"
    ),
    pytest.param(
        None,
        [heard("DELIVRD", total=2), heard("DELIVRD", part=2, total=3)],
        3,
        [],
        State.ACCEPTED,
        id="the total grows",
    ),
    pytest.param(
        None,
        [heard("DELIVRD", total=3), heard("DELIVRD", part=2, total=2)],
        3,
        [],
        State.ACCEPTED,
        id="the total shrinks",
    ),
    pytest.param(None, [heard("DELIVRD")], 1, [], State.DELIVERED, id="nobody tells: one"),
    pytest.param(SEND, [heard("DELIVRD")], 1, [], State.DELIVERED, id="nor the send: one"),
    pytest.param(
        None, [heard("DELIVRD", part=3)], 3, [], State.ACCEPTED, id="nobody tells: the sequence"
    ),
    pytest.param(
        None,
        [heard("DELIVRD", part=2), heard("DELIVRD")],
        2,
        [],
        State.DELIVERED,
        id="nobody tells: all sequences heard",
    ),
    pytest.param(
        Send("m", total=1),
        [heard("DELIVRD", part=2)],
        1,
        [],
        State.DELIVERED,
        id="of one part every report speaks of that part",
    ),
    pytest.param(
        None,
        [heard("ACCEPTD", total=1), heard("DELIVRD", part=7, total=1)],
        1,
        [],
        State.DELIVERED,
        id="of one part, also by its reports",
    ),
    pytest.param(
        None, [heard("DELIVRD", part=3, total=2)], 2, [3], State.ACCEPTED, id="beyond the total"
    ),
    pytest.param(
        None,
        [heard("DELIVRD", part=part, total=2) for part in (1, 2, 9)],
        2,
        [9],
        State.DELIVERED,
        id="beyond it, no parts between are waited for",
    ),
    pytest.param(
        None,
        [
            heard("DELIVRD", total=2),
            heard("DELIVRD", part=2, total=2),
            heard("UNDELIV", part=5, total=2),
        ],
        2,
        [5],
        State.PARTIAL,
        id="beyond it, and counted",
    ),
    pytest.param(None, SIX_OF, 6, [], State.DELIVERED, id="six of six"),
    pytest.param(None, SIX_OF[:5], 6, [], State.ACCEPTED, id="five of six"),
    pytest.param(
        None, [*SIX_OF[:5], heard("UNDELIV", part=6)], 6, [], State.PARTIAL, id="five and a failure"
    ),
    pytest.param(
        None, [*SIX_OF[:5], heard("UNKNOWN", part=6)], 6, [], State.ACCEPTED, id="five and unknown"
    ),
]


def part(sequence: int, status: str = "DELIVRD", total: int | None = None) -> StoredReport:
    """Return a report about a part, by its number as it was read."""
    return heard(status, part=sequence, total=total)


def untold() -> StoredReport:
    """Return a report that does not say which part it is about."""
    stored = heard("DELIVRD", part=1)
    return replace(stored, report=replace(stored.report, update_time="later", raw={"status": "x"}))


ODD, ODD_TOTAL = UNREADABLE_SEQUENCE, UNREADABLE_TOTAL
ONE, LONG = Send("m", total=1), Send("m", total=2)
UNREADABLE: list[Any] = [
    pytest.param(None, [part(1, total=ODD_TOTAL)], 1, State.ACCEPTED, id="nobody tells a total"),
    pytest.param(
        None, [part(1, "UNDELIV", ODD_TOTAL)], 1, State.ACCEPTED, id="a failure is none for good"
    ),
    pytest.param(
        None,
        [part(1, total=ODD_TOTAL), part(2, total=ODD_TOTAL)],
        2,
        State.ACCEPTED,
        id="there may be a third part",
    ),
    pytest.param(ONE, [part(1, total=ODD_TOTAL)], 1, State.DELIVERED, id="the send states one"),
    pytest.param(LONG, [part(1, total=ODD_TOTAL)], 2, State.ACCEPTED, id="the send states two"),
    pytest.param(
        None,
        [part(1, total=ODD_TOTAL), part(2, total=2)],
        2,
        State.DELIVERED,
        id="another report tells",
    ),
    pytest.param(None, [part(ODD)], 1, State.ACCEPTED, id="which part, and of how many"),
    pytest.param(ONE, [part(ODD)], 1, State.DELIVERED, id="of one part it does not matter"),
    pytest.param(LONG, [part(1), part(ODD)], 2, State.ACCEPTED, id="it may be part 1 again"),
    pytest.param(
        LONG, [part(1), part(2), part(ODD)], 2, State.DELIVERED, id="all parts say the same"
    ),
    pytest.param(
        LONG,
        [part(1), part(2), part(ODD, "UNDELIV")],
        2,
        State.ACCEPTED,
        id="nobody knows which part failed",
    ),
    pytest.param(
        LONG,
        [part(1), part(2), part(ODD, "UNDELIV"), part(ODD)],
        2,
        State.ACCEPTED,
        id="one of two unknown parts failed",
    ),
    pytest.param(
        Send("m", status="E200033"), [part(1, "ACCEPTD", ODD_TOTAL)], 1, State.REFUSED,
        id="what was refused stays refused",
    ),
    pytest.param(LONG, [part(0)], 2, State.ACCEPTED, id="the first of two, from 0"),
    pytest.param(LONG, [part(0), part(1)], 2, State.DELIVERED, id="both parts, from 0"),
    pytest.param(
        LONG, [part(0), part(1, "UNDELIV")], 2, State.PARTIAL, id="from 0, the last one failed"
    ),
    pytest.param(None, [part(0), part(1)], 2, State.DELIVERED, id="from 0 without a total"),
    pytest.param(LONG, [part(0), part(2)], 2, State.ACCEPTED, id="from 0 and beyond"),
    pytest.param(LONG, [part(0), untold()], 2, State.ACCEPTED, id="from 0, one tells no part"),
    pytest.param(ONE, [part(0)], 1, State.DELIVERED, id="part 0 of one"),
    pytest.param(None, [part(0)], 1, State.DELIVERED, id="part 0 and nothing else"),
]  # fmt: skip


@pytest.mark.parametrize(("send", "reports", "total", "state"), UNREADABLE)
def test_nothing_final_follows_from_a_guess(
    send: Send | None, reports: list[StoredReport], total: int, state: State
) -> None:
    """A number that is there and cannot be read is no missing one; parts may count from 0."""
    for order in permutations(reports):
        folded = fold(send, order)
        assert (folded.state, folded.total) == (state, total)
        assert [one.sequence for one in folded.parts[:total]] == list(range(1, total + 1))
        assert not folded.conflict


@pytest.mark.parametrize(("send", "reports", "total", "extra", "state"), PARTS)
def test_parts_expected(
    send: Send | None,
    reports: list[StoredReport],
    total: int,
    extra: list[int],
    state: State,
) -> None:
    """The largest total counts; what was heard of beyond it is shown, counted, not waited for."""
    folded = fold(send, reports)

    assert (folded.total, folded.state) == (total, state)
    assert [part.sequence for part in folded.parts] == [*range(1, total + 1), *extra]
    assert [part.sequence for part in folded.parts if part.extra] == extra


# --- late deliveries ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reports", "wins", "ignored"),
    [
        pytest.param(
            [heard("UNDELIV", 1), heard("DELIVRD", 2)], "DELIVRD", "UNDELIV", id="delivered later"
        ),
        pytest.param(
            [heard("UNDELIV", 2), heard("DELIVRD", 1)], "DELIVRD", "DELIVRD", id="failed later"
        ),
        pytest.param(
            [heard("DELIVRD", 1), heard("UNDELIV", 2), heard("DELIVRD", 3)],
            "DELIVRD",
            "DELIVRD",
            id="delivered before and after",
        ),
        pytest.param(
            [heard("UNDELIV", 1), heard("DELIVRD", 2), heard("EXPIRED", 3)],
            "DELIVRD",
            "EXPIRED",
            id="between two failures",
        ),
        pytest.param(
            [heard("EXPIRED", None), heard("DELIVRD", 1)],
            "DELIVRD",
            "DELIVRD",
            id="nobody knows when it failed",
        ),
        pytest.param(
            [heard("EXPIRED", 1), heard("DELIVRD", None)],
            "DELIVRD",
            "DELIVRD",
            id="nobody knows when it arrived",
        ),
    ],
)
def test_late_delivered(reports: list[StoredReport], wins: str, ignored: str) -> None:
    """A setting decides whether delivered may replace an earlier failure; both show a conflict."""
    for order in permutations(reports):
        by_default = fold(SEND, order)
        strict = fold(SEND, order, late_delivered="ignored")
        assert (by_default.code, by_default.conflict) == (wins, True)
        assert (strict.code, strict.conflict) == (ignored, True)


@pytest.mark.parametrize("before", ["ACCEPTD", "UNKNOWN"])
def test_delivered_after_what_is_not_final(before: str) -> None:
    """Only a failure is protected from a late delivery."""
    folded = fold(SEND, [heard(before, 1), heard("DELIVRD", 2)], late_delivered="ignored")

    assert (folded.state, folded.conflict) == (State.DELIVERED, False)


def test_late_delivered_is_judged_part_by_part() -> None:
    """A failed part says nothing about a later delivery of another part."""
    reports = [heard("UNDELIV", 1), heard("DELIVRD", 2, part=2)]

    assert fold(None, reports, late_delivered="ignored").state is State.PARTIAL


# --- what else is known ---------------------------------------------------------------------


def test_recipient_and_extend() -> None:
    """The send says to whom, else any report does, also one that does not decide."""
    reports = [heard("UNDELIV", 1, to="155", extend="x"), heard("DELIVRD", 2)]

    assert (fold(None, reports).to, fold(None, reports).extend) == ("155", "x")
    assert fold(SEND, reports).to == SEND.to
    assert fold(Send("m"), reports).to == "155"
    assert fold(replace(SEND, extend="own"), reports).extend == "own"
    assert fold(Send("m"), [heard("DELIVRD")]).to is None


def test_arrivals() -> None:
    """First and last arrival span all reports and their redeliveries."""
    early, late = heard("ACCEPTD", arrived=NOW), heard("DELIVRD", arrived=NOW + 5)
    late = replace(late, last_received_at=NOW + 9)

    folded = fold(SEND, [late, early])

    assert (folded.first_report_at, folded.last_report_at) == (NOW, NOW + 9)
    assert (fold(SEND, []).first_report_at, fold(SEND, []).last_report_at) == (None, None)


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        pytest.param([heard("DELIVRD", 3)], moment(3), id="one part"),
        pytest.param(
            [heard("DELIVRD", 5), heard("DELIVRD", 3, part=2)], moment(5), id="the last part's"
        ),
        pytest.param(
            [heard("DELIVRD", 5), heard("DELIVRD", None, part=2)], None, id="time unknown"
        ),
        pytest.param([heard("UNDELIV", 3)], None, id="not delivered"),
        pytest.param([heard("DELIVRD", 3, total=2)], None, id="part missing"),
    ],
)
def test_delivered_at(reports: list[StoredReport], expected: int | None) -> None:
    """A message is delivered when its last part is, by the platform's clock."""
    assert fold(None, reports).delivered_at == expected


@pytest.mark.parametrize(
    ("send", "reports", "expected"),
    [
        pytest.param(SEND, [heard("UNDELIV", 3)], moment(3), id="the platform's time"),
        pytest.param(
            SEND, [heard("UNDELIV", 3), heard("EXPIRED", 5)], moment(5), id="of the deciding report"
        ),
        pytest.param(SEND, [heard("EXPIRED", None)], SEND.sent_at, id="else when it was sent"),
        pytest.param(None, [heard("EXPIRED", None)], NOW, id="else the arrival"),
        pytest.param(replace(SEND, status="E200033"), [], SEND.sent_at, id="refused when sent"),
        pytest.param(SEND, [heard("DELIVRD", 3)], None, id="delivered did not fail"),
        pytest.param(SEND, [heard("ACCEPTD", 3)], None, id="accepted did not fail"),
        pytest.param(SEND, [], None, id="pending did not fail"),
    ],
)
def test_failed_at(send: Send | None, reports: list[StoredReport], expected: int | None) -> None:
    """When a failure was known: the platform's time, else the sending, else the arrival."""
    assert fold(send, reports).failed_at == expected


def test_trust_is_that_of_the_least_trusted_report() -> None:
    """A message is as trustworthy as the least of what made it."""
    signed, unsigned = heard("ACCEPTD", trust=Trust.SIGNED), heard("DELIVRD", trust=Trust.OPEN)

    assert fold(SEND, [signed]).trust is Trust.SIGNED
    assert fold(SEND, [signed, unsigned]).trust is Trust.OPEN


def test_redelivery_erases_nothing() -> None:
    """What one arrival of a report says survives another arrival that lacks it."""
    full = heard("MK:0012", status_desc="absent", org_code="7", extend="x", to="155", total=2)
    bare = heard("MK:0012", source=None)

    merged = merge_reports(replace(full, received_at=NOW + 1, last_received_at=NOW + 1), bare)

    assert merged.report == full.report
    assert (merged.received_at, merged.last_received_at, merged.redeliveries) == (NOW, NOW + 1, 1)


def test_registration_again_erases_nothing() -> None:
    """What a later registration leaves out or tells otherwise stays known."""
    full = Send("m", "E1", "155", "1069", NOW, 2, "CN", "x", "order 7", "t")

    assert merge_sends(full, Send("m", "E1")) == full
    assert merge_sends(Send("m", "E1"), full) == full
    assert merge_sends(full, replace(full, reference="order 8")).reference == "order 7"
    assert merge_sends(full, Send("m")) == full, "a list without states takes no refusal back"


# --- properties -----------------------------------------------------------------------------

_UPDATE_TIMES = st.sampled_from(["", at(1), at(2), at(3), "2018-04-13 later"])
_reports = st.builds(
    lambda update_time, **others: StatusReport(
        "m", update_time=update_time, updated_at=times.parse(update_time), **others
    ),
    update_time=_UPDATE_TIMES,
    status=st.sampled_from(
        ["DELIVRD", "ACCEPTD", "UNKNOWN", "EXPIRED", "UNDELIV", "MK:0012", "nonsense", "delivrd"]
    ),
    sequence=st.integers(UNREADABLE_SEQUENCE, 9),
    total=st.none() | st.integers(UNREADABLE_TOTAL, 4),
    source=st.sampled_from([None, 1, 2, 3]),
    status_desc=st.sampled_from([None, "a", "b"]),
    org_code=st.sampled_from([None, "000", "7"]),
    extend=st.sampled_from([None, "x", "y"]),
    to=st.sampled_from([None, "155", "156"]),
    raw=st.dictionaries(st.sampled_from("ab"), st.sampled_from([None, True, 1, "1", [1]])),
)
_instants = st.integers(NOW, NOW + 3)
_stored = st.builds(
    lambda report, instants, redeliveries, trust: StoredReport(
        report, min(instants), max(instants), redeliveries, trust
    ),
    _reports,
    st.tuples(_instants, _instants),
    st.integers(0, 3),
    st.sampled_from(Trust),
)
_sets = st.lists(_stored, max_size=7, unique_by=lambda stored: stored.key)
_sends = st.builds(
    Send,
    st.just("m"),
    status=st.sampled_from([None, "000000", "E200033"]),
    to=st.sampled_from([None, "+86155"]),
    sent_at=st.sampled_from([None, NOW]),
    total=st.none() | st.integers(1, 4),
    extend=st.sampled_from([None, "z"]),
)
_late: st.SearchStrategy[LateDelivered] = st.sampled_from(("wins", "ignored"))


@settings(max_examples=300)
@given(
    _sends | st.none(), _sets.flatmap(lambda s: st.tuples(st.just(s), st.permutations(s))), _late
)
def test_order_means_nothing(
    send: Send | None,
    orders: tuple[list[StoredReport], list[StoredReport]],
    late_delivered: LateDelivered,
) -> None:
    """The fold is the same for every order of the same reports."""
    one, other = orders

    assert fold(send, one, late_delivered=late_delivered) == fold(
        send, other, late_delivered=late_delivered
    )


@settings(max_examples=300)
@given(_sends | st.none(), _sets, _late)
def test_parts_tell_the_state(
    send: Send | None, reports: list[StoredReport], late_delivered: LateDelivered
) -> None:
    """What is final waits for no part and guesses nothing, and no report is lost."""
    folded = fold(send, reports, late_delivered=late_delivered)

    told = [stored.report.total for stored in reports] + [send.total if send else None]
    known = [total for total in told if total]
    if known:
        assert folded.total == max(known)
    parts = {part.sequence: part for part in folded.parts}
    is_open = any(part.state not in FINAL_STATES for part in folded.parts)
    unplaced = any(part.sequence < 1 for part in folded.parts)
    is_guessed = unplaced and len({part.state for part in folded.parts}) > 1
    is_guessed |= not known and any(
        stored.report.total == UNREADABLE_TOTAL or stored.report.sequence == UNREADABLE_SEQUENCE
        for stored in reports
    )
    assert folded.final == (not (is_open or is_guessed) or folded.state is State.REFUSED)
    assert set(parts) >= set(range(1, folded.total + 1))
    for part in folded.parts:
        assert part.extra == (not 1 <= part.sequence <= folded.total)
        assert part.report is not None or not part.extra
    grouped = by_part(reports, folded.total)
    assert sorted(stored.key for some in grouped.values() for stored in some) == sorted(
        stored.key for stored in reports
    )
    assert set(grouped) <= set(parts)
    finals = {part.state for part in folded.parts}
    if folded.state is State.PARTIAL:
        assert finals == {State.DELIVERED, State.FAILED}
    if folded.state is State.DELIVERED:
        assert finals == {State.DELIVERED}


@st.composite
def _arrivals_of_one_report(draw: st.DrawFn) -> list[StoredReport]:
    """Draw three arrivals that count as the same report."""
    first = draw(_stored)
    same = {
        name: getattr(first.report, name)
        for name in ("status", "sequence", "update_time", "updated_at")
    }
    others = draw(st.lists(_stored, min_size=2, max_size=2))
    return [first, *(replace(other, report=replace(other.report, **same)) for other in others)]


@given(_arrivals_of_one_report())
def test_merging_is_associative_and_commutative(arrivals: list[StoredReport]) -> None:
    """Arrivals of one report join to the same in every order and grouping, and lose nothing.

    The fields are those that trusted ones told, where there are any.
    """
    a, b, c = arrivals
    assert a.key == b.key == c.key

    merged = merge_reports(a, b)

    assert merged == merge_reports(b, a)
    assert merge_reports(merged, c) == merge_reports(a, merge_reports(b, c))
    assert merged.key == a.key
    counting = [one for one in (a, b) if one.trust is not Trust.OPEN] or [a, b]
    for name in {field.name for field in fields(StatusReport)} - {"raw"}:
        said = {repr(getattr(one.report, name)) for one in counting} - {"None"}
        assert not said or repr(getattr(merged.report, name)) in said
    also = merged.report.raw.get("_also", [])
    kept = [{name: value for name, value in merged.report.raw.items() if name != "_also"}, *also]
    assert all(one.report.raw in kept for one in counting)


def test_a_report_that_came_with_other_fields_leaves_a_trace() -> None:
    """Of the same report with other content both are kept, also after more arrivals."""
    raws: list[dict[str, Any]] = [
        {"status": "UNDELIV", "source": "2", "statusDesc": "off"},
        {"status": "UNDELIV", "source": "3"},
        {"source": "3", "status": "UNDELIV"},
    ]
    arrivals = [
        StoredReport(StatusReport("m", "UNDELIV", raw=raw), NOW, NOW) for raw in (*raws, *raws)
    ]

    merged = functools.reduce(merge_reports, arrivals)

    assert merged.report.raw == {**raws[0], "_also": [raws[1]]}
    assert merged == functools.reduce(merge_reports, reversed(arrivals))


@st.composite
def _histories(draw: st.DrawFn) -> tuple[list[Event], list[list[Event]]]:
    """Draw events once each, and the same events shuffled, repeated and cut into batches."""
    trusts = st.sampled_from(Trust)
    events: list[Event] = [
        ReportArrived(Arrival("shop", NOW, draw(trusts)), report)
        for report in draw(st.lists(_reports, min_size=1, max_size=7))
    ]
    send = draw(_sends | st.none())
    if send is not None:
        events.append(SendRegistered(Arrival("shop", NOW), send))
    repeated = draw(st.lists(st.sampled_from(events), max_size=5))
    shuffled = draw(st.permutations(events + repeated))
    cuts = sorted(draw(st.sets(st.integers(1, len(shuffled)), max_size=4)))
    edges = [0, *cuts, len(shuffled)]
    batches = [shuffled[i:j] for i, j in pairwise(edges) if i < j]
    return events, batches


def project(
    batches: list[list[Event]], late_delivered: LateDelivered
) -> tuple[MessageBuilder, Folded]:
    """Apply batches, each by a projection of its own over what the one before left."""
    policy = Policy(CATALOGUE, late_delivered)
    known = Known({}, {}, 1)
    for batch in batches:
        projection = Projection(known)
        for event in batch:
            projection.apply(event)
        for message in projection.touched():
            projection.decide(message, policy)
        (decided,) = projection.finish().messages
        known = Known({("shop", "m"): _as_stored(decided.message, decided.folded)}, {}, 2)
    return decided.message, decided.folded


def _as_stored(message: MessageBuilder, folded: Folded) -> MessageBuilder:
    """Return a message as the store gives it back: nothing of it is new any more."""
    return MessageBuilder(
        message.id,
        message.application,
        message.sms_msg_id,
        message.send,
        message.registered_at,
        dict(message.reports),
        state_before=folded.state,
    )


@settings(max_examples=300)
@given(_histories(), _late)
def test_any_way_of_arrival_gives_the_same_message(
    history: tuple[list[Event], list[list[Event]]], late_delivered: LateDelivered
) -> None:
    """Order, repetition, batches and the place of the send change neither state nor reports."""
    events, batches = history
    expected, expected_fold = project([events], late_delivered)

    message, folded = project(batches, late_delivered)

    assert folded == expected_fold
    assert (message.send, message.registered_at) == (expected.send, expected.registered_at)
    assert {key: stored.report for key, stored in message.reports.items()} == {
        key: stored.report for key, stored in expected.reports.items()
    }
    came = [e for batch in batches for e in batch if isinstance(e, ReportArrived)]
    assert sum(1 + stored.redeliveries for stored in message.reports.values()) == len(came)
    assert set(message.reports) == {report_key(event.report) for event in came}
