"""Finding messages by keys of the application's own, registered or only heard of in reports."""

from typing import Any
from uuid import uuid4

from tests.e2e.pushes import form
from tests.support.server import Server


def test_messages_are_found_by_reference_and_extend(shared_server: Server) -> None:
    """A list filter and a look-up give the same messages, orphans too, newest first."""
    reference, extend, another = (str(uuid4()) for _ in range(3))
    first, second, orphan = (f"{uuid4()}_1" for _ in range(3))
    shared_server.api.register(
        {
            "sends": [
                {"sms_msg_id": first, "reference": reference, "extend": extend},
                {"sms_msg_id": second, "reference": reference, "extend": another},
            ]
        }
    )
    report = {"smsMsgId": orphan, "status": "DELIVRD", "extend": extend}
    assert shared_server.push(form(**report)).status_code == 200
    shared_server.caught_up()

    assert listed(shared_server, reference=reference) == [second, first]
    assert listed(shared_server, extend=extend) == [orphan, first]
    assert listed(shared_server, extend=extend, registered="false") == [orphan]
    assert listed(shared_server, reference=reference[:-1]) == []
    answer = shared_server.api.http.post(
        "/v1/messages/lookup",
        json={"ids": [second], "references": ["nobody's"], "extends": [extend, another]},
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert [message["sms_msg_id"] for message in found["messages"]] == [second, orphan, first]
    assert (found["missing"], found["missing_references"]) == ([], ["nobody's"])
    assert (found["missing_extends"], found["cut_extends"]) == ([], [])


def listed(server: Server, **parameters: str) -> list[str]:
    """Return the ids of the messages in a list."""
    messages = server.api.get("/v1/messages", **parameters)["messages"]
    return [message["sms_msg_id"] for message in messages]
