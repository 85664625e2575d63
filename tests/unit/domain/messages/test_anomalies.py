"""What is odd about a message: each oddity is named when it is there, and only then."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain import times
from receiver.domain.inputs import (
    UNREADABLE_SEQUENCE,
    UNREADABLE_TOTAL,
    Conflict,
    Send,
    StatusReport,
)
from receiver.domain.messages.anomalies import WORDS, Anomaly, anomalies
from receiver.domain.messages.state import StoredReport
from receiver.domain.wording.languages import Language
from tests.support.catalogues import is_chinese, is_english

SENT = times.parse("2026-01-31T08:00:00Z") or 0
MINUTE = 60 * times.SECOND
HOUR = 60 * MINUTE
SEND = Send("m", to="+8615500005172", sent_at=SENT, total=1, extend="spring")


def came(
    status: str = "DELIVRD",
    after: int | None = MINUTE,
    *,
    arrived: int = 2 * MINUTE,
    **fields: Any,
) -> StoredReport:
    """Return a report of a time after the sending, which arrived at another time after it."""
    updated_at = None if after is None else SENT + after
    usual: dict[str, Any] = {
        "source": 2,
        "sequence": 1,
        "total": 1,
        "update_time": "" if updated_at is None else times.to_rfc3339(updated_at),
        "raw": {"sequence": str(fields.get("sequence", 1))},
    }
    report = StatusReport("m", status, updated_at=updated_at, **{**usual, **fields})
    return StoredReport(report, SENT + arrived, SENT + arrived)


CASES: list[Any] = [
    pytest.param(SEND, [came()], [], id="nothing odd"),
    pytest.param(SEND, [], [], id="nothing heard"),
    pytest.param(None, [came()], [], id="nothing odd about an orphan"),
    pytest.param(
        Send("m", total=3),
        [came(sequence=part, total=3, after=part * MINUTE) for part in (3, 1, 2)],
        [],
        id="a long SMS",
    ),
    pytest.param(SEND, [came("UNDELIV"), came("DELIVRD")], ["contradiction"], id="contradiction"),
    pytest.param(SEND, [came("ACCEPTD"), came("DELIVRD")], [], id="no contradiction"),
    pytest.param(
        Send("m", total=2),
        [came("UNDELIV", total=2), came(total=2, sequence=2)],
        [],
        id="parts that differ do not contradict",
    ),
    pytest.param(
        SEND,
        [came("UNDELIV", sequence=2), came(sequence=1)],
        ["contradiction", "sequence_beyond_total"],
        id="of one part all reports speak of it",
    ),
    pytest.param(
        None,
        [came(sequence=3, total=2), came(total=2)],
        ["sequence_beyond_total"],
        id="sequence beyond total",
    ),
    pytest.param(None, [came(sequence=3, total=None)], [], id="sequence without any total"),
    pytest.param(
        None, [came(total=2, raw={"sequence": " "})], ["sequence_missing"], id="sequence missing"
    ),
    pytest.param(
        None,
        [came(total=2, sequence=UNREADABLE_SEQUENCE, raw={"sequence": "x"})],
        ["sequence_unreadable"],
        id="sequence unreadable",
    ),
    pytest.param(None, [came(total=UNREADABLE_TOTAL)], ["total_unreadable"], id="total unreadable"),
    pytest.param(
        SEND,
        [came(total=UNREADABLE_TOTAL)],
        ["total_unreadable"],
        id="an unreadable total is no other total",
    ),
    pytest.param(
        None,
        [came(source=None, raw={"sequence": "1", "source": "SMSC"})],
        ["source_unreadable"],
        id="source unreadable",
    ),
    pytest.param(
        None,
        [came(total=2, sequence=0), came(total=2, sequence=1)],
        ["sequence_from_zero"],
        id="counted from 0",
    ),
    pytest.param(
        None,
        [came(total=2, sequence=0), came(total=2, sequence=2)],
        ["sequence_beyond_total", "sequence_from_zero"],
        id="counted from 0 and beyond",
    ),
    pytest.param(None, [came(sequence=0)], [], id="of one part no number is odd"),
    pytest.param(None, [came(total=2, raw={})], [], id="what came was erased"),
    pytest.param(
        None,
        [came(total=2, sequence=2, raw={"sequence": 2}), came(total=2, raw={"sequence": " 01 "})],
        [],
        id="sequence in other writings",
    ),
    pytest.param(None, [came(raw={})], [], id="of one part no sequence is needed"),
    pytest.param(SEND, [came(total=2)], ["total_changed"], id="send and report differ"),
    pytest.param(
        None, [came(total=3), came(total=2, sequence=2)], ["total_changed"], id="reports differ"
    ),
    pytest.param(SEND, [came(total=None)], [], id="total left out"),
    pytest.param(SEND, [came(after=None)], ["time_missing"], id="delivered without a time"),
    pytest.param(SEND, [came("UNDELIV", after=None)], ["time_missing"], id="failed without a time"),
    pytest.param(
        SEND, [came("E200027", after=None, source=1)], [], id="the platform's own needs no time"
    ),
    pytest.param(
        SEND,
        [came("E200027", after=None, source=3, update_time="yesterday")],
        ["time_missing"],
        id="a time that is none",
    ),
    pytest.param(
        SEND, [came(after=15 * MINUTE, arrived=4 * MINUTE)], ["time_in_future"], id="in the future"
    ),
    pytest.param(SEND, [came(after=14 * MINUTE, arrived=4 * MINUTE)], [], id="nearly"),
    pytest.param(SEND, [came(after=-times.SECOND)], ["time_before_send"], id="before the send"),
    pytest.param(SEND, [came(after=0)], [], id="at the send"),
    pytest.param(None, [came(after=-HOUR)], [], id="before nothing"),
    pytest.param(SEND, [came(arrived=72 * HOUR + 1)], ["late"], id="late"),
    pytest.param(SEND, [came(arrived=72 * HOUR)], [], id="not late yet"),
    pytest.param(None, [came(arrived=90 * HOUR)], [], id="an orphan is never late"),
    pytest.param(
        Send("m", status="E200033"), [came()], ["refused_but_reported"], id="refused, yet reported"
    ),
    pytest.param(Send("m", status="E200033"), [], [], id="refused"),
    pytest.param(
        replace(SEND, conflicts=(Conflict("reference", "order 8", SENT),)),
        [came()],
        ["registrations_differ"],
        id="registered otherwise",
    ),
    pytest.param(SEND, [came(to="+8615500005173")], ["recipient_differs"], id="another recipient"),
    pytest.param(
        None,
        [came(to="15500005172"), came("ACCEPTD", to="15500005173")],
        ["recipient_differs"],
        id="reports to two people",
    ),
    pytest.param(SEND, [came(to="155 0000 5172")], [], id="another writing of it"),
    pytest.param(SEND, [came(to="+86155****5173")], [], id="masked"),
    pytest.param(SEND, [came(extend="autumn")], ["extend_differs"], id="another extend"),
    pytest.param(SEND, [came(extend="spring")], [], id="the same extend"),
    pytest.param(
        Send("m", total=1, sent_at=SENT),
        [came(sequence=4, after=None), came("UNDELIV", -HOUR, arrived=80 * HOUR, total=2)],
        [
            "late",
            "sequence_beyond_total",
            "time_before_send",
            "time_missing",
            "total_changed",
        ],
        id="several, in the order of their names",
    ),
]


@pytest.mark.parametrize(("send", "reports", "expected"), CASES)
def test_what_is_odd(send: Send | None, reports: list[StoredReport], expected: list[str]) -> None:
    """Each oddity is named, sorted, whatever the order of the reports."""
    assert list(anomalies(send, reports)) == expected
    assert list(anomalies(send, reports[::-1])) == expected


def test_every_oddity_is_seen_in_a_case() -> None:
    """The table has a case for each name."""
    seen = {name for case in CASES for name in case.values[2]}
    assert seen == set(Anomaly)


@pytest.mark.parametrize("anomaly", Anomaly)
def test_every_oddity_is_explained(anomaly: Anomaly) -> None:
    """A sentence in each language says what it is and what to look into."""
    assert is_english(WORDS[anomaly].in_(Language.EN))
    assert is_chinese(WORDS[anomaly].in_(Language.ZH))
    assert WORDS[anomaly].en.endswith(".")
    assert WORDS[anomaly].zh.endswith("。")


@given(
    st.permutations([came("UNDELIV", sequence=n, total=n % 3 + 1, to=str(n)) for n in range(1, 6)])
)
def test_order_means_nothing(reports: list[StoredReport]) -> None:
    """What is odd follows from the set of the reports."""
    expected = ["recipient_differs", "sequence_beyond_total", "total_changed"]
    assert list(anomalies(None, reports)) == expected
