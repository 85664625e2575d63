"""One message, whatever door it comes by: what surrounds its identifiers unseen is no part of it.

A door is a row of a table: a function that takes a server and what to send, or to look up.
"""

import asyncio
import csv
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from receiver.cli.commands import app
from receiver.client import AsyncClient, Client
from tests.support.doors import padded
from tests.support.parts import batch, form
from tests.support.server import KEY, Server

NUMBER = "+8613812345678"
_IDS = count(1)


class Item(NamedTuple):
    """What is known of one message; every text may be padded."""

    sms_msg_id: str
    status: str
    extend: str
    reference: str
    to: str

    def entry(self) -> dict[str, str]:
        """Write it as an entry of the platform's response."""
        return {"smsMsgId": self.sms_msg_id, "originTo": self.to, "status": "000000"}

    def send(self) -> dict[str, str]:
        """Write it in the receiver's own words."""
        return {
            "sms_msg_id": self.sms_msg_id,
            "to": self.to,
            "reference": self.reference,
            "extend": self.extend,
        }

    def report(self) -> dict[str, str]:
        """Write it as a status report."""
        return {
            "smsMsgId": self.sms_msg_id,
            "status": self.status,
            "extend": self.extend,
            "updateTime": "2026-01-31T08:00:00Z",
        }


class Door(NamedTuple):
    """A server, and a directory for files."""

    server: Server
    files: Path


def _push(door: Door, body: bytes) -> None:
    answer = door.server.public.post(door.server.callback_path, content=body)
    assert answer.status_code == 200, answer.text


def _register_own(door: Door, item: Item) -> None:
    door.server.api.register({"sends": [item.send()]})


def _register_response(door: Door, item: Item) -> None:
    response = {"code": "000000", "result": [item.entry()]}
    beside = {"references": {item.sms_msg_id: item.reference}, "extend": item.extend}
    door.server.api.register({"response": response, **beside})


def _client(door: Door, item: Item) -> None:
    response = {"code": "000000", "result": [item.entry()]}
    with closing(Client(door.server.api_url, KEY)) as client:
        result = client.register(response, reference=item.reference, extend=item.extend)
    assert result.registered == 1, result


def _async_client(door: Door, item: Item) -> None:
    async def register() -> None:
        async with AsyncClient(door.server.api_url, KEY) as client:
            result = await client.register({"sends": [item.send()]}, raising=True)
            assert result.registered == 1

    asyncio.run(register())


def _import(door: Door, file: Path) -> None:
    arguments = ["import", str(file), "--api-url", door.server.api_url, "--api-key", KEY, "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output


def _import_lines(door: Door, item: Item) -> None:
    file = door.files / "sends.ndjson"
    file.write_text(json.dumps(item.send()) + "\n", encoding="utf-8")
    _import(door, file)


def _import_table(door: Door, item: Item) -> None:
    file = door.files / "sends.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerows([item.send().keys(), item.send().values()])
    _import(door, file)


SENDS: dict[str, Callable[[Door, Item], None]] = {
    "sends": _register_own,
    "response": _register_response,
    "client": _client,
    "asynchronous client": _async_client,
    "import of lines": _import_lines,
    "import of a table": _import_table,
}
REPORTS: dict[str, Callable[[Door, Item], None]] = {
    "form": lambda door, item: _push(door, form(**item.report())),
    "batch": lambda door, item: _push(door, batch([item.report()])),
}


def _listed(server: Server, **wanted: str) -> list[Any]:
    found: list[Any] = server.api.get("/v1/messages", **wanted)["messages"]
    return found


def _looked_up(server: Server, **wanted: list[str]) -> list[Any]:
    answer = server.api.http.post("/v1/messages/lookup", json=wanted)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["messages"]
    return found


def _command(server: Server, item: Item) -> list[Any]:
    # What begins with a hyphen would be an option.
    arguments = ["lookup", "--json", "--api-url", server.api_url, "--api-key", KEY, "--"]
    done = CliRunner().invoke(app, [*arguments, item.sms_msg_id])
    assert done.exit_code == 0, done.output
    return [json.loads(done.stdout)]


LOOK_UPS: dict[str, Callable[[Server, Item], list[Any]]] = {
    "path": lambda server, item: [server.api.message(item.sms_msg_id)],
    "explanation": lambda server, item: [
        server.api.get(f"/v1/messages/{quote(item.sms_msg_id, safe='')}/explain")
    ],
    "ids": lambda server, item: _looked_up(server, ids=[item.sms_msg_id]),
    "references": lambda server, item: _looked_up(server, references=[item.reference]),
    "extends": lambda server, item: _looked_up(server, extends=[item.extend]),
    "list by reference": lambda server, item: _listed(server, reference=item.reference),
    "list by extend": lambda server, item: _listed(server, extend=item.extend),
    "list by code": lambda server, item: _listed(
        server, code=item.status, reference=item.reference
    ),
    "list by number": lambda server, item: _listed(server, to=item.to, reference=item.reference),
    "command": _command,
}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Return a server whose answers wait for the store, and a directory."""
    directory = tmp_path_factory.mktemp("doors")
    server = Server(directory / "data", {"RECEIVER_ACK": "store"})
    with closing(server.start()):
        server.ready()
        yield Door(server, directory)


@settings(max_examples=4)
@given(st.data())
def test_one_message_by_every_door(door: Door, data: st.DataObject) -> None:
    """However its identifiers are padded at each door, it is one message with one report."""
    n = next(_IDS)
    plain = Item(f"M{n}_1", "MK:0012", f"e{n} 中", f"order-{n}", NUMBER)

    def draw() -> Item:
        # A blank in front of a number is a `+` that was not escaped.
        return Item._make([*(data.draw(padded(text)) for text in plain[:-1]), NUMBER])

    for send in (*SENDS.values(), *REPORTS.values()):
        send(door, draw())

    message = door.server.api.message(plain.sms_msg_id)
    assert (message["extend"], message["reference"]) == (plain.extend, plain.reference)
    assert (message["code"], message["state"], message["to"]) == ("MK:0012", "failed", NUMBER)
    assert [report["redeliveries"] for report in message["reports"]] == [len(REPORTS) - 1]
    for name, look_up in LOOK_UPS.items():
        found = [one["sms_msg_id"] for one in look_up(door.server, draw())]
        assert found == [plain.sms_msg_id], name
