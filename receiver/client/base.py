"""What both clients are made of."""

import os
import ssl

from receiver.client.attempts import usual_patience
from receiver.client.registrations import USUAL_URL, Registrations


class BaseClient:
    """A client of a receiver; the arguments are explained at `receiver.client.Client`."""

    def __init__(
        self,
        url: str = USUAL_URL,
        key: str | None = None,
        *,
        application: str | None = None,
        timeout_s: float = 5.0,
        patience_s: float | None = None,
        spool: str | os.PathLike[str] | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        patience = usual_patience(timeout_s, patience_s, has_spool=spool is not None)
        self._registrations = Registrations(url, key, application, patience, spool, verify)
        self._begin()

    def __repr__(self) -> str:
        return self._registrations.describe(type(self).__name__)

    def _begin(self) -> None:
        """Make what the client holds of connections; there are none yet."""
        raise NotImplementedError
