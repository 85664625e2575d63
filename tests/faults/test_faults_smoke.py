"""The oracle finds what it is there to find, and the table of experiments is in order."""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.__main__ import EXPERIMENTS
from tests.faults.oracle import audit
from tests.faults.power import copy_with_weaker_journal
from tests.faults.tools import NEEDS
from tests.support.server import Server

PUSHED = {
    "delivered_1": "DELIVRD",
    "failed_1": "E200027",
    "accepted_1": "ACCEPTD",
    "unlisted_1": "NOBODY:KNOWS",
}
DAMAGE: dict[str, tuple[str, Mapping[str, int | str]]] = {
    "a report is gone": (
        "DELETE FROM reports WHERE status = 'DELIVRD'",
        {"lost": 1, "misfolded": 1},
    ),
    "a message is gone": (
        """DELETE FROM reports WHERE status = 'DELIVRD';
        DELETE FROM messages WHERE sms_msg_id = 'delivered_1'""",
        {"lost": 1, "stored": 3},
    ),
    "a report is there twice": (
        """INSERT INTO reports (message_id, sequence, status, update_time, trust, received_at,
            last_received_at, redeliveries, raw)
        SELECT message_id, sequence, status, 'another time', trust, received_at,
            last_received_at, redeliveries, raw FROM reports WHERE status = 'E200027'""",
        {"doubled": 1},
    ),
    "a report was counted twice": (
        "UPDATE reports SET redeliveries = 1 WHERE status = 'ACCEPTD'",
        {"doubled": 1},
    ),
    "a state is wrong": (
        "UPDATE messages SET state = 'failed' WHERE code = 'DELIVRD'",
        {"misfolded": 1},
    ),
    "a message is final too early": (
        "UPDATE messages SET final = 1 WHERE code = 'ACCEPTD'",
        {"misfolded": 1},
    ),
    "a category is wrong": (
        "UPDATE messages SET category = 'routing' WHERE code = 'NOBODY:KNOWS'",
        {"misfolded": 1},
    ),
    "a report belongs to no message": (
        "UPDATE reports SET message_id = 4711 WHERE status = 'ACCEPTD'",
        {
            "lost": 1,
            "misfolded": 1,
            "integrity": "store.sqlite3: 1 rows refer to rows that are not there",
        },
    ),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a server that took four reports and was stopped."""
    directory = tmp_path_factory.mktemp("faults") / "data"
    with closing(Server(directory)) as server:
        server.start()
        for sms_msg_id, code in PUSHED.items():
            assert server.push(f"smsMsgId={sms_msg_id}&status={code}".encode()).status_code == 200
        server.caught_up()
        assert server.stop() == 0
    return directory


@pytest.fixture
def copy(kept: Path, tmp_path: Path) -> Iterator[Server]:
    """Return a stopped server on a copy of that directory, to be tampered with."""
    shutil.copytree(kept, tmp_path / "copy")
    with closing(Server(tmp_path / "copy")) as server:
        yield server


def test_what_was_kept_holds(copy: Server) -> None:
    """An untouched store passes the audit."""
    found = audit(copy, PUSHED)
    assert found.holds, found.complaint()
    assert (found.acknowledged, found.stored) == (4, 4)


def test_an_acknowledgement_without_a_report_is_a_loss(copy: Server) -> None:
    """Ids that the store has never seen, or has with another code, are lost."""
    found = audit(copy, {**PUSHED, "never-seen_1": "DELIVRD", "failed_1": "DELIVRD"})
    assert found.lost == 2
    assert not found.holds
    assert "never-seen_1" in found.complaint()


@pytest.mark.parametrize(("sql", "expected"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found(copy: Server, sql: str, expected: Mapping[str, int | str]) -> None:
    """Each kind of damage to the store is counted as what it is, and nothing else is."""
    with closing(sqlite3.connect(copy.store_file)) as connection:
        connection.executescript(sql)
    found = audit(copy, PUSHED)
    sound = {"acknowledged": 4, "stored": 4, "lost": 0, "doubled": 0, "misfolded": 0}
    assert found.figures() == {**sound, "integrity": "ok", **expected}
    assert not found.holds


def test_what_was_pushed_twice_on_purpose_is_no_double(copy: Server) -> None:
    """Ids named as repeated may have been counted again."""
    with closing(sqlite3.connect(copy.store_file)) as connection:
        connection.executescript("UPDATE reports SET redeliveries = 2 WHERE status = 'DELIVRD'")
    assert not audit(copy, PUSHED).holds
    assert audit(copy, PUSHED, repeated={"delivered_1"}).holds


@pytest.mark.parametrize("file", ["journal.sqlite3", "store.sqlite3"])
def test_a_torn_file_is_found(copy: Server, file: str) -> None:
    """A page that was overwritten fails the check of integrity."""
    path = copy.directory / file
    data = bytearray(path.read_bytes())
    data[-4096:] = bytes(range(256)) * 16
    path.write_bytes(data)
    found = audit(copy, {})
    assert found.integrity.startswith(file)
    assert not found.holds


def test_the_control_differs_in_one_line(tmp_path: Path) -> None:
    """The weaker journal of the power experiment can be made from the package as it is."""
    copy_with_weaker_journal(tmp_path)
    assert "synchronous = NORMAL" in (tmp_path / "receiver/journal/writer.py").read_text()


def test_the_table_is_in_order() -> None:
    """Names are unique, and every need is one that can be looked for."""
    names = [experiment.name for experiment in EXPERIMENTS]
    assert len(names) == len(set(names))
    assert {need for experiment in EXPERIMENTS for need in experiment.needs} <= set(NEEDS)
