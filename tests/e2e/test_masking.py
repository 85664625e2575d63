"""What the command line prints of people: ends of numbers and no codes, unless it is told to."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from receiver.cli.commands import app
from receiver.domain import times
from tests.e2e.pushes import form
from tests.support.server import KEY, Server

PERSON = "+8615500005172"
DIGITS = "15500005172"
OTHER = "+8615500005173"
CODE = "987654"
CHANNEL = "1069031221280000001"


def now() -> str:
    """Write the time."""
    return times.to_rfc3339(round(time.time() * times.SECOND))


def run(*arguments: str) -> Result:
    """Run a command in this process, which spares the start of one."""
    return CliRunner().invoke(app, arguments)


@pytest.fixture(scope="module")
def filled(shared_server: Server) -> Server:
    """Return a receiver to which a person wrote a code, and that has something to send again."""
    report = form(
        smsMsgId="masked_1",
        status="UNDELIV",
        source="2",
        updateTime=now(),
        statusDesc=f"no route to {DIGITS}",
    )
    send = {"sms_msg_id": "masked_1", "to": PERSON, "from": CHANNEL, "sent_at": now()}
    shared_server.api.register({"sends": [send]})
    assert shared_server.push(report).status_code == 200
    for sms_msg_id, body in (("written_1", f"my code is {CODE}"), ("written_2", f"R {DIGITS}")):
        push = form(smsMsgId=sms_msg_id, from_=PERSON, to=CHANNEL, body=body)
        assert shared_server.push(push).status_code == 200
    reason = {"reason": "asked by phone"}
    path = "/v1/suppressions/%2B8615500005172"
    assert shared_server.api.http.put(path, json=reason).status_code == 200
    shared_server.caught_up()
    return shared_server


COMMANDS = [
    pytest.param(("lookup", "masked_1"), id="a message"),
    pytest.param(("lookup", "masked_1", "--why"), id="an explanation"),
    pytest.param(("lookup", PERSON), id="of a number"),
    pytest.param(("lookup", "written_1"), id="an uplink"),
    pytest.param(("lookup", "written_2"), id="an uplink with a number in it"),
    pytest.param(("retries", "--state", "waiting"), id="retries"),
    pytest.param(("retries", "--state", "ended"), id="retries that ended"),
    pytest.param(("suppressions", "list"), id="suppressions"),
    pytest.param(("suppressions", "history", PERSON), id="history"),
    pytest.param(("suppressions", "add", PERSON, "--reason", "again"), id="added"),
]


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["for people", "as JSON"])
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_of_people_is_printed(
    filled: Server, command: tuple[str, ...], options: tuple[str, ...]
) -> None:
    """No full number and no code, for people and for programs."""
    done = run(*command, *options, "--api-url", filled.api_url, "--api-key", KEY)
    assert done.exit_code == 0, done.stderr
    assert done.stdout
    for secret in (DIGITS, CODE):
        assert secret not in done.stdout
        assert secret not in done.stderr


REVEALED = [
    pytest.param(("lookup", "masked_1"), (PERSON, f"no route to {DIGITS}"), id="a message"),
    pytest.param(("lookup", "masked_1", "--json"), (PERSON, DIGITS), id="a message as JSON"),
    pytest.param(("lookup", PERSON), (CODE, f"R {DIGITS}", "masked_1"), id="of a number"),
    pytest.param(("lookup", "written_1"), (PERSON, CODE), id="an uplink"),
    pytest.param(("lookup", "written_1", "--json"), (PERSON, CODE), id="an uplink as JSON"),
    pytest.param(("suppressions", "list"), (PERSON,), id="suppressions"),
    pytest.param(("suppressions", "history", PERSON, "--json"), (PERSON,), id="history"),
]


@pytest.mark.parametrize(("command", "shown"), REVEALED)
def test_reveal_shows_all(filled: Server, command: tuple[str, ...], shown: tuple[str, ...]) -> None:
    """`--reveal` is all it takes."""
    done = run(*command, "--reveal", "--api-url", filled.api_url, "--api-key", KEY)
    assert done.exit_code == 0, done.stderr
    for one in shown:
        assert one in done.stdout


def test_a_registration_that_contradicts_changes_nobody_s_number(filled: Server) -> None:
    """The recipient stays, of the message and of its retry; what was told is shown, masked."""
    counted = filled.api.metric("receiver_registration_conflicts_total")
    for _ in range(2):
        send = {"sms_msg_id": "masked_1", "to": OTHER, "reference": "another order"}
        filled.api.register({"sends": [send]})
    filled.caught_up()
    message = filled.api.message("masked_1")
    assert (message["to"], message["reference"]) == (PERSON, "another order")
    assert "registrations_differ" in message["anomalies"]
    (told,) = message["registration_conflicts"]
    assert told == {"registered_at": told["registered_at"], "to": OTHER}
    items = filled.api.get("/v1/retries", state="waiting")["retries"]
    assert [item["to"] for item in items if item["sms_msg_id"] == "masked_1"] == [PERSON]
    assert filled.api.metric("receiver_registration_conflicts_total") == counted + 1
    where = ("--api-url", filled.api_url, "--api-key", KEY)
    shown = run("lookup", "masked_1", *where).stdout
    assert "to …5173" in shown
    assert "registrations_differ" in shown
    why = run("lookup", "masked_1", "--why", *where).stdout
    assert "contradicts an earlier one" in " ".join(why.split())
    for text in (shown, run("lookup", "masked_1", "--json", *where).stdout, filled.printed()):
        assert OTHER[1:] not in text
    assert OTHER in run("lookup", "masked_1", "--reveal", *where).stdout


def test_what_is_masked_can_still_be_told_apart(filled: Server) -> None:
    """The end of a number stays, and so does all that is nobody's: ids, channel numbers."""
    done = run("lookup", "written_1", "--api-url", filled.api_url, "--api-key", KEY)
    for one in ("…5172", CHANNEL, "written_1", "my code is ••••"):
        assert one in done.stdout
    told = run("lookup", "masked_1", "--json", "--api-url", filled.api_url, "--api-key", KEY)
    message = json.loads(told.stdout)
    assert (message["to"], message["from"]) == ("…5172", CHANNEL)
    assert message["status_desc"] == "no route to …5172"


def test_an_import_shows_numbers_only_where_that_is_asked_for(tmp_path: Path) -> None:
    """The first rows are shown with the number's middle hidden; `--reveal` shows it."""
    file = tmp_path / "sends.csv"
    file.write_text(f"sms_msg_id,to\nm1,{DIGITS}\n")
    hidden, shown = (run("import", str(file), "--dry-run", *more) for more in ((), ("--reveal",)))
    assert DIGITS not in hidden.stderr
    assert "155****5172" in hidden.stderr
    assert DIGITS in shown.stderr
