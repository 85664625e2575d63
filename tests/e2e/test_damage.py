"""Damaged, lost and foreign files: every other push is kept, and the operator is told."""

import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from receiver.journal.wal import read_log
from tests.e2e.ledger import assert_kept
from tests.e2e.load import Load
from tests.e2e.outside import check_integrity
from tests.faults.injection import journal_writer
from tests.integration.store.test_store_damage import ruin_index
from tests.integration.store.test_store_damage import ruin_leaf as ruin_store_leaf
from tests.support.parts import read_rows
from tests.support.server import MakeServer, Server, eventually

PAGE = 4096
FRAMES = 6  # of a log in which something stands behind a damaged one
_TABLE_LEAF = 13


def push_many(server: Server, prefix: str, count: int) -> dict[str, str]:
    """Push reports; return the status of each id that was acknowledged."""
    taken = {}
    for number in range(count):
        body = f"smsMsgId={prefix}-{number}&status=DELIVRD&more={'x' * (number % 400)}"
        assert server.push(body.encode()).status_code == 200
        taken[f"{prefix}-{number}"] = "DELIVRD"
    return taken


def problems(server: Server) -> list[str]:
    """Return what readiness says is or was wrong."""
    found: list[str] = server.api.http.get("/readyz").json()["problems"]
    return found


def errors(server: Server) -> list[dict[str, Any]]:
    """Return what was logged at `error` and above."""
    lines = [json.loads(x) for x in server.log.read_text().splitlines() if x.startswith("{")]
    return [line for line in lines if line["level"] in ("error", "critical")]


def remove_store(server: Server) -> None:
    """Take the store away, so that it is built from the journal."""
    for file in server.directory.glob("store.sqlite3*"):
        file.unlink()


def ruin_leaf(path: Path) -> None:
    """Overwrite a page of rows in the middle of a file."""
    data = bytearray(path.read_bytes())
    leaves = [at for at in range(PAGE, len(data), PAGE) if data[at] == _TABLE_LEAF]
    at = leaves[len(leaves) // 2]
    path.write_bytes(data[:at] + os.urandom(PAGE) + data[at + PAGE :])


def test_a_damaged_journal_page_stops_nothing(server: Server) -> None:
    """All behind it is projected; log, readiness, metrics and quarantine name what is lost."""
    taken = push_many(server, "page", 300)
    server.caught_up()
    assert server.stop() == 0
    ruin_leaf(server.journal_file)
    remove_store(server)
    server.start().caught_up()
    found = server.api.lookup(list(taken))
    lost = int(server.api.metric("receiver_journal_lost_rows_total"))
    assert 0 < lost <= 40
    assert len(found) == 300 - lost
    (problem,) = problems(server)
    assert "arrived between" in problem
    (kept,) = server.directory.glob("journal.sqlite3.damaged-*")
    assert kept.name in problem
    assert any(problem == line.get("finding") for line in errors(server))
    quarantined = server.api.get("/v1/quarantine")["quarantine"]
    assert any("could not be read" in row["reason"] for row in quarantined)
    assert server.push(b"smsMsgId=after&status=DELIVRD").status_code == 200
    server.caught_up()
    assert server.api.message("after")["state"] == "delivered"
    kept.unlink()
    assert problems(server) == []
    assert server.stop() == 0
    check_integrity(server)


def flip(path: Path, text: bytes, bit: int) -> None:
    """Flip a bit of the first byte of a text that stands in a file."""
    data = bytearray(path.read_bytes())
    data[data.index(text)] ^= 1 << bit
    path.write_bytes(data)


def forget_checksums(path: Path) -> None:
    """Make a journal one of those whose rows have no checksums."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE journal SET checksum = NULL")
        connection.execute("DELETE FROM meta WHERE name = 'checked_from'")


@pytest.mark.parametrize(
    ("prepare", "lost"),
    [
        pytest.param(lambda _: None, {"row-7", "row-batch"}, id="of this version"),
        # What SQLite does not check is seen there only where it makes a push unreadable.
        pytest.param(forget_checksums, {"row-batch"}, id="of a version without checksums"),
    ],
)
def test_a_flipped_bit_in_a_row_is_told(
    make_server: MakeServer, prepare: Callable[[Path], None], lost: set[str]
) -> None:
    """No other message comes of it; log, readiness, metrics and quarantine name the row."""
    server = make_server().start()
    taken = push_many(server, "row", 20)
    items = [{"smsMsgId": f"row-batch-{n}", "status": "DELIVRD"} for n in range(50)]
    batch = json.dumps({"statusReportList": items}, separators=(",", ":")).encode()
    assert server.push(batch).status_code == 200
    server.caught_up()
    assert server.stop() == 0
    prepare(server.journal_file)
    flip(server.journal_file, b"w-7&status=DELIVRD", 1)  # of another message
    flip(server.journal_file, b'"statusReportList', 0)
    remove_store(server)
    server.start().caught_up()
    found = server.api.lookup([*taken, "rou-7", *(item["smsMsgId"] for item in items)])
    assert set(found) >= set(taken) - {"row-7"}
    assert not any("batch" in one for one in found)
    assert ("rou-7" in found) == ("row-7" not in lost)
    assert server.api.metric("receiver_journal_damages_total") == 1
    assert server.api.metric("receiver_journal_lost_rows_total") == len(lost)
    (problem,) = problems(server)
    assert "21" in problem
    assert ("position 8," in problem) == ("row-7" in lost)
    assert any(problem == line.get("finding") for line in errors(server))
    kept = server.api.get("/v1/quarantine")["quarantine"]
    assert len(kept) == len(lost)
    assert not any(row["reason"].startswith("The body") for row in kept)


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_in_the_log_loses_no_acknowledged_push(
    make_server: MakeServer, seed: int
) -> None:
    """After a kill and one wrong bit all but what stood in the page itself is there, and told."""
    server = make_server().start()
    taken = push_many(server, "bit", 120)
    log = server.directory / "journal.sqlite3-wal"
    while read_log(log.read_bytes()).count < FRAMES:  # it has just started over, after a checkpoint
        taken |= push_many(server, f"bit-{len(taken)}", FRAMES)
    server.kill(all_of_it=True)
    data = bytearray(log.read_bytes())
    written = read_log(bytes(data))  # older frames behind these count for nothing
    chance = random.Random(seed)  # noqa: S311 - no secret
    data[chance.randrange(32, written.frame_at(written.count // 3))] ^= 1 << chance.randrange(8)
    log.write_bytes(data)
    remove_store(server)
    server.start().caught_up()
    assert_kept(server, taken)
    assert any("log is damaged" in problem for problem in problems(server))
    assert list(server.directory.glob("journal.sqlite3-wal.damaged-*"))


def _zero_head(server: Server) -> None:
    with Path(f"{server.journal_file}-wal").open("r+b") as log:
        log.write(bytes(32))


@pytest.mark.parametrize(
    ("change", "costs"),
    [
        pytest.param(lambda server: server.journal_file.unlink(), False, id="no file"),
        pytest.param(lambda server: os.truncate(server.journal_file, 0), False, id="empty file"),
        pytest.param(_zero_head, False, id="no head"),
        pytest.param(lambda server: Path(f"{server.journal_file}-wal").unlink(), True, id="no log"),
    ],
)
def test_a_log_that_sqlite_would_not_read_is_saved_or_missed(
    make_server: MakeServer, change: Callable[[Server], None], costs: bool
) -> None:
    """After a kill every push is there whatever is left beside the log, or its loss is told."""
    server = make_server().start()
    taken = push_many(server, "early", 20)
    server.caught_up()
    taken |= push_many(server, "newest", 1)  # it stands in the log
    server.kill(all_of_it=True)
    change(server)
    server.start().caught_up()
    told = [problem for problem in problems(server) if "log is damaged" in problem]
    if costs:  # unless a checkpoint or the projector was faster than the kill
        there = server.api.http.get("/v1/messages/newest-0").status_code == 200
        assert there or "may be lost" in told[0]
        return
    # A journal that lost its file has a new identity: what the store had is a redelivery.
    assert {one: server.api.get(f"/v1/messages/{one}")["state"] for one in taken} == dict.fromkeys(
        taken, "delivered"
    )
    assert told
    assert list(server.directory.glob("journal.sqlite3-wal.damaged-*"))


def test_a_stopped_writer_is_replaced(server: Server) -> None:
    """A writer that a signal has stopped is told of and replaced; nothing acknowledged is lost."""
    with Load(server, "stopped") as load:
        time.sleep(0.3)
        pid = journal_writer(server)
        os.kill(pid, signal.SIGSTOP)
        eventually(lambda: not Path(f"/proc/{pid}").exists(), "the stopped writer is gone")
        gone = time.monotonic()
        eventually(
            lambda: any(a.status == 200 and a.sent_at > gone for a in load.attempts),
            "pushes are accepted again",
        )
    assert {attempt.status for attempt in load.attempts} <= {200, 503}
    (told,) = (line for line in errors(server) if "replacing" in line["event"])
    assert str(pid) in told["reason"]
    assert "stopped by a signal" in told["reason"]
    server.caught_up()
    assert_kept(server, load.acknowledged)


def test_a_killed_server_takes_a_stopped_writer_with_it(make_server: MakeServer) -> None:
    """After SIGKILL of the main process the next start works, whatever the writer was doing."""
    server = make_server().start()
    taken = push_many(server, "killed", 5)
    pid = journal_writer(server)
    os.kill(pid, signal.SIGSTOP)
    server.kill()
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the writer is gone")
    server.start().caught_up()
    assert_kept(server, taken)


def _lose_journal(server: Server) -> None:
    for file in server.directory.glob("journal.sqlite3*"):
        file.unlink()


def _other_store(server: Server) -> None:
    for file in server.directory.glob("journal.sqlite3*"):
        file.unlink()
    other = Server(server.directory.with_name("other"))
    other.start()
    push_many(other, "other", 3)
    other.caught_up()
    assert other.stop() == 0
    (other.directory / "journal.sqlite3").rename(server.journal_file)
    other.close()


def _truncate_store(server: Server) -> None:
    os.truncate(server.store_file, PAGE * 3)


def _empty_journal(server: Server) -> None:
    server.journal_file.write_bytes(b"")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(_lose_journal, "journal file was lost", id="no journal"),
        pytest.param(_empty_journal, "journal file was lost", id="an empty journal"),
        pytest.param(_other_store, "filled from a different journal", id="of another directory"),
        pytest.param(_truncate_store, "store's file is damaged", id="a store that is cut off"),
    ],
)
def test_what_does_not_fit_together_is_said(
    make_server: MakeServer, change: Any, said: str
) -> None:
    """The log and readiness say what happened and what to do; pushes are taken all the same."""
    server = make_server().start()
    push_many(server, "fit", 20)
    server.caught_up()
    assert server.stop() == 0
    change(server)
    server.start()
    assert server.push(b"smsMsgId=after&status=DELIVRD").status_code == 200
    eventually(lambda: any(said in one for one in problems(server)), said)
    logged = [f"{line.get('finding', '')} {line.get('reason', '')}" for line in errors(server)]
    assert any(said in one for one in logged)


@pytest.mark.parametrize(
    "damage", [pytest.param(ruin_store_leaf, id="a table"), pytest.param(ruin_index, id="an index")]
)
def test_a_damaged_store_is_told_and_not_written_to(
    make_server: MakeServer, damage: Callable[[Path], None]
) -> None:
    """One look-up is enough; pushes wait in the journal until the file has been moved aside."""
    server = make_server().start()
    taken = push_many(server, "victim", 300)
    server.caught_up()
    assert server.stop() == 0
    damage(server.store_file)
    server.start()
    answer = server.api.http.post("/v1/messages/lookup", json={"ids": list(taken)})
    assert answer.status_code == 503
    assert "store's file is damaged" in answer.json()["detail"]
    eventually(lambda: server.api.http.get("/readyz").status_code == 503, "it is not ready")
    assert server.api.http.get("/readyz").json()["store"] is False
    assert any("move the file" in problem for problem in problems(server))
    assert server.api.metric("receiver_store_damages_total") >= 1
    (told,) = (line for line in errors(server) if line["event"] == "store damaged")
    assert "move the file" in told["finding"]
    for prefix in ("this", "next"):  # in this process and in the next
        before = read_rows(server.store_file, "SELECT position FROM checkpoints")
        taken |= push_many(server, prefix, 3)
        assert server.api.metric("receiver_projector_lag_rows") >= 3
        assert read_rows(server.store_file, "SELECT position FROM checkpoints") == before
        assert server.stop() == 0
        server.start()
        eventually(lambda: any("is damaged" in one for one in problems(server)), "it is named")
    assert server.stop() == 0
    for file in server.directory.glob("store.sqlite3*"):
        if file.suffix != ".damaged":
            file.rename(server.directory.with_name(file.name))
    server.start().caught_up()
    assert_kept(server, taken)
    server.ready()
    assert problems(server) == []


def test_a_store_that_was_emptied_is_rebuilt(make_server: MakeServer) -> None:
    """A store file of no bytes is filled from the journal."""
    server = make_server().start()
    taken = push_many(server, "rebuilt", 20)
    server.caught_up()
    assert server.stop() == 0
    remove_store(server)
    server.store_file.write_bytes(b"")
    server.start().caught_up()
    assert_kept(server, taken)
