"""The wall clock jumps a day forward and back while pushes arrive; time itself goes on."""

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from tests.e2e.pushes import form
from tests.faults.experiment import Bench, Experiment, Outcome
from tests.faults.faketime import FakedServer
from tests.faults.oracle import audit
from tests.faults.shown import Shown
from tests.faults.steady import Steady
from tests.support.parts import write_lock
from tests.support.server import Server, eventually

_DAY_S = 24 * 3600
_JUMPS = (_DAY_S, 0, -_DAY_S, 0)
_TOLERANCE_S = 5.0
_CATCH_UP_S = 60.0
_FAILED = "MILIMIT"
_REPORTED = "2018-04-13T06:31:46Z"


@contextmanager
def _server(bench: Bench, **settings: str) -> Iterator[FakedServer]:
    usual = {"RECEIVER_PROJECTOR__OVERDUE_AFTER_HOURS": ""}  # as it is by default
    with closing(FakedServer(bench.directory / "data", usual | settings)) as server:
        server.start()
        server.ready()
        yield server


# --- with the usual settings ----------------------------------------------------------------------


def jump_under_load(bench: Bench) -> Outcome:
    """Jump while pushes arrive, then restart under each clock; nothing is due in a day."""
    shown = Shown()
    expected: dict[str, str] = {}
    with _server(bench) as server:
        _register(server, "silent")
        with Steady(server, "steady", bench.directory) as client:
            began = time.monotonic()
            for place, offset_s in enumerate(_JUMPS):
                bench.say(f"clock at {offset_s:+d} s")
                shown.complaints += _jump_while_behind(server, offset_s)
                expected |= _push_and_look(server, f"jump-{place}", shown)
                time.sleep(bench.seconds(5, 1))
            ended = time.monotonic()
        pace = client.pace(began, ended)
        rows_before = _journal_rows(server)
        for offset_s in _JUMPS[::2] if bench.quick else _JUMPS:
            bench.say(f"restart at {offset_s:+d} s")
            server.jump(offset_s)
            server.restart()
            state = server.api.message("silent_1")["state"]
            shown.require(state == "pending", f"after a day a silent message is {state}")
        kept = _journal_rows(server)
        shown.require(kept == rows_before, f"of {rows_before} young journal rows {kept} are left")
        shown.complaints += _walk_all(server)
        assert server.stop() == 0
        found = audit(server, {**client.acknowledged, **expected})
    shown.figures |= {"jumps": len(_JUMPS), **pace.figures()}
    shown.complaints += pace.complaints()
    shown.take(found)
    return shown.outcome()


def _jump_while_behind(server: FakedServer, offset_s: int) -> list[str]:
    """Jump while rows wait for the store, whose age is measured; complain of a strange age."""
    with write_lock(server.store_file):
        time.sleep(0.3)
        server.jump(offset_s)
        time.sleep(0.2)
        assert server.api.metric("receiver_projector_lag_rows") > 0
        return _senseless_metrics(server)


def _push_and_look(server: FakedServer, name: str, shown: Shown) -> dict[str, str]:
    """Push under the present clock check what it says; return what was pushed."""
    eventually(lambda: _has_jumped(server), "the clock has jumped", timeout_s=_CATCH_UP_S)
    before = server.now()
    reports = {
        f"{name}-untimed_1": form(smsMsgId=f"{name}-untimed_1", status=_FAILED),
        f"{name}-timed_1": form(
            smsMsgId=f"{name}-timed_1", status=_FAILED, updateTime=_REPORTED, source="2"
        ),
    }
    uplink = form(smsMsgId=f"{name}-uplink_1", from_="+8615500005678", to="1069", body="x")
    for body in (uplink, *reports.values()):
        assert server.push(body).status_code == 200
    shown.complaints += _senseless_metrics(server)
    eventually(
        lambda: len(server.api.lookup(list(reports))) == len(reports),
        "what was just pushed is there",
        timeout_s=_CATCH_UP_S,
    )
    found = server.api.lookup(list(reports))
    off = _time_of(found[f"{name}-untimed_1"]["first_report_at"]) - before
    shown.require(abs(off) < _TOLERANCE_S, f"{name}: a report came {off:+.0f} s from where it did")
    (part,) = found[f"{name}-timed_1"]["parts"]
    shown.require(part["updated_at"] == _REPORTED, f"{name}: a report's own time is changed")
    since, until = _rfc3339(before - 1), _rfc3339(before + 60)
    # The steady load stands in the same stretch of time, so that more than one page is needed.
    listed = _walk(server, "messages", since=since, until=until)
    shown.require(reports.keys() <= set(listed), f"{name}: not in the list of its own minute")
    listed = _walk(server, "uplinks", since=since, until=until)
    shown.require(f"{name}-uplink_1" in listed, f"{name}: the uplink is not in its own minute")
    return dict.fromkeys(reports, _FAILED)


def _has_jumped(server: FakedServer) -> bool:
    """Tell whether the pushes of the steady load arrive by the clock that was set."""
    last_push = server.api.metric("receiver_last_push_timestamp_seconds")
    return abs(last_push - server.now()) < _TOLERANCE_S


def _time_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _senseless_metrics(server: Server) -> list[str]:
    """Complain of values that nothing measured can have."""
    values = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in server.api.metrics().splitlines()
        if line.startswith("receiver_")
    }
    senseless = {name for name, value in values.items() if not 0 <= value < math.inf}
    assert "receiver_projector_lag_seconds" in values
    return [f"{name} is {values[name]}" for name in sorted(senseless)]


# --- with limits that a day exceeds ---------------------------------------------------------------


def jump_over_limits(bench: Bench) -> Outcome:
    """Jump further than rows are kept and than silence may last, with the store locked first."""
    shown = Shown()
    limits = {
        "RECEIVER_PROJECTOR__OVERDUE_AFTER_HOURS": "2",
        "RECEIVER_RETENTION__JOURNAL_HOURS": "1",
        "RECEIVER_PROJECTOR__BATCH_ROWS": "20",  # the upkeep follows the first batch
    }
    expected: dict[str, str] = {}
    with _server(bench, **limits) as server:
        for name in ("silent", "late"):
            _register(server, name)
        _push_some(server, "young", expected)
        server.caught_up()
        young = _journal_rows(server)
        with write_lock(server.store_file):
            _push_some(server, "unprojected", expected)
            unprojected = _journal_rows(server) - young
            server.jump(_DAY_S)
            bench.say("restart a day ahead, with the store locked")
            assert server.stop() == 0
            server.start()
            time.sleep(bench.seconds(5, 3))
            kept = _journal_rows(server)
        shown.require(kept >= unprojected, f"{unprojected} not projected, only {kept} rows kept")
        server.caught_up()
        server.restart()
        left = eventually(lambda: _pruned_to(server, young), "old rows are pruned")
        overdue = [server.api.message(f"{name}_1")["state"] for name in ("silent", "late")]
        shown.require(overdue == ["overdue"] * 2, f"a day of silence made them {overdue}")
        bench.say("back")
        server.jump(0)
        server.restart()
        assert server.push(form(smsMsgId="late_1", status="DELIVRD")).status_code == 200
        expected["late_1"] = "DELIVRD"
        server.caught_up()
        state = server.api.message("late_1")["state"]
        shown.require(state == "delivered", f"a report left an overdue message {state}")
        afterwards = server.api.message("silent_1")["state"]
        bench.say("a day behind")
        server.jump(-_DAY_S)
        _register(server, "behind")
        _push_some(server, "behind-report", expected)
        server.restart()
        state = server.api.message("behind_1")["state"]
        shown.require(state == "pending", f"a message of this minute is {state}")
        shown.complaints += _senseless_metrics(server)
        shown.complaints += _walk_all(server)
        assert server.stop() == 0
        found = audit(server, expected)
    shown.figures |= {
        "rows_before": young + unprojected,
        "rows_not_projected": unprojected,
        "rows_after_pruning": left,
        "silent_when_back": afterwards,
    }
    shown.take(found)
    return shown.outcome()


def _push_some(server: Server, name: str, expected: dict[str, str]) -> None:
    for number in range(50):
        sms_msg_id = f"{name}-{number}_1"
        assert server.push(form(smsMsgId=sms_msg_id, status="EXPIRED")).status_code == 200
        expected[sms_msg_id] = "EXPIRED"


def _pruned_to(server: Server, fewer_than: int) -> int:
    rows = _journal_rows(server)
    return rows if 0 < rows < fewer_than else 0


# --- what they share ------------------------------------------------------------------------------


def _register(server: FakedServer, name: str) -> None:
    send = {"sms_msg_id": f"{name}_1", "sent_at": _rfc3339(server.now()), "to": "+8615500005678"}
    server.api.register({"sends": [send]})


def _journal_rows(server: Server) -> int:
    uri = f"file:{server.journal_file}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM journal").fetchall()
    return int(count)


def _walk(server: Server, name: str, **parameters: str) -> list[str]:
    """Return the ids of a list, page by page."""
    ids: list[str] = []
    cursor = ""
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = server.api.get(f"/v1/{name}", limit="200", **parameters, **more)
        ids += [item["sms_msg_id"] for item in page[name]]
        cursor = page["next"] or ""
        if not cursor:
            return ids


def _walk_all(server: Server) -> list[str]:
    """Complain unless the pages of the messages hold each once, whatever the clocks were."""
    ids = _walk(server, "messages")
    ((stored,),) = server.rows("SELECT count(*) FROM messages")
    fine = len(ids) == len(set(ids)) == stored
    return [] if fine else [f"the pages hold {len(ids)} ids, {len(set(ids))} of {stored} messages"]


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


EXPERIMENTS = (
    Experiment(
        name="clock-jumps",
        how="wall clock +1 day, back, -1 day, back while 200 pushes/s arrive; restarts under each",
        must_hold="all 200; retries, lists, metrics sane; nothing overdue or pruned; 0 lost",
        run=jump_under_load,
        needs=("faketime",),
    ),
    Experiment(
        name="clock-limits",
        how="the same with rows kept 1 h and silence for 2 h, the store locked at first",
        must_hold="pruned is only what the store has; a report ends being overdue; 0 lost",
        run=jump_over_limits,
        needs=("faketime",),
    ),
)
