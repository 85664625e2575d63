"""Explaining a message: who won by which rule, how the state follows, which row, which step."""

from dataclasses import replace
from string import Formatter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.domain import times
from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.catalogue.entries import Category, Rank
from receiver.domain.explanation.explanation import Explanation, ReportOutcome, explain
from receiver.domain.explanation.policy_steps import ExplainedMessage, PolicyRules
from receiver.domain.inputs import Send, StatusReport
from receiver.domain.messages.precedence import PrecedenceRule
from receiver.domain.messages.state import LateDelivered, State, StoredReport, fold
from receiver.domain.verdict import decide, subject_of
from receiver.domain.wording.languages import Language
from receiver.domain.wording.sentences import (
    SENTENCES,
    CodeRule,
    PartsRule,
    PolicyRule,
    Reason,
    ReportRule,
    StateRule,
)
from tests.support.catalogues import is_chinese, is_english, row

SENT = times.parse("2026-01-31T08:00:00Z") or 0
MINUTE = 60 * times.SECOND
HOUR = 60 * MINUTE
SEND = Send("m", to="+8615500005172", sent_at=SENT)
REFUSED = Send("m", status="SL:0001", sent_at=SENT)
CATALOGUE = Catalogue(
    [
        row("UNDELIV", "handset-unreachable", "retry-later", rank=Rank.RELATED),
        row("UNDELIV", "carrier-failure", "retry-soon", origin="carrier-mobile"),
        row("MK:0012", "invalid-number", "never", origin="carrier-mobile"),
        row("MK:*", "carrier-failure", "next-day", origin="carrier-mobile"),
        row("XY:0001", "platform-failure", "retry-soon", retry_after_s=90),
        row("ZZ:0001", "routing", "retry-later"),
        row("SL:0001", "account", "after-fix", origin="platform"),
        row("DELIVRD", "delivered", "none", origin="generic"),
    ]
)
RULES = PolicyRules(CATALOGUE, "wins", 73 * HOUR)


def came(
    status: str, minute: int | None = 1, *, part: int = 1, arrived: int = 1, **fields: Any
) -> StoredReport:
    """Return a report of the SMSC with a time, and an arrival, in minutes after the sending."""
    updated_at = None if minute is None else SENT + minute * MINUTE
    update_time = "" if updated_at is None else times.to_rfc3339(updated_at)
    given: dict[str, Any] = {"source": 2, "sequence": part, "update_time": update_time, **fields}
    report = StatusReport("m", status, updated_at=updated_at, **given)
    return StoredReport(report, SENT + arrived * MINUTE, SENT + arrived * MINUTE)


def told(
    send: Send | None,
    *reports: StoredReport,
    late_delivered: LateDelivered = "wins",
    overdue: bool = False,
) -> Explanation:
    """Explain a message that was registered 5 seconds after its sending."""
    case = ExplainedMessage(send, reports, SENT + 5 * times.SECOND if send else None, overdue)
    return explain(case, replace(RULES, late_delivered=late_delivered))


# --- reports ------------------------------------------------------------------------------------

BETWEEN_TWO: list[Any] = [
    pytest.param(
        came("DELIVRD"), came("UNDELIV", 2), PrecedenceRule.DELIVERED_OVER_FAILURE, id="delivered"
    ),
    pytest.param(
        came("DELIVRD"),
        came("E1", None, source=1),
        PrecedenceRule.DELIVERED_OVER_FAILURE,
        id="over platform",
    ),
    pytest.param(
        came("UNDELIV"), came("E1", 2, source=3), PrecedenceRule.CARRIER_OVER_PLATFORM, id="carrier"
    ),
    pytest.param(
        came("UNDELIV"), came("EXPIRED", None), PrecedenceRule.CARRIER_OVER_PLATFORM, id="no time"
    ),
    pytest.param(
        came("UNDELIV"), came("ACCEPTD", 2), PrecedenceRule.FINAL_OVER_OPEN, id="over accepted"
    ),
    pytest.param(
        came("DELIVRD"), came("UNKNOWN", 2), PrecedenceRule.FINAL_OVER_OPEN, id="over unknown"
    ),
    pytest.param(
        came("E1", None, source=1),
        came("UNKNOWN", 2),
        PrecedenceRule.FINAL_OVER_OPEN,
        id="platform's own",
    ),
    pytest.param(
        came("ACCEPTD"), came("UNKNOWN", 2), PrecedenceRule.ACCEPTED_OVER_UNKNOWN, id="accepted"
    ),
    pytest.param(
        came("DELIVRD"), came("DELIVRD", None), PrecedenceRule.TIME_OVER_NONE, id="a time over none"
    ),
    pytest.param(came("UNDELIV", 2), came("MK:0012", 1), PrecedenceRule.LATER_TIME, id="later"),
    pytest.param(came("UNDELIV"), came("EXPIRED"), PrecedenceRule.CONTENT_ORDER, id="equal times"),
    pytest.param(
        came("UNDELIV"),
        came("UNDELIV", 1, update_time="2026-01-31 08:01:00"),
        PrecedenceRule.CONTENT_ORDER,
        id="equal but for the writing",
    ),
    pytest.param(
        came("UNDELIV", total=1),
        came("UNDELIV", total=1, part=2),
        PrecedenceRule.CONTENT_ORDER,
        id="equal but for the sequence",
    ),
]


@pytest.mark.parametrize(("winner", "loser", "rule"), BETWEEN_TWO)
def test_the_rule_between_two_reports(
    winner: StoredReport, loser: StoredReport, rule: PrecedenceRule
) -> None:
    """Winner and loser name the one rule that told them apart, in either order of arrival."""
    for order in ((winner, loser), (loser, winner)):
        one, other = told(SEND, *order).reports
        assert (one.stored, one.outcome, one.place) == (winner, ReportOutcome.WINS, 1)
        assert (other.stored, other.outcome, other.place) == (loser, ReportOutcome.OUTRANKED, 2)
        assert one.reason.rule == other.reason.rule == rule


def test_all_rules_of_precedence_are_seen() -> None:
    """The table has a case for each rule."""
    assert {case.values[2] for case in BETWEEN_TWO} == set(PrecedenceRule)


def test_a_report_alone_needs_no_rule() -> None:
    """The only report about a part decides it, and says so."""
    explanation = told(SEND, came("DELIVRD", total=2), came("UNDELIV", total=2, part=2))

    assert [(one.part, one.place) for one in explanation.reports] == [(1, 1), (2, 1)]
    assert {one.reason.rule for one in explanation.reports} == {ReportRule.ONLY_REPORT}


def test_a_late_delivery_is_ignored_by_a_setting() -> None:
    """What the setting leaves out comes last and names it; the failure stands for that reason."""
    early, late = came("UNDELIV", 1), came("DELIVRD", 2)
    open_ = came("ACCEPTD", 3)

    alone = told(SEND, late, early, late_delivered="ignored")
    more = told(SEND, late, open_, early, late_delivered="ignored")

    assert [(one.stored, one.outcome, one.reason.rule) for one in alone.reports] == [
        (early, ReportOutcome.WINS, ReportRule.LATE_DELIVERY),
        (late, ReportOutcome.IGNORED, ReportRule.LATE_DELIVERY),
    ]
    assert [(one.stored, one.place, one.reason.rule) for one in more.reports] == [
        (early, 1, PrecedenceRule.FINAL_OVER_OPEN),
        (open_, 2, PrecedenceRule.FINAL_OVER_OPEN),
        (late, 3, ReportRule.LATE_DELIVERY),
    ]
    assert alone.policy[0].rule is PolicyRule.LATE_DELIVERED_IGNORED
    assert told(SEND, late, early).policy[0].rule is PolicyRule.LATE_DELIVERED_WINS


# --- parts, state and code ----------------------------------------------------------------------

STATES: list[Any] = [
    pytest.param(SEND, [], PartsRule.ONE_ASSUMED, StateRule.NOTHING_HEARD, None, id="pending"),
    pytest.param(
        REFUSED, [], PartsRule.ONE_ASSUMED, StateRule.SEND_REFUSED, CodeRule.SEND_RESPONSE,
        id="refused",
    ),
    pytest.param(
        replace(SEND, total=1), [came("DELIVRD", total=1)],
        PartsRule.TOLD_BY_BOTH, StateRule.ALL_DELIVERED, CodeRule.ONLY_PART, id="delivered",
    ),
    pytest.param(
        replace(SEND, total=1), [came("UNDELIV")],
        PartsRule.TOLD_BY_SEND, StateRule.ALL_FAILED, CodeRule.ONLY_PART, id="failed",
    ),
    pytest.param(
        None, [came("DELIVRD", total=2), came("UNDELIV", part=2)],
        PartsRule.TOLD_BY_REPORTS, StateRule.PARTS_DIFFER, CodeRule.WORST_PART, id="partial",
    ),
    pytest.param(
        None, [came("DELIVRD", part=2)],
        PartsRule.LARGEST_SEQUENCE, StateRule.PARTS_OPEN, CodeRule.ONLY_PART, id="a part missing",
    ),
    pytest.param(
        None, [came("ACCEPTD"), came("UNKNOWN", part=2)],
        PartsRule.LARGEST_SEQUENCE, StateRule.ACCEPTED, CodeRule.WORST_PART, id="accepted",
    ),
    pytest.param(
        SEND, [came("UNKNOWN")],
        PartsRule.ONE_ASSUMED, StateRule.NETWORK_UNKNOWN, CodeRule.ONLY_PART, id="unknown",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("send", "reports", "parts", "state", "code"), STATES)
def test_how_the_state_follows(
    send: Send | None,
    reports: list[StoredReport],
    parts: PartsRule,
    state: StateRule,
    code: CodeRule | None,
) -> None:
    """Number of parts, state and code each name their rule."""
    explanation = told(send, *reports)

    assert explanation.parts.rule is parts
    assert explanation.state_reason.rule is state
    assert (explanation.code_reason.rule if explanation.code_reason else None) is code


def test_parts_that_are_missing_and_parts_beyond() -> None:
    """What is waited for and what nobody expected is listed, and which part gives the code."""
    explanation = told(
        replace(SEND, total=3), came("DELIVRD"), came("UNDELIV", part=7), came("UNKNOWN", part=2)
    )

    assert (explanation.missing, explanation.extra) == ((3,), (7,))
    assert explanation.parts.facts == {"expected": 3}
    assert explanation.deciding_part == 7
    assert [anomaly.value for anomaly in explanation.anomalies] == ["sequence_beyond_total"]


def test_overdue_is_explained() -> None:
    """An overdue message says since when nothing was heard, and keeps its reports."""
    explanation = told(SEND, came("ACCEPTD", arrived=7), overdue=True)

    assert (explanation.state, explanation.state_reason.rule) == (State.OVERDUE, StateRule.OVERDUE)
    assert explanation.match is None
    assert explanation.policy[-1].rule is PolicyRule.OVERDUE_MARKED
    assert explanation.policy[-1].facts == {
        "heard_at": "2026-01-31T08:07:00Z",
        "hours": "73",
        "overdue_at": "2026-02-03T09:07:00Z",
    }


# --- catalogue and policy -----------------------------------------------------------------------


def test_all_rows_that_could_apply_are_listed() -> None:
    """The rows of status and network code stand there, the one that decides is marked."""
    explanation = told(SEND, came("UNDELIV", org_code="MK:0012"))

    assert [
        (one.entry.code, one.entry.category.value, one.asked, one.decides)
        for one in explanation.candidates
    ] == [
        ("UNDELIV", "carrier-failure", "UNDELIV", False),
        ("UNDELIV", "handset-unreachable", "UNDELIV", False),
        ("MK:0012", "invalid-number", "MK:0012", True),
        ("MK:*", "carrier-failure", "MK:0012", False),
    ]


def test_the_fallback_stands_in_the_list_when_it_decides() -> None:
    """Where nothing explains a code, the row that decides is shown all the same."""
    explanation = told(SEND, came("never heard of"))

    assert [(one.entry.category, one.decides) for one in explanation.candidates] == [
        (Category.UNKNOWN, True)
    ]
    assert explanation.policy[0].rule is PolicyRule.ACTION_OF_NO_ROW


HORIZONS: list[Any] = [
    pytest.param(
        SEND, [], PolicyRule.OVERDUE_AT, "2026-02-03T09:00:00Z", id="from the sending"
    ),
    pytest.param(
        replace(SEND, sent_at=None), [], PolicyRule.OVERDUE_AT, "2026-02-03T09:00:05Z",
        id="from the registration, where no time of sending is told",
    ),
    pytest.param(
        SEND, [came("ACCEPTD", arrived=7)], PolicyRule.OVERDUE_AT, "2026-02-03T09:07:00Z",
        id="from the last report",
    ),
    pytest.param(
        replace(SEND, sent_at=SENT + HOUR), [], PolicyRule.OVERDUE_AT, "2026-02-03T10:00:00Z",
        id="from a sending to come",
    ),
    pytest.param(None, [came("ACCEPTD")], PolicyRule.NEVER_OVERDUE, None, id="an orphan"),
]  # fmt: skip


@pytest.mark.parametrize(("send", "reports", "rule", "at"), HORIZONS)
def test_the_horizon(
    send: Send | None, reports: list[StoredReport], rule: PolicyRule, at: str | None
) -> None:
    """What is not final says when it will be overdue, or that it never will."""
    step = told(send, *reports).policy[-1]

    assert step.rule is rule
    assert step.facts.get("overdue_at") == at


@pytest.mark.parametrize("send", [SEND, REFUSED], ids=["delivered", "refused"])
def test_what_is_final_has_no_horizon(send: Send) -> None:
    """A message that has come to its end is never overdue."""
    reports = [came("DELIVRD")] if send is SEND else []
    rules = {step.rule for step in told(send, *reports).policy}

    assert rules.isdisjoint({PolicyRule.OVERDUE_AT, PolicyRule.NEVER_OVERDUE})


# --- words --------------------------------------------------------------------------------------


def places_of(text: str) -> list[str]:
    """Return the names of a sentence's places, sorted."""
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name)


@pytest.mark.parametrize("rule", SENTENCES)
def test_every_rule_has_its_words(rule: Any) -> None:
    """Each rule is said in both languages, with the same places to fill."""
    words = SENTENCES[rule]
    filled = words.filled(**dict.fromkeys(places_of(words.en), "7"))

    assert places_of(words.en) == places_of(words.zh)
    assert is_english(filled.in_(Language.EN))
    assert is_chinese(filled.in_(Language.ZH))


def test_all_rules_have_words() -> None:
    """The table of sentences lacks no rule."""
    kinds = (PrecedenceRule, ReportRule, PartsRule, StateRule, CodeRule, PolicyRule)
    assert set(SENTENCES) == {rule for kind in kinds for rule in kind}


# --- properties ---------------------------------------------------------------------------------

_UPDATED = st.none() | st.integers(1, 4)
_reports = st.lists(
    st.builds(
        lambda status, minute, arrived, **fields: came(status, minute, arrived=arrived, **fields),
        st.sampled_from(
            ["DELIVRD", "ACCEPTD", "UNKNOWN", "UNDELIV", "MK:0012", "XY:0001", "never heard of"]
        ),
        _UPDATED,
        arrived=st.integers(1, 9),
        part=st.integers(1, 9),
        total=st.none() | st.integers(1, 4),
        source=st.sampled_from([None, 1, 2, 3]),
        org_code=st.sampled_from([None, "000", "MK:0012"]),
    ),
    max_size=9,
    unique_by=lambda stored: stored.key,
)
_sends = st.none() | st.builds(
    Send,
    st.just("m"),
    status=st.sampled_from(["000000", "SL:0001"]),
    sent_at=st.sampled_from([None, SENT]),
    total=st.none() | st.integers(1, 4),
)
_late: st.SearchStrategy[LateDelivered] = st.sampled_from(("wins", "ignored"))


def reasons_of(explanation: Explanation) -> list[Reason]:
    """Return all reasons of an explanation."""
    return [
        *(one.reason for one in explanation.reports),
        explanation.parts,
        explanation.state_reason,
        *([explanation.code_reason] if explanation.code_reason else []),
        *explanation.policy,
    ]


@settings(max_examples=300)
@given(_sends, _reports, _late, st.booleans())
def test_the_explained_winner_is_the_folds_winner(
    send: Send | None, reports: list[StoredReport], late_delivered: LateDelivered, overdue: bool
) -> None:
    """Explanation, fold and verdict never say different things, and no report is left out."""
    folded = fold(send, reports, late_delivered=late_delivered)
    overdue = overdue and send is not None and not folded.final
    explanation = told(send, *reports, late_delivered=late_delivered, overdue=overdue)
    verdict = decide(subject_of(folded, overdue=overdue), CATALOGUE)

    winners = {
        one.part: one.stored.report
        for one in explanation.reports
        if one.outcome is ReportOutcome.WINS
    }
    assert winners == {part.sequence: part.report for part in folded.parts if part.report}
    assert sorted(one.stored.key for one in explanation.reports) == sorted(r.key for r in reports)
    assert explanation.state == (State.OVERDUE if overdue else folded.state)
    if explanation.deciding_part is not None:
        assert winners[explanation.deciding_part] == folded.deciding
    decided = [one.entry for one in explanation.candidates if one.decides]
    assert len(decided) == (explanation.match is not None)
    if decided:
        assert verdict.why["code"] == decided[0].code
        assert verdict.meaning == decided[0].en.meaning
    for reason in reasons_of(explanation):
        assert is_english(reason.words.en), reason
        assert is_chinese(reason.words.zh), reason
        assert "{" not in reason.words.en + reason.words.zh
