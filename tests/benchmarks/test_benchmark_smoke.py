"""The benchmark runs to its end and reports what it promises."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import backlog, dataset, openloop, processes
from tests.benchmarks.figures import FIGURES, Bound, Family, Figure
from tests.benchmarks.load import Generator
from tests.benchmarks.percentiles import percentile
from tests.benchmarks.report import is_reached
from tests.benchmarks.servers import Name, serving
from tests.support.server import eventually, free_port

ROOT = Path(__file__).parents[2]
WITHOUT_WRK = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


def run_quick(directory: Path, *options: str) -> tuple[str, Any]:
    """Run the quick benchmark, which must end well; return what it printed and its document."""
    path = directory / "result.json"
    ran = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--quick", *options, "--json", path],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout, json.loads(path.read_text())


@pytest.mark.parametrize(
    "generator",
    [
        pytest.param(Generator.WRK, marks=WITHOUT_WRK, id="wrk"),
        pytest.param(Generator.BUILTIN, id="builtin"),
    ],
)
def test_a_quick_run_prints_rates_with_ratios(generator: Generator, tmp_path: Path) -> None:
    """A quick run on the bare server ends well, prints its ratios and writes them as JSON."""
    printed, document = run_quick(tmp_path, "--server", "bare", "--generator", generator)
    assert "x bare" in printed
    assert "x fastapi" in printed
    assert "1.00" in printed
    assert document["machine"]["cores"] > 0
    assert document["machine"]["fdatasync_p99_us"] >= document["machine"]["fdatasync_p50_us"] > 0
    assert [row["mode"] for row in document["results"]] == ["close", "keep-alive"]
    for row in document["results"]:
        assert row["per_second"] > 0
        assert row["p99_ms"] >= row["p50_ms"] > 0
        assert row["to_bare"] == 1.0
        assert row["to_fastapi"] is None


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        pytest.param(0, 1, id="0: the first"),
        pytest.param(50, 2, id="50: 4 x 0.5 = 2nd"),
        pytest.param(51, 3, id="51: 4 x 0.51 rounded up = 3rd"),
        pytest.param(99, 4, id="99: the last"),
    ],
)
def test_a_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    """A percentile is the value at its rank, rounded up, of the ordered values."""
    assert percentile([4, 2, 1, 3], percent) == expected


def test_a_quick_run_of_one_figure_shows_it_without_judging(tmp_path: Path) -> None:
    """`--only` measures one figure; a quick run judges none."""
    printed, document = run_quick(tmp_path, "--only", "idle")
    assert "not judged" in printed
    (figure,) = document["figures"]
    assert figure["name"] == "idle"
    assert figure["numbers"]["rss_mb"] > 20
    assert [bound["reached"] for bound in figure["bounds"]] == [None, None]


@pytest.mark.parametrize(
    ("bound", "measured", "reached"),
    [
        pytest.param(Bound("x", "{}", at_least=0.75), 0.75, True, id="at least: equal"),
        pytest.param(Bound("x", "{}", at_least=0.75), 0.74, False, id="at least: less"),
        pytest.param(Bound("x", "{}", below=25), 24.9, True, id="below: less"),
        pytest.param(Bound("x", "{}", below=25), 25, False, id="below: equal"),
        pytest.param(Bound("x", "{}", below=25), float("nan"), False, id="no number"),
    ],
)
def test_a_bound_is_reached_or_not(bound: Bound, measured: float, reached: bool) -> None:
    """A value is judged by its bound."""
    assert bound.is_reached(measured) is reached


def test_a_figure_under_other_conditions_is_not_judged() -> None:
    """A figure that was measured otherwise than the target asks is neither reached nor missed."""
    (bound,) = FIGURES["batches"].bounds
    figure = Figure("batches", {"reports_per_second": 1.0})
    assert is_reached(figure, bound) is False
    assert is_reached(replace(figure, judged=False), bound) is None
    assert is_reached(replace(figure, numbers={}), bound) is None


def test_every_family_has_a_figure() -> None:
    """Nothing can be asked for that has no target."""
    assert {wanted.family for wanted in FIGURES.values()} == set(Family)


def test_the_open_loop_counts_every_push(tmp_path: Path) -> None:
    """Scheduled pushes are all sent and answered, and latency is positive."""
    with serving(Name.BARE, tmp_path / "bare") as server:
        answers = openloop.push(server, rate=200, seconds=1)
        gone = replace(server, port=free_port())
    assert 140 < answers.sent < 260  # a Poisson process: 200 with a deviation of 14
    assert answers.accepted == answers.sent
    assert 0 < answers.p50_ms <= answers.p99_ms <= answers.worst_ms
    failed = openloop.push(gone, rate=200, seconds=0.2)
    assert failed.failed == failed.sent > 0


def connections_to(port: int) -> int:
    """Return how many connections clients have to a port, accepted by a server or not yet."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    established, local = "01", f":{port:04X}"
    each = (line.split() for line in lines)
    return sum(one[1].endswith(local) and one[3] == established for one in each)


def test_the_open_loop_counts_the_wait_of_all_that_a_stall_delays(tmp_path: Path) -> None:
    """Pushes go on while a server stalls, and the wait of each counts from its schedule."""
    with serving(Name.BARE, tmp_path / "bare") as server:
        server.pause()

        def go_on_late() -> None:
            eventually(lambda: connections_to(server.port) >= 150, "the generator pushes")
            server.resume()

        answers = openloop.push(server, rate=200, seconds=1, sample=go_on_late)
    assert answers.accepted == answers.sent
    # 150 pushes take three quarters of a second by their schedule, on a busy machine even longer.
    assert answers.worst_ms > 600
    assert answers.p50_ms > 150  # a closed loop would have one slow push for each connection


def test_the_use_of_a_session_includes_its_children() -> None:
    """Processor time and memory are those of the process and of its children."""
    burn = "import time; end = time.time() + 30\nwhile time.time() < end: pass"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    with subprocess.Popen([sys.executable, "-c", script], start_new_session=True) as process:
        try:
            until = time.monotonic() + 20
            while (use := processes.usage(process.pid)).cpu_s < 0.5 and time.monotonic() < until:
                time.sleep(0.1)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert use.processes == 2
    assert use.cpu_s >= 0.5
    assert use.rss_mb > use.main_rss_mb > 1


def test_a_store_is_multiplied_as_the_receiver_made_it(tmp_path: Path) -> None:
    """A built store is sound, has its indexes, other ids and numbers, and is used again."""
    directory = tmp_path / "store"
    built = dataset.provide(directory, 3_000, lambda _: None)
    with closing(sqlite3.connect(directory / backlog.STORE)) as connection:

        def one(sql: str) -> object:
            return connection.execute(sql).fetchone()[0]

        assert one("PRAGMA integrity_check") == "ok"
        assert one("SELECT count(DISTINCT sms_msg_id) FROM messages") == 3_000
        assert one("SELECT count(DISTINCT to_number) FROM messages") > 2_900  # type: ignore[operator]
        assert one("SELECT count(*) FROM messages WHERE state = 'delivered'") == 2_550
        assert one("SELECT count(*) FROM messages WHERE NOT registered") == 300
        assert one("SELECT sum(messages) FROM statistics WHERE hours = 24") == 3_000
        assert (
            one(
                "SELECT count(*) FROM reports r JOIN messages m ON m.id = r.message_id"
                " WHERE instr(r.raw, m.sms_msg_id) AND instr(r.raw, m.to_number)"
            )
            == 3_000
        )
    assert dataset.provide(directory, 3_000, lambda _: None) == built
    assert backlog.unprojected(directory) == 0
    assert backlog.top_up(directory, 700) == 700
