"""`receiver reclassify`: history follows a corrected catalogue, whatever comes in between."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.pushes import batch
from tests.support.parts import read_rows
from tests.support.server import (
    KEY,
    ROOT,
    MakeServer,
    Server,
    at_length,
    clean_environment,
    eventually,
    free_port,
    run,
)

Json = dict[str, Any]

HEADER = "code,category,retry,meaning\n"
CORRECTED = HEADER + "ZQ:0001,blocked-recipient,never,Blocked\nZQ:0002,routing,never,No way\n"
WRONG = HEADER + "ZQ:0001,routing,retry-later,No way\n"
BAD = HEADER + "ZQ:0001,nonsense,never,Blocked\nZQ:0002,routing,never,\n"
CODES = ("ZQ:0001", "EXPIRED", "ZQ:0002", "ZQ:0001")
WITHDRAWN = [
    {
        "effect": "withdrawn",
        "reason": "blocked-recipient",
        "messages": 5,
        "examples": ["m0", "m1", "m2"],
    }
]
MADE = [
    {
        "effect": "made",
        "code": "ZQ:0001",
        "category": "blocked-recipient",
        "reason": "catalogue row ZQ:0001 suppresses",
        "numbers": 5,
        "in_force": 5,
    }
]
MANY = at_length(6_000, 20_000)
TABLE = (
    (MANY, MANY // 4 * 3),
    ("blocked-recipient", MANY // 2, ("m0", "m3", "m4")),
    ("routing", MANY // 4, ("m2", "m6", "m10")),
)


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """Return a catalogue file that says nothing yet."""
    file = tmp_path / "mine.csv"
    file.write_text(HEADER)
    return file


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a server that had many failures which nothing explains."""
    server = Server(tmp_path_factory.mktemp("history") / "data").start()
    try:
        for start in range(0, MANY, 1000):
            items = [
                {"smsMsgId": f"m{number}", "status": CODES[number % len(CODES)]}
                for number in range(start, start + 1000)
            ]
            assert server.push(batch(items)).status_code == 200
        server.caught_up()
        assert server.stop() == 0
    finally:
        server.close()
    return server.directory


@pytest.fixture
def old_server(make_server: MakeServer, history: Path, catalogue: Path) -> Server:
    """Return a server (not started) with that history and a catalogue file of its own."""
    server: Server = make_server({"RECEIVER_CATALOGUE_FILE": str(catalogue)})
    shutil.copytree(history, server.directory)
    return server


def reclassify(server: Server, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with the settings of a server at hand."""
    return run("reclassify", *more, env=server.environment)


def result(done: subprocess.CompletedProcess[str]) -> Json:
    """Read what a command that succeeded has printed as JSON."""
    assert done.returncode == 0, done.stderr
    found: Json = json.loads(done.stdout)
    return found


def table_of(document: Json) -> tuple[Any, ...]:
    """Return what a run says has become what."""
    return (
        (document["examined"], document["changed"]),
        *(
            (change["to"]["category"], change["messages"], tuple(change["examples"]))
            for change in document["changes"]
        ),
    )


def messages_of(server: Server) -> list[tuple[Any, ...]]:
    """Return all messages as they are stored."""
    return read_rows(server.store_file, "SELECT * FROM messages ORDER BY id")


def position_of(server: Server) -> int:
    """Tell how far the newest run has come, as it is stored."""
    query = "SELECT position FROM reclassifications ORDER BY id DESC LIMIT 1"
    found = read_rows(server.store_file, query)
    return int(found[0][0]) if found else 0


@contextmanager
def begun(server: Server) -> Iterator[subprocess.Popen[str]]:
    """Run the command until a part of the work is done, and go on with it running."""
    process = subprocess.Popen(
        [sys.executable, "-m", "receiver", "reclassify"],
        env=clean_environment(server.environment),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            eventually(lambda: position_of(server) > 0, "a part is done", every_s=0.01)
            yield process
        finally:
            process.kill()


# --- beside a running server ----------------------------------------------------------------------


def test_a_corrected_code_reaches_history(make_server: MakeServer, catalogue: Path) -> None:
    """A dry run tells and changes nothing; the real one lets verdicts, lists and numbers follow.

    What it did to suppressions is undone once, and stands in the history of the number.
    """
    catalogue.write_text(WRONG)
    server = make_server({"RECEIVER_CATALOGUE_FILE": str(catalogue)}).start()
    names = [f"m{number}" for number in range(5)]
    numbers = [f"+861550000510{number}" for number in range(5)]
    sends = [{"sms_msg_id": name, "to": to} for name, to in zip(names, numbers, strict=True)]
    server.api.register({"sends": sends})
    items = [{"smsMsgId": name, "status": "ZQ:0001"} for name in names]
    assert server.push(batch(items)).status_code == 200
    server.caught_up()
    catalogue.write_text(CORRECTED)

    before = messages_of(server)
    told = result(reclassify(server, "--dry-run", "--json"))
    assert (told["phase"], told["examined"], told["changed"]) == ("finished", 5, 5)
    assert (told["retries"], told["suppressions"]) == (WITHDRAWN, MADE)
    shown = reclassify(server, "--dry-run")
    for said in ("5 would change", "would be withdrawn", "would be made"):
        assert said in shown.stdout
    assert messages_of(server) == before
    assert server.api.message("m0")["verdict"]["category"] == "routing"
    assert server.api.get(f"/v1/recipients/{numbers[0]}")["may_send"]
    assert server.api.http.get("/v1/reclassify").status_code == 404

    done = reclassify(server)
    assert done.returncode == 0, done.stderr
    for said in ("routing", "blocked-recipient", "m0", "5 changed", "withdrawn", "made"):
        assert said in done.stdout
    assert not any(number in done.stdout + server.printed() for number in numbers)
    verdict = server.api.message("m0")["verdict"]
    assert (verdict["category"], verdict["action"]) == ("blocked-recipient", "stop")
    assert verdict["catalogue"] == server.api.get("/v1/codes")["version"]
    assert verdict["catalogue"] in done.stdout
    found = server.api.get("/v1/messages", category="blocked-recipient")["messages"]
    assert len(found) == 5
    assert not server.api.get(f"/v1/recipients/{numbers[0]}")["may_send"]

    undone = result(reclassify(server, "--undo", "--json"))
    assert (undone["suppressions"], undone["undo"]["lifted"]) == (MADE, 5)
    assert server.api.http.post("/v1/reclassify/undo").json() == undone
    assert server.api.get(f"/v1/recipients/{numbers[0]}")["may_send"]
    history = server.api.get(f"/v1/suppressions/{numbers[0]}/history")["changes"]
    assert [(one["action"], one["source"], one["by"]) for one in history] == [
        ("lifted", "code", "reclassify"),
        ("suppressed", "code", "reclassify"),
    ]
    again = result(reclassify(server, "--json"))
    assert (again["examined"], again["changed"], again["changes"]) == (5, 0, [])
    assert (again["retries"], again["suppressions"], again["undo"]) == ([], MADE, None)


def test_since_leaves_older_messages_alone(make_server: MakeServer, catalogue: Path) -> None:
    """Only what was sent at or after the time is folded again."""
    server = make_server({"RECEIVER_CATALOGUE_FILE": str(catalogue)}).start()
    sent = {"old": "2024-01-30T23:59:59Z", "new": "2024-01-31T00:00:00Z"}
    for name, at in sent.items():
        server.api.register({"sends": [{"sms_msg_id": name, "sent_at": at}]})
    reports = [{"smsMsgId": name, "status": "ZQ:0001"} for name in sent]
    assert server.push(batch(reports)).status_code == 200
    server.caught_up()
    catalogue.write_text(CORRECTED)
    told = result(reclassify(server, "--dry-run", "--since", "2024-01-31", "--json"))
    done = result(reclassify(server, "--since", "2024-01-31", "--json"))
    assert table_of(told) == table_of(done)
    assert (done["since"], done["examined"]) == ("2024-01-31T00:00:00Z", 1)
    found = server.api.get("/v1/messages", category="blocked-recipient")["messages"]
    assert [message["sms_msg_id"] for message in found] == ["new"]


# --- ended in the middle --------------------------------------------------------------------------


def test_killed_half_way_it_ends_the_same(
    old_server: Server, make_server: MakeServer, history: Path, catalogue: Path
) -> None:
    """A server that is killed and started again ends with table and store of an undisturbed run.

    The undisturbed one is done by the command itself, for no server runs on its directory.
    """
    catalogue.write_text(CORRECTED)
    undisturbed = make_server({"RECEIVER_CATALOGUE_FILE": str(catalogue)}, "undisturbed")
    shutil.copytree(history, undisturbed.directory)
    expected = result(reclassify(undisturbed, "--json"))
    assert table_of(expected) == TABLE

    old_server.start().ready()
    assert old_server.api.http.post("/v1/reclassify").status_code == 202
    eventually(
        lambda: old_server.api.get("/v1/reclassify")["share"] > 0.3, "half of it", every_s=0.01
    )
    old_server.kill(all_of_it=True)
    assert 0.3 * MANY < position_of(old_server) < MANY

    old_server.start().ready()
    stopped = old_server.api.get("/v1/reclassify")
    assert stopped["phase"] == "stopped"
    done = result(reclassify(old_server, "--json"))
    assert done["started_at"] == stopped["started_at"]
    assert table_of(done) == TABLE
    assert messages_of(old_server) == messages_of(undisturbed)


@pytest.mark.parametrize("by_server", [True, False], ids=["by the server", "by itself"])
def test_ctrl_c_stops_it_and_the_next_goes_on(
    old_server: Server, catalogue: Path, by_server: bool
) -> None:
    """Ctrl-C ends the command with status 1 and says how to go on; the next one does."""
    catalogue.write_text(CORRECTED)
    if by_server:
        old_server.start().ready()
    with begun(old_server) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1, err
        assert "Stopped. Run the same command to continue." in out
        assert "Traceback" not in err
    stopped = position_of(old_server)
    assert 0 < stopped < MANY
    if by_server:
        assert old_server.api.get("/v1/reclassify")["phase"] == "stopped"
    assert table_of(result(reclassify(old_server, "--json"))) == TABLE
    ((runs,),) = read_rows(old_server.store_file, "SELECT count(*) FROM reclassifications")
    assert runs == 1


def test_a_command_that_is_killed_leaves_what_the_server_goes_on_with(
    old_server: Server, catalogue: Path
) -> None:
    """What the command began by itself a server ends, with what came before it started."""
    catalogue.write_text(CORRECTED)
    with begun(old_server) as process:
        process.kill()
    assert 0 < position_of(old_server) < MANY
    old_server.start().ready()
    assert old_server.push(b"smsMsgId=new&status=ZQ:0001").status_code == 200
    old_server.caught_up()
    assert table_of(result(reclassify(old_server, "--json"))) == TABLE
    assert old_server.api.message("new")["verdict"]["category"] == "blocked-recipient"
    ((wrong,),) = read_rows(
        old_server.store_file,
        "SELECT count(*) FROM messages WHERE code LIKE 'ZQ:%' AND category = 'unknown'",
    )
    assert wrong == 0


# --- what cannot be done --------------------------------------------------------------------------


def test_a_bad_catalogue_file_keeps_everything_from_starting(
    make_server: MakeServer, catalogue: Path
) -> None:
    """Server, check and commands name file, line, field and reason of every bad row, status 1."""
    catalogue.write_text(BAD)
    server = make_server({"RECEIVER_CATALOGUE_FILE": str(catalogue)})
    server.spawn()
    assert server.wait() == 1
    for said in (
        server.printed(),
        run("check", env=server.environment).stderr,
        run("explain", "DELIVRD", env=server.environment).stderr,
        run("codes", env=server.environment).stderr,
    ):
        assert f"catalogue_file: {catalogue}, line 2, category: 'nonsense' is not one of" in said
        assert f"catalogue_file: {catalogue}, line 3, meaning: " in said
        assert "Traceback" not in said
    checked = run("check", "--json", env=server.environment)
    assert checked.returncode == 1
    assert len(json.loads(checked.stdout)["problems"]) == 2


def test_a_bad_catalogue_file_changes_nothing_in_a_running_server(
    make_server: MakeServer, catalogue: Path
) -> None:
    """The command ends with status 1 and the problems; the rules in force stay as they were."""
    catalogue.write_text(CORRECTED)
    server = make_server({"RECEIVER_CATALOGUE_FILE": str(catalogue)}).start()
    assert server.push(b"smsMsgId=m&status=ZQ:0001").status_code == 200
    server.caught_up()
    version = server.api.get("/v1/codes")["version"]
    catalogue.write_text(BAD)
    answer = server.api.http.post("/v1/reclassify")
    assert answer.status_code == 409
    assert [str(catalogue) in problem for problem in answer.json()["problems"]] == [True, True]
    for command in (("reclassify",), ("reclassify", "--dry-run")):
        done = run(*command, env=server.environment)
        assert done.returncode == 1
        assert f"{catalogue}, line 2, category: " in done.stderr
        assert f"{catalogue}, line 3, meaning: " in done.stderr
        assert "Traceback" not in done.stderr
    assert server.api.get("/v1/codes")["version"] == version
    assert server.api.message("m")["verdict"]["category"] == "blocked-recipient"
    assert server.api.http.get("/v1/reclassify").status_code == 404


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        pytest.param([], 1, "There is no store", id="no store"),
        pytest.param(["--dry-run"], 1, "There is no store", id="no store, dry run"),
        pytest.param(["--since", "yesterday"], 2, "--since", id="no time"),
        pytest.param(["--dry-run", "--api-url", "http://127.0.0.1:1"], 2, "--dry-run", id="both"),
        pytest.param(["--undo"], 1, "There is no store", id="no store, undo"),
        pytest.param(["--undo", "--dry-run"], 2, "--undo", id="undo of nothing"),
    ],
)
def test_what_cannot_be_done_is_told(
    tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    """A wrong place or option ends with a status and plain words, and makes no file."""
    directory = tmp_path / "nowhere"
    done = run("reclassify", *arguments, env={"RECEIVER_DATA_DIR": str(directory)})
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not directory.exists()


def test_a_receiver_that_does_not_answer_is_told() -> None:
    """An address where nobody listens ends with status 1."""
    url = f"http://127.0.0.1:{free_port()}"
    done = run("reclassify", "--api-url", url, "--api-key", KEY)
    assert done.returncode == 1
    assert "No receiver answers" in done.stderr
