"""A person is forgotten: in no file afterwards, and nobody else has lost anything."""

import json
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest

from receiver.domain import times
from tests.e2e.pushes import batch, form
from tests.support.parts import write_lock
from tests.support.server import KEY, MakeServer, Server, eventually, run

PERSON = "+8615500005172"
BARE = "15500005172"
OTHERS = 400
# A look for these finds every writing but those in groups of digits, which stand below.
WRITINGS = (
    BARE.encode(),
    b"155 0000 5172",
    b"155-0000-5172",
    b"155+0000+5172",
    b"155%200000%205172",
)


def other(place: int) -> str:
    """Return the number of somebody else; 0 is nobody else."""
    return f"+86155{5172 + 7919 * place:08d}"


def ago(seconds: float) -> str:
    """Write a time that lies so far back, as the platform does."""
    return times.to_rfc3339(int(time.time() - seconds) * times.SECOND)


def traces(server: Server) -> list[str]:
    """Return the files of the data directory that hold the number, by their raw bytes."""
    return [
        f"{path.name}: {writing!r}"
        for path in sorted(server.directory.rglob("*"))
        if path.is_file()
        for writing in WRITINGS
        if writing in path.read_bytes()
    ]


def report(sms_msg_id: str, status: str, to: str) -> dict[str, str]:
    """Make one item of a push."""
    return {
        "smsMsgId": sms_msg_id,
        "status": status,
        "to": to,
        "updateTime": ago(60),
        "source": "2",
        "total": "1",
        "sequence": "1",
    }


def forget(server: Server, number: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command against a running receiver."""
    asked = ("--api-url", server.api_url, "--api-key", KEY)
    return run("forget", number, *arguments, *asked, timeout_s=60)


def fill(server: Server) -> None:
    """Let much be heard about the person in every writing, and about many others beside."""
    sends = [{"sms_msg_id": f"o{n}", "to": other(n), "sent_at": ago(90)} for n in range(1, OTHERS)]
    mine = [
        {"sms_msg_id": "p-plus", "to": PERSON, "sent_at": ago(90), "reference": "r1"},
        {"sms_msg_id": "p-bare", "to": BARE, "sent_at": ago(90)},
        {"sms_msg_id": "p-code", "to": PERSON[1:], "sent_at": ago(90)},
        {"sms_msg_id": "p-zero", "to": f"00{PERSON[1:]}", "sent_at": ago(90)},
        {"sms_msg_id": "p-groups", "to": "155 0000 5172", "sent_at": ago(90)},
        {"sms_msg_id": "p-failed", "to": PERSON, "from": "1069", "sent_at": ago(90)},
        {"sms_msg_id": "p-pending", "to": PERSON, "sent_at": ago(90)},
        {"sms_msg_id": "o-reference", "to": other(OTHERS), "sent_at": ago(90), "reference": BARE},
    ]
    server.api.register({"sends": sends[: OTHERS // 2] + mine + sends[OTHERS // 2 :]})
    bodies = [
        form(**report(f"o{n}", "DELIVRD" if n % 3 else "UNDELIV", other(n)))
        for n in range(1, OTHERS, 2)
    ]
    bodies += [
        batch(
            [
                report(f"o{n}", "DELIVRD", other(n)),
                report("p-plus" if n % 4 else "p-orphan", "DELIVRD", PERSON),
                report(f"o{n}", "DELIVRD", other(n)[1:]),
            ]
        )
        for n in range(2, OTHERS, 2)
    ]
    bodies += [
        form(**report("p-bare", "DELIVRD", BARE)),
        form(**report("p-code", "DELIVRD", PERSON[1:])),
        form(smsMsgId="p-zero", status="DELIVRD", updateTime=ago(60)),  # without a number
        form(**report("p-failed", "UNDELIV", PERSON)),
        batch([{**report("p-groups", "DELIVRD", ""), "to": int(BARE)}]),
        batch([report("p-plus", "DELIVRD", PERSON), {"status": "DELIVRD", "to": PERSON}]),
        form(from_=PERSON, to="1069", body="R", smsMsgId="u-person", createTime=ago(30)),
        form(from_=other(1), to="1069", body="hello", smsMsgId="u-other", createTime=ago(30)),
        form(
            from_=other(2), to="1069", body=f"ask {BARE} please", smsMsgId="u-told",
            createTime=ago(30),
        ),
    ]  # fmt: skip
    for body in bodies:
        assert server.push(body).status_code == 200, body
    junk = [
        f"to=%2B{PERSON[1:]}&nothing=1".encode(),
        f'{{"to": "{PERSON}"'.encode(),
        f"to={PERSON[1:]}&nothing=1".encode(),
        b"to=%31%35%35%30%30%30%30%35%31%37%32&nothing=1",
        b"to=" + other(3)[1:].encode() + b"&nothing=1",
    ]
    for body in junk:
        assert server.push(body).status_code == 400, body
    server.caught_up()
    for number in (PERSON, other(5)):
        answer = server.api.http.put(
            f"/v1/suppressions/{quote(number, safe='')}",
            json={"reason": f"asked from {number}"},
        )
        assert answer.status_code == 200, answer.text
    lifted = server.api.http.request(
        "DELETE",
        f"/v1/suppressions/{quote(PERSON, safe='')}",
        json={"reason": "again", "override_opt_out": True},
    )
    assert lifted.status_code == 200, lifted.text
    claimed = server.api.http.post(
        "/v1/retries/claim", json={"limit": 1}, headers={"idempotency-key": f"for {BARE}"}
    )
    assert claimed.status_code == 200, claimed.text


def others_data(server: Server) -> dict[str, Any]:
    """Return all that is known about others."""
    ids = [f"o{n}" for n in range(1, OTHERS)]
    messages = server.api.lookup(ids)
    messages["o-reference"] = server.api.message("o-reference")
    messages["o-reference"]["reference"] = None
    return {
        "messages": messages,
        "uplink": server.api.get("/v1/uplinks/u-other"),
        "suppressed": server.api.get("/v1/suppressions", number=other(5))["suppressions"],
        "quarantine": [
            row["body"]
            for row in server.api.get("/v1/quarantine")["quarantine"]
            if "8615500028929" in row.get("body", "")
        ],
        "silence": server.api.get("/v1/stats/silence")["applications"][0]["pending"],
    }


@pytest.fixture
def filled(make_server: MakeServer) -> Server:
    """Return a server that has heard much about the person and others."""
    server = make_server().start()
    fill(server)
    return server


def test_the_number_is_in_no_file(filled: Server) -> None:
    """After it the raw bytes hold no writing; others' data, pushes and look-ups go on."""
    server = filled
    before = others_data(server)
    assert len(traces(server)) > 2
    done = forget(server, BARE, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["found_in_files"] == []
    assert traces(server) == []
    erased = answer["erased"]
    assert erased["messages"] == 8
    assert erased["uplinks"] == 1
    assert erased["quarantine"] == 5
    assert erased["suppressions"] >= 2
    assert erased["suppression_changes"] == 2
    assert {"journal", "covered", "retries", "reports"} <= set(erased)

    server.kill()  # with no chance to tidy up
    assert traces(server) == []
    server.start().caught_up()
    assert traces(server) == []
    assert others_data(server) == before
    assert server.api.get("/v1/messages", to=BARE)["messages"] == []
    assert server.api.http.get("/v1/messages/p-zero").status_code == 404
    assert server.api.get("/v1/uplinks", **{"from": PERSON})["uplinks"] == []
    assert server.api.get("/v1/uplinks/u-told")["body"] == f"ask {'*' * 11} please"
    history = server.api.get(f"/v1/suppressions/{quote(PERSON, safe='')}/history")
    assert (history["changes"], history["words"]) == ([], [])
    assert server.push(form(**report("o1", "UNDELIV", other(1)))).status_code == 200
    server.caught_up()
    assert len(server.api.message("o1")["reports"]) == 2
    assert server.api.metric("receiver_orphans") == 0


def test_a_lost_store_comes_back_without_the_person(filled: Server) -> None:
    """The journal alone, read again, gives everybody else's data and nothing of the person."""
    server = filled
    before = others_data(server)
    answer = server.api.http.post("/v1/forget", json={"number": PERSON})
    assert answer.json()["found_in_files"] == [], answer.text
    server.kill()
    for file in server.store_file.parent.glob(f"{server.store_file.name}*"):
        file.unlink()
    server.start().caught_up()
    after = others_data(server)
    assert after["messages"] == before["messages"]
    assert after["uplink"] == before["uplink"]
    assert traces(server) == []
    assert server.api.http.get("/v1/messages/p-zero").status_code == 404
    assert server.api.metric("receiver_orphans") == 0
    assert [row["body"] for row in server.api.get("/v1/quarantine")["quarantine"]] == (
        before["quarantine"]
    )


def test_forgetting_is_asked_for_again(filled: Server) -> None:
    """What comes after it is new; a second time finds only that, a third nothing."""
    server = filled
    assert forget(server, PERSON).returncode == 0
    assert server.push(form(**report("p-late", "DELIVRD", PERSON))).status_code == 200
    again = json.loads(forget(server, "+86 155-0000-5172", "--json").stdout)
    assert again["erased"] == {"journal": 1, "messages": 1, "reports": 1}
    third = forget(server, PERSON)
    assert "No data of this number" in third.stdout
    assert traces(server) == []


ALIKE = "+15500005172"  # of the United States: the digits of the person's number without its code
BESIDE = other(OTHERS + 1)
WIDE = "".join(chr(0xFF10 + int(digit)) for digit in BARE)


def fill_with_what_looks_alike(server: Server) -> None:
    """Let others be heard about whose data holds the digits, or names the person."""
    sends = [
        {"sms_msg_id": "a-abroad", "to": ALIKE, "sent_at": ago(90)},
        {"sms_msg_id": "a-named", "to": BESIDE, "sent_at": ago(90)},
        {"sms_msg_id": "a-status", "to": BESIDE, "sent_at": ago(90)},
        {"sms_msg_id": "a-time", "to": BESIDE, "sent_at": "2019-02-12T19:28:37.2Z"},
        {"sms_msg_id": f"a-9{BARE}", "to": BESIDE, "sent_at": ago(90)},
        {"sms_msg_id": "a-wide", "to": BESIDE, "sent_at": ago(90), "reference": f"of {WIDE}"},
        {"sms_msg_id": "a-tab", "to": BESIDE, "sent_at": ago(90), "reference": "155\t0000\t5172"},
        {"sms_msg_id": "p-one", "to": PERSON, "sent_at": ago(90)},
    ]
    server.api.register({"sends": sends})
    bodies = [
        form(**report("a-abroad", "DELIVRD", ALIKE)),
        form(**report("a-named", "DELIVRD", PERSON)),
        form(**report("a-named", "UNDELIV", BESIDE)),
        form(**report("a-status", BARE, BESIDE)),
        form(**report("p-one", "DELIVRD", "")),
        form(from_=ALIKE, to="1069", body="hello", smsMsgId="a-from", createTime=ago(30)),
        form(
            from_=BESIDE, to="1069", body=f"{WIDE}, 1 55 00 00 51 72, 155\u00a000005172 ok",
            smsMsgId="a-told", createTime=ago(30),
        ),
    ]  # fmt: skip
    for body in bodies:
        assert server.push(body).status_code == 200, body
    for number, reason in ((ALIKE, "abroad"), (BESIDE, f"of the same household as {BARE}")):
        path = f"/v1/suppressions/{quote(number, safe='')}"
        assert server.api.http.put(path, json={"reason": reason}).status_code == 200
    server.caught_up()


def check_alike(server: Server) -> None:
    """Assert that all of them are there, and nothing names the person."""
    kept = ["a-abroad", "a-named", "a-status", "a-time", f"a-9{BARE}", "a-wide", "a-tab"]
    messages = server.api.lookup(kept)
    assert {name: message["to"] for name, message in messages.items()} == {
        name: ALIKE if name == "a-abroad" else BESIDE for name in kept
    }
    assert messages["a-abroad"]["state"] == "delivered"
    named, right = sorted(report["to"] for report in messages["a-named"]["reports"])
    assert (set(named), right) == ({"*"}, BESIDE)
    assert messages["a-wide"]["reference"] == f"of {'*' * len(BARE)}"
    assert "0000" not in messages["a-tab"]["reference"]
    assert server.api.get("/v1/uplinks/a-from")["from"] == ALIKE
    text = server.api.get("/v1/uplinks/a-told")["body"]
    assert text.endswith(" ok")
    assert not any(digit in text for digit in BARE)
    for number, reason in ((ALIKE, "abroad"), (BESIDE, "of the same household as ***********")):
        found = server.api.get(f"/v1/recipients/{quote(number, safe='')}")
        assert found["may_send"] is False
        history = server.api.get(f"/v1/suppressions/{quote(number, safe='')}/history")
        assert [word["reason"] for word in history["words"]] == [reason]
    assert server.api.http.get("/v1/messages/p-one").status_code == 404


def test_who_looks_alike_loses_nothing(make_server: MakeServer) -> None:
    """Numbers abroad, reports that name the wrong one, words by hand: all stays but the number."""
    server = make_server().start()
    fill_with_what_looks_alike(server)
    answer = json.loads(forget(server, PERSON, "--json").stdout)
    assert answer["found_in_files"] == []
    assert answer["erased"]["messages"] == 1
    check_alike(server)

    server.kill()
    for file in server.store_file.parent.glob(f"{server.store_file.name}*"):
        file.unlink()
    server.start().caught_up()
    check_alike(server)


def test_killed_in_the_middle_it_is_completed_the_next_time(make_server: MakeServer) -> None:
    """Reports that name no number are found although the store has forgotten whose they are."""
    server = make_server().start()
    ids = [f"p{n}" for n in range(200)]
    server.api.register({"sends": [{"sms_msg_id": one, "to": PERSON} for one in ids]})
    for one in ids:
        report = form(smsMsgId=one, status="DELIVRD", updateTime=ago(60))
        assert server.push(report).status_code == 200
    server.caught_up()
    with write_lock(server.journal_file), ThreadPoolExecutor(1) as threads:
        asked = threads.submit(forget, server, PERSON)
        eventually(
            lambda: server.api.get("/v1/messages", to=PERSON)["messages"] == [],
            "the store has done",
        )
        server.kill(all_of_it=True)
        assert asked.result(30).returncode != 0
    server.start().caught_up()
    assert forget(server, PERSON).returncode == 0
    server.kill()
    for file in server.store_file.parent.glob(f"{server.store_file.name}*"):
        file.unlink()
    server.start().caught_up()
    assert server.api.get("/v1/messages")["messages"] == []
    assert not (server.directory / "forgetting").exists()


def test_ids_that_an_earlier_one_left_are_completed(make_server: MakeServer) -> None:
    """Ended within the journal it goes on by the ids that were kept, and by no others."""
    server = make_server().start()
    for one in ("left", "other"):
        body = form(smsMsgId=one, status="DELIVRD", updateTime=ago(60))
        assert server.push(body).status_code == 200
    server.caught_up()
    assert server.stop() == 0
    left = server.directory / "forgetting"
    left.write_text('[["default", "left"]]')
    server.start().caught_up()
    assert forget(server, PERSON).returncode == 0
    assert not left.exists()
    server.kill()
    for file in server.store_file.parent.glob(f"{server.store_file.name}*"):
        file.unlink()
    server.start().caught_up()
    known = server.api.get("/v1/messages")["messages"]
    assert [message["sms_msg_id"] for message in known] == ["other"]


@pytest.mark.parametrize("sign", ["\u200b", "\u202a", "\ufeff", "\xa0"], ids=ascii)
def test_a_number_with_what_nobody_sees_goes_too(make_server: MakeServer, sign: str) -> None:
    """Nothing is left of a number that came with an invisible character, or in a field twice."""
    server = make_server().start()
    hidden = f"155{sign}{PERSON[-8:]}"
    server.api.register({"sends": [{"sms_msg_id": "p1", "to": hidden}, {"sms_msg_id": "o1"}]})
    told = {"smsMsgId": "o1", "status": "A", "extend": "x"}
    bodies = [
        form(from_=hidden, to="1069", body="R", smsMsgId="u1"),
        form(smsMsgId="p1", status="DELIVRD", to=hidden),
        batch([{"smsMsgId": "p2", "status": "A", "to": hidden}, told]),
        batch([told]).replace(b'"extend"', f'"extend":"{BARE}","extend"'.encode()),
        form(smsMsgId="o1", status="A", extend=hidden) + b"&extend=x",
    ]
    for body in bodies:
        assert server.push(body).status_code == 200, body
    server.caught_up()
    suppressed = server.api.get("/v1/suppressions", number=PERSON)["suppressions"]
    assert [one["number"] for one in suppressed] == [PERSON]
    assert len(server.api.get("/v1/messages", to=BARE)["messages"]) == 2
    done = forget(server, BARE, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    digits = PERSON[-8:].encode()
    files = [path for path in server.directory.rglob("*") if path.is_file()]
    assert [path.name for path in files if digits in path.read_bytes()] == []
    assert server.api.message("o1")["registered"]


def test_an_opt_out_can_be_kept(filled: Server) -> None:
    """With --keep-suppression the list keeps the number, and the proof says where."""
    server = filled
    number = other(5)
    done = forget(server, number, "--keep-suppression", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert set(answer["found_in_files"]) == {"journal.sqlite3", "store.sqlite3"}
    assert server.api.get("/v1/messages", to=number)["messages"] == []
    found = server.api.get(f"/v1/recipients/{quote(number, safe='')}")
    assert found["may_send"] is False


def test_traces_of_older_versions_go_too(make_server: MakeServer) -> None:
    """What was deleted before deleting meant overwriting is taken from both files."""
    server = make_server().start()
    server.caught_up()
    assert server.push(form(**report("o1", "DELIVRD", other(1)))).status_code == 200
    server.caught_up()
    assert server.stop() == 0
    for file, table in ((server.store_file, "quarantine"), (server.journal_file, "journal")):
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA secure_delete = OFF")
            connection.execute("CREATE TABLE old (body TEXT)")
            connection.execute("INSERT INTO old VALUES (?)", (PERSON,))
            connection.execute("DROP TABLE old")
            connection.commit()
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] < 2  # noqa: S608 - ours
    assert len(traces(server)) == 2
    server.start().caught_up()
    done = json.loads(forget(server, PERSON, "--json").stdout)
    assert (done["erased"], done["found_in_files"]) == ({}, [])
    assert traces(server) == []
    assert server.push(form(**report("o2", "DELIVRD", other(2)))).status_code == 200
    server.caught_up()
    assert {server.api.message(one)["state"] for one in ("o1", "o2")} == {"delivered"}


def test_pushes_go_on_meanwhile(filled: Server) -> None:
    """While people are forgotten every push of others is acknowledged, and none is lost."""
    server = filled
    with ThreadPoolExecutor(1) as pool:
        forgetting = pool.submit(lambda: [forget(server, other(n)).returncode for n in (7, 8, 9)])
        pushed: list[str] = []
        while not forgetting.done():
            pushed.append(f"m{len(pushed)}")
            body = form(**report(pushed[-1], "DELIVRD", other(20)))
            assert server.push(body).status_code == 200
    assert forgetting.result() == [0, 0, 0]
    server.kill()
    server.start().caught_up()
    assert len(pushed) > 50
    for start in range(0, len(pushed), 1000):
        some = pushed[start : start + 1000]
        assert set(server.api.lookup(some)) == set(some)


@pytest.mark.parametrize(
    ("document", "status"),
    [
        pytest.param({}, 400, id="no number"),
        pytest.param({"number": "csms12345678"}, 400, id="an alias"),
        pytest.param({"number": 15500005172}, 400, id="no text"),
        pytest.param({"number": "12345"}, 400, id="a piece of a number"),
        pytest.param({"number": "+8612345"}, 400, id="a piece with its country"),
        pytest.param({"number": "2026-01-02"}, 400, id="a date"),
        pytest.param({"number": PERSON, "keep_suppression": "no"}, 400, id="no flag"),
        pytest.param({"number": PERSON, "dry_run": True}, 400, id="an unknown member"),
    ],
)
def test_what_cannot_be_forgotten_is_refused(
    shared_server: Server, document: dict[str, object], status: int
) -> None:
    """A request that is not understood erases nothing."""
    assert shared_server.api.http.post("/v1/forget", json=document).status_code == status
