"""What was acknowledged against what the receiver kept, read from its files alone."""

import math
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from receiver.domain.messages.state import LateDelivered, State, fold
from receiver.domain.projection import MessageBuilder
from receiver.domain.verdict import decide, subject_of
from receiver.huawei.catalogue import load_catalogue
from receiver.store.records import read_message, read_report
from tests.support.server import Server

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Audit:
    """What a comparison found.

    Attributes:
        acknowledged: message ids that got a 200.
        stored: messages in the store; also pushes that were cut off before their answer may be
            there.
        lost: acknowledged ids whose report is not in the store.
        doubled: messages with more than the one report, or with one that was counted again.
        misfolded: messages whose stored state is not what a fresh fold of their reports gives.
        integrity: "ok", or what SQLite found in which file.
        examples: some ids of each kind, for people.
    """

    acknowledged: int
    stored: int
    lost: int
    doubled: int
    misfolded: int
    integrity: str
    examples: str = ""

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.doubled or self.misfolded) and self.integrity == "ok"

    def figures(self) -> dict[str, int | float | str]:
        """Return the counts by name."""
        return {
            "acknowledged": self.acknowledged,
            "stored": self.stored,
            "lost": self.lost,
            "doubled": self.doubled,
            "misfolded": self.misfolded,
            "integrity": self.integrity,
        }

    def complaint(self) -> str:
        """Say what was not kept; empty when all was."""
        if self.holds:
            return ""
        return (
            f"{self.lost} lost, {self.doubled} doubled, {self.misfolded} misfolded,"
            f" integrity {self.integrity} ({self.examples})"
        )


def audit(
    server: Server,
    acknowledged: Mapping[str, str],
    *,
    repeated: Collection[str] = (),
    late_delivered: LateDelivered = "wins",
) -> Audit:
    """Compare what a server acknowledged with the files of that server, which is stopped.

    Args:
        server: stopped, after its projector had caught up.
        acknowledged: the status code that was pushed for each message id.
        repeated: ids that were pushed several times on purpose.
        late_delivered: the setting that the server ran with.
    """
    assert server.process is None, "the server still runs"
    integrity = _check((server.journal_file, server.store_file))
    lost = dict(acknowledged)
    doubled: list[str] = []
    misfolded: list[str] = []
    stored = 0
    for row, message in _messages(server.store_file, sound=integrity == "ok"):
        stored += 1
        reports = list(message.reports.values())
        if lost.get(message.sms_msg_id) in {one.report.status for one in reports}:
            del lost[message.sms_msg_id]
        once = len(reports) <= 1 and not any(one.redeliveries for one in reports)
        if not once and message.sms_msg_id not in repeated:
            doubled.append(message.sms_msg_id)
        if not _is_well_folded(row, message, late_delivered):
            misfolded.append(message.sms_msg_id)
    found = {"lost": list(lost), "doubled": doubled, "misfolded": misfolded}
    return Audit(
        acknowledged=len(acknowledged),
        stored=stored,
        lost=len(lost),
        doubled=len(doubled),
        misfolded=len(misfolded),
        integrity=integrity,
        examples="; ".join(
            f"{kind}: {', '.join(ids[:_EXAMPLES])}" for kind, ids in found.items() if ids
        ),
    )


_CATALOGUE = load_catalogue()


def _is_well_folded(row: Mapping[str, Any], message: MessageBuilder, late: LateDelivered) -> bool:
    folded = fold(message.send, list(message.reports.values()), late_delivered=late)
    # The watchdog's state is no result of the fold, but it may stand over any that is not final.
    overdue = row["state"] == State.OVERDUE and not folded.final
    verdict = decide(subject_of(folded, overdue=overdue), _CATALOGUE)
    expected = (
        State.OVERDUE if overdue else folded.state,
        folded.final,
        folded.conflict,
        folded.code,
        verdict.category,
    )
    found = (row["state"], bool(row["final"]), bool(row["conflict"]), row["code"], row["category"])
    return found == expected


def _messages(store: Path, *, sound: bool) -> Iterator[tuple[Mapping[str, Any], MessageBuilder]]:
    """Read all messages with their reports, each with the row it was stored as.

    Of a file that is not sound, what cannot be read is not there.
    """
    with closing(_open(store)) as connection:
        try:
            yield from _joined(connection)
        except sqlite3.DatabaseError:
            if sound:
                raise


def _joined(connection: sqlite3.Connection) -> Iterator[tuple[Mapping[str, Any], MessageBuilder]]:
    reports = groupby(
        _rows(connection, "SELECT * FROM reports ORDER BY message_id, id"),
        key=lambda row: int(row["message_id"]),
    )
    of_id, group = next(reports, _NO_MORE)
    for row in _rows(connection, "SELECT * FROM messages ORDER BY id"):
        message = read_message(row)
        while of_id < message.id:  # of a message that is not there: `_check` tells
            of_id, group = next(reports, _NO_MORE)
        if of_id == message.id:
            for number, values in enumerate(group):
                stored = read_report(values, message.sms_msg_id)
                # By number, so that two rows of one report stay two.
                message.reports[number, stored.report.status, ""] = stored
        yield row, message


_NO_MORE: tuple[float, Iterator[dict[str, Any]]] = (math.inf, iter(()))


def _rows(connection: sqlite3.Connection, sql: str) -> Iterator[dict[str, Any]]:
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description]
    for values in cursor:
        yield dict(zip(names, values, strict=True))


def _check(files: Collection[Path]) -> str:
    for file in files:
        with closing(_open(file)) as connection:
            try:
                found = connection.execute("PRAGMA integrity_check").fetchall()
                strays = connection.execute("PRAGMA foreign_key_check").fetchall()
            except sqlite3.DatabaseError as error:
                return f"{file.name}: {error}"
        if found != [("ok",)]:
            return f"{file.name}: {found[0][0]}"
        if strays:
            return f"{file.name}: {len(strays)} rows refer to rows that are not there"
    return "ok"


def _open(file: Path) -> sqlite3.Connection:
    """Open a file that must be there, with what its write-ahead log holds."""
    return sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=10)
