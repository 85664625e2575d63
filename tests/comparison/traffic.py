"""What is sent to both builds to fill them: registrations and pushes, the same bytes for both."""

import json
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

from receiver.domain import times
from receiver.simulator.options import SimulationOptions
from receiver.simulator.population import Wave, make_wave, wave_count
from receiver.simulator.pushes import FORM, JSON, make_pushes
from receiver.simulator.registrar import registration
from tests.support.server import KEY, READER, TOKEN
from tests.support.signer import PAIR, sign

SAMPLES = Path(__file__).parents[1] / "samples"
SHOP_TOKEN = "shop-of-the-comparison-0123456789abcdef"  # noqa: S105 - of no service
OPEN_TOKEN = "guess-me-1"  # noqa: S105 - as above
SIGNED_TOKEN = "signed-of-the-comparison-0123456789"  # noqa: S105 - as above
WRITER = "writer-of-the-comparison-0123456789abcdef"
SHOP_READER = "shop-reader-of-the-comparison-0123456789"
SIGNED_HOST = "sms.example.com"

SETTINGS = {
    "RECEIVER_APPLICATIONS": json.dumps(
        [
            {"name": "shop", "tokens": [SHOP_TOKEN]},
            {"name": "open", "tokens": [OPEN_TOKEN]},
            {
                "name": "signed",
                "tokens": [SIGNED_TOKEN],
                "push_keys": [{"access_key": PAIR[0], "secret_key": PAIR[1]}],
            },
        ]
    ),
    "RECEIVER_API_KEYS": json.dumps(
        [
            {"name": "reader", "key": READER, "scopes": ["read"]},
            {"name": "writer", "key": WRITER, "scopes": ["read", "write"]},
            {"name": "shop", "key": SHOP_READER, "scopes": ["read"], "application": "shop"},
        ]
    ),
    "RECEIVER_SIGNATURES__HOST": SIGNED_HOST,
    "RECEIVER_API_WRONG_KEYS_PER_MINUTE": "1000000",
    "RECEIVER_WRONG_TOKENS_PER_MINUTE": "1000000",
    "RECEIVER_RETENTION__PURGE_HOURS": "10000",
}
_SEED = 18
_AGE = 2 * 3600 * times.SECOND  # of all sends: what may be sent again is due
_OF_APPLICATIONS = (TOKEN, TOKEN, SHOP_TOKEN, TOKEN, OPEN_TOKEN)
_NAMES = {TOKEN: "default", SHOP_TOKEN: "shop", OPEN_TOKEN: "open"}


@dataclass(frozen=True)
class Request:
    """A request to one of the listeners.

    Attributes:
        name: under which its answer is compared.
        key: of the private API; None: without one.
        public: to the public listener.
    """

    name: str
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    key: str | None = KEY
    public: bool = False


@dataclass(frozen=True)
class Traffic:
    """What fills a receiver.

    Attributes:
        requests: in order.
        ids: of the messages.
        numbers: of the recipients.
        uplinks: ids of the uplinks.
    """

    requests: list[Request]
    ids: list[str]
    numbers: list[str]
    uplinks: list[str]


def make_traffic(messages: int, now: int) -> Traffic:
    """Make the traffic of a number of messages.

    Args:
        messages: how many the simulated platform sends.
        now: the present, in microseconds since the epoch; all is about two hours older.
    """
    options = SimulationOptions(
        "http://127.0.0.1/", messages, 25.0, register="never", international_share=0.2,
        uplink_share=0.2, unknown_code_share=0.05, redelivery_share=0.05,
    )  # fmt: skip
    waves = [make_wave(options, _SEED, n, now - _AGE) for n in range(wave_count(options))]
    numbers = count(1)
    requests = [*_samples(numbers), *_odd_pushes(numbers), *_signed(numbers, now)]
    for wave in waves:
        requests += _of_wave(wave, options, numbers)
    sent = [message for wave in waves for message in wave.messages]
    return Traffic(
        requests,
        ["d6e3cdd0-522b-4692-8304-a07553cdf591_8539659", *(one.send.sms_msg_id for one in sent)],
        list(dict.fromkeys(one.send.to for one in sent)),
        [one.uplink.sms_msg_id for one in sent if one.uplink],
    )


def _of_wave(wave: Wave, options: SimulationOptions, numbers: "count[int]") -> list[Request]:
    """Register a third before, a third after, and leave a third orphans."""
    token = _OF_APPLICATIONS[wave.number % len(_OF_APPLICATIONS)]
    documents = [registration(request) for request in wave.requests]
    sends = [
        Request(
            f"registration {next(numbers)}", "POST", "/v1/sends",
            json.dumps({**document, "application": _NAMES[token]}).encode(), {"content-type": JSON},
        )
        for document in documents
    ]  # fmt: skip
    pushes = [
        push_of(f"push {next(numbers)}", one.body, token, kind=one.content_type)
        for one in make_pushes(wave, options, _SEED)
    ]
    place = wave.number % 3
    return [*(sends if place == 0 else ()), *pushes, *(sends if place == 1 else ())]


def push_of(
    name: str, body: bytes, token: str = TOKEN, *, kind: str = "", path: str = ""
) -> Request:
    """Make a push; the content type is told from the body unless it is given."""
    kind = kind or (JSON if body.startswith(b"{") else FORM)
    path = f"/callbacks/{token}"
    return Request(name, "POST", path, body, {"content-type": kind}, None, public=True)


def _samples(numbers: "count[int]") -> list[Request]:
    made = []
    for file in sorted(SAMPLES.iterdir()):
        name, body = f"sample {next(numbers)} {file.name}", file.read_bytes()
        if file.name.startswith("send_response"):
            made.append(Request(name, "POST", "/v1/sends", body, {"content-type": JSON}))
        else:
            made.append(push_of(name, body))
    return made


_ODD = (
    b"", b"nothing", b"a=b", b"{", b"[]", b"{}", b'{"statusReportList": []}',
    b'{"statusReportList": [{}, 7, {"smsMsgId": "odd_1", "status": "DELIVRD"}]}',
    b'{"statusReportList": [{"smsMsgId": "odd_2", "status": "DELIVRD"}]}',
    b"smsMsgId=odd_3&status=DELIVRD&status=DELIVRD", b"smsMsgId=odd_4&status=",
    b"smsMsgId=odd_5&status=DELIVRD&updateTime=yesterday&total=none&sequence=-1&source=9",
    b"smsMsgId=odd_6&status=MK:12&orgCode=MK%3A0012&to=%2B8615500005172&extend=a%00b",
    b"smsMsgId=odd_7&status=%C3%28&statusDesc=%B6%CC%D0%C5",
    b"smsMsgId=odd_8&from=15500005172&to=1069000000000034&body=%E9%80%80%E8%AE%A2",
    b"smsMsgId=odd_9&from=15500005172&to=1069000000000034&body=START",
    b"smsMsgId=odd_10&from=15500005172&to=1069000000000034&body=%CD%CB%B6%A9&unknown=1",
    b"smsMsgId=" + b"x" * 300 + b"&status=DELIVRD", b"x=" + b"y" * 70_000,
)  # fmt: skip
_OTHER_KINDS = (
    "text/plain",
    "application/xml",
    "multipart/form-data; boundary=a",
    "application/json; charset=utf-16",
    "application/x-www-form-urlencoded; charset=GBK",
)
_PATH = f"/callbacks/{TOKEN}"
_EDGE: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("POST", _PATH, {"content-type": JSON, "content-encoding": "gzip"}),
    ("POST", _PATH, {"expect": "100-continue"}),
    ("POST", _PATH, {f"x-{number}": "" for number in range(120)}),
    *((method, _PATH, {}) for method in ("GET", "PUT", "OPTIONS")),
    ("GET", f"{_PATH}?smsMsgId=odd_13&status=DELIVRD", {}),
    *(("POST", path, {}) for path in ("/callbacks/wrong", "/elsewhere", f"{_PATH}/")),
    *(("GET", path, {}) for path in ("/healthz", "/readyz", "/v1/messages")),
    ("HEAD", "/healthz", {}),
)


def _odd_pushes(numbers: "count[int]") -> list[Request]:
    good = b"smsMsgId=odd_11&status=DELIVRD"
    made = [push_of(f"odd push {next(numbers)}", body) for body in _ODD]
    made += [push_of(f"odd push {next(numbers)}", good, kind=kind) for kind in _OTHER_KINDS]
    for method, path, headers in _EDGE:
        name = f"edge {next(numbers)} {method} {path.replace(TOKEN, '<token>')}"
        body = good if method in ("POST", "PUT") else b""
        made.append(Request(name, method, path, body, headers, None, public=True))
    return made


def _signed(numbers: "count[int]", now: int) -> list[Request]:
    """Push with a good signature, a wrong one and none."""
    body, path = b"smsMsgId=signed_1&status=DELIVRD", f"/callbacks/{SIGNED_TOKEN}"
    headers = sign(path, body, host=SIGNED_HOST, at=now / times.SECOND)
    wrong = {**headers, "authorization": headers["authorization"][:-1] + "!"}
    return [
        Request(f"signed push {next(numbers)}", "POST", path, body, given, None, public=True)
        for given in (headers, wrong, {"content-type": FORM})
    ]


def all_ids(traffic: Traffic) -> list[list[str]]:
    """Return the ids in pieces that one look-up takes."""
    ids = [*chain(traffic.ids, (f"odd_{n}" for n in range(1, 14)), ["signed_1"])]
    return [ids[start : start + 1000] for start in range(0, len(ids), 1000)]
