"""Signatures, addresses and TLS of a running receiver, and how an operator finds what is wrong."""

import json
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import trustme

from tests.e2e.pushes import form
from tests.support.server import MakeServer, Server, eventually, run
from tests.support.signer import NEXT_PAIR, PAIR, sign

BODY = form(smsMsgId="signed-1", status="DELIVRD", source="2")


def keys(*pairs: tuple[str, str]) -> dict[str, str]:
    """Set these pairs."""
    listed = [{"access_key": name, "secret_key": secret} for name, secret in pairs]
    return {"RECEIVER_PUSH_KEYS": json.dumps(listed)}


def push(server: Server, pair: tuple[str, str] | None, sms_msg_id: str) -> int:
    """Push a report, signed by a pair or not at all; return the status."""
    body = form(smsMsgId=sms_msg_id, status="DELIVRD", source="2")
    headers = {}
    if pair is not None:
        headers = sign(server.callback_path, body, host=f"127.0.0.1:{server.port}", pair=pair)
    answer = server.public.post(server.callback_path, content=body, headers=headers)
    return answer.status_code


# --- rotation -----------------------------------------------------------------------------------


def test_a_rotation_refuses_nothing(make_server: MakeServer) -> None:
    """Old pair, both, new pair alone: what the platform signs meanwhile is taken, then no more."""
    server = make_server(keys(PAIR)).start()
    assert [push(server, pair, "a") for pair in (PAIR, NEXT_PAIR, None)] == [200, 401, 401]
    for settings, expected in (
        (keys(PAIR, NEXT_PAIR), [200, 200, 401]),
        (keys(NEXT_PAIR), [401, 200, 401]),
    ):
        server.stop()
        server.settings = settings
        server.start()
        assert [push(server, pair, "b") for pair in (PAIR, NEXT_PAIR, None)] == expected
    printed = server.printed()
    assert "invalid signature" in printed
    assert not any(secret in printed for _, secret in (PAIR, NEXT_PAIR))


# --- diagnosis ----------------------------------------------------------------------------------


def verify(tmp_path: Path, text: bytes, *more: str) -> subprocess.CompletedProcess[str]:
    """Ask what is wrong with a request."""
    file = tmp_path / "request.txt"
    file.write_bytes(text)
    return run("verify", "--request", str(file), *more, env=keys(PAIR))


def written(headers: dict[str, str], path: str = "/callbacks/x") -> bytes:
    """Write a request as it goes over the wire."""
    head = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + BODY


def test_the_operator_is_told_what_differs(tmp_path: Path) -> None:
    """`receiver verify` names the header that a proxy changed, and shows no secret."""
    headers = sign("/callbacks/x", BODY, host="sms.example.com")
    good = verify(tmp_path, written(headers))
    assert (good.returncode, "valid" in good.stdout) == (0, True), good.stderr
    changed = {**headers, "host": "10.0.0.7:8080", "connection": "keep-alive"}
    bad = verify(tmp_path, written(changed), "--host", "sms.example.com", "--json")
    assert bad.returncode == 1, bad.stderr
    found = json.loads(bad.stdout)
    assert found["valid_if"] == [
        "the header host is 'sms.example.com'", "the header connection is 'close'"
    ]  # fmt: skip
    assert "host:10.0.0.7:8080" in found["canonical_request"]
    assert PAIR[1] not in bad.stdout + bad.stderr


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        pytest.param(b"nonsense", (), "first line", id="no request"),
        pytest.param(
            b"", ("--application", "shop"), "application 'shop' is unknown", id="no application"
        ),
        pytest.param(b"", ("--at", "noon"), "RFC 3339", id="no time"),
    ],
)
def test_bad_questions_are_told(
    tmp_path: Path, text: bytes, more: tuple[str, ...], said: str
) -> None:
    """What cannot be judged is said, without a trace."""
    done = verify(tmp_path, text, *more)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_open_application_is_told_at_the_start(make_server: MakeServer) -> None:
    """Whoever leaves the callback address open is told so, and what to do."""
    assert "is open" in make_server().start().log.read_text()
    signed = make_server(keys(PAIR), "signed").start()
    assert "is open" not in signed.log.read_text()


# --- TLS ----------------------------------------------------------------------------------------


class Authority:
    """A certification authority of our own, and a server's files."""

    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA()
        self.certificate, self.key = directory / "cert.pem", directory / "key.pem"
        self.renew()

    def renew(self) -> None:
        """Issue another certificate into the same files."""
        issued = self._authority.issue_cert("127.0.0.1")
        self.certificate.write_bytes(b"".join(b.bytes() for b in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(self.key))

    def context(self) -> ssl.SSLContext:
        """Make what a client trusts."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return an authority that nobody else knows."""
    return Authority(tmp_path)


@pytest.fixture
def tls_server(make_server: MakeServer, authority: Authority) -> Iterator[Server]:
    """Return a server that terminates TLS itself."""
    server = make_server(
        {
            "RECEIVER_TLS_CERTIFICATE": str(authority.certificate),
            "RECEIVER_TLS_KEY": str(authority.key),
        }
    )
    server.url = f"https://127.0.0.1:{server.port}"
    server.public.close()
    server.public = httpx.Client(base_url=server.url, verify=authority.context(), timeout=10)
    with closing(server):
        yield server.start()


def shown(server: Server, context: ssl.SSLContext) -> tuple[str, str, str]:
    """Connect again; return the certificate's serial number, the protocol and the cipher suite."""
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
    ):
        certificate, cipher = wrapped.getpeercert(), wrapped.cipher()
        assert certificate is not None
        assert cipher is not None
        return str(certificate["serialNumber"]), str(wrapped.version()), cipher[0]


def test_pushes_over_tls(tls_server: Server) -> None:
    """A push is taken, the announced URL says https, and plain text is not understood."""
    assert tls_server.push(BODY).status_code == 200
    assert "https://127.0.0.1" in tls_server.out.read_text()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{tls_server.port}/healthz", timeout=5)
    assert tls_server.stop() == 0


@pytest.mark.parametrize(
    ("ciphers", "accepted"),
    [
        pytest.param("ECDHE-ECDSA-AES128-GCM-SHA256", True, id="the platform's first"),
        pytest.param("ECDHE-ECDSA-AES256-GCM-SHA384", True, id="the platform's second"),
        pytest.param("ECDHE-ECDSA-CHACHA20-POLY1305", False, id="another"),
        pytest.param("ECDHE-ECDSA-AES128-SHA256", False, id="no GCM"),
    ],
)
def test_the_cipher_suites_of_tls_1_2(
    tls_server: Server, authority: Authority, ciphers: str, accepted: bool
) -> None:
    """With TLS 1.2 those that the platform offers, and no other."""
    context = authority.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    if accepted:
        assert shown(tls_server, context)[1:] == ("TLSv1.2", ciphers)
    else:
        with pytest.raises(ssl.SSLError):
            shown(tls_server, context)


def test_a_renewed_certificate(tls_server: Server, authority: Authority) -> None:
    """SIGHUP reloads it; one that cannot be used is told, and the old one stays."""
    context = authority.context()
    first = shown(tls_server, context)[0]
    authority.renew()
    assert shown(tls_server, context)[0] == first
    tls_server.send_signal(signal.SIGHUP)
    second = eventually(
        lambda: (now := shown(tls_server, context)[0]) != first and now, "the new one is shown"
    )
    authority.certificate.write_text("nonsense")
    tls_server.send_signal(signal.SIGHUP)
    eventually(lambda: "certificate reload failed" in tls_server.log.read_text(), "it is told")
    assert shown(tls_server, context)[0] == second
    assert tls_server.push(BODY).status_code == 200


def test_a_bad_certificate_is_told_before_the_start(tmp_path: Path) -> None:
    """`receiver check` and `serve` say that it cannot be used."""
    file = tmp_path / "cert.pem"
    file.write_text("nonsense")
    env = {
        "RECEIVER_TLS_CERTIFICATE": str(file),
        "RECEIVER_TLS_KEY": str(file),
        "RECEIVER_DATA_DIR": str(tmp_path / "data"),
    }
    for command in ("check", "serve"):
        done = run(command, env=env)
        assert done.returncode != 0, command
        assert "tls_certificate" in done.stderr
        assert "Traceback" not in done.stderr
