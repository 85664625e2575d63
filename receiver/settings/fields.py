"""Value types shared by several settings: addresses, secrets, sections."""

from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

from receiver.datadir import is_secret
from receiver.domain.strength import LEAST_OF_A_KEY, is_trivial, is_weak_key

_HIGHEST_PORT = 65535
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
A_CENTURY_H = 876_000.0
A_YEAR_S = 31_536_000
MANY = 1_000_000_000


def _check_address(text: str) -> str:
    split_address(text)
    return text


def split_address(text: str) -> tuple[str, int]:
    """Split `host:port` (`[::1]:8080` for IPv6).

    Raises:
        ValueError: it is not of that form.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _HIGHEST_PORT:
        raise ValueError("must be host:port, for example 127.0.0.1:8081 or [::1]:8081")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("must have an IPv6 address in brackets, for example [::1]:8081")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)  # noqa: S104 - `:8080` means every address, as elsewhere


def clash(one: str, other: str) -> bool:
    """Return whether two addresses cannot both be listened to."""
    (host, port), (other_host, other_port) = split_address(one), split_address(other)
    same_host = host == other_host or not {host, other_host}.isdisjoint(_EVERYWHERE)
    return same_host and port == other_port != 0


def is_loopback(address: str) -> bool:
    """Return whether only this machine can reach an address to listen on."""
    host, _ = split_address(address)
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_secret(secret: SecretStr) -> SecretStr:
    """Allow what stands in a URL and a header as it is."""
    if not is_secret(secret.get_secret_value()):
        raise ValueError("must be one or more letters, digits, '-', '_', '.' or '~'")
    return secret


def _check_key(secret: SecretStr) -> SecretStr:
    """Refuse a key of the private API that can be guessed: nothing else protects what it opens."""
    if is_weak_key(secret.get_secret_value()):
        raise ValueError(
            f"can be guessed; use at least {LEAST_OF_A_KEY} characters without a "
            "pattern, such as the output of `openssl rand -hex 32`, or omit it to have "
            "one generated"
        )
    return secret


def check_token(secret: SecretStr, *, is_gated: bool) -> SecretStr:
    """Refuse a trivial callback token where nothing else protects the pushes.

    A token cannot be changed here alone: the platform has it in its address. So one that is merely
    short stays in use, and its pushes are marked as `open`.

    Raises:
        ValueError: it is trivial, and pushes need neither be signed nor come from certain networks.
    """
    if is_trivial(secret.get_secret_value()) and not is_gated:
        raise ValueError(
            "is easy to guess; use a longer one (22 characters or more), or set "
            "push_keys or allow_from"
        )
    return secret


Address = Annotated[str, AfterValidator(_check_address)]
Secret = Annotated[SecretStr, AfterValidator(_check_secret)]
KeySecret = Annotated[Secret, AfterValidator(_check_key)]


class Section(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
