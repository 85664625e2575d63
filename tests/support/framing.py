"""How a request may be framed: one table for the receiver, and for what it is compared with.

Whoever reads a request in another way than a proxy ahead of it can be made to see requests that the
proxy never saw. So what is not framed plainly is refused, as nginx refuses it.
"""

from dataclasses import dataclass

BODY = b"smsMsgId=framed_1&status=DELIVRD"
MAX_BODY_BYTES = 1024 * 1024  # the default
_LENGTH = b"Content-Length: %d" % len(BODY)
_CHUNKED = b"Transfer-Encoding: chunked"
_EXPECT = b"Expect: 100-continue"
_CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


@dataclass(frozen=True, slots=True)
class Case:
    """One request and whether it is to be taken.

    Attributes:
        name: what is special about it.
        request: the bytes, `@` for the path to push to, `(at)` for an at sign.
        status: what the receiver answers.
    """

    name: str
    request: bytes
    status: int

    def sent_to(self, path: str) -> bytes:
        """Return the bytes for a path."""
        return self.request.replace(b"@", path.encode(), 1).replace(b"(at)", b"@")


def _request(
    *headers: bytes,
    line: bytes = b"POST @ HTTP/1.1",
    host: bytes | None = b"Host: push.example",
    body: bytes = BODY,
    end: bytes = b"\r\n",
) -> bytes:
    told = [line, *([] if host is None else [host]), *headers]
    return b"".join(one + end for one in told) + end + body


def _plain(*headers: bytes, line: bytes = b"POST @ HTTP/1.1", **more: bytes | None) -> bytes:
    return _request(_LENGTH, *headers, line=line, **more)  # type: ignore[arg-type]  # by name


def _chunked(*headers: bytes, body: bytes = _CHUNKS, line: bytes = b"POST @ HTTP/1.1") -> bytes:
    return _request(*headers, body=body, line=line)


_TAKEN = [
    ("plain", _plain()),
    ("as the platform sends it", _plain(b"Connection: close", b"Pooltype: approxy")),
    ("a port in the host", _plain(host=b"Host: 192.0.2.1:9330")),
    ("an IPv6 host", _plain(host=b"Host: [2001:db8::1]:9330")),
    ("host in lower case", _plain(host=b"host: push.example")),
    ("the host behind other headers", _plain(b"Host: push.example", host=None)),
    ("no blank behind a colon", _plain(host=b"Host:push.example")),
    ("blanks around a value", _plain(b"X-A: \t b \t ")),
    ("an empty value", _plain(b"X-Empty:")),
    ("bytes above ASCII in a value", _plain(b"X-Text: caf\xe9")),
    ("HTTP/1.0 without a host", _plain(line=b"POST @ HTTP/1.0", host=None)),
    ("chunked", _chunked(_CHUNKED)),
    ("Chunked", _chunked(b"Transfer-Encoding: Chunked")),
    ("a chunk extension", _chunked(_CHUNKED, body=b"4;a=b\r\nsmsM\r\n%b" % (
        b"1c\r\n" + BODY[4:] + b"\r\n0\r\n\r\n"))),
    ("a trailer", _chunked(_CHUNKED, body=_CHUNKS[:-2] + b"X: y\r\n\r\n")),
    ("an absolute target", _plain(line=b"POST http://push.example@ HTTP/1.1")),
    ("a query", _plain(line=b"POST @?a=b HTTP/1.1")),
    ("an empty line ahead", b"\r\n" + _plain()),
    ("an expectation that nobody knows", _plain(b"Expect: nothing")),
    ("two blanks behind the method", _plain(line=b"POST  @ HTTP/1.1")),
    ("a lone Upgrade", _plain(b"Upgrade: h2c")),
    ("a host with a dot at the end", _plain(host=b"Host: push.example.")),
    ("a host with an underscore", _plain(host=b"Host: push_1.example")),
    ("a percent-encoded host", _plain(host=b"Host: push%2Dexample")),
    ("a host without its port", _plain(host=b"Host: push.example:")),
    ("a host with the last port", _plain(host=b"Host: push.example:65535")),
    ("an IPv4 address in an IPv6 one", _plain(host=b"Host: [::ffff:192.0.2.1]")),
    ("an absolute target in capitals", _plain(line=b"POST HTTP://PUSH.example:80@ HTTP/1.1")),
    ("an absolute target of https", _plain(line=b"POST https://push.example@ HTTP/1.1")),
    ("an absolute target of an IPv6 host", _plain(line=b"POST http://[::1]:80@ HTTP/1.1")),
    ("an absolute target of another host", _plain(line=b"POST http://other.example@ HTTP/1.1")),
    ("RTSP in a header", _plain(b"X-A: / RTSP/1.0")),
    ("RTSP in the query", _plain(line=b"POST @?RTSP/1.0 HTTP/1.1")),
    ("an expectation in HTTP/1.0", _plain(_EXPECT, line=b"POST @ HTTP/1.0")),
    ("an expectation in HTTP/1.1", _plain(_EXPECT)),
]  # fmt: skip

_REFUSED = [
    ("no host", _plain(host=None)),
    ("two hosts", _plain(b"Host: other.example")),
    ("the same host twice", _plain(b"Host: push.example")),
    ("an empty host", _plain(host=b"Host:")),
    ("a host with a path", _plain(host=b"Host: push.example/a")),
    ("a host with a blank", _plain(host=b"Host: push.example other.example")),
    ("a host with a NUL", _plain(host=b"Host: push\0.example")),
    ("a host with a blank name in it", _plain(host=b"Host: push..example")),
    ("a host with a dot ahead", _plain(host=b"Host: .example")),
    ("a host that is a dot", _plain(host=b"Host: .")),
    ("a port alone", _plain(host=b"Host: :80")),
    ("a host with a port too large", _plain(host=b"Host: push.example:65536")),
    ("a host with a port far too large", _plain(host=b"Host: push.example:99999999")),
    ("a host with a port that is no number", _plain(host=b"Host: push.example:http")),
    ("a host with two ports", _plain(host=b"Host: push.example:80:80")),
    ("a host with a user", _plain(host=b"Host: user(at)push.example")),
    ("a host with half a percent sign", _plain(host=b"Host: push%2.example")),
    ("a host with bytes above ASCII", _plain(host=b"Host: caf\xe9.example")),
    ("two hosts in one value", _plain(host=b"Host: push.example, other.example")),
    ("half an IPv6 host", _plain(host=b"Host: [::1")),
    ("an IPv6 host without brackets", _plain(host=b"Host: ::1")),
    ("an IPv6 host of nothing", _plain(host=b"Host: []")),
    ("an IPv6 host that is none", _plain(host=b"Host: [1:2:3]")),
    ("an IPv6 host with a zone", _plain(host=b"Host: [fe80::1%eth0]")),
    ("an IPv6 host with an encoded zone", _plain(host=b"Host: [fe80::1%25eth0]")),
    ("an IPv6 host with more behind it", _plain(host=b"Host: [::1]a")),
    ("two hosts in HTTP/1.0", _plain(b"Host: other.example", line=b"POST @ HTTP/1.0")),
    ("HTTP/2.0", _plain(line=b"POST @ HTTP/2.0")),
    ("HTTP/3.0", _plain(line=b"POST @ HTTP/3.0")),
    ("HTTP/1.2", _plain(line=b"POST @ HTTP/1.2")),
    ("HTTP/0.9", _plain(line=b"POST @ HTTP/0.9")),
    ("HTTP/11", _plain(line=b"POST @ HTTP/11")),
    ("HTTP/1.10", _plain(line=b"POST @ HTTP/1.10")),
    ("http/1.1", _plain(line=b"POST @ http/1.1")),
    ("HTTP/1.01", _plain(line=b"POST @ HTTP/1.01")),
    ("HTTP/01.1", _plain(line=b"POST @ HTTP/01.1")),
    ("HTTP/1,1", _plain(line=b"POST @ HTTP/1,1")),
    ("a blank in the version", _plain(line=b"POST @ HTTP/ 1.1")),
    ("a blank behind the version", _plain(line=b"POST @ HTTP/1.1 ")),
    ("ICE/1.0", _plain(line=b"POST @ ICE/1.0")),
    ("SOURCE and ICE/1.0", _plain(line=b"SOURCE @ ICE/1.0")),
    ("RTSP/1.0", _plain(line=b"POST @ RTSP/1.0")),
    ("RTSP/1.1", _plain(line=b"POST @ RTSP/1.1")),
    ("RTSP/2.0", _plain(line=b"POST @ RTSP/2.0")),
    ("RTSP/1.0 behind two blanks", _plain(line=b"POST  @  RTSP/1.0")),
    ("RTSP/1.0 behind an empty line", b"\r\n" + _plain(line=b"POST @ RTSP/1.0")),
    ("RTSP/1.0 and an absolute target", _plain(line=b"POST http://push.example@ RTSP/1.0")),
    ("no version", b"POST @\r\n\r\n"),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("a method in lower case", _plain(line=b"post @ HTTP/1.1")),
    ("no method", _plain(line=b"@ HTTP/1.1")),
    ("a method that nobody knows", _plain(line=b"NOBODY @ HTTP/1.1")),
    ("a tab behind the method", _plain(line=b"POST\t@ HTTP/1.1")),
    ("a blank in the target", _plain(line=b"POST @ x HTTP/1.1")),
    ("a tab in the target", _plain(line=b"POST @\tx HTTP/1.1")),
    ("a NUL in the target", _plain(line=b"POST @\0x HTTP/1.1")),
    ("a control character in the target", _plain(line=b"POST @\x01 HTTP/1.1")),
    ("a target of a name alone", _plain(line=b"POST push.example:80 HTTP/1.1")),
    ("an absolute target of ftp", _plain(line=b"POST ftp://push.example@ HTTP/1.1")),
    ("an absolute target of a file", _plain(line=b"POST file://@ HTTP/1.1")),
    ("an absolute target with a user", _plain(line=b"POST http://user(at)push.example@ HTTP/1.1")),
    ("an absolute target without a host", _plain(line=b"POST http://@ HTTP/1.1")),
    ("an absolute target of an odd host", _plain(line=b"POST http://push..example@ HTTP/1.1")),
    ("an absolute target of an odd port", _plain(line=b"POST http://push.example:99999@ HTTP/1.1")),
    ("a scheme and a path", _plain(line=b"POST http:@ HTTP/1.1")),
    ("a target without a slash", _plain(line=b"POST callbacks HTTP/1.1")),
    ("an asterisk", _plain(line=b"POST * HTTP/1.1")),
    ("an asterisk and more", _plain(line=b"OPTIONS *a HTTP/1.1")),
    ("a connection through", _plain(line=b"CONNECT push.example:80 HTTP/1.1")),
    ("gzip, chunked", _chunked(b"Transfer-Encoding: gzip, chunked")),
    ("gzip", _chunked(b"Transfer-Encoding: gzip")),
    ("identity", _plain(b"Transfer-Encoding: identity")),
    ("chunked, identity", _chunked(b"Transfer-Encoding: chunked, identity")),
    ("chunked, chunked", _chunked(b"Transfer-Encoding: chunked, chunked")),
    ("chunked twice", _chunked(_CHUNKED, _CHUNKED)),
    ("gzip and chunked in two headers", _chunked(b"Transfer-Encoding: gzip", _CHUNKED)),
    ("xchunked", _chunked(b"Transfer-Encoding: xchunked")),
    ("chunked behind a control character", _chunked(b"Transfer-Encoding: \x0bchunked")),
    ("no coding", _chunked(b"Transfer-Encoding:")),
    ("chunked in HTTP/1.0", _chunked(_CHUNKED, line=b"POST @ HTTP/1.0")),
    ("chunked and a length", _chunked(_LENGTH, _CHUNKED)),
    ("a length and chunked", _chunked(_CHUNKED, _LENGTH)),
    ("two lengths", _plain(b"Content-Length: 5")),
    ("the same length twice", _plain(_LENGTH)),
    ("a list of lengths", _request(b"Content-Length: 32, 32")),
    ("an empty length", _request(b"Content-Length:", body=b"")),
    ("a negative length", _request(b"Content-Length: -1")),
    ("a length with a sign", _request(b"Content-Length: +32")),
    ("a length in hexadecimal", _request(b"Content-Length: 0x20")),
    ("a length with a fraction", _request(b"Content-Length: 32.0")),
    ("an endless length", _request(b"Content-Length: " + b"9" * 40)),
    ("a blank before a colon", _plain(b"X-A : b")),
    ("a blank in a name", _plain(b"X A: b")),
    ("no name", _plain(b": b")),
    ("no colon", _plain(b"X-A")),
    ("a NUL in a name", _plain(b"X\0A: b")),
    ("a bracket in a name", _plain(b"X(A): b")),
    ("bytes above ASCII in a name", _plain(b"X-\xe9: b")),
    ("a NUL in a value", _plain(b"X-A: b\0c")),
    ("a control character in a value", _plain(b"X-A: b\x01c")),
    ("DEL in a value", _plain(b"X-A: b\x7fc")),
    ("a CR in a value", _plain(b"X-A: b\rc")),
    ("a folded header", _plain(b"X-A: b\r\n c")),
    ("a blank before the first header", _plain(host=b" Host: push.example")),
    ("line ends without CR", _plain(end=b"\n")),
    ("line ends without LF", _plain(end=b"\r")),
    ("a chunk size with a sign", _chunked(_CHUNKED, body=b"+20\r\n%b\r\n0\r\n\r\n" % BODY)),
    ("a chunk size in hexadecimal", _chunked(_CHUNKED, body=b"0x20\r\n%b\r\n0\r\n\r\n" % BODY)),
    ("a blank behind a chunk size", _chunked(_CHUNKED, body=b"20 \r\n%b\r\n0\r\n\r\n" % BODY)),
    ("an empty chunk size", _chunked(_CHUNKED, body=b"\r\n%b\r\n0\r\n\r\n" % BODY)),
    ("an endless chunk size", _chunked(_CHUNKED, body=b"f" * 17 + b"\r\n%b\r\n" % BODY)),
    ("chunks without CR", _chunked(_CHUNKED, body=b"20\n%b\n0\n\n" % BODY)),
    ("a chunk longer than told", _chunked(_CHUNKED, body=b"4\r\n%b\r\n0\r\n\r\n" % BODY)),
    ("an upgrade", _plain(b"Connection: Upgrade", b"Upgrade: h2c")),
]  # fmt: skip

_TOO_LARGE = b"Content-Length: %d" % (MAX_BODY_BYTES + 1)
_LARGE = [
    ("a body that is told too large", _request(_TOO_LARGE, body=b"")),
    ("asking before a body that is too large", _request(_TOO_LARGE, _EXPECT, body=b"")),
    ("the same, the question first", _request(_EXPECT, _TOO_LARGE, body=b"")),
]

CASES = [
    *(Case(name, request, 200) for name, request in _TAKEN),
    *(Case(name, request, 400) for name, request in _REFUSED),
    *(Case(name, request, 413) for name, request in _LARGE),
]
