"""The options of a simulation."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import SplitResult, urlsplit

from receiver.errors import ReceiverError

Register = Literal["first", "after", "never"]

_SHARES = (
    "batch_share",
    "long_share",
    "redelivery_share",
    "reorder_share",
    "missing_update_time_share",
    "uplink_share",
    "unknown_code_share",
    "international_share",
)
# A push keeps a socket open; beyond this the usual limit of 1,024 open files comes near.
MOST_CONNECTIONS = 512


class SimulationError(ReceiverError):
    """The simulation cannot be run; the text says what to do and holds no token or key."""


@dataclass(frozen=True)
class SimulationOptions:
    """The options of one simulation.

    Attributes:
        url: The callback URL, as it would be given to the platform.
        count: Messages, that is entries of send responses; the refused ones count.
        rate: Pushes per second at fixed instants; 0 pushes as fast as the answers come.
        seed: The same seed gives the same traffic but for its times; None draws one.
        api_url: Where the receiver's private API listens; needed unless `register` is "never".
        api_key: A key of that API with the scope to write.
        register: Register sends "first", "after" their reports (orphans until then), or "never".
        batch_share: Messages whose reports come in JSON batches.
        long_share: Messages of two to four parts.
        redelivery_share: Pushes that come a second time, byte for byte.
        reorder_share: Pushes that later ones overtake.
        missing_update_time_share: Messages that the platform itself gave up (EXPIRED, source 1).
        uplink_share: Messages that the recipient answers; mainland only, and only delivered ones.
        unknown_code_share: Messages that end in a code no list knows.
        international_share: Messages to numbers outside the Chinese mainland.
        delay_seconds: Shortest and longest time between a send and its report.
        connections: Pushes open at once when `rate` is 0.
        timeout_seconds: Longest wait for the answer to one push.
        record_ids: A file that gets the `smsMsgId` of every acknowledged report, one a line.

    Raises:
        SimulationError: a value cannot be used; the text names every bad one.
    """

    url: str = field(repr=False)
    count: int = 1000
    rate: float = 50.0
    seed: int | None = None
    api_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    register: Register = "first"
    batch_share: float = 0.3
    long_share: float = 0.15
    redelivery_share: float = 0.02
    reorder_share: float = 0.05
    missing_update_time_share: float = 0.03
    uplink_share: float = 0.03
    unknown_code_share: float = 0.01
    international_share: float = 0.05
    delay_seconds: tuple[float, float] = (1.0, 5.0)
    connections: int = 16
    timeout_seconds: float = 10
    record_ids: Path | None = None

    def __post_init__(self) -> None:
        problems = [*self._bad_numbers(), *self._bad_shares(), *self._bad_addresses()]
        if problems:
            raise SimulationError("\n".join(problems))

    def _bad_numbers(self) -> list[str]:
        shortest, longest = self.delay_seconds
        checks = {
            "count must be at least 1.": self.count >= 1,
            "rate must be a number of pushes per second, or 0 for as fast as possible.": (
                math.isfinite(self.rate) and self.rate >= 0
            ),
            f"connections must be between 1 and {MOST_CONNECTIONS}.": (
                1 <= self.connections <= MOST_CONNECTIONS
            ),
            "timeout_seconds must be a number greater than 0.": (
                math.isfinite(self.timeout_seconds) and self.timeout_seconds > 0
            ),
            "delay_seconds must be two numbers, 0 or more, the shorter one first.": (
                math.isfinite(longest) and 0 <= shortest <= longest
            ),
        }
        return [problem for problem, good in checks.items() if not good]

    def _bad_shares(self) -> list[str]:
        problems = [
            f"{name} must be between 0 and 1."
            for name in _SHARES
            if not 0 <= getattr(self, name) <= 1
        ]
        if self.missing_update_time_share + self.unknown_code_share > 1:
            problems.append(
                "missing_update_time_share and unknown_code_share must not exceed 1 together."
            )
        return problems

    def _bad_addresses(self) -> list[str]:
        problems = [] if _is_address(self.url) else [_bad_address("url")]
        if self.register not in get_args(Register):
            problems.append("register must be first, after or never.")
        if self.register == "never":
            return problems
        if self.api_url is None or not self.api_key:
            problems.append(
                "Registering sends requires api_url and api_key, the address and a key "
                "of the receiver's private API. To run without, set register to "
                '"never".'
            )
        if self.api_key and not (self.api_key.isascii() and self.api_key.isprintable()):
            problems.append("api_key must be printable ASCII.")
        if self.api_url is not None and not _is_address(self.api_url):
            problems.append(_bad_address("api_url"))
        return problems


def _bad_address(name: str) -> str:
    return f"{name} must be an http:// or https:// address with a host, written in ASCII."


def _is_address(url: str) -> bool:
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        return False
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what validates it
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address: the part that may be shown."""
    parts: SplitResult = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
