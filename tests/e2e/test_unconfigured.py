"""`receiver serve` without any configuration but where to listen."""

import json
import re
import stat
from pathlib import Path

import pytest

from tests.support.server import KEY, TOKEN, MakeServer, Server, eventually

NOTHING = {"RECEIVER_CALLBACK_TOKEN": "", "RECEIVER_API_KEY": ""}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return an empty home that is also the working directory."""
    path = tmp_path / "home"
    path.mkdir()
    return path


def announced(server: Server) -> tuple[str, str]:
    """Return the callback URL and the key that were printed last."""

    def look() -> tuple[str, str] | None:
        printed = server.out.read_text()
        urls = re.findall(r"Callback URL: (\S+)", printed)
        keys = re.findall(r"API key: +(\S+)", printed)
        return (urls[-1], keys[-1]) if urls and keys else None

    found = eventually(look, "the callback URL and the key are printed")
    assert found is not None
    return found


def test_the_secrets_are_made_printed_and_kept(make_server: MakeServer, home: Path) -> None:
    """Token and key are made once, printed, kept for the owner alone, and work."""
    server = make_server({**NOTHING, "HOME": str(home)})
    server.cwd = home
    server.start()
    url, key = announced(server)
    token = url.removeprefix(f"{server.url}/callbacks/")
    for name, secret in (("callback_token", token), ("api_key", key)):
        file = server.directory / name
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_text().strip() == secret
        assert len(secret) >= 43
        assert secret not in server.log.read_text()
    answer = server.public.post(url, content=b"smsMsgId=a_1&status=DELIVRD")
    assert answer.status_code == 200
    server.caught_up()
    asked = server.api.http.get("/v1/messages/a_1", headers={"authorization": f"Bearer {key}"})
    assert asked.json()["state"] == "delivered"
    assert list(home.iterdir()) == []


def test_the_secrets_stay_over_a_restart(make_server: MakeServer, home: Path) -> None:
    """A restart prints the same callback URL and key, with applications too, and takes pushes."""
    server = make_server({**NOTHING, "HOME": str(home)})
    server.cwd = home
    first = announced(server.start())
    assert server.stop() == 0
    shop = [{"name": "shop", "tokens": ["Zr8Q2mVx7Lk4Pw9Tn3Yb6Hc1"]}]
    for settings in ({}, {"RECEIVER_APPLICATIONS": json.dumps(shop)}):
        server.settings = {**server.settings, **settings}
        server.out.unlink()
        assert announced(server.start()) == first
        pushed = server.public.post(first[0], content=b"smsMsgId=a_1&status=DELIVRD")
        assert pushed.status_code == 200
        assert server.stop() == 0


def test_secrets_that_were_set_are_not_printed(make_server: MakeServer) -> None:
    """What the operator set is not repeated, and no files with secrets are made."""
    server = make_server().start()
    eventually(lambda: "Callback URL" in server.out.read_text(), "the start is announced")
    assert TOKEN not in server.printed()
    assert KEY not in server.printed()
    assert not (server.directory / "callback_token").exists()
    assert not (server.directory / "api_key").exists()
