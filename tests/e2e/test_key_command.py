"""`receiver key`: keys and callback tokens change under a running receiver, and nothing is lost."""

import json
import os
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.e2e.pushes import form
from tests.support.server import TOKEN, MakeServer, Server, eventually, run


def key(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command on a data directory, with the tokens that tests set."""
    env = {"RECEIVER_DATA_DIR": str(directory), "RECEIVER_CALLBACK_TOKEN": TOKEN}
    return run("key", *arguments, env=env)


def made(directory: Path, name: str, *more: str) -> str:
    """Make a key; return it."""
    done = key(directory, "create", name, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def status(server: Server, secret: str, method: str = "GET", path: str = "/v1/messages") -> int:
    """Ask with a key."""
    headers = {"authorization": f"Bearer {secret}"}
    body = {"sends": [{"sms_msg_id": "m"}]} if method == "POST" else None
    return server.api.http.request(method, path, json=body, headers=headers).status_code


def test_a_key_lives_and_ends_without_a_restart(make_server: MakeServer) -> None:
    """It opens what its scope says, shows when it was used, and is refused when it is revoked."""
    server = make_server().start()
    server.ready()
    reader = made(server.directory, "reader", "--expires", "1h")
    assert status(server, reader) == 200, "a new key takes effect immediately"
    assert status(server, reader, "POST", "/v1/sends") == 403
    writer = made(server.directory, "writer", "--scope", "write", "--scope", "read")
    eventually(lambda: status(server, writer, "POST", "/v1/sends") == 202, "it may write")
    file = server.directory / "keys.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert reader not in file.read_text()
    assert key(server.directory, "revoke", "reader").returncode == 0
    eventually(lambda: status(server, reader) == 401, "it is refused")
    assert status(server, writer) == 200
    server.stop()  # the last uses are kept
    listed = json.loads(key(server.directory, "list", "--json").stdout)
    (row,) = listed["keys"]
    assert (row["name"], row["scopes"]) == ("writer", ["write", "read"])
    assert row["last_used"] is not None
    server.start()
    server.ready()
    assert status(server, writer) == 200


def test_an_expired_key_is_refused(make_server: MakeServer) -> None:
    """The answer says what to do."""
    server = make_server().start()
    server.ready()
    soon = (datetime.now(UTC) + timedelta(seconds=10)).isoformat()
    secret = made(server.directory, "short", "--expires", soon)
    eventually(lambda: status(server, secret) == 200, "the key is known")
    eventually(lambda: status(server, secret) == 401, "its time is over")
    answer = server.api.http.get("/v1/messages", headers={"authorization": f"Bearer {secret}"})
    assert "expired" in answer.json()["detail"]


def test_a_rotation_of_the_callback_loses_nothing(make_server: MakeServer) -> None:
    """Pushes go on all the time; the old token is taken until it is retired, then it is unknown."""
    server = make_server().start()
    server.ready()
    old = server.callback_path
    new = key(server.directory, "rotate-callback").stdout.strip()
    assert new.startswith("/callbacks/")
    refused: list[int] = []
    stop = threading.Event()

    def push_on() -> None:
        with httpx.Client(base_url=server.url) as client:
            number = 0
            while not stop.is_set():
                number += 1
                body = form(smsMsgId=f"rotating-{number}", status="DELIVRD", source="2")
                answer = client.post(current[0], content=body)
                if answer.status_code != 200:
                    refused.append(answer.status_code)

    current = [old]
    thread = threading.Thread(target=push_on)
    thread.start()
    early = key(server.directory, "retire-callback")
    assert (early.returncode, "No push" in early.stderr) == (1, True)
    assert push(server, new) == 200, "a new token takes effect immediately"
    current[0] = new
    assert push(server, old) == 200
    eventually(
        lambda: key(server.directory, "retire-callback").returncode == 0,
        "that pushes come by the new token is known",
        every_s=2,
    )
    eventually(lambda: push(server, old) == 404, "the old token is retired")
    stop.set()
    thread.join()
    assert refused == []
    server.kill()
    server.start()
    assert [push(server, old), push(server, new)] == [404, 200]
    printed = server.printed()
    assert new.removeprefix("/callbacks/") not in printed


def push(server: Server, path: str) -> int:
    """Push a report to a callback path."""
    body = form(smsMsgId="pushed", status="DELIVRD", source="2")
    return server.public.post(path, content=body).status_code


BAD = [
    pytest.param(("create", "a b"), "letters", id="a name with a blank"),
    pytest.param(("create", "default"), "already", id="the name of the usual key"),
    pytest.param(
        ("create", "x", "--application", "who"), "application 'who' is unknown", id="whose?"
    ),
    pytest.param(("create", "x", "--expires", "yesterday"), "must be in the future", id="no time"),
    pytest.param(
        ("create", "x", "--expires", "2001-01-01T00:00:00Z"), "must be in the future", id="past"
    ),
    pytest.param(("revoke", "nobody"), "No key 'nobody'", id="no such key"),
    pytest.param(("retire-callback",), "rotate-callback", id="nothing to retire"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD)
def test_bad_orders_are_told(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """Nothing is changed, and the error says what to do."""
    done = key(tmp_path, *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(key(tmp_path, "list", "--json").stdout)["keys"] == []


def test_what_root_makes_belongs_to_the_service(tmp_path: Path) -> None:
    """A key made by `sudo` can be read by the user whose directory it is."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    directory = tmp_path / "data"
    directory.mkdir()
    os.chown(directory, 65_534, 65_534)
    made(directory, "by-root")
    for name in ("keys.json", "keys.lock"):
        assert (directory / name).stat().st_uid == 65_534


def test_a_damaged_file_is_told(make_server: MakeServer) -> None:
    """A running receiver keeps what it knows; one that starts says what to do."""
    server = make_server().start()
    server.ready()
    secret = made(server.directory, "kept")
    eventually(lambda: status(server, secret) == 200, "the key is known")
    (server.directory / "keys.json").write_text("nonsense")
    eventually(lambda: "keyring file cannot be read" in server.log.read_text(), "it is told")
    assert status(server, secret) == 200
    server.kill()
    done = run("serve", env=server.environment)
    assert done.returncode != 0
    assert "keys.json" in done.stderr
    assert "Traceback" not in done.stderr
