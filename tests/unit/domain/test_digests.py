"""Digests of secrets."""

import pytest

from receiver.domain.digests import secret_digest


@pytest.mark.parametrize(
    ("secret", "beginning"),
    [
        ("", "e3b0c442"),
        ("abc", "ba7816bf"),
        pytest.param("\udc80", "37098e13", id="a byte that is no UTF-8"),
        pytest.param("\ud800", "91a681b9", id="another lone surrogate"),
    ],
)
def test_secret_digest(secret: str, beginning: str) -> None:
    """Every text has a digest, that of a secret is its SHA-256."""
    digest = secret_digest(secret)
    assert len(digest) == 32
    assert digest.hex().startswith(beginning)
