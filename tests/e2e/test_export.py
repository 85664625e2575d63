"""`receiver export`: a file that is complete or not there, and that can be imported again."""

import contextlib
import csv
import json
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.pushes import batch, form
from tests.support.server import KEY, ROOT, MakeServer, Server, clean_environment, eventually, run

PERSON = "+8615500005172"
MANY = 6000


def to(server: Server) -> list[str]:
    """Return the options that name a running receiver."""
    return ["--api-url", server.api_url, "--api-key", KEY]


def export(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command against a running receiver."""
    return run("export", *arguments, *to(server), timeout_s=60)


@pytest.fixture(scope="module")
def filled(shared_server: Server) -> Server:
    """Return a receiver with a few messages and uplinks."""
    sends = [
        {
            "sms_msg_id": "x_1",
            "to": PERSON,
            "from": "1069031221280000001",
            "sent_at": "2024-01-31T08:00:00Z",
            "total": 2,
            "reference": "=1+1",
            "extend": "+shop",
            "template_id": "007",
            "text_length": 70,
        },
        {"sms_msg_id": "x_2", "to": "+447700900123", "sent_at": "2024-01-30T08:00:00Z"},
        {
            "sms_msg_id": "x_3",
            "to": PERSON,
            "status": "E200033",
            "sent_at": "2024-01-29T08:00:00Z",
        },
    ]
    shared_server.api.register({"sends": sends})
    reports = [{"smsMsgId": "x_1", "status": "UNDELIV", "orgCode": "000", "sequence": "1"}]
    assert shared_server.push(batch(reports)).status_code == 200
    texts = ["R", "my code: 123456,\r\n-and 4711", '=cmd|"x"']
    for number, text in enumerate(texts):
        push = form(smsMsgId=f"xu_{number}", from_=PERSON, to="1069", body=text)
        assert shared_server.push(push).status_code == 200
    shared_server.caught_up()
    return shared_server


def lines_of(file: Path) -> list[dict[str, Any]]:
    """Read NDJSON."""
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def rows_of(file: Path) -> list[dict[str, str]]:
    """Read CSV."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_file_is_written(filled: Server, tmp_path: Path) -> None:
    """All of it, readable for its owner alone, and nothing else beside it."""
    file = tmp_path / "messages.ndjson"
    done = export(filled, "--output", str(file))
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "3 messages written" in done.stderr
    assert lines_of(file) == filled.api.get("/v1/messages")["messages"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_head_says_nothing_of_the_length(filled: Server) -> None:
    """Behind one whose GET has a body, the connection goes on."""
    http = filled.api.http
    for _ in range(2):
        head = http.head("/v1/export/messages")
        assert (head.status_code, head.content) == (200, b"")
        assert "content-length" not in head.headers
    assert http.get("/v1/export/messages").content


def test_the_name_tells_the_form(filled: Server, tmp_path: Path) -> None:
    """`*.csv` is CSV; records are counted, not lines."""
    file = tmp_path / "uplinks.CSV"
    done = export(filled, "uplinks", "-o", str(file))
    assert done.returncode == 0, done.stderr
    assert "3 uplinks written" in done.stderr
    bodies = {row["sms_msg_id"]: row["body"] for row in rows_of(file)}
    assert bodies == {
        "xu_0": "R",
        "xu_1": "my code: 123456,\r\n'-and 4711",
        "xu_2": '\'=cmd|"x"',
    }


def test_standard_output_and_filters(filled: Server) -> None:
    """`-` writes to standard output; the filters are those of the lists."""
    for options, expected in (
        (("messages", "--state", "refused"), ["x_3"]),
        (("messages", "--since", "2024-01-30", "--until", "2024-01-31"), ["x_2"]),
        (("messages", "--to", "15500005172", "--registered"), ["x_1", "x_3"]),
        (("messages", "--orphans"), []),
        (("messages", "--application", "nobody"), []),
        (("uplinks", "--from", "15500005172"), ["xu_2", "xu_1", "xu_0"]),
    ):
        done = export(filled, *options, "--output", "-")
        assert done.returncode == 0, done.stderr
        assert [json.loads(line)["sms_msg_id"] for line in done.stdout.splitlines()] == expected


def test_an_export_is_not_overwritten(filled: Server, tmp_path: Path) -> None:
    """A file that exists stays as it is, unless that is asked for; a directory always."""
    file = tmp_path / "messages.csv"
    file.write_text("precious")
    refused = export(filled, "--output", str(file))
    assert refused.returncode == 1
    assert "--force" in refused.stderr
    assert file.read_text() == "precious"
    done = export(filled, "--output", str(file), "--force")
    assert done.returncode == 0, done.stderr
    assert len(rows_of(file)) == 3
    for nowhere in (tmp_path, tmp_path / "none" / "file", Path("/dev/null")):
        refused = export(filled, "--output", str(nowhere), "--force")
        assert refused.returncode == 1
        assert "receiver:" in refused.stderr
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        pytest.param(("uplinks", "--state", "failed"), 2, "--state", id="of messages"),
        pytest.param(("messages", "--from", "1"), 2, "--from", id="of uplinks"),
        pytest.param(("messages", "--since", "yesterday"), 2, "--since must be", id="no time"),
        pytest.param(("messages", "--state", "nonsense"), 2, "state", id="no state"),
    ],
)
def test_what_makes_no_sense_leaves_no_file(
    filled: Server, tmp_path: Path, options: tuple[str, ...], status: int, said: str
) -> None:
    """The receiver's word is passed on, and no file stays behind."""
    done = export(filled, *options, "--output", str(tmp_path / "file"))
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["messages.csv", "messages.ndjson"])
def test_an_export_can_be_imported(
    filled: Server, make_server: MakeServer, tmp_path: Path, name: str
) -> None:
    """Another receiver learns all about the sends: numbers with their plus, refusals as such."""
    file = tmp_path / name
    assert export(filled, "--output", str(file)).returncode == 0
    other = make_server().start()
    other.ready()
    done = run("import", str(file), "--yes", "--json", *to(other))
    assert done.returncode == 0, done.stderr + done.stdout
    summary = json.loads(done.stdout)
    assert (summary["registered"], summary["refused"], summary["bad"]) == (3, 1, 0)
    other.caught_up()
    fields = ("to", "from", "sent_at", "reference", "extend", "template_id", "text_length", "total")
    for sms_msg_id in ("x_1", "x_2", "x_3"):
        before, after = filled.api.message(sms_msg_id), other.api.message(sms_msg_id)
        assert {name: after[name] for name in fields} == {name: before[name] for name in fields}
    assert other.api.message("x_3")["code"] == "E200033"
    assert other.api.message("x_1")["state"] == "pending"


# --- what breaks off ----------------------------------------------------------------------------


@contextlib.contextmanager
def exporting(server: Server, output: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command and do not wait for its end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "receiver", "export", "--output", output, *options, *to(server)],
        env=clean_environment({}),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def full(server: Server) -> Server:
    """Return a receiver with more messages than the buffers of a connection hold."""
    for start in range(0, MANY, 1000):
        reports = [
            {"smsMsgId": f"m_{n}", "status": "MK:0012", "to": PERSON}
            for n in range(start, start + 200)
        ]
        sends = [{"sms_msg_id": f"m_{n}", "to": PERSON} for n in range(start, start + 1000)]
        assert server.push(batch(reports)).status_code == 200
        server.api.register({"sends": sends})
    server.caught_up()
    return server


def has_begun(directory: Path) -> bool:
    """Tell whether a part of an export is written."""
    return any(part.stat().st_size for part in directory.glob(".messages*.part"))


def test_what_breaks_off_does_not_look_complete(full: Server, tmp_path: Path) -> None:
    """A receiver that dies in the middle leaves no file, and every client sees an error."""
    file = tmp_path / "messages.ndjson"
    with exporting(full, str(file), "--retry-for", "0") as process:
        eventually(lambda: has_begun(tmp_path), "something was written", every_s=0.005)
        with full.api.http.stream("GET", "/v1/export/messages") as answer:
            pieces = answer.iter_bytes()
            next(pieces)
            full.kill()
            with pytest.raises(httpx.TransportError):
                list(pieces)
        assert process.wait(60) == 1
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert re.search(rf"was aborted after [\d,]+ of {MANY:,}; ", said)
    assert not file.exists()
    assert not list(tmp_path.glob(".messages*"))


def test_an_export_outlives_a_restart(full: Server, tmp_path: Path) -> None:
    """Killed in the middle and started again, the receiver gives each message once."""
    file = tmp_path / "messages.ndjson"
    with exporting(full, str(file)) as process:
        eventually(lambda: has_begun(tmp_path), "something was written", every_s=0.005)
        full.kill()
        full.start()
        assert process.wait(60) == 0
    ids = [json.loads(line)["sms_msg_id"] for line in file.read_text().splitlines()]
    assert len(ids) == len(set(ids)) == MANY


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(
    full: Server, tmp_path: Path, number: signal.Signals
) -> None:
    """An export that is ended takes what it has written with it: there are numbers in it."""
    with exporting(full, str(tmp_path / "messages.ndjson")) as process:
        eventually(lambda: has_begun(tmp_path), "something was written", every_s=0.005)
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    assert not list(tmp_path.glob(".messages*"))


def test_a_store_that_fails_in_the_middle_is_seen(full: Server) -> None:
    """The connection is closed before the last chunk; the log says why, without any values."""
    with full.api.http.stream("GET", "/v1/export/messages") as answer:
        pieces = answer.iter_bytes()
        next(pieces)
        full.write("DROP TABLE messages")
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)
    log = full.log.read_text()
    assert "export aborted" in log
    assert "Traceback" not in log
    assert PERSON.lstrip("+") not in log


def test_an_export_does_not_outlast_its_reader(full: Server) -> None:
    """Who goes away ends it; the next one gets everything."""
    for _ in range(3):
        with full.api.http.stream("GET", "/v1/export/messages") as answer:
            next(answer.iter_bytes())
    answer = full.api.http.get("/v1/export/messages", params={"format": "csv"}, timeout=30)
    assert answer.content.count(b"\r\n") == MANY + 1
    assert full.printed().count('"exported"') == 1
    full.api.http.close()
    assert full.stop() == 0


def test_a_reader_that_stands_still_does_not_hold_up_the_end(full: Server) -> None:
    """SIGTERM ends the process in time, and the reader sees that it has not got everything."""
    # The kernel could else keep all of it for a reader that comes back.
    small = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)])
    with (
        httpx.Client(
            base_url=full.api_url, headers={"authorization": f"Bearer {KEY}"}, transport=small
        ) as client,
        client.stream("GET", "/v1/export/messages") as answer,
    ):
        pieces = answer.iter_bytes()
        next(pieces)
        full.send_signal(signal.SIGTERM)
        assert full.wait(10) == 0
        with pytest.raises(httpx.TransportError):
            list(pieces)
    assert PERSON.lstrip("+") not in full.log.read_text()
