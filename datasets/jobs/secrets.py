"""Secrets of tasks, encrypted in the database with a key derived from SECRET_KEY and valid for a day.

Encrypted with Fernet (AES-128-CBC with HMAC-SHA256 and a timestamp) from the package `cryptography`, which the extra
`hub` installs.
"""

import base64
from typing import TYPE_CHECKING

from django.utils.crypto import salted_hmac

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

GOOD_FOR = 24 * 60 * 60  # seconds


class UnreadableSecret(Exception):
    """The secret is too old, or was sealed under another SECRET_KEY."""


def build_sealer() -> "Fernet":
    """The cipher. Raises ImportError without the extra `hub`."""
    from cryptography.fernet import Fernet

    return Fernet(base64.urlsafe_b64encode(salted_hmac("datasets.sealing", "", algorithm="sha256").digest()))


def seal(text: str) -> str:
    """The encrypted text."""
    return build_sealer().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """The decrypted text. Raises UnreadableSecret."""
    from cryptography.fernet import InvalidToken

    try:
        return build_sealer().decrypt(sealed, ttl=GOOD_FOR).decode()
    except InvalidToken:
        raise UnreadableSecret from None
