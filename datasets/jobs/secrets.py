"""What a task needs and nobody may read: sealed in the database with a key made of SECRET_KEY, and good for a day.

Fernet (AES-128-CBC with HMAC-SHA256, and the time of sealing) of the package `cryptography`, which comes with the
extra `hub`.
"""

import base64

from django.utils.crypto import salted_hmac

GOOD_FOR = 24 * 60 * 60


class UnreadableSecret(Exception):
    """Too old, or sealed under another SECRET_KEY."""


def build_sealer():
    from cryptography.fernet import Fernet  # an extra: there may be none

    return Fernet(base64.urlsafe_b64encode(salted_hmac("datasets.sealing", "", algorithm="sha256").digest()))


def seal(text):
    return build_sealer().encrypt(text.encode()).decode()


def unseal(sealed):
    """The text. Raises UnreadableSecret."""
    from cryptography.fernet import InvalidToken

    try:
        return build_sealer().decrypt(sealed, ttl=GOOD_FOR).decode()
    except InvalidToken:
        raise UnreadableSecret from None
