"""Registrations: the platform's send response and our own list become sends."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain import times
from receiver.domain.inputs import Send
from receiver.domain.messages.conflicts import COMPARED
from receiver.huawei.registration import (
    FIELDS,
    Note,
    Registration,
    RegistrationError,
    Rejected,
    read_registration,
    read_send,
)
from receiver.store.records import dump_send, load_send
from tests.support.doors import INVISIBLE

SENT = 1_527_266_074_000_000  # 2018-05-25T16:34:34Z
ENTRY = {
    "originTo": "+86155****5678",
    "createTime": "2018-05-25T16:34:34Z",
    "from": "1069********0012",
    "smsMsgId": "d6e3cdd0-522b-4692-8304-a07553cdf591_8539659",
    "status": "000000",
    "countryId": "CN",
    "total": 2,
}
RESPONSE = {"result": [ENTRY], "code": "000000", "description": "Success"}
SDK_ENTRY = {  # as `to_dict()` of the platform's Python SDK writes it
    "create_time": "2018-05-25T16:34:34Z",
    "_from": "1069********0012",
    "origin_to": "+86155****5678",
    "sms_msg_id": "d6e3cdd0-522b-4692-8304-a07553cdf591_8539659",
    "status": "000000",
    "country_id": "CN",
    "total": 2,
}
SEND = Send(
    sms_msg_id="d6e3cdd0-522b-4692-8304-a07553cdf591_8539659",
    status="000000",
    to="+86155****5678",
    sender="1069********0012",
    sent_at=SENT,
    total=2,
    country="CN",
)

OURS = {
    "sms_msg_id": "d6e3cdd0-522b-4692-8304-a07553cdf591_8539659",
    "to": "+86155****5678",
    "from": "1069********0012",
    "sent_at": "2018-05-25T16:34:34Z",
    "status": "000000",
    "total": 2,
    "country": "CN",
}
EXPECTED = (
    "The body must contain `response` (the send response of the platform, with `code` "
    "and `result`), or `sends`, an array of objects."
)


def read(document: Any) -> Registration:
    """Read a document as a registration."""
    return read_registration(json.dumps(document).encode())


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(RESPONSE, id="raw response"),
        pytest.param({"result": [ENTRY]}, id="response without code"),
        pytest.param({"response": RESPONSE}, id="wrapped"),
        pytest.param({"response": json.dumps(RESPONSE)}, id="wrapped as text"),
        pytest.param({"sends": [OURS]}, id="sends in our names"),
        pytest.param({"sends": [ENTRY]}, id="sends in the platform's names"),
        pytest.param({"sends": [{**ENTRY, **OURS}]}, id="both names: ours first"),
        pytest.param({"sends": [{**ENTRY, "to": ""}]}, id="an empty field counts as absent"),
        pytest.param({"sends": [{**OURS, "total": "2"}]}, id="total as text"),
        pytest.param(
            {"sends": [{**OURS, "sent_at": "2018-05-26T00:34:34+08:00"}]}, id="time with an offset"
        ),
        pytest.param({**RESPONSE, "result": [SDK_ENTRY]}, id="the SDK's to_dict()"),
        pytest.param({"response": {**RESPONSE, "result": [SDK_ENTRY]}}, id="the same, wrapped"),
        pytest.param({"sends": [{**SDK_ENTRY, **OURS}]}, id="the SDK's names and ours"),
    ],
)
def test_forms_of_one_registration(document: Any) -> None:
    """A send is the same in whichever documented form the application has it."""
    assert read(document) == Registration(None, None, [SEND], [])


def test_all_lists_of_a_document_are_taken() -> None:
    """A response and a list of one's own, in whichever places, are registered alike."""
    second, third = {**OURS, "sms_msg_id": "second"}, {**ENTRY, "smsMsgId": "third"}
    document = {"sends": [second], "response": RESPONSE, "code": "E000510", "result": [third]}
    registration = read(document)
    assert [send.sms_msg_id for send in registration.sends] == ["second", SEND.sms_msg_id, "third"]
    assert registration.refusal == "E000510"


@pytest.mark.parametrize(
    ("status", "expected", "notes"),
    [
        pytest.param("000000", "000000", 0, id="accepted"),
        pytest.param(0, "000000", 0, id="zeros that were counted"),
        pytest.param("e200033", "E200033", 0, id="refused, in lower case"),
        pytest.param("", None, 0, id="not told"),
        pytest.param("DELIVRD", None, 1, id="of a report"),
        pytest.param("Success", None, 1, id="a word"),
    ],
)
def test_only_a_status_of_a_send_response_counts(
    status: object, expected: str | None, notes: int
) -> None:
    """Another text makes no send a refused one, and is named."""
    registration = read({"sends": [{**OURS, "status": status}]})
    assert registration.sends[0].status == expected
    assert len(registration.ignored) == notes


@pytest.mark.parametrize(
    ("document", "notes"),
    [
        pytest.param({"sends": [{**OURS, "too": "1"}]}, [(0, "`too` is")], id="of an entry"),
        pytest.param({"sends": [OURS], "refrence": "r"}, [(None, "`refrence` is")], id="beside"),
        pytest.param({**RESPONSE, "refrence": "r"}, [(None, "`refrence` is")], id="of a response"),
        pytest.param({"sends": [{**OURS, "15500005678": 1}]}, [(0, "A field is")], id="no name"),
        pytest.param(
            {"sends": [OURS], "request": {"from": "1", "to": "2", "template": "t"}},
            [(None, "`template` is")],
            id="of the request",
        ),
        pytest.param(
            {"sends": [OURS], "request": {"body": {"_extend": "e"}}},
            [(None, "`_extend` is")],
            id="of the body of a request object",
        ),
        pytest.param(
            {"response": {**RESPONSE, "refrence": "r"}},
            [(None, "`refrence` is")],
            id="of a wrapped response",
        ),
        pytest.param(
            {"response": {**RESPONSE, "result": [{**ENTRY, "too": "1"}]}},
            [(0, "`too` is")],
            id="of an entry of a response",
        ),
    ],
)
def test_an_unknown_field_is_named(document: Any, notes: list[tuple[int | None, str]]) -> None:
    """A typing error costs no entry and is told; what may be a person's is not repeated."""
    registration = read(document)
    assert registration.sends == [SEND]
    assert [(one.index, one.reason.split(" not")[0]) for one in registration.ignored] == notes


def test_a_field_that_the_platform_adds_is_named_once() -> None:
    """It stands in each entry of a response, of which there are up to 1,000."""
    entries = [{**ENTRY, "smsMsgId": f"m{n}", "added": n} for n in range(3)]
    registration = read({**RESPONSE, "result": [*entries, {**ENTRY, "other": 1}]})

    assert [(note.index, note.reason.split()[0]) for note in registration.ignored] == [
        (0, "`added`"),
        (3, "`other`"),
    ]


def test_siblings_hold_for_all_entries() -> None:
    """`reference`, `extend` and `template_id` beside the response hold for each of its entries."""
    second = {**ENTRY, "smsMsgId": "second"}
    document = {
        "response": {**RESPONSE, "result": [ENTRY, second]},
        "reference": "order 7",
        "extend": "x",
        "template_id": 12,
    }

    sends = read(document).sends

    assert [send.sms_msg_id for send in sends] == [SEND.sms_msg_id, "second"]
    assert [(s.reference, s.extend, s.template_id) for s in sends] == 2 * [("order 7", "x", "12")]


def test_an_entry_speaks_before_its_siblings() -> None:
    """What an entry says itself goes before what stands beside the list."""
    document = {
        "sends": [{**OURS, "reference": "mine", "templateId": "t"}, OURS],
        "reference": "common",
        "template_id": "common",
    }

    assert [(s.reference, s.template_id) for s in read(document).sends] == [
        ("mine", "t"),
        ("common", "common"),
    ]


TO = "15500005678"
DIFFERENT = [
    {"to": [TO, "+8615500005679"], "templateId": "first"},
    {"to": ["+8615500005680"], "templateId": "second"},
]


@pytest.mark.parametrize(
    ("beside", "entry", "expected"),
    [
        pytest.param({"templateId": "t"}, {}, {"template_id": "t"}, id="the platform's spelling"),
        pytest.param({"text_length": 70}, {}, {"text_length": 70}, id="text length"),
        pytest.param({"textLength": "0"}, {}, {"text_length": 0}, id="text length as text"),
        pytest.param(
            {"text_length": 70}, {"text_length": 71}, {"text_length": 71}, id="its own length"
        ),
        pytest.param(
            {"request": {"templateId": "t", "extend": "e", "from": "1069"}},
            {},
            {"template_id": "t", "extend": "e", "sender": "1069"},
            id="request",
        ),
        pytest.param(
            {"request": {"template_id": "t", "extend": "e", "_from": "1069"}},
            {},
            {"template_id": "t", "extend": "e", "sender": "1069"},
            id="request in the SDK's names",
        ),
        pytest.param(
            {"request": {"body": {"template_id": "t", "extend": None, "to": TO}}},
            {},
            {"template_id": "t"},
            id="the SDK's request",
        ),
        pytest.param(
            {"request": {"extend": "asked", "from": "asked", "templateId": "asked"}},
            {"extend": "own", "from": "own", "templateId": "own"},
            {"extend": "own", "sender": "own", "template_id": "own"},
            id="the entry goes before the request",
        ),
        pytest.param(
            {"request": {"extend": "asked", "templateId": "asked"}, "extend": "x", "templateId": 7},
            {},
            {"extend": "x", "template_id": "7"},
            id="what stands beside goes before the request",
        ),
        pytest.param(
            {"request": {"smsContent": DIFFERENT}},
            {"originTo": "+86" + TO},
            {"template_id": "first"},
            id="template of the recipient",
        ),
        pytest.param(
            {"request": {"body": {"sms_content": [*DIFFERENT, {"to": [TO], "template_id": "3"}]}}},
            {"originTo": TO},
            {},
            id="recipient of two templates",
        ),
        pytest.param({"references": {"m": "r"}}, {}, {"reference": "r"}, id="reference by id"),
        pytest.param(
            {"references": {TO: "r"}}, {"originTo": TO}, {"reference": "r"}, id="by number"
        ),
        pytest.param(
            {"references": {"+86 155 0000 5678": 7}},
            {"originTo": TO},
            {"reference": "7"},
            id="by the number in another writing",
        ),
        pytest.param(
            {"references": {TO: "r"}},
            {"origin_to": "+86" + TO},
            {"reference": "r"},
            id="by the SDK's number",
        ),
        pytest.param(
            {"references": {"+86155****5678": "r"}},
            {"originTo": "+86155****5678"},
            {"reference": "r"},
            id="by a masked number",
        ),
        pytest.param(
            {"references": {"m": "r", TO: "s"}},
            {"originTo": TO},
            {"reference": "r"},
            id="the id goes before the number",
        ),
        pytest.param(
            {"references": {"m": "r"}, "reference": "all"},
            {},
            {"reference": "r"},
            id="one's own reference goes before that for all",
        ),
        pytest.param(
            {"references": {"other": "r"}, "reference": "all"},
            {},
            {"reference": "all"},
            id="the rest has that for all",
        ),
        pytest.param(
            {"references": {"m": "r"}},
            {"reference": "entry"},
            {"reference": "entry"},
            id="the entry goes before both",
        ),
        pytest.param({"references": {"m": ""}}, {}, {}, id="empty reference"),
        pytest.param({"references": {}, "request": None}, {}, {}, id="nothing beside"),
    ],
)
def test_what_stands_beside(
    beside: dict[str, Any], entry: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The request's fields and references complete an entry; the nearer value takes precedence."""
    (send,) = read({"response": {"result": [{"smsMsgId": "m", **entry}]}, **beside}).sends

    given = {"extend", "reference", "template_id", "text_length", "sender"}
    found = {name: getattr(send, name) for name in given if getattr(send, name) is not None}
    assert found == expected


@pytest.mark.parametrize(
    ("document", "notes"),
    [
        pytest.param(
            {"text_length": -1},
            [Note(None, "`text_length` must be an integer from 0 to 100000.")],
            id="text length beside",
        ),
        pytest.param({"references": ["r"]}, [Note(None, "`references` is not an object.")], id="l"),
        pytest.param({"request": "r"}, [Note(None, "`request` is not an object.")], id="request"),
        pytest.param(
            {"references": {"m": {}}},
            [Note(0, "`reference` must be a string or an integer.")],
            id="reference of one",
        ),
        pytest.param(
            {"references": {TO: "s", "x": "t"}},
            [Note(None, "2 keys of `references` match no entry.")],
            id="references of nobody",
        ),
        pytest.param(
            {"request": {"extend": 513 * "e"}},
            [Note(None, "`extend` must have at most 512 characters.")],
            id="extend of the request",
        ),
        pytest.param(
            {"sends": [{"sms_msg_id": "m", "text_length": "long", "country_id": 9 * "C"}]},
            [
                Note(0, "`country` must have at most 8 characters."),
                Note(0, "`text_length` must be an integer from 0 to 100000."),
            ],
            id="in the entry",
        ),
    ],
)
def test_what_cannot_be_used_beside(document: dict[str, Any], notes: list[Note]) -> None:
    """What is not needed to find a message again never costs its send: it is left out and named."""
    registration = read({"sends": [{"sms_msg_id": "m"}], **document})

    assert registration.sends == [Send("m")]
    assert registration.ignored == notes


AROUND = "had blanks or invisible characters at its ends, which were removed."


@pytest.mark.parametrize("sign", INVISIBLE, ids=ascii)
def test_what_is_left_out_around_a_text_is_named(sign: str) -> None:
    """Whatever is taken away around a text of an entry or beside it, `ignored` names the field."""
    document = {
        "sends": [{"sms_msg_id": f"{sign}m", "reference": f"r{sign}", "extend": f"a{sign}b"}],
        "template_id": f"{sign}t{sign}",
        "request": {"from": f"1{sign}"},
        "retry_of": sign,
    }
    registration = read(document)
    expected = Send("m", reference="r", extend=f"a{sign}b", template_id="t", sender="1")
    assert registration.sends == [replace(expected, extend=registration.sends[0].extend)]
    assert registration.ignored == [
        Note(None, f"`template_id` {AROUND}"),
        Note(
            None,
            "`retry_of` contains only blanks or invisible characters and counts as absent.",
        ),
        Note(None, f"`from` {AROUND}"),
        Note(0, f"`sms_msg_id` {AROUND}"),
        Note(0, f"`reference` {AROUND}"),
    ]


def test_names_of_one_field_that_differ_are_named() -> None:
    """Where an entry tells a field under several names, the first counts, and that is said."""
    entry = {
        "sms_msg_id": "m",
        "smsMsgId": "other",
        "to": "+8613800000001",
        "originTo": "13800000001",
        "templateId": "t",
    }
    registration = read({"sends": [entry]})
    assert registration.sends == [Send("m", to="+8613800000001", template_id="t")]
    assert registration.ignored == [
        Note(
            0,
            "`sms_msg_id`, `smsMsgId` are names of the same field but have different "
            "values. The first one is used.",
        )
    ]


def test_references_that_contradict_each_other_are_counted() -> None:
    """Of two references for one number in two writings one counts, and `ignored` says so."""
    references = {"13800000001": "a", "+8613800000001": "b", "13800000002": "c", " m2 ": "d "}
    registration = read(
        {
            "sends": [
                {"sms_msg_id": "m1", "to": "13800000001"},
                {"sms_msg_id": "m2", "to": "+8613800000002"},
            ],
            "references": references,
        }
    )
    assert [send.reference for send in registration.sends] == ["a", "d"]
    assert [note.reason for note in registration.ignored] == [
        (
            "2 strings in `references` had blanks or invisible characters at their ends, "
            "which were removed."
        ),
        (
            "1 numbers occur under several keys of `references` with different values. "
            "The key that is written like `to` is used, otherwise the last one."
        ),
        "2 keys of `references` match no entry.",
    ]


@pytest.mark.parametrize("name", ["sent_at", "createTime", "create_time"])
def test_a_time_without_a_zone_is_taken_for_utc_and_named(name: str) -> None:
    """The send is kept, and the answer says by which clock its time was read."""
    registration = read({"sends": [{"sms_msg_id": "m", name: "2026-01-31 08:00:00"}]})
    assert registration.sends[0].sent_at == times.parse("2026-01-31T08:00:00Z")
    (note,) = registration.ignored
    assert note.index == 0
    assert "read as UTC" in note.reason
    assert read({"sends": [{"sms_msg_id": "m", name: "2026-01-31T08:00:00Z"}]}).ignored == []


@pytest.mark.parametrize("beside", [False, True])
def test_no_message_follows_itself(beside: bool) -> None:
    """An attempt that names itself as the one before is registered without that, and it is said."""
    own = {} if beside else {"retry_of": "m"}
    document: dict[str, Any] = {"sends": [{"sms_msg_id": "m", **own}]}
    registration = read({**document, **({"retry_of": "m"} if beside else {})})
    assert registration.sends == [Send("m")]
    (note,) = registration.ignored
    assert "is the id of the message itself" in note.reason


def test_a_refused_request_has_no_note_on_its_references() -> None:
    """Where nothing was sent, references that fit no entry are no news."""
    assert read({"code": "E000102", "references": {TO: "r"}}).ignored == []


def test_an_entry_that_stands_alone() -> None:
    """A single entry is read with all names; there a bad field is an error."""
    assert read_send({**SDK_ENTRY, "text_length": 70}) == replace(SEND, text_length=70)
    with pytest.raises(RegistrationError, match="`text_length` must be an integer"):
        read_send({**OURS, "text_length": "x"})


def test_sends_of_an_older_store() -> None:
    """What was stored before `text_length` existed is read; what is stored now has it."""
    old = json.loads(dump_send(SEND))
    del old["text_length"]

    assert load_send(json.dumps(old)) == SEND
    assert load_send(dump_send(replace(SEND, text_length=7))).text_length == 7


def test_application() -> None:
    """The caller may say whose sends these are."""
    assert read({"application": "shop", "sends": [OURS]}).application == "shop"
    assert read({"application": "", "sends": [OURS]}).application is None


def test_refused_entry_of_the_documentation() -> None:
    """An entry that the platform refused is registered with its own status."""
    (send,) = read(
        {
            "result": [
                {
                    "total": 1,
                    "originTo": "17300005478",
                    "createTime": "2024-08-18T11:32:20Z",
                    "from": "x8824060312575",
                    "smsMsgId": "06e4b966-ad87-479f-8b74-f57fb7aafb60_304613461",
                    "countryId": "CN",
                    "status": "E200033",
                }
            ],
            "code": "E000510",
            "description": "The SMS fails to be sent. For details, see status.",
        }
    ).sends

    assert (send.status, send.refused, send.to) == ("E200033", True, "17300005478")
    assert not SEND.refused


def test_older_response_without_country_and_total() -> None:
    """Older responses lack `countryId` and `total`."""
    entry = {name: value for name, value in ENTRY.items() if name not in ("countryId", "total")}

    (send,) = read({"code": "000000", "result": [entry]}).sends

    assert (send.country, send.total, send.sent_at) == (None, None, SENT)


def test_least_entry() -> None:
    """An id alone is enough; what is not said to be refused was taken by the platform."""
    assert read({"sends": [{"sms_msg_id": "m"}]}).sends == [Send("m")]


@pytest.mark.parametrize(
    ("document", "refusal"),
    [
        pytest.param(
            {"code": "E000102", "description": "Invalid app_key."}, "E000102", id="no result"
        ),
        pytest.param({"code": "E000102", "result": None}, "E000102", id="null result"),
        pytest.param({"response": {"code": "E000102"}}, "E000102", id="wrapped"),
        pytest.param({"response": '{"code": "E000102"}'}, "E000102", id="wrapped as text"),
        pytest.param({"code": "E\x00\ud800"}, r"E\x00\ud800", id="what nothing can store"),
        pytest.param({"code": "E" * 600}, "E" * 512, id="over-long"),
        pytest.param({"code": "000000"}, None, id="all went well"),
        pytest.param({"code": ""}, None, id="empty code"),
        pytest.param({"code": 404}, "404", id="number"),
        pytest.param({"code": True}, None, id="truth value"),
        pytest.param({"code": [7]}, None, id="list"),
        pytest.param({"sends": []}, None, id="empty list of ours"),
    ],
)
def test_nothing_was_sent(document: Any, refusal: str | None) -> None:
    """A request that failed as a whole has nothing to register but its code; that is no error."""
    assert read(document) == Registration(None, refusal, [], [])


def test_a_response_that_failed_in_part() -> None:
    """Entries that were refused and entries that were taken stand beside the request's code."""
    refused = {**ENTRY, "smsMsgId": "second", "status": "E200033"}
    registration = read({"code": "E000510", "result": [ENTRY, refused]})

    assert registration.refusal == "E000510"
    assert [(send.status, send.refused) for send in registration.sends] == [
        ("000000", False),
        ("E200033", True),
    ]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        pytest.param("text", "The entry must be an object.", id="no object"),
        pytest.param({}, "`sms_msg_id` (or `smsMsgId`) is missing.", id="no id"),
        pytest.param({"sms_msg_id": " "}, "`sms_msg_id` (or `smsMsgId`) is missing.", id="blank"),
        pytest.param(
            {"smsMsgId": 256 * "m"},
            "`sms_msg_id` must have at most 255 characters.",
            id="over-long",
        ),
        pytest.param(
            {"smsMsgId": "a\x00b"},
            "`sms_msg_id` contains NUL or unpaired surrogates.",
            id="NUL in the id",
        ),
        pytest.param(
            {"smsMsgId": True}, "`sms_msg_id` must be a string or an integer.", id="truth value"
        ),
        pytest.param(
            {**ENTRY, "status": 1.5}, "`status` must be a string or an integer.", id="fraction"
        ),
        pytest.param(
            {**ENTRY, "reference": 513 * "x"},
            "`reference` must have at most 512 characters.",
            id="over-long reference",
        ),
        pytest.param(
            {**ENTRY, "extend": {}}, "`extend` must be a string or an integer.", id="object"
        ),
        pytest.param(
            {**ENTRY, "createTime": "yesterday"},
            "`sent_at` (or `createTime`) must be an RFC 3339 time.",
            id="no time",
        ),
        pytest.param(
            {**ENTRY, "createTime": 1527266074},
            "`sent_at` (or `createTime`) must be an RFC 3339 time.",
            id="time as a number",
        ),
        pytest.param(
            {**ENTRY, "total": 0}, "`total` must be an integer from 1 to 255.", id="no part"
        ),
        pytest.param(
            {**ENTRY, "total": 256},
            "`total` must be an integer from 1 to 255.",
            id="too many parts",
        ),
        pytest.param(
            {**ENTRY, "total": "²"}, "`total` must be an integer from 1 to 255.", id="odd digit"
        ),
    ],
)
def test_bad_entry(entry: Any, reason: str) -> None:
    """A bad entry is named by its place and reason; the good ones beside it count."""
    registration = read({"sends": [OURS, entry, ENTRY]})

    assert registration.sends == [SEND, SEND]
    assert registration.rejected == [Rejected(1, reason)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "The body is not valid JSON. Send a JSON object in UTF-8.", id="empty"),
        pytest.param(
            b"code=000000", "The body is not valid JSON. Send a JSON object in UTF-8.", id="form"
        ),
        pytest.param(
            b"\xff\xfe\xff",
            "The body is not valid JSON. Send a JSON object in UTF-8.",
            id="binary",
        ),
        pytest.param(
            10_000 * b"[",
            "The body is not valid JSON. Send a JSON object in UTF-8.",
            id="nested deeply",
        ),
        pytest.param(
            b'{"response":"{"}',
            "The body is not valid JSON. Send a JSON object in UTF-8.",
            id="response is broken text",
        ),
        pytest.param(b"[]", "The body is not a JSON object. Send one.", id="array"),
        pytest.param(b"null", "The body is not a JSON object. Send one.", id="null"),
        pytest.param(b"{}", EXPECTED, id="nothing known"),
        pytest.param(b'{"response":null}', EXPECTED, id="null response"),
        pytest.param(b'{"response":[]}', EXPECTED, id="response is a list"),
        pytest.param(
            b'{"response":{"description":"x"}}', EXPECTED, id="response is something else"
        ),
        pytest.param(
            b'{"sends":{}}', "`sends` must be an array of objects.", id="sends is an object"
        ),
        pytest.param(b'{"sends":null}', "`sends` must be an array of objects.", id="sends is null"),
        pytest.param(
            b'{"code":"0","result":{"a":1}}',
            "`result` of the send response must be an array, as the platform returns it.",
            id="result is an object",
        ),
        pytest.param(
            b'{"application":[],"sends":[]}',
            "`application` must be a string or an integer.",
            id="application is a list",
        ),
    ],
)
def test_no_registration(body: bytes, reason: str) -> None:
    """A document that is no registration is refused with what was expected."""
    with pytest.raises(RegistrationError) as refused:
        read_registration(body)

    assert str(refused.value) == reason


_names = st.sampled_from(
    [
        *OURS,
        *ENTRY,
        "status",
        "extend",
        "reference",
        "template_id",
        "templateId",
        "application",
        "sends",
        "response",
        "result",
        "code",
    ]
)
_texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=10) | st.sampled_from(
    ["1", "000000", "2018-05-25T16:34:34Z", '{"code":"0","result":[]}']
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=6,
)
_entries = st.lists(st.dictionaries(_names, _texts | _values, max_size=10) | _values, max_size=4)
_documents = st.one_of(
    _values,
    st.fixed_dictionaries({"sends": _entries}, optional={"extend": _values, "reference": _values}),
    st.fixed_dictionaries({"response": st.fixed_dictionaries({"result": _entries})}),
)


@given(_documents)
def test_any_json_is_read_or_refused(document: Any) -> None:
    """Any JSON gives sends that every store can keep, or RegistrationError; nothing else."""
    try:
        registration = read(document)
    except RegistrationError:
        return

    if registration.refusal is not None:
        registration.refusal.encode()
        assert "\x00" not in registration.refusal
    for send in registration.sends:
        for name in Send.__dataclass_fields__:
            value = getattr(send, name)
            if isinstance(value, str):
                value.encode()
                assert "\x00" not in value
    for rejected in registration.rejected:
        assert rejected.reason


_later = st.sampled_from(
    ["origin_to", "_from", "create_time", "country_id", "text_length", "textLength"]
)
_later_beside = st.sampled_from(
    ["templateId", "text_length", "textLength", "references", "request"]
)


@given(
    st.lists(
        st.tuples(st.sampled_from([OURS, ENTRY]), st.dictionaries(_later, _values, max_size=4)),
        min_size=1,
        max_size=3,
    ),
    st.dictionaries(_later_beside, _values, max_size=3),
)
def test_names_that_came_later_cost_nothing(
    entries: list[tuple[dict[str, Any], dict[str, Any]]], beside: dict[str, Any]
) -> None:
    """Whatever an older registration has under a name that means something since, its sends stay.

    Journals hold registrations as they came; they are read again when the store is rebuilt.
    """
    document = {"sends": [{**entry, **later} for entry, later in entries], **beside}
    sends = read(document).sends

    assert len(sends) == len(entries)
    for send in sends:
        assert (
            replace(send, reference=None, template_id=None, extend=None, text_length=None) == SEND
        )


@pytest.mark.parametrize(
    ("body", "name"),
    [
        pytest.param('{"sends":[{"sms_msg_id":"a","sms_msg_id":"m"}]}', "`sms_msg_id`", id="entry"),
        pytest.param('{"sends":[],"sends":[{"sms_msg_id":"m"}]}', "`sends`", id="the list"),
        pytest.param(
            '{"sends":[{"sms_msg_id":"m"}],"references":{"13800000001":"a","13800000001":"b"}}',
            "A member of an object",
            id="number",
        ),
        pytest.param(
            json.dumps({"response": '{"code":"1","code":"000000","result":[{"smsMsgId":"m"}]}'}),
            "`code`",
            id="response as a text",
        ),
    ],
)
def test_a_member_that_is_given_again(body: str, name: str) -> None:
    """A new registration with two values of a member is refused; in a taken one the last counts."""
    assert [send.sms_msg_id for send in read_registration(body.encode()).sends] == ["m"]
    with pytest.raises(RegistrationError) as refused:
        read_registration(body.encode(), is_new=True)
    assert str(refused.value) == (
        f"{name} is given more than once with different values. Give it once."
    )


def test_the_same_member_again_is_harmless() -> None:
    """A member that is given again with the same value contradicts nothing."""
    body = b'{"sends":[{"sms_msg_id":"m","sms_msg_id":"m"}]}'
    assert len(read_registration(body, is_new=True).sends) == 1


def test_names_of_fields_for_tables() -> None:
    """Every field of a send that an entry may carry is among the names that importers go by."""
    ours = {"sender" if name == "from" else name for name in FIELDS}

    assert ours == {"sms_msg_id", *COMPARED}
    assert ours == set(Send.__dataclass_fields__) - {"conflicts", "conflicts_omitted"}


@given(st.binary())
def test_bytes_that_are_no_json(body: bytes) -> None:
    """Bytes that are no JSON object give RegistrationError; nothing else."""
    with pytest.raises(RegistrationError):
        read_registration(b"\x01" + body)


@pytest.mark.parametrize("name", ["status", "to", "from", "country", "extend", "reference"])
def test_unstorable_text_of_an_entry(name: str) -> None:
    """A NUL or a lone surrogate in any text of an entry never reaches the store."""
    registration = read({"sends": [{"sms_msg_id": "m", name: "a\x00\ud800"}]})

    texts = [text for send in registration.sends for text in (send.status, send.to, send.sender)]
    texts += [
        text for send in registration.sends for text in (send.country, send.extend, send.reference)
    ]
    assert not [text for text in texts if text and ("\x00" in text or "\ud800" in text)]
    assert len(registration.sends) + len(registration.rejected) == 1


_NEEDLE = "needle-7315"


@given(st.dictionaries(_names, st.sampled_from([_NEEDLE, [_NEEDLE], 200 * _NEEDLE]), max_size=5))
def test_no_reason_repeats_a_value(entry: dict[str, Any]) -> None:
    """What is said about a bad entry holds no number, text or id out of it."""
    rejected = read({"sends": [entry, {"sms_msg_id": "m", **entry}]}).rejected

    assert _NEEDLE not in "".join(bad.reason for bad in rejected)
