"""Trust: addresses, proxies, push signatures, TLS."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, field_validator

from receiver.domain.strength import is_trivial
from receiver.settings.fields import Section

_A_DAY_S = 86_400

# The platform's published addresses of pushes, by the date of that publication (sms_faq_0093).
# Another one gets a name of its own, so that nobody's filter changes by an upgrade.
PRESETS = {
    "huawei-2023-08-21": (
        "117.78.29.0/24",
        "124.70.27.0/24",
        "124.71.67.0/24",
        "123.60.96.0/24",
        "119.8.109.0/24",
    )
}


class PushKey(Section):
    """One pair of push AK and SK, as set in the platform's console."""

    access_key: str = Field(min_length=1, max_length=128, pattern=r"^[^,\s]+$")
    secret_key: SecretStr = Field(min_length=1)

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, secret: SecretStr) -> SecretStr:
        if is_trivial(secret.get_secret_value()):
            raise ValueError(
                "is easy to guess; set a longer push SK in the platform's console and here"
            )
        return secret


class SignatureSettings(Section):
    """How push signatures are judged."""

    window_seconds: int = Field(default=900, ge=1, le=_A_DAY_S)
    host: str | None = Field(default=None, min_length=1, max_length=255)
    allow_unsigned_payload: bool = False

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str | None) -> str | None:
        if host is not None and not host.isascii():
            raise ValueError(
                "must be the host of the callback URL in ASCII, with its port if the URL has one"
            )
        return host


def _check_push_keys(keys: list[PushKey]) -> list[PushKey]:
    """Refuse pairs of which nobody knows which one is meant."""
    names = [key.access_key for key in keys]
    if len(names) != len(set(names)):
        raise ValueError("two pairs have the same access_key; remove one")
    return keys


def is_gated(given: Mapping[str, Any]) -> bool:
    """Return whether pushes must satisfy more than a token, or that cannot be told yet.

    Args:
        given: the valid ones of `push_keys` and `allow_from`.
    """
    return any(given.get(name, True) for name in ("push_keys", "allow_from"))


def expand(named: Iterable[str]) -> list[str]:
    """Put the networks of presets in place of their names."""
    return [network for name in named for network in PRESETS.get(name, (name,))]


def _check_allowed(named: list[str]) -> list[str]:
    """Refuse what is no network, and what would allow everybody."""
    for name in named:
        if name not in PRESETS:
            _check_network(
                name,
                "this allows every address; omit the setting if that is intended",
                f"use networks such as 192.0.2.0/24, or a preset: {', '.join(PRESETS)}",
            )
    return named


def _check_proxies(named: list[str]) -> list[str]:
    """Refuse what is no network, and what would trust everybody."""
    for name in named:
        _check_network(
            name,
            "every client could then forge its address; name only your own proxies",
            "use the addresses or networks of your own proxies, such as 10.0.0.5 or 10.0.0.0/24",
        )
    return named


def _check_network(name: str, why_not_all: str, how: str) -> None:
    if name.strip() in ("*", "all", "any"):
        raise ValueError(f"{name!r}: {why_not_all}")
    try:
        network = ip_network(name)
    except ValueError:
        raise ValueError(f"{name!r} is not a network; {how}") from None
    if network.prefixlen == 0:
        raise ValueError(f"{name!r}: {why_not_all}")


PushKeys = Annotated[list[PushKey], AfterValidator(_check_push_keys)]
AllowedNetworks = Annotated[list[str], AfterValidator(_check_allowed)]
ProxyNetworks = Annotated[list[str], AfterValidator(_check_proxies)]
