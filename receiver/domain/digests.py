"""Digests by which secrets are kept and compared."""

from hashlib import sha256


def secret_digest(secret: str) -> bytes:
    """Return what is kept of a secret; what a stranger sends instead of one has a digest too."""
    return sha256(secret.encode(errors="surrogatepass")).digest()
