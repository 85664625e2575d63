"""Comparing what was acknowledged with what the receiver kept."""

from itertools import islice

from tests.e2e.load import STATES
from tests.support.server import Server

_AT_ONCE = 1000


def assert_kept(server: Server, acknowledged: dict[str, str]) -> None:
    """Assert that each acknowledged report is there exactly once, with the state it implies.

    Args:
        server: a running server whose projector is caught up.
        acknowledged: the status code that was pushed for each message id.
    """
    counted = dict(
        server.rows(
            "SELECT sms_msg_id, count(reports.id) FROM messages"
            " LEFT JOIN reports ON reports.message_id = messages.id GROUP BY messages.id"
        )
    )
    lost = [sms_msg_id for sms_msg_id in acknowledged if sms_msg_id not in counted]
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged are lost: {lost[:5]}"
    # Also what was cut off before its answer may be there, but that too only once.
    several = {sms_msg_id: count for sms_msg_id, count in counted.items() if count != 1}
    assert not several, f"not exactly one report: {dict(islice(several.items(), 5))}"
    assert_states(server, acknowledged)


def assert_states(server: Server, acknowledged: dict[str, str]) -> None:
    """Assert that the API shows the state and the code of every acknowledged report."""
    ids = iter(acknowledged)
    while some := list(islice(ids, _AT_ONCE)):
        for sms_msg_id, message in server.api.lookup(some).items():
            code = acknowledged[sms_msg_id]
            assert (message["state"], message["code"]) == (STATES[code], code), sms_msg_id
            assert [report["status"] for report in message["reports"]] == [code], sms_msg_id
            assert message["reports"][0]["redeliveries"] == 0, sms_msg_id
