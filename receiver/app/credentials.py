"""The effective secrets, generated where the settings name none; and the clock."""

import time
from dataclasses import dataclass
from secrets import token_urlsafe

from receiver.datadir import KEY_FILE, TOKEN_FILE, DataDirectory, read_secret
from receiver.domain.strength import LEAST_OF_A_KEY, is_trivial, is_weak_key
from receiver.edge.callbacks import Address, address_of
from receiver.errors import DataDirectoryError
from receiver.settings import DEFAULT_APPLICATION, Settings


@dataclass(frozen=True, slots=True)
class Secrets:
    """The effective secrets, generated where the settings name none."""

    callback_token: str  # the first one; shown at the start
    addresses: tuple[Address, ...]
    api_key: str


_STRONG = token_urlsafe(32)  # stands for what will be made


def now() -> int:
    """Return the time: microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


def make_secrets(settings: Settings, directory: DataDirectory) -> Secrets:
    """Take the secrets from the settings, or from the data directory, made when missing.

    Raises:
        DataDirectoryError: one that stands in the data directory cannot be read or can be guessed.
    """
    for problem in weak_files(settings):
        raise DataDirectoryError(problem)
    addresses = []
    if settings.callback_token is not None:
        token = settings.callback_token.get_secret_value()
        addresses.append((token, DEFAULT_APPLICATION))
    elif _makes_token(settings):
        addresses.append((directory.secret(TOKEN_FILE), DEFAULT_APPLICATION))
    for application in settings.applications:
        addresses += [(t.get_secret_value(), application.name) for t in application.tokens]
    if settings.api_key is not None:
        key = settings.api_key.get_secret_value()
    else:
        key = directory.secret(KEY_FILE)
    return Secrets(addresses[0][0], tuple(address_of(*one) for one in addresses), key)


def weak_files(settings: Settings) -> list[str]:
    """Return which secrets of the data directory can be guessed: people may write them manually.

    Raises:
        DataDirectoryError: one cannot be read.
    """
    problems = []
    key = settings.data_dir / KEY_FILE
    if settings.api_key is None and is_weak_key(read_secret(key) or _STRONG):
        problems.append(
            f"{key} contains a key that can be guessed. Write at least {LEAST_OF_A_KEY} "
            "characters without a pattern, or remove the file to have one generated."
        )
    token = settings.data_dir / TOKEN_FILE
    is_gated = settings.push_keys or settings.allow_from
    if _makes_token(settings) and not is_gated and is_trivial(read_secret(token) or _STRONG):
        problems.append(
            f"{token} contains a token that is easy to guess. Write a longer one, remove "
            "the file to have one generated, or set push_keys or allow_from."
        )
    return problems


def _makes_token(settings: Settings) -> bool:
    return settings.callback_token is None and settings.has_default_application
