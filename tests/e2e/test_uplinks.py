"""People write: which message they answered, and who must not be sent to any more."""

import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.e2e.pushes import form
from tests.support.server import KEY, MakeServer, Server, run

CHANNEL = "1069031221280000001"
_NUMBERS = count(13_900_000_000)


@dataclass
class Person:
    """Somebody with a phone, whom no other test knows."""

    server: Server
    number: str = field(default_factory=lambda: f"+86{next(_NUMBERS)}")

    def write(self, body: str, minute: int | None = None, **fields: str) -> str:
        """Write an SMS, at a minute past noon if that is told; return its id."""
        sms_msg_id = str(uuid4())
        usual = {"from": self.number, "to": CHANNEL, "body": body, "smsMsgId": sms_msg_id}
        if minute is not None:
            usual["createTime"] = at(minute)
        answer = self.server.push(form(**{**usual, **fields}))
        assert answer.status_code == 200
        return sms_msg_id

    def register(self, minute: int, *, sender: str = CHANNEL, reference: str = "r") -> str:
        """Register a send to the person as the platform tells of it; return its id."""
        sms_msg_id = f"{uuid4()}_1"
        entry = {
            "originTo": self.number,
            "createTime": at(minute),
            "from": sender,
            "smsMsgId": sms_msg_id,
            "status": "000000",
        }
        response = {"result": [entry], "code": "000000", "description": "Success"}
        self.server.api.register({"response": response, "reference": reference})
        return sms_msg_id

    def uplink(self, sms_msg_id: str) -> dict[str, Any]:
        """Look an uplink up."""
        self.server.caught_up()
        found: dict[str, Any] = self.server.api.get(f"/v1/uplinks/{quote(sms_msg_id)}")
        return found

    def suppressions(self, **wanted: str) -> list[dict[str, Any]]:
        """Return the person's rows of the suppression list."""
        self.server.caught_up()
        found = self.server.api.get("/v1/suppressions", number=self.number, **wanted)
        rows: list[dict[str, Any]] = found["suppressions"]
        return rows


def at(minute: int) -> str:
    """Write a minute past noon as the platform does."""
    return f"2024-01-01T{12 + minute // 60:02}:{minute % 60:02}:00Z"


@pytest.fixture
def person(shared_server: Server) -> Person:
    """Return somebody whom no other test knows."""
    return Person(shared_server)


# --- opting out ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    ["R", "\uff32", "t d", "退订", "“退订”。", "Stop", "退\u3000订"],
    ids=["R", "full-width", "spaced", "Chinese", "quoted", "English", "Chinese spaced"],
)
def test_a_word_puts_the_person_on_the_list(person: Person, body: str) -> None:
    """Whoever writes an opt-out word is listed with the channel, the uplink and the time."""
    written = person.write(body, 5)
    assert person.suppressions() == [
        {
            "number": person.number,
            "channel": CHANNEL,
            "application": "default",
            "suppressed": True,
            "holds": True,
            "source": "uplink",
            "source_id": written,
            "reason": None,
            "since": at(5),
            "until": None,
        }
    ]
    assert person.uplink(written)["intent"] == "opt-out"


@pytest.mark.parametrize("body", ["退订吗", "R u there", "No", "", "谢谢"])
def test_an_ordinary_answer_lists_nobody(person: Person, body: str) -> None:
    """Only a text that is a word as a whole counts."""
    assert person.uplink(person.write(body))["intent"] is None
    assert person.suppressions() == []


@pytest.mark.parametrize("reading", ["latin-1", "cp1252"])
def test_a_garbled_opt_out_counts(person: Person, reading: str) -> None:
    """A text that was garbled on its way is repaired first, and kept as it came too."""
    garbled = "退订".encode().decode(reading)
    uplink = person.uplink(person.write(garbled))
    assert (uplink["body"], uplink["original_body"]) == ("退订", garbled)
    assert uplink["intent"] == "opt-out"
    assert len(person.suppressions()) == 1


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        pytest.param("%CD%CB%B6%A9", "退订", id="GBK"),
        pytest.param("%00R", "R", id="UTF-16"),
        pytest.param("STOP%00", r"STOP\x00", id="NUL"),
        pytest.param("STOP+%F0%9F%99%8F", "STOP 🙏", id="emoji"),
        pytest.param("STOP+%ED%A0%BD%ED%B9%8F", "STOP 🙏", id="CESU-8"),
    ],
)
def test_an_opt_out_in_other_bytes_counts(person: Person, body: str, shown: str) -> None:
    """An opt-out in another charset, or with signs beside it, is stored, shown and obeyed."""
    number = person.number.replace("+", "%2B")
    head = f"from={number}&to={CHANNEL}&smsMsgId={uuid4()}&body="

    assert person.server.push(head.encode() + body.encode()).status_code == 200
    person.server.caught_up()

    (uplink,) = person.server.api.get("/v1/uplinks", **{"from": person.number})["uplinks"]
    assert (uplink["body"], uplink["intent"]) == (shown, "opt-out")
    assert len(person.suppressions()) == 1


def test_another_text_under_the_same_id_counts(person: Person) -> None:
    """The opt-out that comes under the id of another text is no redelivery of that."""
    same = person.write("Hello", 1)
    person.write("R", 2, smsMsgId=same)
    person.server.caught_up()

    listed = person.server.api.get("/v1/uplinks", sms_msg_id=same)["uplinks"]
    where = ("--api-url", person.server.api_url, "--api-key", KEY)
    done = run("lookup", same, "--json", "--reveal", *where)
    assert [one["body"] for one in listed] == ["R", "Hello"]
    assert json.loads(done.stdout) == listed
    assert len(person.suppressions()) == 1


def test_start_lifts_the_channel_that_it_is_written_to(person: Person) -> None:
    """An opt-in takes the person off the list for that channel alone."""
    person.write("R", 1)
    other = person.write("R", 1, to="1070")
    lifted = person.write("start", 2)
    assert [row["source_id"] for row in person.suppressions()] == [other]
    (row,) = person.suppressions(suppressed="false")
    assert (row["source_id"], row["channel"], row["suppressed"]) == (lifted, CHANNEL, False)


def test_the_newest_word_holds_in_any_order(person: Person) -> None:
    """An older opt-out that comes after a newer opt-in changes nothing, redelivered or not."""
    person.write("START", 10)
    again = person.write("R", 5)
    assert person.suppressions() == []
    person.write("R", 5, smsMsgId=again)
    assert person.suppressions() == []
    newest = person.write("R", 11)
    assert [row["source_id"] for row in person.suppressions()] == [newest]


def test_the_list_survives_a_kill(make_server: MakeServer) -> None:
    """What was accepted is on the list after a kill and a restart, once."""
    settings = {"RECEIVER_UPLINKS__OPT_OUT_WORDS": json.dumps(["Aus", "R"])}
    server = make_server(settings).start()
    server.ready()
    person = Person(server)
    written = person.write("AUS")
    person.write("TD", to="1070")
    server.kill()
    server.start()
    assert [row["source_id"] for row in person.suppressions()] == [written]
    assert server.rows("SELECT count(*) FROM suppressions") == [(1,)]


# --- answering ----------------------------------------------------------------------------------


def test_an_uplink_is_matched_by_channel_number_and_extension(person: Person) -> None:
    """The longest channel number that fits decides, then the newest before the uplink."""
    person.register(1)
    precise = person.register(2, sender=CHANNEL + "07", reference="order 7")
    person.register(3)
    person.register(4, sender="1070")
    person.register(60, sender=CHANNEL + "07")
    answers = person.uplink(person.write("yes", 30, to=CHANNEL + "0712"))["answers"]
    assert answers == {
        "sms_msg_id": precise,
        "reference": "order 7",
        "extend": None,
        "rule": "channel",
        "ambiguous": False,
        "candidates": [precise],
    }


def test_several_messages_that_fit_are_all_named(person: Person) -> None:
    """An ambiguous answer says so: the newest is taken, the others stand beside it."""
    ids = [person.register(minute) for minute in (1, 2, 3)]
    answers = person.uplink(person.write("which one?", 30))["answers"]
    assert (answers["sms_msg_id"], answers["ambiguous"]) == (ids[-1], True)
    assert answers["candidates"] == ids[::-1]


def test_a_send_that_is_registered_after_its_answer_is_found(person: Person) -> None:
    """The order of arrival does not matter: the uplink waits for its message."""
    written = person.write("yes", 30)
    assert person.uplink(written)["answers"] is None
    late = person.register(29)
    answers = person.uplink(written)["answers"]
    assert (answers["sms_msg_id"], answers["rule"]) == (late, "channel")
    person.register(31)
    assert person.uplink(written)["answers"] == answers


def test_without_a_channel_number_the_persons_number_decides(person: Person) -> None:
    """A message from an alias, or whose send is not registered, is matched by number alone."""
    aliased = person.register(1, sender="csms12345678")
    assert person.uplink(person.write("yes", 5))["answers"]["rule"] == "number"
    orphan = f"{uuid4()}_1"
    person.server.push(
        form(smsMsgId=orphan, status="DELIVRD", updateTime=at(10), to=person.number, extend="x")
    )
    answers = person.uplink(person.write("yes", 15))["answers"]
    assert (answers["sms_msg_id"], answers["rule"], answers["extend"]) == (orphan, "number", "x")
    assert (answers["ambiguous"], answers["candidates"]) == (True, [orphan, aliased])
