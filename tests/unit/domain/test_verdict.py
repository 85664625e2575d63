"""The verdict: every state and retry class, with the arithmetic of the waits."""

import json
from dataclasses import asdict, replace

import pytest

from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.catalogue.entries import PLATFORM, SEND_API, Category
from receiver.domain.messages.state import State
from receiver.domain.verdict import Action, Subject, Verdict, action_of, decide
from receiver.domain.wording.languages import Language
from receiver.huawei.catalogue import load_catalogue
from tests.support.catalogues import row, shared

SHIPPED = load_catalogue()
FAILED_AT = 1_523_601_106_000_000  # 2018-04-13T06:31:46Z
SECOND = 1_000_000

MADE = Catalogue(
    [
        row("NONE", "configuration", "none"),
        row("SOON", "rate-limited", "retry-soon"),
        row("SOON7", "rate-limited", "retry-soon", retry_after_s=7),
        row("LATER", "carrier-failure", "retry-later"),
        row("DAY", "rate-limited", "next-day"),
        row("FIX", "routing", "after-fix"),
        row("FIX600", "routing", "after-fix", retry_after_s=600),
        row("NEVER", "routing", "never"),
        row("BLOCKED", "blocked-recipient", "never"),
        row("UNLISTED", "blocked-recipient", "after-fix"),
        row("INVALID", "invalid-number", "never"),
        row("TYPO", "invalid-number", "after-fix"),
        row("SLOW", "timeout", "retry-later"),
        row("EXPIRED", "carrier-failure", "retry-later"),
        row("FREE", "platform-failure", "retry-later", billable=False),
        row("CHARGED", "carrier-failure", "retry-later", billable=True),
        row("RIDDLE", "unknown", "retry-later", retry_after_s=7),
        row("RIDDLE*", "unknown", "never"),
        row("LOST:*", "invalid-number", "never"),
        row("MK:0001", "invalid-number", "never"),
        row("API", "rate-limited", "retry-later", origin="send-api"),
        row("BOTH", "rate-limited", "retry-later", origin="send-api"),
        row("BOTH", "blocked-recipient", "never"),
    ],
    siblings={"MN": shared("MK")},
)


def subject(state: str, code: str | None = None, **other: object) -> Subject:
    """Make a message's part of the decision."""
    made = Subject(state=state, code=code, source=None, org_code=None)
    return replace(made, **other)  # type: ignore[arg-type]  # a test names the fields it varies


def judge(state: str, code: str | None = None, **other: object) -> Verdict:
    """Decide by the made catalogue."""
    return decide(subject(state, code, **other), MADE)


FAILURES = [
    # code, action, category
    pytest.param("NONE", "none", "configuration", id="none"),
    pytest.param("SOON", "retry", "rate-limited", id="retry-soon"),
    pytest.param("SOON7", "retry", "rate-limited", id="retry-soon with a wait of its own"),
    pytest.param("LATER", "retry", "carrier-failure", id="retry-later"),
    pytest.param("DAY", "retry", "rate-limited", id="next-day"),
    pytest.param("FIX", "fix", "routing", id="after-fix"),
    pytest.param("FIX600", "fix", "routing", id="after-fix: a wait is no retry"),
    pytest.param("NEVER", "stop", "routing", id="never"),
    pytest.param("RIDDLE", "investigate", "unknown", id="unknown: never retried"),
    pytest.param("RIDDLE9", "investigate", "unknown", id="unknown family"),
    pytest.param("nonsense", "investigate", "unknown", id="not listed"),
    pytest.param("", "investigate", "unknown", id="empty code"),
    pytest.param(None, "investigate", "unknown", id="no code"),
]


@pytest.mark.parametrize("state", ["failed", "partial"])
@pytest.mark.parametrize(("code", "action", "category"), FAILURES)
def test_a_failure_is_judged_by_its_retry_class(
    state: str, code: str | None, action: str, category: str
) -> None:
    """A message that failed gets the action of its row's class; when, the policy says."""
    verdict = judge(state, code)
    assert (verdict.action, verdict.category) == (action, category)
    assert verdict.retryable == (action == "retry")
    assert verdict.not_before is None


OTHER_STATES = [
    # state, code, action, category, billable, duplicate_risk
    pytest.param("pending", None, "wait", None, None, False, id="pending"),
    pytest.param("accepted", "ACCEPTD", "wait", "accepted", None, False, id="accepted"),
    pytest.param("accepted", "DELIVRD", "wait", "accepted", None, False, id="parts-missing"),
    pytest.param("accepted", "MK:0015", "wait", "accepted", None, False, id="a-part-failed"),
    pytest.param("delivered", "DELIVRD", "none", "delivered", True, False, id="delivered"),
    pytest.param("unknown", "UNKNOWN", "wait", "unknown", None, True, id="unknown"),
    pytest.param("overdue", None, "investigate", "timeout", None, True, id="overdue"),
    pytest.param("overdue", "ACCEPTD", "investigate", "timeout", None, True, id="overdue-accepted"),
]


@pytest.mark.parametrize("catalogue", [SHIPPED, MADE], ids=["listed", "unlisted"])
@pytest.mark.parametrize(
    ("state", "code", "action", "category", "billable", "duplicate_risk"), OTHER_STATES
)
def test_a_state_that_is_no_failure_speaks_for_itself(
    catalogue: Catalogue,
    state: str,
    code: str | None,
    action: str,
    category: str | None,
    billable: bool | None,
    duplicate_risk: bool,
) -> None:
    """The state decides, whatever the catalogue holds; nothing is retried or suppressed."""
    verdict = decide(subject(state, code), catalogue)
    assert (verdict.action, verdict.category, verdict.billable, verdict.duplicate_risk) == (
        action,
        category,
        billable,
        duplicate_risk,
    )
    assert (verdict.retryable, verdict.not_before, verdict.suppress_recipient) == (
        False,
        None,
        False,
    )
    assert all((verdict.meaning, verdict.cause, verdict.suggestion, verdict.why["text"]))


def test_each_state_has_a_verdict_and_no_other_text_is_a_state() -> None:
    """All states are known; anything else is an error of the caller."""
    for state in State:
        assert decide(subject(state), MADE).action in Action
    with pytest.raises(ValueError, match="lost"):
        judge("lost")


TEXTS = [
    # state, code, rule, a piece of the cause
    pytest.param("accepted", "ACCEPTD", "exact", "passing state", id="accepted-row"),
    pytest.param("accepted", "DELIVRD", "state", "still missing", id="accepted-parts-missing"),
    pytest.param("accepted", None, "state", "still missing", id="accepted-no-code"),
    pytest.param("delivered", "DELIVRD", "exact", "has received", id="delivered-row"),
    pytest.param("unknown", "UNKNOWN", "exact", "cannot tell", id="unknown-row"),
    pytest.param("unknown", "nonsense", "state", "cannot tell", id="unknown-other-code"),
    pytest.param("pending", None, "state", "72 hours", id="pending"),
    pytest.param("overdue", "ACCEPTD", "state", "72 hours", id="overdue"),
]


@pytest.mark.parametrize(("state", "code", "rule", "piece"), TEXTS)
def test_a_row_lends_its_texts_where_it_fits_the_state(
    state: str, code: str | None, rule: str, piece: str
) -> None:
    """The texts are the row's where code and state say the same, otherwise the state's own."""
    verdict = decide(subject(state, code), SHIPPED)
    assert verdict.why["rule"] == rule
    assert piece in verdict.cause


SUPPRESSED = [
    pytest.param("BLOCKED", True, id="blocked-never"),
    pytest.param("INVALID", True, id="invalid-never"),
    pytest.param("UNLISTED", False, id="blocked-after-fix"),
    pytest.param("TYPO", False, id="invalid-after-fix"),
    pytest.param("NEVER", False, id="routing-never"),
    pytest.param("MK:1", True, id="in-another-writing"),
    pytest.param("MN:0001", False, id="of-a-sibling"),
    pytest.param("LOST:1", False, id="by-a-guess-of-its-family"),
]


@pytest.mark.parametrize("state", ["failed", "partial"])
@pytest.mark.parametrize(("code", "suppressed"), SUPPRESSED)
def test_only_hopeless_recipients_are_suppressed(state: str, code: str, suppressed: bool) -> None:
    """A number is suppressed when it is lost for good, and no part of the message arrived."""
    assert judge(state, code).suppress_recipient is (suppressed and state == "failed")


BILLED = [
    pytest.param("failed", "LATER", None, id="the-row-cannot-tell"),
    pytest.param("failed", "FREE", False, id="the-row-says-no"),
    pytest.param("failed", "CHARGED", True, id="the-row-says-yes"),
    pytest.param("failed", "nonsense", None, id="unlisted"),
    pytest.param("partial", "FREE", None, id="parts-are-charged-one-by-one"),
    pytest.param("refused", "CHARGED", False, id="refused"),
]


@pytest.mark.parametrize(("state", "code", "billable"), BILLED)
def test_what_a_failure_costs(state: str, code: str, billable: bool | None) -> None:
    """It is said whether the message is charged, or that this cannot be told."""
    assert judge(state, code).billable is billable


RISKY = [
    pytest.param("failed", "LATER", {}, False, id="plain-failure"),
    pytest.param("failed", "SLOW", {}, True, id="timeout"),
    pytest.param("failed", "EXPIRED", {}, True, id="expired-of-any-category"),
    pytest.param("failed", " expired", {}, True, id="expired-in-other-letters"),
    pytest.param("failed", "LATER", {"conflict": True}, True, id="conflict"),
    pytest.param("delivered", "DELIVRD", {"conflict": True}, True, id="delivered-with-conflict"),
    pytest.param("partial", "LATER", {}, True, id="partial"),
    pytest.param("refused", "API", {}, False, id="refused"),
]


@pytest.mark.parametrize(("state", "code", "other", "risk"), RISKY)
def test_when_a_second_copy_may_be_one_too_many(
    state: str, code: str, other: dict[str, object], risk: bool
) -> None:
    """The risk of a duplicate is told wherever the message may have arrived after all."""
    assert judge(state, code, **other).duplicate_risk is risk


def test_a_refusal_is_looked_up_among_the_send_codes() -> None:
    """The same code means one thing in a send response and another in a report."""
    assert judge("refused", "BOTH").category is Category.RATE_LIMITED
    assert judge("failed", "BOTH").category is Category.BLOCKED_RECIPIENT
    assert judge("refused", "API").action is Action.RETRY
    assert judge("failed", "API").action is Action.INVESTIGATE


def test_a_verdict_can_be_written_as_json() -> None:
    """A verdict holds nothing but what JSON can say."""
    for code in ("LIMIT", "ID:9999", "nonsense"):
        for language in Language:
            verdict = asdict(decide(subject("failed", code, source=2), SHIPPED, language))
            assert json.loads(json.dumps(verdict)) == verdict


@pytest.mark.parametrize("state", ["failed", "refused"])
def test_every_shipped_row_gives_a_sound_verdict(state: str) -> None:
    """Each listed code is explained by a row, and none of unknown meaning is retried."""
    for entry in SHIPPED.entries:
        code = entry.code.replace("*", "9").replace("?", "7") if entry.is_family else entry.code
        verdict = decide(subject(state, code), SHIPPED)
        of_the_platform = entry.origin in (SEND_API, PLATFORM)
        if state == "refused" or entry.origin != SEND_API:
            assert (verdict.why["rule"] != "fallback") == (of_the_platform or state == "failed")
        assert verdict.retryable == (verdict.action is Action.RETRY)
        if verdict.category is Category.UNKNOWN:
            assert verdict.action is Action.INVESTIGATE


def test_the_language_changes_nothing_but_the_texts() -> None:
    """What to do is the same in each language, whatever it is asked in first."""
    texts = {"meaning": "", "cause": "", "suggestion": "", "why": {}}
    for code in ("LIMIT", "MK:0015", "XY:nonsense", None):
        for state in State:
            spoken = [
                decide(subject(state, code, source=2), SHIPPED, language)
                for language in (*Language, Language.EN)
            ]
            assert len({(verdict.suggestion, verdict.why["text"]) for verdict in spoken}) == 2
            silent = [asdict(verdict) | texts for verdict in spoken]
            assert silent[0] == silent[1] == silent[2]


@pytest.mark.parametrize(
    ("category", "retry", "action"),
    [
        pytest.param("routing", "none", "none", id="none"),
        pytest.param("routing", "retry-soon", "retry", id="retry-soon"),
        pytest.param("routing", "retry-later", "retry", id="retry-later"),
        pytest.param("routing", "next-day", "retry", id="next-day"),
        pytest.param("routing", "after-fix", "fix", id="after-fix"),
        pytest.param("routing", "never", "stop", id="never"),
        pytest.param("routing", "investigate", "investigate", id="investigate"),
        pytest.param("unknown", "retry-soon", "investigate", id="unknown-retry"),
        pytest.param("unknown", "never", "investigate", id="unknown-never"),
    ],
)
def test_what_a_row_by_itself_asks_for(category: str, retry: str, action: str) -> None:
    """A row's action is that of its retry class, but for rows that explain nothing."""
    assert action_of(row("A", category, retry)) == action
