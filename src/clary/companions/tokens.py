"""Page tokens of the companions' lists: the key after which the next page starts, opaque to clients.

IAM and KMS call them markers. A token names its list, so that one list's token is refused by another.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

Item = TypeVar("Item")


class BadToken(Exception):
    """Not a token of this list; each service words this its own way."""


def write(listing: str, *key: Any) -> str:
    """The token for what follows `key` in `listing`."""
    return base64.urlsafe_b64encode(json.dumps([listing, *key]).encode()).decode()


def read(listing: str, token: str, *kinds: type) -> list[Any]:
    """The key inside `token`, one value per kind. Raises `BadToken`."""
    try:
        found = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise BadToken(token) from error
    if not isinstance(found, list) or found[:1] != [listing] or [type(value) for value in found[1:]] != list(kinds):
        raise BadToken(token)
    return found[1:]


def page(
    items: Iterable[Item], key: Callable[[Item], str], listing: str, token: str | None, limit: int
) -> tuple[list[Item], str | None]:
    """At most `limit` of `items`, which come in ascending `key` order, and the token for the rest (None at the end)."""
    after = read(listing, token, str)[0] if token else None
    rest = (item for item in items if after is None or key(item) > after)
    taken = list(islice(rest, limit))
    more = next(rest, None) is not None
    return taken, write(listing, key(taken[-1])) if more else None
