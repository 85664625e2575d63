"""The secrets in force, made where the settings name none; and the clock."""

import time
from dataclasses import dataclass

from receiver.datadir import KEY_FILE, TOKEN_FILE, DataDirectory
from receiver.settings import DEFAULT_APPLICATION, Settings
from receiver.web.callbacks import Address, address_of


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets in force, made where the settings name none."""

    callback_token: str  # the first one; shown at the start
    addresses: tuple[Address, ...]
    api_key: str


def now() -> int:
    """Give the time: microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


def make_secrets(settings: Settings, directory: DataDirectory) -> Secrets:
    """Take the secrets from the settings, or from the data directory, made when missing."""
    addresses = []
    if settings.callback_token is not None:
        token = settings.callback_token.get_secret_value()
        addresses.append((token, DEFAULT_APPLICATION))
    elif not settings.applications:
        addresses.append((directory.secret(TOKEN_FILE), DEFAULT_APPLICATION))
    for application in settings.applications:
        addresses += [(t.get_secret_value(), application.name) for t in application.tokens]
    if settings.api_key is not None:
        key = settings.api_key.get_secret_value()
    else:
        key = directory.secret(KEY_FILE)
    return Secrets(addresses[0][0], tuple(address_of(*one) for one in addresses), key)
