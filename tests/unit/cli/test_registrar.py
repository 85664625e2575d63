"""Registering in batches: what the receiver, or whatever answers in its place, may say."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from receiver.cli.api_client import NotAnsweredError, RunningReceiver
from receiver.cli.import_.registrar import BATCH, Done, GaveUpError, ImportRegistrar
from receiver.domain.inputs import Send
from receiver.errors import ReceiverError
from receiver.huawei.imports import SendRow

Answer = tuple[int, dict[str, str], Any]  # status, headers, document or text


class Peer(HTTPServer):
    """An HTTP server that gives the answers it was told, one after the other."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.requests: list[Any] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        peer = self.server
        assert isinstance(peer, Peer)
        peer.requests.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        status, headers, document = peer.answers.pop(0)
        body = document if isinstance(document, str) else json.dumps(document)
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def peer(*answers: Answer) -> Iterator[Peer]:
    """Return a peer that listens."""
    with Peer(list(answers)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def register(server: Peer, rows: list[SendRow], patience_s: float = 5.0) -> list[Done]:
    """Register rows."""
    done: list[Done] = []
    client = RunningReceiver(f"http://127.0.0.1:{server.server_port}", "key")
    with ImportRegistrar(client, "shop", patience_s=patience_s, on_done=done.append) as registrar:
        for row in rows:
            registrar.add(row)
        registrar.finish()
    return done


def found(count: int, application: str | None = None, per_line: int = 1) -> list[SendRow]:
    """Make rows."""
    return [SendRow(2 + n // per_line, Send(f"x{n}"), application, n) for n in range(count)]


def taken(count: int, *rejected: int) -> Answer:
    """Answer as the receiver does."""
    reasons = [{"index": index, "reason": f"no {index}"} for index in rejected]
    return 202, {}, {"registered": count - len(rejected), "rejected": reasons}


def test_what_the_receiver_rejects_is_named_by_its_row() -> None:
    """A receiver that is stricter than this command says which, and the rows are known."""
    with peer(taken(4, 1, 3)) as server:
        (done,) = register(server, found(4))

    assert [row.line for row in done.registered] == [2, 4]
    assert [(row.line, reason) for row, reason in done.rejected] == [(3, "no 1"), (5, "no 3")]
    assert server.requests[0]["application"] == "shop"


def test_a_request_without_one_good_send_is_no_failure() -> None:
    """Where all are rejected the receiver answers 400, with the reasons."""
    rejected = [{"index": 0, "reason": "no"}, {"index": 1, "reason": "no"}]
    with peer(
        (
            400,
            {},
            {
                "detail": (
                    "No entry could be registered. Correct what `rejected` names and send "
                    "the request again."
                ),
                "rejected": rejected,
            },
        )
    ) as server:
        (done,) = register(server, found(2))

    assert not done.registered
    assert len(done.rejected) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 429])
def test_not_now_is_asked_again(status: int) -> None:
    """What passes by itself is waited for, and the same sends are sent again."""
    with peer((status, {"retry-after": "0"}, "busy"), taken(3)) as server:
        (done,) = register(server, found(3))

    assert len(done.registered) == 3
    assert server.requests[0] == server.requests[1]


def test_retry_after_beyond_the_patience_ends_it() -> None:
    """Nobody waits longer than was said."""
    with peer((503, {"retry-after": "20"}, "busy")) as server, pytest.raises(GaveUpError):
        register(server, found(1), patience_s=1)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(
            (
                400,
                {},
                {
                    "detail": (
                        "The application is unknown. Name one of `known`, or omit `application`."
                    )
                },
            ),
            "application is unknown",
            id="400",
        ),
        pytest.param((401, {}, {"detail": "The key is not known."}), "not known", id="401"),
        pytest.param((404, {}, "nothing"), "HTTP 404", id="404"),
        pytest.param((202, {}, "<html>"), "is not a receiver", id="no JSON"),
        pytest.param((200, {}, {"ok": True}), "is not a receiver", id="other JSON"),
        pytest.param((200, {}, [1]), "is not a receiver", id="a list"),
        pytest.param(taken(1), "report on every send", id="too few"),
        pytest.param(taken(2, 7), "report on every send", id="a row that was not sent"),
    ],
)
def test_an_answer_that_leaves_doubts_ends_it(answer: Answer, said: str) -> None:
    """No send counts as registered unless the receiver says so of every one."""
    with peer(answer) as server, pytest.raises(NotAnsweredError, match=said):
        register(server, found(2))


def test_a_row_too_large_is_found_by_halves() -> None:
    """413 splits a request until the one row that is too large stands alone."""
    too_large: Answer = (413, {}, {"detail": "too large"})
    with peer(too_large, taken(2), too_large, too_large, taken(1)) as server:
        (done,) = register(server, found(4))

    assert [row.line for row in done.registered] == [2, 3, 5]
    assert [row.line for row, _ in done.rejected] == [4]


def test_a_line_counts_as_done_only_with_its_last_send() -> None:
    """Where a line of many sends fills several requests, the first ones do not finish it."""
    # Requests go two at a time, in any order: all are as large.
    rows = found(3 * BATCH, per_line=150)
    with peer(taken(BATCH), taken(BATCH), taken(BATCH)) as server:
        done = register(server, rows)

    assert [one.up_to_line for one in done] == [1, 2, 3]


def test_applications_do_not_share_a_request() -> None:
    """Rows that name their application are registered for it, the others for the default."""
    # Requests go two at a time, in any order: all are as large.
    with peer(taken(2), taken(2), taken(2)) as server:
        register(server, [*found(2), *found(2, "bank"), *found(2)])

    sent = [(one["application"], len(one["sends"])) for one in server.requests]
    assert sorted(sent) == [("bank", 2), ("shop", 2), ("shop", 2)]


def test_what_comes_behind_a_gap_is_not_told_as_done() -> None:
    """After a batch that failed, later ones may be registered, but are not counted on."""
    done: list[Done] = []
    with peer(taken(BATCH), (403, {}, {"detail": "no"}), taken(BATCH), taken(BATCH)) as server:
        client = RunningReceiver(f"http://127.0.0.1:{server.server_port}", "key")
        with ImportRegistrar(client, None, patience_s=5, on_done=done.append) as registrar:
            with pytest.raises(ReceiverError):  # noqa: PT012 - whichever call notices it
                for row in found(4 * BATCH):
                    registrar.add(row)
                registrar.finish()
            registrar.stop()

    # Requests go two at a time: which batch met the refusal shows what was asked second.
    refused = int(server.requests[1]["sends"][0]["sms_msg_id"].removeprefix("x")) // BATCH
    assert [one.up_to_line for one in done] == [n * BATCH + 1 for n in range(1, len(done) + 1)]
    assert len(done) <= refused
