"""What only one process may have: its data directory and its ports."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.server import MakeServer, Server


@contextmanager
def refused(server: Server) -> Iterator[None]:
    """Start a server, expect it to end with status 1 and without a trace."""
    server.spawn()
    assert server.wait(60) == 1
    assert "Traceback" not in server.printed()
    yield


def test_a_second_process_on_one_directory_is_refused(make_server: MakeServer) -> None:
    """The second one names the directory and the process that holds it; the first goes on."""
    first = make_server().start()
    assert first.process is not None
    second = make_server()
    second.log = second.log.with_name("second.log")
    with refused(second):
        said = second.log.read_text()
        assert str(second.directory) in said
        assert str(first.process.pid) in said
    assert first.push(b"smsMsgId=a_1&status=DELIVRD").status_code == 200


def test_a_second_process_on_one_store_is_refused(make_server: MakeServer) -> None:
    """Two directories do not make two writers of one SQLite file."""
    first = make_server().start()
    second = make_server({"RECEIVER_STORE_URL": f"sqlite:///{first.store_file}"}, "second")
    with refused(second):
        assert "store_url" in second.log.read_text()
    assert first.push(b"smsMsgId=a_1&status=DELIVRD").status_code == 200


def test_a_directory_is_free_again_after_a_kill(make_server: MakeServer) -> None:
    """A killed process leaves nothing behind that would hold up the next."""
    server = make_server().start()
    server.kill()
    server.start()
    assert server.push(b"smsMsgId=a_1&status=DELIVRD").status_code == 200


def test_a_stopped_writer_ends_with_its_server(make_server: MakeServer) -> None:
    """A writer that was stopped does not outlive a killed server, nor hold up the next one."""
    server = make_server().start()
    for pid in server.children():
        os.kill(pid, signal.SIGSTOP)
    server.kill()
    server.start()
    assert server.push(b"smsMsgId=a_1&status=DELIVRD").status_code == 200


def test_who_holds_the_journal_is_named(make_server: MakeServer) -> None:
    """A journal that another process holds is refused with that process and the lock's file."""
    server = make_server()
    server.directory.mkdir(mode=0o700)
    lock = server.directory / "journal.sqlite3.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(f"{os.getpid()}\n")
        held.flush()
        with refused(server):
            said = server.log.read_text()
    assert f"process {os.getpid()}" in said
    assert str(lock) in said
    assert f"kill -9 {os.getpid()}" in said
    assert "space" not in said


@pytest.mark.parametrize("setting", ["listen", "api_listen"])
def test_a_port_that_is_taken_is_named(
    shared_server: Server, make_server: MakeServer, setting: str
) -> None:
    """The message names the setting and the address; no journal was touched before."""
    address = f"127.0.0.1:{shared_server.port}"
    second = make_server({f"RECEIVER_{setting.upper()}": address})
    with refused(second):
        said = second.log.read_text()
        assert address in said
        assert setting in said
        assert not second.journal_file.exists()
    assert shared_server.push(b"smsMsgId=a_1&status=DELIVRD").status_code == 200


def test_the_same_address_twice_is_refused(make_server: MakeServer) -> None:
    """One address for both listeners is a mistake of the settings, told as such."""
    server = make_server()
    server.api_port = server.port
    with refused(server):
        said = server.log.read_text()
        assert "same address" in said
        assert "api_listen" in said


@pytest.mark.parametrize("name", ["per%20cent", "what?mode=memory", "a#b", "数据 dir"])
def test_any_directory_name_is_taken_as_it_is(make_server: MakeServer, name: str) -> None:
    """What means something in a URL means nothing in the name of a data directory."""
    server = make_server(directory=name).start()
    server.ready()
    assert server.push(b"smsMsgId=a_1&status=DELIVRD").status_code == 200
    server.caught_up()
    assert server.journal_file.exists()
    assert server.store_file.exists()
    ours = {server.directory, server.out, server.log}
    assert set(server.directory.parent.iterdir()) == ours
