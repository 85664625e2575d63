"""What distinguishes uplinks with the same id: their content, in any notation."""

import hashlib
import json

from receiver.domain.inputs import Uplink
from receiver.domain.numbers import normalise, normalise_channel
from receiver.domain.times import to_rfc3339


def digest_of(uplink: Uplink) -> str:
    """Return what tells an uplink from others under its id."""
    return content_digest(
        uplink.sender, uplink.to, uplink.body, uplink.create_time, uplink.created_at
    )


def content_digest(
    sender: str, to: str, body: str, create_time: str, created_at: int | None
) -> str:
    """Return the SHA-256 of an uplink's content, in hex.

    For an uplink as the platform writes it, this is the digest of its texts as received.

    Args:
        sender: as it is stored.
        to: as it is stored.
        body: as it is stored.
        create_time: as received.
        created_at: what it means, microseconds since the epoch; None: it is no time.
    """
    written = create_time if created_at is None else to_rfc3339(created_at)
    told = [normalise(sender) or sender, normalise_channel(to), body, written]
    content = json.dumps(told, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()
