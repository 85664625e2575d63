"""A program that registers its sends by `receiver.client`, with a real receiver."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from receiver.client import AsyncClient, Client, Registered, Unusable
from tests.e2e.pushes import form
from tests.support.server import KEY, READER, MakeServer, Server

SENT = "2026-01-31T08:00:00Z"
KINDS = ["sync", "async"]


def response(name: str, *statuses: str) -> dict[str, Any]:
    """Write the platform's response to a request with one recipient for each status."""
    entries = [
        {
            "smsMsgId": f"{name}_{n}",
            "originTo": f"1550000{n:04}",
            "from": "1069000000000012",
            "createTime": SENT,
            "countryId": "CN",
            "total": 1,
            "status": status,
        }
        for n, status in enumerate(statuses)
    ]
    refused = any(status != "000000" for status in statuses)
    return {"code": "E000510" if refused else "000000", "result": entries}


def register(kind: str, url: str, document: Any, key: str = KEY, **details: Any) -> Registered:
    """Register by a client of either kind."""

    async def in_a_loop() -> Registered:
        async with AsyncClient(url, key) as client:
            return await client.register(document, **details)

    if kind == "async":
        return asyncio.run(in_a_loop())
    with Client(url, key) as client:
        return client.register(document, **details)


@pytest.mark.parametrize("kind", KINDS)
def test_a_registration_with_all_beside_it(shared_server: Server, kind: str) -> None:
    """References by recipient, template, extend and text length stand in the messages."""
    result = register(
        kind,
        shared_server.api_url,
        response(f"beside-{kind}", "000000", "000000", "000000"),
        reference="for all",
        references={"+8615500000001": "for one", f"beside-{kind}_2": "by id"},
        extend="campaign",
        template_id="t1",
        text_length=70,
    )
    assert result == Registered(registered=3)

    shared_server.push(form(smsMsgId=f"beside-{kind}_1", status="DELIVRD", updateTime=SENT))
    shared_server.caught_up()
    messages = [shared_server.api.message(f"beside-{kind}_{n}") for n in range(3)]
    assert [message["reference"] for message in messages] == ["for all", "for one", "by id"]
    assert [message["state"] for message in messages] == ["pending", "delivered", "pending"]
    for message in messages:
        assert message["registered"] is True
        assert (message["template_id"], message["text_length"]) == ("t1", 70)
        assert message["extend"] == "campaign"


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_platform_refused_comes_with_its_verdict(shared_server: Server, kind: str) -> None:
    """The result tells at once what refused sends mean, for no report will come for them."""
    result = register(kind, shared_server.api_url, response(f"ref-{kind}", "E200033", "000000"))

    assert (result.registered, result.error) == (2, None)
    (refused,) = result.refused
    assert (refused.sms_msg_id, refused.code) == (f"ref-{kind}_0", "E200033")
    assert refused.verdict["meaning"]
    assert refused.verdict["action"] != "none"
    assert result.request is not None
    assert result.request.code == "E000510"


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_receiver_cannot_use_is_named(shared_server: Server, kind: str) -> None:
    """Entries and details that cannot be used are named; the rest is registered."""
    document = {"sends": [{"sms_msg_id": f"named-{kind}"}, {"to": "1"}]}
    result = register(kind, shared_server.api_url, document, text_length=-1)

    assert result.registered == 1
    assert result.rejected == (Unusable(1, "`sms_msg_id` (or `smsMsgId`) is missing."),)
    (ignored,) = result.ignored
    assert ignored.index is None
    assert "`text_length`" in ignored.reason
    assert result.error


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("document", "key", "error"),
    [
        pytest.param(
            {"sends": [{}]}, KEY, "The receiver refused the registration: ", id="nothing usable"
        ),
        pytest.param(
            {"sends": []}, READER, "does not accept the API key (HTTP 403)", id="may only read"
        ),
        pytest.param(
            {"sends": []}, "nobodys-key", "does not accept the API key (HTTP 401)", id="wrong key"
        ),
    ],
)
def test_a_refusal_is_a_result(
    shared_server: Server, kind: str, document: Any, key: str, error: str
) -> None:
    """What the receiver refuses is told by the result, not raised."""
    result = register(kind, shared_server.api_url, document, key)

    assert result.registered == 0
    assert result.error is not None
    assert error in result.error


def test_a_wrong_application_is_kept(shared_server: Server, tmp_path: Path) -> None:
    """What a receiver does not know the application of stays until the program is corrected."""
    name = "application_0"
    with Client(shared_server.api_url, KEY, application="nobody", spool=tmp_path) as wrong:
        result = wrong.register(response("application", "000000"))
        assert (result.spooled, wrong.flush()) == (True, 1)
    assert (
        result.error
        == "The application is unknown to the receiver (HTTP 400). Correct `application`."
    )
    with Client(shared_server.api_url, KEY, spool=tmp_path) as right:
        assert right.adopt("nobody") == 1
        assert right.flush() == 0
    shared_server.caught_up()

    assert shared_server.api.message(name)["registered"] is True


@pytest.mark.parametrize("kind", KINDS)
def test_a_receiver_that_is_away_gets_all_later(
    kind: str, make_server: MakeServer, tmp_path: Path
) -> None:
    """What was sent while the receiver was down lies in the spool, and is delivered when it is up.

    Then reports that came first are bound to their sends too.
    """
    server, spool = make_server().start(), tmp_path / "spool"
    assert server.push(form(smsMsgId="away_0", status="DELIVRD", updateTime=SENT)).is_success
    server.stop()

    async def in_a_loop() -> list[Registered | int]:
        async with AsyncClient(server.api_url, KEY, spool=spool, patience_s=0.3) as client:
            away = [await client.register(response(name, "000000")) for name in ("away", "also")]
            await asyncio.to_thread(server.start)
            return [*away, await client.flush()]

    if kind == "async":
        *away, left = asyncio.run(in_a_loop())
    else:
        with Client(server.api_url, KEY, spool=spool, patience_s=0.3) as client:
            away = [client.register(response(name, "000000")) for name in ("away", "also")]
            server.start()
            left = client.flush()

    assert [result.spooled for result in away if isinstance(result, Registered)] == [True, True]
    assert left == 0
    assert list(spool.iterdir()) == []
    server.caught_up()
    bound, waiting = server.api.message("away_0"), server.api.message("also_0")
    assert (bound["registered"], bound["state"], bound["sent_at"]) == (True, "delivered", SENT)
    assert (waiting["registered"], waiting["state"]) == (True, "pending")


def test_a_receiver_that_is_killed_loses_nothing_registered(server: Server, tmp_path: Path) -> None:
    """Through kills and restarts every send is registered or in the spool, and none is lost."""
    names = [f"kill-{n}" for n in range(60)]
    with Client(server.api_url, KEY, spool=tmp_path / "spool", patience_s=0.2) as client:
        for n, name in enumerate(names):
            if n in (10, 40):
                server.kill(all_of_it=True)
            if n in (25, 50):
                server.start()
            client.register(response(name, "000000"), reference=name)
        client.flush()
    server.caught_up()

    messages = server.api.lookup([f"{name}_0" for name in names])
    assert {message["reference"] for message in messages.values()} == set(names)
