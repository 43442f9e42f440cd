"""Unique ids as AWS spells them: a four letter prefix that tells the kind, then sixteen characters."""

import secrets

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def random_id() -> str:
    """The sixteen characters behind a prefix such as AKIA, AROA or AIDA."""
    # 32 letters divide 256 evenly, and one call of the system is enough.
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in secrets.token_bytes(16))
