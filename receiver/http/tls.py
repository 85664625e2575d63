"""TLS of the public listener, where no proxy does it."""

import ssl
from pathlib import Path

from receiver.errors import SettingsError

# The four that the platform offers with TLS 1.2 (sms_05_0003); those of TLS 1.3 are its own.
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
)


class Certificate:
    """A certificate and its key, which may be renewed while connections use them."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read both.

        Raises:
            SettingsError: they cannot be read or do not belong together.
        """
        self._files = certificate, key
        self.context = self._make()

    def renew(self) -> None:
        """Reload both, for the connections that come from now on.

        Raises:
            SettingsError: they cannot be used; the old ones stay in use.
        """
        self._make()  # first by itself: a context that failed half-way would keep half of it
        certificate, key = self._files
        self.context.load_cert_chain(certificate, key)

    def _make(self) -> ssl.SSLContext:
        certificate, key = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(":".join(_CIPHERS))
        try:
            context.load_cert_chain(certificate, key)
        except ssl.SSLError as error:
            raise SettingsError(
                "tls_certificate, tls_key: cannot be used "
                f"({error.reason or 'not PEM'}). Give the certificate with its chain, "
                "and the key that belongs to it, both as PEM."
            ) from None
        except OSError as error:
            raise SettingsError(
                f"tls_certificate, tls_key: cannot be read: {error.strerror}"
            ) from None
        return context
