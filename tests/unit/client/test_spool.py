"""The client's spool: what is kept, whose it is, who delivers it, and what holds up nobody."""

import asyncio
import json
import logging
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.client import AsyncClient, Client, Registered, spool
from receiver.client.spool import Owner, Spool
from tests.support.scripted import (
    KINDS,
    PERSON,
    RESPONSE,
    Reply,
    flush,
    kept,
    nobody,
    register,
    scripted,
)
from tests.support.server import KEY, free_port

OTHER_KEY = "other-key-of-the-tests-0123456789abcdef"
NO_SUCH_APPLICATION = Reply(400, {"detail": "There is no such application.", "known": ["shop"]})


def send(name: str) -> dict[str, Any]:
    """Write a registration of one send."""
    return {"sends": [{"sms_msg_id": name}]}


def names(documents: list[Any]) -> list[str]:
    """Return the ids in such registrations."""
    return [document["sends"][0]["sms_msg_id"] for document in documents]


def address(port: int) -> str:
    """Return the address of a port of this machine."""
    return f"http://127.0.0.1:{port}"


def age(file: Path, seconds: float) -> None:
    """Let a file look as if it was written so long ago."""
    then = time.time() - seconds
    os.utime(file, (then, then))


# --- kept and delivered ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_delivered_is_kept(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A registration that finds no receiver lies in the spool, whole, for its owner's eyes only."""
    directory, url = tmp_path / "spool", nobody()
    (result,) = register(kind, url, RESPONSE, spool=directory, patience_s=0.2, application="shop")

    assert result.spooled
    assert result.error == "The receiver does not answer (ConnectError)."
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    (file,) = directory.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    head, line = file.read_bytes().splitlines()
    assert json.loads(line) == {"response": RESPONSE, "application": "shop"}
    owner = json.loads(head)
    assert (owner["address"], owner["application"]) == (f"{url}/v1/sends", "shop")
    assert len(owner["key"]) == 8
    assert KEY not in file.read_text()
    (record,) = [record for record in caplog.records if record.name == "receiver.client"]
    assert record.levelno == logging.WARNING
    assert PERSON[3:] not in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_success_delivers_the_spool(kind: str, tmp_path: Path) -> None:
    """Once a registration gets through, those in the spool follow it, the oldest first."""
    port, later = free_port(), [send(f"m_{n}") for n in range(3)]
    for document in later:
        register(kind, address(port), document, spool=tmp_path, patience_s=0.2)
    with scripted(port=port) as server:
        (result,) = register(kind, server.url, RESPONSE, spool=tmp_path)

    assert result == Registered(registered=1)
    assert server.documents == [{"response": RESPONSE}, *later]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_flushing(kind: str, tmp_path: Path) -> None:
    """`flush` delivers what is in the spool, or tells how many are left when nobody answers."""
    port = free_port()
    for n in range(2):
        register(kind, address(port), send(f"m_{n}"), spool=tmp_path, patience_s=0.2)
    assert flush(kind, address(port), tmp_path, patience_s=0.2, timeout_s=0.2) == 2
    assert len(kept(tmp_path)) == 2
    with scripted(port=port) as server:
        assert flush(kind, server.url, tmp_path) == 0

    assert names(server.documents) == ["m_0", "m_1"]
    assert kept(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_spool_does_not_hold_up_a_send(kind: str, tmp_path: Path) -> None:
    """A registration delivers out of the spool for a second, even if one delivery takes longer."""
    port = free_port()
    register(kind, address(port), *(8 * [RESPONSE]), spool=tmp_path, patience_s=0.2)
    replies = [Reply(), Reply(), Reply(after_s=30.0)]
    with scripted(*replies, port=port) as server:
        began = time.monotonic()
        (result,) = register(kind, server.url, RESPONSE, spool=tmp_path, timeout_s=60.0)
        took = time.monotonic() - began

    assert result.error is None
    assert took < 20
    assert len(kept(tmp_path)) == 7


@pytest.mark.parametrize("named", [None, "shop"])
@pytest.mark.parametrize("kind", KINDS)
def test_files_that_do_not_say_whose_they_are(kind: str, named: str | None, tmp_path: Path) -> None:
    """A file of one line, as earlier versions wrote it, is delivered for the application it names.

    So is one that was written whole and not renamed.
    """
    more = {} if named is None else {"application": named}
    for n, ending in enumerate(("ndjson", "tmp")):
        file = tmp_path / f"{n:020d}-7-0a1b2c3d.{ending}"
        file.write_text(json.dumps({**send(f"m_{n}"), **more}) + "\n")
        age(file, 60)
    with scripted() as server:
        assert flush(kind, server.url, tmp_path, application="another") == 0
        assert server.asked == []
        assert flush(kind, server.url, tmp_path, application=named) == 0

    assert names(server.documents) == ["m_0", "m_1"]
    assert kept(tmp_path) == []


# --- whose it is ----------------------------------------------------------------------------------

CLIENTS: list[dict[str, Any]] = [
    {"key": KEY, "application": None},
    {"key": OTHER_KEY, "application": None},
    {"key": KEY, "application": "shop"},
    {"key": OTHER_KEY, "application": "shop"},
]


@pytest.mark.parametrize("kind", KINDS)
def test_clients_share_a_directory(kind: str, tmp_path: Path) -> None:
    """What a client has kept is delivered with its own key and application, by it alone."""
    port = free_port()
    for n, own in enumerate(CLIENTS):
        with Client(address(port), spool=tmp_path, patience_s=0.1, **own) as client:
            client.register(send(f"m_{n}"))
    with scripted(port=port) as server:
        for n, own in enumerate(CLIENTS):
            assert flush(kind, server.url, tmp_path, **own) == 0
            headers, body = server.asked[-1]
            assert names(server.documents) == [f"m_{i}" for i in range(n + 1)]
            assert headers["authorization"] == f"Bearer {own['key']}"
            assert json.loads(body).get("application") == own["application"]
        assert kept(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_another_address_is_not_served(kind: str, tmp_path: Path) -> None:
    """What was kept for one receiver is not given to another."""
    register(kind, nobody(), RESPONSE, spool=tmp_path, patience_s=0.1)
    with scripted() as server:
        assert flush(kind, server.url, tmp_path) == 0

    assert server.asked == []
    assert kept(tmp_path) == [{"response": RESPONSE}]


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_application_is_kept_until_it_is_corrected(kind: str, tmp_path: Path) -> None:
    """A mistake of configuration loses nothing: who corrects it takes over what was kept."""

    def decide(key: str, document: Any) -> Reply:
        if key != KEY:
            return Reply(401, {})
        return Reply() if document.get("application") == "shop" else NO_SUCH_APPLICATION

    with scripted(decide=decide) as server:
        wrong = {"application": "shpo", "spool": tmp_path}
        (mistaken,) = register(kind, server.url, send("m_0"), **wrong)
        assert flush(kind, server.url, tmp_path, application="shpo") == 1
        with Client(server.url, OTHER_KEY, application="shop", spool=tmp_path) as client:
            assert client.register(send("m_1")).spooled
        assert (mistaken.spooled, mistaken.error) == (
            True,
            ("The application is unknown to the receiver (HTTP 400). Correct `application`."),
        )
        assert flush(kind, server.url, tmp_path, application="shop") == 0
        assert len(kept(tmp_path)) == 2
        server.asked.clear()
        with Client(server.url, KEY, application="shop", spool=tmp_path) as client:
            assert client.adopt("shpo") == 1
            assert client.adopt("shop") == 1
            assert client.adopt("nobody") == 0
            assert client.flush() == 0

        assert sorted(names(server.documents)) == ["m_0", "m_1"]
        assert {document["application"] for document in server.documents} == {"shop"}
        assert kept(tmp_path) == []


async def test_a_receiver_that_moved(tmp_path: Path) -> None:
    """What was kept for the old address is delivered to the new one when it is taken over."""
    old = nobody()
    async with AsyncClient(old, KEY, spool=tmp_path, patience_s=0.1) as client:
        await client.register(RESPONSE)
    with scripted() as server:
        async with AsyncClient(server.url, KEY, spool=tmp_path) as client:
            assert await client.adopt(url=old) == 1
            assert await client.flush() == 0

    assert server.documents == [{"response": RESPONSE}]


def test_what_nobody_delivers_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Files that only other clients may deliver are mentioned when they lie there for long."""
    register("sync", nobody(), RESPONSE, spool=tmp_path, patience_s=0.1)
    url = nobody()
    Client(url, KEY, spool=tmp_path).close()
    assert "adopt()" not in caplog.text
    (file,) = tmp_path.iterdir()
    age(file, 7200)
    Client(url, KEY, spool=tmp_path).close()

    assert "1 registrations for another key, application or address" in caplog.text


# --- what cannot be dealt with --------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_for_good_does_not_block_the_spool(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A registration out of the spool that the receiver refuses is put aside; the rest goes on."""
    port = free_port()
    register(kind, address(port), RESPONSE, {"sends": []}, spool=tmp_path, patience_s=0.2)
    with scripted(Reply(400, {"detail": PERSON}), Reply(), port=port) as server:
        assert flush(kind, server.url, tmp_path) == 0

    assert len(server.asked) == 2
    (aside,) = (tmp_path / "refused").iterdir()
    assert aside.suffix == ".refused"
    assert json.loads(aside.read_bytes().splitlines()[-1]) == {"response": RESPONSE}
    assert "refused" in caplog.text
    assert PERSON not in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_holds_up_what_lies_behind_it(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Files that are no files, no registrations, or refused to this client: the others go on."""
    port = free_port()
    ending = Owner.of(f"{address(port)}/v1/sends", KEY, None).ending
    odd = {
        "00-directory.ndjson": None,
        f"01-directory{ending}": None,
        "02-nonsense.ndjson": b"nonsense\n",
        f"03-nonsense{ending}": b"nonsense\n",
        f"04-one-line{ending}": b'{"sends":[]}\n',
        f"05-empty{ending}": b"",
        f"06-no-head{ending}": b'{"sends":[]}\n{"sends":[]}\n',
    }
    for name, content in odd.items():
        if content is None:
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).write_bytes(content)
    register(kind, address(port), *map(send, "abcd"), spool=tmp_path, patience_s=0.1)
    answers = {"a": Reply(403, {}), "b": Reply(400, {}), "c": NO_SUCH_APPLICATION}

    def decide(_: str, document: Any) -> Reply:
        return answers.get(document["sends"][0]["sms_msg_id"], Reply())

    with scripted(port=port, decide=decide) as server:
        left = flush(kind, server.url, tmp_path)
        assert names(server.documents) == ["a", "b", "c", "d"]
        assert left == 4  # two directories, the refused key, the unknown application
        register(kind, server.url, send("e"), spool=tmp_path)

    assert sorted(names(kept_files(tmp_path))) == ["a", "c"]
    aside = [file.name for file in (tmp_path / "refused").iterdir()]
    assert len(aside) == 6  # five that are no registrations, one that is refused
    assert "does not name its client" in caplog.text
    assert "cannot be read" in caplog.text


def kept_files(directory: Path) -> list[Any]:
    """Return the documents of what is a file."""
    files = [file for file in sorted(directory.glob("*.ndjson")) if file.is_file()]
    return [json.loads(file.read_bytes().splitlines()[-1]) for file in files]


@pytest.mark.parametrize("kind", KINDS)
def test_what_stays_is_not_tried_at_each_send(kind: str, tmp_path: Path) -> None:
    """A file that could not be dealt with costs the next sends nothing, and `flush` tries it."""
    with scripted(decide=lambda _, d: Reply(403 if "sends" in d else 202)) as server:
        register(kind, server.url, send("a"), *(5 * [RESPONSE]), spool=tmp_path)
        assert names([d for d in server.documents if "sends" in d]) == ["a", "a"]
        assert flush(kind, server.url, tmp_path) == 1
        assert names([d for d in server.documents if "sends" in d]) == ["a", "a", "a"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_receiver_fails_at_does_not_block_the_spool(kind: str, tmp_path: Path) -> None:
    """A registration that the receiver always fails at is tried last when it is tried again."""
    port = free_port()
    register(kind, address(port), *map(send, "abc"), spool=tmp_path, patience_s=0.1)

    def decide(_: str, document: Any) -> Reply:
        return Reply(500, {}) if document == send("a") else Reply()

    with scripted(port=port, decide=decide) as server:
        assert flush_twice(kind, server.url, tmp_path) == (1, 1)

    assert kept(tmp_path) == [send("a")]


@pytest.mark.parametrize("kind", KINDS)
def test_programs_that_live_for_a_moment_get_past_failures(kind: str, tmp_path: Path) -> None:
    """A program that registers once and ends finds what the receiver failed at behind all else."""
    port = free_port()
    register(kind, address(port), *map(send, "abcd"), spool=tmp_path, patience_s=0.1)

    def decide(_: str, document: Any) -> Reply:
        return Reply(500, {}) if document in (send("a"), send("b")) else Reply()

    with scripted(port=port, decide=decide) as server:
        for name in "xy":
            register(kind, server.url, send(name), spool=tmp_path)

    assert sorted(names(kept(tmp_path))) == ["a", "b"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_registration_is_put_aside(kind: str, tmp_path: Path) -> None:
    """What the receiver refuses at once lies beside what it refused out of the spool."""
    with scripted(Reply(400, {"detail": "No."})) as server:
        (result,) = register(kind, server.url, send("a"), spool=tmp_path)

    assert (result.spooled, kept(tmp_path)) == (False, [])
    (file,) = (tmp_path / "refused").iterdir()
    assert json.loads(file.read_bytes().splitlines()[-1]) == send("a")


@pytest.mark.parametrize("odd", ["a loop of links", "a pipe"])
def test_entries_that_are_no_files_stop_nobody(odd: str, tmp_path: Path) -> None:
    """Neither a client nor its flush fails at an entry that cannot be looked at, or never ends."""
    with scripted() as server:
        for owner in (Owner.of(f"{server.url}/v1/sends", KEY, name) for name in (None, "other")):
            entry = tmp_path / f"0{owner.ending}"
            entry.symlink_to(entry.name) if odd == "a loop of links" else os.mkfifo(entry)
        (result,) = register("sync", server.url, send("a"), spool=tmp_path)
        left = flush("sync", server.url, tmp_path)

    assert (result.registered, left) == (1, odd == "a loop of links")


def test_adopting_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a full spool, and around what cannot be read, everything else is adopted."""
    monkeypatch.setattr(spool, "MOST_KEPT", 3)
    with scripted(Reply(401, {})) as server:
        register("sync", server.url, *map(send, "ab"), spool=tmp_path, application="old")
    ending = Owner.of(f"{server.url}/v1/sends", KEY, "old").ending
    (tmp_path / f"0{ending}").mkdir()
    with Client(server.url, KEY, spool=tmp_path) as client, pytest.raises(IsADirectoryError):
        client.adopt("old")

    (tmp_path / f"0{ending}").rmdir()
    assert sorted(names(kept(tmp_path))) == ["a", "b"]
    mine = Owner.of(f"{server.url}/v1/sends", KEY, None).ending
    assert len(list(tmp_path.glob(f"*{mine}"))) == 2


def test_a_relative_directory_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that changes its working directory keeps its registrations in one place."""
    monkeypatch.chdir(tmp_path)
    with Client(nobody(), KEY, spool="spool", patience_s=0.1) as client:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert client.register(RESPONSE).spooled

    assert len(kept(tmp_path / "spool")) == 1


def flush_twice(kind: str, url: str, directory: Path) -> tuple[int, int]:
    """Flush twice by one client; return how many were left each time."""

    async def in_a_loop() -> tuple[int, int]:
        async with AsyncClient(url, KEY, spool=directory, timeout_s=1.5) as client:
            return await client.flush(), await client.flush()

    if kind == "async":
        return asyncio.run(in_a_loop())
    with Client(url, KEY, spool=directory, timeout_s=1.5) as client:
        return client.flush(), client.flush()


def test_refused_files_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of what is refused the newest stay, away from what is looked through; the log says so."""
    monkeypatch.setattr(spool, "MOST_REFUSED", 2)
    (tmp_path / "00-of-an-earlier-version.refused").touch()
    port = free_port()
    register("sync", address(port), *map(send, "abc"), spool=tmp_path, patience_s=0.1)
    with scripted(Reply(400, {}), port=port) as server:
        assert flush("sync", server.url, tmp_path) == 0

    assert [path.name for path in tmp_path.iterdir()] == ["refused"]
    refused = sorted((tmp_path / "refused").iterdir())
    assert [json.loads(f.read_bytes().splitlines()[-1]) for f in refused] == [send("b"), send("c")]
    assert "the oldest 1 were removed" in caplog.text


# --- the directory --------------------------------------------------------------------------------


def remove(directory: Path) -> None:
    """Remove a directory of files, as a cleaner does."""
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()


def test_a_directory_that_a_cleaner_removed_is_made_again(tmp_path: Path) -> None:
    """A spool goes on in a new directory, and one that is gone is an empty one."""
    directory, port = tmp_path / "spool", free_port()
    with Client(address(port), KEY, spool=directory, patience_s=0.1) as client:
        assert client.register(send("a")).spooled
        remove(directory)
        assert client.register(send("b")).spooled
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        with scripted(port=port) as server:
            assert client.flush() == 0
            assert names(server.documents) == ["b"]
            directory.rmdir()
            assert client.register(send("c")).registered == 1
            assert client.flush() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_spool_that_cannot_be_written(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spool that takes nothing is told as an error; the send path never notices."""
    limited = os.open

    def no_files(path: Any, flags: int, *more: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(28, "No space left on device")
        return limited(path, flags, *more)

    monkeypatch.setattr(os, "open", no_files)
    (result,) = register(kind, nobody(), RESPONSE, spool=tmp_path, patience_s=0.1)

    assert result.error
    assert not result.spooled
    assert "the spool cannot be written (OSError)" in caplog.text


def test_the_limit_holds_for_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients of whatever key fill a directory together; what comes on top is told to be lost."""
    monkeypatch.setattr(spool, "MOST_KEPT", 100)
    url = nobody()
    owners = [Owner.of(f"{url}/v1/sends", key, None) for key in "abcde"]
    spools = [Spool(tmp_path, owner) for owner in owners]
    taken = 0
    for n in range(60):
        for one in spools:
            try:
                one.keep(b"{}")
            except spool.SpoolFullError:
                assert n >= 20 - 1
            else:
                taken += 1
    assert taken == len(kept(tmp_path)) == 100
    (result,) = register("sync", url, RESPONSE, spool=tmp_path, patience_s=0.1)
    assert not result.spooled
    assert "SpoolFullError" in caplog.text

    remove(tmp_path)
    monkeypatch.setattr(spool, "_FULL_FOR_S", 0.0)
    with pytest.raises(FileNotFoundError):
        tmp_path.stat()
    assert register("sync", url, RESPONSE, spool=tmp_path, patience_s=0.1)[0].spooled


# --- what was not finished ------------------------------------------------------------------------

HEAD = Owner("http://127.0.0.1:1/v1/sends", "k", None).head
WHOLE = HEAD + b"\n" + json.dumps({"response": RESPONSE, "text_length": 70}).encode() + b"\n"


@given(cut=st.integers(0, len(WHOLE)), seconds=st.sampled_from([0, 60, 7200]))
@settings(max_examples=60)
def test_what_a_crash_left(
    tmp_path_factory: pytest.TempPathFactory, cut: int, seconds: int
) -> None:
    """A file without its last name is delivered when it is whole, and removed when it is torn.

    In both cases not before its writer must have ended.
    """
    directory = tmp_path_factory.mktemp("spool")
    owner = Owner("http://127.0.0.1:1/v1/sends", "k", None)
    file = directory / f"1-1-a{owner.ending}.tmp"
    file.write_bytes(WHOLE[:cut])
    age(file, seconds)
    waiting = Spool(directory, owner).waiting()

    whole = cut == len(WHOLE)
    assert len(waiting) == (whole and seconds >= 60)
    assert file.exists() == (seconds == 0 or (not whole and seconds == 60))
    if waiting:
        assert waiting[0].read_bytes() == WHOLE
