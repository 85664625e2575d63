"""Folding history again: what becomes of a message, and how a run counts it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.effects import MOST_EXAMPLES
from receiver.domain.inputs import Send, StatusReport
from receiver.domain.messages.state import LateDelivered, State, StoredReport
from receiver.domain.projection import MessageBuilder, Policy
from receiver.domain.reclassification import (
    CountedChange,
    Refolded,
    Run,
    Standing,
    reclassify,
)
from tests.support.catalogues import row

NOW = 1_700_000_000_000_000
POLICY = Policy(
    Catalogue([row("X", "routing"), row("Y", "timeout"), row("Z", "account", origin="platform")])
)
SEND = Send("m", to="+8615500005172")
FAILED = Standing("failed", "unknown")
ROUTING = Standing("failed", "routing")
OVERDUE = Standing("overdue", "timeout")
RUN = Run("rules", None, upto=10, started_at=NOW, updated_at=NOW)


def a_report(status: str, at: int = NOW) -> StoredReport:
    """Make a report of the recipient's network."""
    report = StatusReport("m", status, source=2, updated_at=at, update_time=str(at))
    return StoredReport(report, at, at)


def a_message(
    before: Standing, *reports: StoredReport, send: Send | None = SEND, number: int = 1
) -> MessageBuilder:
    """Make a message as the store has it."""
    return MessageBuilder(
        id=number,
        application="default",
        sms_msg_id=f"m{number}",
        send=send,
        registered_at=NOW if send else None,
        reports={stored.key: stored for stored in reports},
        state_before=State(before.state),
        stored={"state": before.state, "category": before.category},
    )


# --- one message --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "reports", "after"),
    [
        pytest.param(FAILED, [a_report("X")], ROUTING, id="another category"),
        pytest.param(ROUTING, [a_report("X")], ROUTING, id="the same"),
        pytest.param(
            Standing("delivered", "delivered"), [a_report("X")], ROUTING, id="another state"
        ),
        pytest.param(ROUTING, [a_report("never heard of")], FAILED, id="not listed any more"),
        pytest.param(FAILED, [], Standing("pending", None), id="nothing heard"),
        pytest.param(OVERDUE, [], OVERDUE, id="overdue, nothing heard"),
        pytest.param(OVERDUE, [a_report("ACCEPTD")], OVERDUE, id="overdue, accepted"),
        pytest.param(OVERDUE, [a_report("UNKNOWN")], OVERDUE, id="overdue, unknown"),
        pytest.param(OVERDUE, [a_report("X")], ROUTING, id="overdue, but a final report"),
        pytest.param(
            OVERDUE, [a_report("DELIVRD")], Standing("delivered", "delivered"), id="overdue, here"
        ),
    ],
)
def test_a_message_is_judged_anew(
    before: Standing, reports: list[StoredReport], after: Standing
) -> None:
    """Today's rules decide by the reports alone, but that only time says what is overdue."""
    refolded = reclassify(a_message(before, *reports), POLICY)

    assert (refolded.before, refolded.after) == (before, after)


def test_a_refused_send_is_judged_by_its_own_code() -> None:
    """What the platform refused has no report; the status of its entry decides."""
    refused = a_message(Standing("refused", "unknown"), send=replace(SEND, status="Z"))

    assert reclassify(refused, POLICY).after == Standing("refused", "account")


@pytest.mark.parametrize(
    ("late_delivered", "state"), [("wins", "delivered"), ("ignored", "failed")]
)
def test_the_rule_about_late_deliveries_counts_too(
    late_delivered: LateDelivered, state: str
) -> None:
    """Not only the catalogue may have changed since a message was folded."""
    message = a_message(FAILED, a_report("X"), a_report("DELIVRD", NOW + 1))

    assert reclassify(message, replace(POLICY, late_delivered=late_delivered)).after.state == state


# --- a run --------------------------------------------------------------------------------------


def changed(number: int, before: Standing = FAILED, code: str = "X") -> Refolded:
    """Fold a message of a number again."""
    return reclassify(a_message(before, a_report(code), number=number), POLICY)


def test_a_run_counts_what_became_what() -> None:
    """Each kind of change has a line with its count and its first examples, the most at the top."""
    found = [changed(1, code="Y"), *(changed(number) for number in range(2, 8)), changed(8)]

    run = RUN.after(9, 9, found, NOW + 1)

    assert (run.position, run.examined, run.changed, run.updated_at) == (9, 9, 8, NOW + 1)
    assert run.changes == (
        CountedChange(FAILED, ROUTING, 7, ("m2", "m3", "m4")),
        CountedChange(FAILED, Standing("failed", "timeout"), 1, ("m1",)),
    )


def test_counts_go_on_from_stretch_to_stretch() -> None:
    """A later stretch adds to the lines that there are, and to their examples up to the most."""
    run = RUN.after(2, 2, [changed(1), changed(2)], NOW).after(5, 3, [changed(3)], NOW)
    run = run.after(6, 1, [changed(6)], NOW)

    assert (run.position, run.examined, run.changed) == (6, 6, 4)
    assert run.changes == (CountedChange(FAILED, ROUTING, 4, ("m1", "m2", "m3")),)
    assert len(run.changes[0].examples) == MOST_EXAMPLES


def test_what_keeps_state_and_category_has_no_line() -> None:
    """A row that differs elsewhere is counted as changed, and that is all there is to say."""
    run = RUN.after(1, 1, [changed(1, ROUTING)], NOW)

    assert (run.changed, run.changes) == (1, ())


@pytest.mark.parametrize(
    ("position", "share", "finished_at"),
    [
        pytest.param(0, 0.0, None, id="at the start"),
        pytest.param(5, 0.5, None, id="half"),
        pytest.param(9, 0.9, None, id="nearly"),
        pytest.param(10, 1.0, NOW + 1, id="all"),
    ],
)
def test_a_run_ends_at_the_message_that_was_the_last_when_it_began(
    position: int, share: float, finished_at: int | None
) -> None:
    """The share follows the ids; at the last one the run is finished."""
    run = RUN.after(position, 0, [], NOW + 1)

    assert (run.share, run.finished_at) == (share, finished_at)


def test_there_may_be_nothing_to_do() -> None:
    """A run over an empty store is done at once."""
    run = replace(RUN, upto=0)

    assert run.share == 1.0
    assert run.after(0, 0, [], NOW).finished_at == NOW


# Few kinds, so that several often are equally many.
_standings = st.sampled_from(
    [FAILED, ROUTING, OVERDUE, Standing("pending", None), Standing("partial", "unknown")]
)
_histories = st.lists(st.tuples(_standings, st.sampled_from("XYZ")), min_size=1, max_size=30)


@given(history=_histories, data=st.data())
def test_cutting_history_anywhere_gives_the_same_run(
    history: list[tuple[Standing, str]], data: st.DataObject
) -> None:
    """However a walk is cut into stretches, it ends with the same table."""
    found = [changed(number, *one) for number, one in enumerate(history, 1)]
    last = len(found)
    cuts = sorted(data.draw(st.sets(st.integers(0, last))) | {last})
    whole = replace(RUN, upto=last).after(last, last, found, NOW)

    run = replace(RUN, upto=last)
    for cut in cuts:
        run = run.after(cut, cut - run.position, found[run.position : cut], NOW)

    assert run == whole
