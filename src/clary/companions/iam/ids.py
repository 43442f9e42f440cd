"""Unique ids as AWS spells them: a four letter prefix that tells the kind, then sixteen characters."""

import secrets

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def random_id() -> str:
    """The sixteen characters behind a prefix such as AKIA, AROA or AIDA."""
    return "".join(secrets.choice(ALPHABET) for _ in range(16))
