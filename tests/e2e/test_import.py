"""`receiver import`: a file's sends, all of them, whatever happens in between."""

import csv
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.e2e.pushes import form as form_of
from tests.support.layouts import LAYOUTS, WRITERS, ids, table
from tests.support.parts import write_lock
from tests.support.server import (
    KEY,
    READER,
    ROOT,
    MakeServer,
    Server,
    clean_environment,
    eventually,
    free_port,
    run,
)
from tests.support.workbooks import xlsx

NUMBER = "13812345678"
SHOWN = "138****5678"
HEADER = ["短信ID", "手机号码", "通道号", "发送时间", "业务编号", "状态码"]


def sends(prefix: str, count: int) -> list[list[str]]:
    """Return the rows of an export of the console."""
    return [
        [f"{prefix}_{n}", NUMBER, "10690001", f"2026/01/31 16:00:{n % 60:02d}", f"o{n}", "DELIVRD"]
        for n in range(count)
    ]


def as_csv(rows: list[list[str]]) -> bytes:
    """Write them as the console does for spreadsheets of China."""
    return "".join(",".join(row) + "\r\n" for row in [HEADER, *rows]).encode("gb18030")


def as_xlsx(rows: list[list[str]]) -> bytes:
    """Write them as a workbook."""
    return xlsx([HEADER, *rows])


def as_ndjson(rows: list[list[str]]) -> bytes:
    """Write them as an application keeps the platform's answers, several to a line."""
    entries = [
        {
            "smsMsgId": row[0],
            "originTo": row[1],
            "from": row[2],
            "createTime": row[3].replace("/", "-").replace(" 16:", "T08:") + "Z",
            "status": "000000",
        }
        for row in rows
    ]
    lines = [
        {"response": {"code": "000000", "result": [entry]}, "reference": row[4]}
        for entry, row in zip(entries, rows, strict=True)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


FORMS = {"csv": as_csv, "xlsx": as_xlsx, "ndjson": as_ndjson}


def to(server: Server, key: str = KEY) -> list[str]:
    """Return the options that name a running receiver."""
    return ["--api-url", server.api_url, "--api-key", key]


def imported(server: Server, file: Path, *more: str) -> dict[str, Any]:
    """Import a file of which every row must be good; return the summary."""
    done = run("import", str(file), *to(server), "--timezone", "Asia/Shanghai", "--json", *more)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


@contextmanager
def importing(server: Server, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Import from a pipe that the test fills."""
    process = subprocess.Popen(
        [sys.executable, "-m", "receiver", "import", "-", *to(server), *more],
        env=clean_environment({}),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def pour(process: subprocess.Popen[bytes], prefix: str, numbers: range) -> None:
    """Write entries into a command that reads them.

    Raises:
        AssertionError: it ended; the text is what it said.
    """
    assert process.stdin is not None
    try:
        for n in numbers:
            entry = {"smsMsgId": f"{prefix}_{n}", "originTo": NUMBER}
            process.stdin.write(json.dumps(entry).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        assert process.stdout is not None
        assert process.stderr is not None
        said = process.stdout.read() + process.stderr.read()
        raise AssertionError(f"it ended with status {process.wait()}: {said.decode()}") from None


@contextmanager
def pouring(process: subprocess.Popen[bytes], prefix: str, numbers: range) -> Iterator[None]:
    """Write entries meanwhile: a command that waits for the receiver does not read them."""
    with ThreadPoolExecutor(1) as threads:
        poured = threads.submit(pour, process, prefix, numbers)
        yield
        poured.result(60)


def status_of(server: Server, sms_msg_id: str) -> int:
    """Register one send directly."""
    document = {"sends": [{"sms_msg_id": sms_msg_id}]}
    return server.api.http.post("/v1/sends", json=document).status_code


def known(server: Server, prefix: str) -> set[int]:
    """Return the numbers of the messages that the store has."""
    rows = server.rows("SELECT sms_msg_id FROM messages WHERE sms_msg_id LIKE ?", f"{prefix}%")
    return {int(name.rpartition("_")[2]) for (name,) in rows}


# --- what comes of it ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMS)
def test_importing_after_the_reports_binds_all_orphans_and_twice_changes_nothing(
    kind: str, server: Server, tmp_path: Path
) -> None:
    """Reports that came first find their sends; the same file again leaves every message as is."""
    rows = sends(kind, 250)
    for row in rows[::2]:
        push = form_of(smsMsgId=row[0], status="DELIVRD", updateTime="2026-01-31T08:05:00Z")
        assert server.push(push).status_code == 200
    server.caught_up()
    orphans = server.api.get("/v1/messages", registered="false", limit="1000")["messages"]
    assert len(orphans) == 125
    file = tmp_path / f"export.{kind}"
    file.write_bytes(FORMS[kind](rows))

    first = imported(server, file)
    server.caught_up()
    assert (first["sends"], first["registered"], first["bad"]) == (250, 250, 0)
    assert first["complete"] is True
    assert server.api.get("/v1/messages", registered="false")["messages"] == []
    ids = [row[0] for row in rows]
    messages = server.api.lookup(ids)
    assert len(messages) == 250
    one = messages[f"{kind}_7"]
    assert (one["sent_at"], one["reference"], one["from"]) == (
        "2026-01-31T08:00:07Z",
        "o7",
        "10690001",
    )
    assert one["state"] == "pending"
    assert messages[f"{kind}_8"]["state"] == "delivered"

    second = imported(server, file)
    server.caught_up()
    assert {**second, "seconds": 0} == {**first, "seconds": 0}
    assert server.api.lookup(ids) == messages


def test_refused_sends_are_registered_as_refused(server: Server, tmp_path: Path) -> None:
    """What the platform did not take is told, and a report's code makes nothing refused."""
    ours = tmp_path / "answers.csv"
    ours.write_text("smsMsgId,status\nr_1,000000\nr_2,E200033\n")
    console = tmp_path / "console.csv"
    console.write_text("smsMsgId,Status Code,status\nr_3,E200027,E200027\nr_4,DELIVRD,DELIVRD\n")

    assert imported(server, ours)["refused"] == 1
    assert imported(server, console)["refused"] == 0
    server.caught_up()
    messages = server.api.lookup(["r_1", "r_2", "r_3", "r_4"])
    states = {name: message["state"] for name, message in messages.items()}
    assert states == {"r_1": "pending", "r_2": "refused", "r_3": "pending", "r_4": "pending"}


def test_bad_rows_are_listed_with_their_lines_and_can_be_corrected(
    server: Server, tmp_path: Path
) -> None:
    """The good rows are taken, the bad ones told without their content and written to a file."""
    rows = sends("b", 40)
    for n in range(5, 30):
        rows[n][0] = ""
    rows[31][3] = "31/01/2026"
    file, bad = tmp_path / "export.csv", tmp_path / "bad.csv"
    file.write_bytes(as_csv(rows))

    done = run("import", str(file), *to(server), "--rejects", str(bad))
    assert done.returncode == 1
    assert "14 sends registered; 26 bad rows." in done.stdout
    assert "line 7: `sms_msg_id` (or `smsMsgId`) is missing." in done.stderr
    assert "… and 6 more" in done.stderr
    assert NUMBER not in done.stdout + done.stderr
    assert SHOWN in done.stderr
    assert bad.stat().st_mode & 0o777 == 0o600
    with bad.open(encoding="utf-8-sig", newline="") as written:
        header, *lines = csv.reader(written)
    assert header == ["line", "reason", *HEADER]
    assert [int(line[0]) for line in lines] == [*range(7, 32), 33]
    assert lines[-1][2:] == rows[31]

    text = bad.read_text(encoding="utf-8-sig").replace("31/01/2026", "2026-01-31 16:00")
    corrected = [line for line in text.splitlines() if "missing" not in line]
    bad.write_text("\n".join(corrected) + "\n")
    assert imported(server, bad)["registered"] == 1
    server.caught_up()
    assert known(server, "b") == {*range(5), *range(30, 40)}


def test_bad_rows_are_safe_in_a_spreadsheet_and_are_read_as_before(tmp_path: Path) -> None:
    """What would be calculated is text; imported again the file gives the same rows."""
    file, bad, again = tmp_path / "in.csv", tmp_path / "bad.csv", tmp_path / "again.csv"
    header = ["sms_msg_id", "to", "total", "reference", "=1+1"]
    cells = ["007", "+8613812345678", "many", ";=1", "=cmd|' /C calc'!A0"]
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([header, cells])
    for source, rejects in ((file, bad), (bad, again)):
        arguments = ("import", str(source), "--dry-run", "--rejects", str(rejects))
        assert run(*arguments).returncode == 1
    with bad.open(encoding="utf-8-sig", newline="") as written:
        names, row = csv.reader(written)
    assert names[2:] == [*header[:4], "'=1+1"]
    assert row[2:] == ["'007", "'+8613812345678", "many", ";'=1", "'=cmd|' /C calc'!A0"]
    with again.open(encoding="utf-8-sig", newline="") as written:
        assert [line[4:] for line in csv.reader(written)] == [names[2:], row[2:]]


def test_bad_lines_of_json_are_written_as_json(server: Server, tmp_path: Path) -> None:
    """Each comes with its line, the reason and itself; programs get the same in the summary."""
    file, bad = tmp_path / "in.ndjson", tmp_path / "bad.ndjson"
    file.write_text('{"smsMsgId": "j_1"}\n{"originTo": "1"}\n{"smsMsgId"\n')

    done = run("import", str(file), *to(server), "--rejects", str(bad), "--json")
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    assert (summary["registered"], summary["bad"], summary["complete"]) == (1, 2, True)
    written = [json.loads(line) for line in bad.read_text().splitlines()]
    assert [(one["line"], one["row"]) for one in written] == [
        (2, {"originTo": "1"}),
        (3, '{"smsMsgId"'),
    ]
    assert summary["problems"] == [
        {"line": one["line"], "reason": one["reason"]} for one in written
    ]


def test_rows_larger_than_a_request_are_split_or_named(
    make_server: MakeServer, tmp_path: Path
) -> None:
    """Where the receiver takes only small bodies, many small rows still come through."""
    server = make_server({"RECEIVER_API_MAX_BODY_BYTES": "1024"}).start()
    server.ready()
    file = tmp_path / "in.csv"
    rows = [f"s_{n},r{n}" for n in range(120)]
    rows[50] = "s_50," + ",".join(["x" * 400] * 3)
    file.write_text("\n".join(["smsMsgId,reference,extend,templateId", *rows]) + "\n")

    done = run("import", str(file), *to(server))
    assert done.returncode == 1
    assert "119 sends registered; 1 bad rows." in done.stdout
    assert "line 52: The row is larger" in done.stderr
    server.caught_up()
    assert known(server, "s") == set(range(120)) - {50}


@pytest.mark.parametrize("name", LAYOUTS)
def test_exports_of_the_platform_bind_their_reports(
    name: str, shared_server: Server, tmp_path: Path
) -> None:
    """Each layout is read as it is; a total below it goes to the rejects, and reports bind."""
    number = list(LAYOUTS).index(name)
    layout, prefix, form = LAYOUTS[name], f"a9e0000{number}", list(WRITERS)[number % 2]
    file, bad = tmp_path / f"details.{form}", tmp_path / "bad.csv"
    file.write_bytes(WRITERS[form](table(layout, prefix)))
    first, *others = ids(prefix)
    assert shared_server.push(form_of(smsMsgId=first, status="DELIVRD")).status_code == 200

    arguments = ("--timezone", "Asia/Shanghai", "--rejects", str(bad), "--json")
    done = run("import", str(file), *to(shared_server), *arguments)
    assert done.returncode == bool(layout.below)
    summary = json.loads(done.stdout)
    assert (summary["registered"], summary["bad"]) == (4, len(layout.below))
    assert summary["unlike_ids"] == {"count": 0, "lines": []}
    with bad.open(encoding="utf-8-sig", newline="") as written:
        assert [row[2:4] for row in csv.reader(written)][1:] == list(layout.below)
    shared_server.caught_up()
    messages = shared_server.api.lookup([first, *others])
    assert [messages[one]["state"] for one in (first, *others)] == [
        "delivered",
        "pending",
        "pending",
    ]
    assert messages[first]["sent_at"] == "2026-01-31T08:00:00Z"


def test_a_table_from_a_pipe_is_read_as_from_a_file(tmp_path: Path) -> None:
    """Its encoding may show late, and what it is kept in meanwhile is gone at the end."""
    rows = [["smsMsgId", "reference"], *([f"p_{n}", "r"] for n in range(3000)), ["p", "张三"]]
    done = subprocess.run(
        [sys.executable, "-m", "receiver", "import", "-", "--dry-run", "--json"],
        env=clean_environment({"TMPDIR": str(tmp_path)}),
        cwd=ROOT,
        input="".join(",".join(row) + "\n" for row in rows).encode("gb18030"),
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sends"] == 3001
    assert b"gb18030" in done.stderr
    assert list(tmp_path.iterdir()) == []


# --- before it begins ---------------------------------------------------------------------------


def test_a_dry_run_needs_no_receiver(tmp_path: Path) -> None:
    """Columns, first rows and counts are shown; nothing is asked of anyone."""
    rows = sends("d", 30)
    rows[10][0], rows[20][0], rows[25] = "17", "", ["合计", "30"]
    file = tmp_path / "export.csv"
    file.write_bytes(as_csv(rows))

    done = run("import", str(file), "--dry-run", "--timezone", "+08:00")
    assert done.returncode == 1
    assert "28 sends could be registered; 2 bad rows." in done.stdout
    for shown in ("CSV, gb18030, comma", "手机号码", SHOWN, "2026-01-31T08:00:02Z", "UTC+08:00"):
        assert shown in done.stderr
    assert "Ignored: 状态码" in done.stderr
    assert "line 22: `sms_msg_id`" in done.stderr
    assert "line 27: The row is a total" in done.stderr
    assert (
        "1 ids have a different form from the others; check that they are message ids: line 12."
    ) in done.stderr


def test_columns_sheets_and_numbers_are_taken_as_told(server: Server, tmp_path: Path) -> None:
    """`--map`, `--sheet` and `--international` decide what is read."""
    file = tmp_path / "assistant.xlsx"
    rows = [["Task", "Ref", "Phone"], ["m_1", "r", "2412000000"]]
    file.write_bytes(xlsx([["x"]], more_sheets={"Numbers": rows}))

    imported(
        server, file, "--sheet", "Numbers", "--map", "sms_msg_id=Task", "--map", "reference=Ref",
        "--international",
    )  # fmt: skip
    server.caught_up()
    message = server.api.message("m_1")
    assert (message["to"], message["reference"]) == ("+2412000000", "r")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        pytest.param(["--api-url", "http://127.0.0.1:{port}"], 1, "No receiver answers", id="away"),
        pytest.param(["--api-key", "wrong"], 1, "refused", id="a wrong key"),
        pytest.param(["--api-key", READER], 1, "refused", id="a key that may only read"),
        pytest.param(["--application", "nobody"], 1, "application is unknown", id="application"),
        pytest.param(["--map", "sms_msg_id=Nr"], 1, "columns are: smsMsgId, to.", id="no such id"),
        pytest.param(["--map", "total=Nr"], 1, "There is no column 'Nr'", id="no such column"),
        pytest.param(["--map", "phone=Nr"], 2, "NAME=COLUMN", id="no such field"),
        pytest.param(["--map", "sms_msg_id="], 2, "NAME=COLUMN", id="no id at all"),
        pytest.param(["--timezone", "Nowhere/At_all"], 2, "Asia/Shanghai", id="no such zone"),
        pytest.param(["--sheet", "x"], 1, "--sheet can be used only", id="a sheet of CSV"),
        pytest.param(["--encoding", "x"], 1, "The encoding 'x' is unknown", id="no such encoding"),
        pytest.param(["--rejects", "{file}"], 1, "--rejects is the file", id="overwriting"),
        pytest.param(["--rejects", "{file}/x"], 1, "cannot be written", id="no such directory"),
    ],
)
def test_what_cannot_be_begun_is_explained(
    arguments: list[str], status: int, said: str, shared_server: Server, tmp_path: Path
) -> None:
    """Nothing is registered, and plain words say what to do."""
    file = tmp_path / "in.csv"
    file.write_text("smsMsgId,to\nnot_begun_1,10086\n")
    filled = [one.format(port=free_port(), file=file) for one in arguments]

    done = run("import", str(file), *to(shared_server), *filled)
    assert done.returncode == status
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    shared_server.caught_up()
    assert known(shared_server, "not_begun") == set()
    assert file.read_text().startswith("smsMsgId")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot be read", id="no such file"),
        pytest.param(b"", "The file is empty.", id="empty"),
        pytest.param(b"Phone\n1\n", "which is required to match reports", id="no id"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    """A missing, empty or unfit file ends with status 1 and plain words."""
    file = tmp_path / "in.csv"
    if content is not None:
        file.write_bytes(content)

    done = run("import", str(file), "--dry-run")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("answer", "more", "status", "registered"),
    [
        pytest.param(b"n\n", [], 1, set(), id="no"),
        pytest.param(b"y\n", [], 0, {1}, id="yes"),
        pytest.param(b"", ["--yes"], 0, {1}, id="--yes"),
    ],
)
def test_on_a_terminal_it_asks_first(
    answer: bytes,
    more: list[str],
    status: int,
    registered: set[int],
    server: Server,
    tmp_path: Path,
) -> None:
    """The sample is shown, and only a yes registers; `--yes` says so beforehand."""
    file = tmp_path / "in.csv"
    file.write_text("smsMsgId\nasked_1\n")
    ours, theirs = pty.openpty()
    drain = threading.Thread(target=_drain, args=(ours,))
    process = subprocess.Popen(
        [sys.executable, "-m", "receiver", "import", str(file), *to(server), *more],
        env=clean_environment({}),
        cwd=ROOT,
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    drain.start()
    os.write(ours, answer)
    assert process.wait(30) == status
    drain.join(10)
    os.close(ours)
    server.caught_up()
    assert known(server, "asked") == registered


def _drain(terminal: int) -> None:
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:  # the other end was closed
        return


# --- while it runs ------------------------------------------------------------------------------


def test_a_receiver_that_is_killed_and_comes_back_loses_nothing(server: Server) -> None:
    """The import waits for it and goes on; in the end every send is there."""
    with importing(server, "--json") as process:
        pour(process, "k", range(1000))
        eventually(lambda: len(known(server, "k")) > 300, "some are registered")
        server.kill(all_of_it=True)
        with pouring(process, "k", range(1000, 2000)):
            server.start()
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(out)["registered"] == 2000
    server.caught_up()
    assert known(server, "k") == set(range(2000))


def test_a_journal_that_cannot_be_written_is_waited_for(make_server: MakeServer) -> None:
    """While the receiver answers 503 the import asks again, and loses nothing."""
    server = make_server({"RECEIVER_JOURNAL__TIMEOUT_SECONDS": "1"}).start()
    server.ready()
    with importing(server, "--json") as process:
        pour(process, "w", range(500))
        eventually(lambda: len(known(server, "w")) > 100, "some are registered")
        with write_lock(server.journal_file):
            pour(process, "w", range(500, 1000))
            before = len(known(server, "w"))
            eventually(lambda: status_of(server, "w_0") == 503, "it refuses")
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(out)["registered"] == 1000
    assert before < 1000
    server.caught_up()
    assert known(server, "w") == set(range(1000))


def test_giving_up_says_how_far_it_came_and_the_same_again_completes_it(
    server: Server, tmp_path: Path
) -> None:
    """A receiver that stays away ends the import; what it names as registered is registered."""
    lines = [json.dumps({"smsMsgId": f"g_{n}"}) for n in range(3000)]
    with importing(server, "--json", "--patience", "1") as process:
        pour(process, "g", range(1500))
        eventually(lambda: len(known(server, "g")) > 300, "some are registered")
        server.kill(all_of_it=True)
        threading.Thread(target=_pour_on, args=(process.stdin,), daemon=True).start()
        process.wait(60)
        assert process.stdout is not None
        summary = json.loads(process.stdout.read())
    assert process.returncode == 1
    assert summary["complete"] is False
    assert "did not answer" in summary["error"]
    server.start()
    server.caught_up()
    assert 300 <= summary["up_to_line"] < 3000
    assert known(server, "g") >= set(range(summary["up_to_line"]))

    file = tmp_path / "all.ndjson"
    file.write_text("\n".join(lines))
    assert imported(server, file)["registered"] == 3000
    server.caught_up()
    assert known(server, "g") == set(range(3000))


def _pour_on(pipe: IO[bytes]) -> None:
    try:
        for n in range(1500, 3000):
            pipe.write(json.dumps({"smsMsgId": f"g_{n}"}).encode() + b"\n")
        pipe.flush()
    except OSError:  # nobody reads any more
        return


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGINT, "Interrupted."), (signal.SIGTERM, "Ended by SIGTERM.")],
)
def test_a_signal_ends_it_and_it_says_how_far_it_came(
    number: signal.Signals, reason: str, server: Server
) -> None:
    """What is under way is waited for, and the line is named up to which all is registered."""
    with importing(server) as process:
        pour(process, "c", range(1000))
        eventually(lambda: len(known(server, "c")) > 300, "some are registered")
        process.send_signal(number)
        process.wait(30)
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert process.returncode == 1
    assert f"{reason} Up to line " in said
    assert "Traceback" not in said
    up_to = int(said.rpartition("Up to line ")[2].split()[0])
    server.caught_up()
    assert up_to >= 300
    assert known(server, "c") >= set(range(up_to))
