"""Signs pushes as the platform does: hop-by-hop headers too, no blank behind the commas."""

import hashlib
import hmac
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

PAIR = ("push-ak-1", "push-sk-1-0123456789abcdef")
NEXT_PAIR = ("push-ak-2", "push-sk-2-0123456789abcdef")
SIGNED = ("connection", "content-length", "content-type", "host", "x-sdk-date")


def sign(
    path: str,
    body: bytes,
    *,
    host: str,
    pair: tuple[str, str] = PAIR,
    query: str = "",
    kind: str = "application/x-www-form-urlencoded",
    at: float | None = None,
    names: Sequence[str] = SIGNED,
) -> dict[str, str]:
    """Return the headers of a push.

    Args:
        path: of the callback address, as it stands in it.
        body: as it is sent.
        host: with the port, as it stands in the address.
        pair: push AK and SK.
        query: `name=value&…`, sorted and encoded already.
        kind: of the body.
        at: seconds since the epoch; None: now.
        names: of the headers that are signed.
    """
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    headers = {
        "connection": "close",
        "content-length": str(len(body)),
        "content-type": kind,
        "host": host,
        "x-sdk-date": moment.strftime("%Y%m%dT%H%M%SZ"),
    }
    canonical = "\n".join(
        (
            "POST",
            quote(path, safe="/~") + "/",
            query,
            "".join(f"{name}:{headers[name]}\n" for name in names),
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        )
    )
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"SDK-HMAC-SHA256\n{headers['x-sdk-date']}\n{hashed}"
    signature = hmac.new(pair[1].encode(), text.encode(), hashlib.sha256).hexdigest()
    return {
        **headers,
        "authorization": (
            f"SDK-HMAC-SHA256 Access={pair[0]},SignedHeaders={';'.join(names)},"
            f"Signature={signature}"
        ),
    }
