"""What changed between two versions of the catalogue, by row."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from receiver.domain.catalogue.entries import CatalogueEntry, EntryTexts, Rank, RetryClass
from receiver.domain.spreadsheets import defused
from receiver.huawei.catalogue_changes import Version, compare, read_version
from receiver.huawei.catalogue_rows import FIELDS, values_of, write_field
from tests.support.catalogues import row


def exported(*entries: CatalogueEntry, fields: tuple[str, ...] = FIELDS) -> str:
    """Write rows as `receiver codes --csv` does, cells defused for spreadsheets."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(fields)
    for entry in entries:
        values = values_of(entry)
        writer.writerow([defused(write_field(values[name])) for name in fields])
    return written.getvalue()


A, B = row("A:1"), row("-8437", "rate-limited", retry_after_s=60)
WORDS = EntryTexts("Other", "Cause.", "Suggest this.")

CASES: list[Any] = [
    pytest.param([A, B], [A, B], [], [], {}, id="nothing"),
    pytest.param([A], [B, A], ["-8437"], [], {}, id="added"),
    pytest.param([A, B], [A], [], ["-8437"], {}, id="removed"),
    pytest.param([A, B], [B, A], [], [], {}, id="another order"),
    pytest.param(
        [B], [replace(B, retry_after_s=None)], [], [], {"retry_after_s": (60, None)}, id="a wait"
    ),
    pytest.param(
        [B],
        [replace(B, retry=RetryClass.NEXT_DAY, en=WORDS)],
        [], [],
        {
            "retry": (RetryClass.RETRY_LATER, RetryClass.NEXT_DAY),
            "meaning": ("Meaning of -8437", "Other"),
        },
        id="class and words",
    ),
    pytest.param([A], [replace(A, billable=False)], [], [], {"billable": (None, False)}, id="cost"),
    pytest.param([A], [replace(A, reason="Why.")], [], [], {"reason": ("", "Why.")}, id="reason"),
    pytest.param([A], [replace(A, rank=Rank.PROTOCOL)], [], [], {}, id="a rank is no field"),
    pytest.param([A], [replace(A, code="a:1")], [], [], {}, id="another case"),
    pytest.param([A], [replace(A, origin="generic")], ["A:1"], ["A:1"], {}, id="another origin"),
    pytest.param([A], [A, replace(A, scope="mainland")], [], [], {}, id="the first row decides"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "added", "removed", "fields"), CASES)
def test_rows_are_compared_by_code_and_origin(
    old: list[CatalogueEntry],
    new: list[CatalogueEntry],
    added: list[str],
    removed: list[str],
    fields: dict[str, tuple[object, object]],
) -> None:
    """What is new, gone and changed is told, a change with each field's old and new value."""
    found = compare(Version(old), Version(new))
    assert [entry.code for entry in found.added] == added
    assert [entry.code for entry in found.removed] == removed
    assert [dict(one.fields) for one in found.changed] == ([fields] if fields else [])


FORMULA = replace(row("000000"), source="=1+1", en=EntryTexts("-1", "+1, '=2.", "@x."))


@pytest.mark.parametrize("entry", [A, B, FORMULA], ids=["plain", "sign", "formulas"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["utf-8", "byte order mark"])
def test_an_export_is_read_back_as_it_was(tmp_path: Path, entry: CatalogueEntry, mark: str) -> None:
    """Cells that are written for spreadsheets give the very texts: no row differs."""
    file = tmp_path / "old.csv"
    file.write_text(mark + exported(entry), encoding="utf-8")
    found = compare(read_version([file]), Version([entry]))
    assert (found.added, found.removed, found.changed) == ([], [], [])


def test_several_files_make_one_version(tmp_path: Path) -> None:
    """A version may be spread over files; a field that one of them lacks is not compared."""
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(exported(A))
    second.write_text(exported(B, fields=FIELDS[:-1]))
    version = read_version([first, second])
    assert version.fields == set(FIELDS) - {"reason"}
    found = compare(version, Version([replace(A, reason="Why."), B]))
    assert (found.added, found.removed, found.changed) == ([], [], [])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(None, "cannot be read", id="no file"),
        pytest.param(b"", "code: the column is missing", id="empty"),
        pytest.param(b"code,category\nX,routing\n", "line 1, origin: the column", id="columns"),
        pytest.param(b"\xff\xfe", "line 1: not UTF-8 text", id="no text"),
        pytest.param(
            exported(A).replace("routing", "lost").encode(), "line 2, category: 'lost'", id="value"
        ),
    ],
)
def test_a_file_that_is_no_version_is_refused(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    """The complaint names file, line and field."""
    file = tmp_path / "old.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=complaint) as raised:
        read_version([file])
    assert str(file) in str(raised.value)
