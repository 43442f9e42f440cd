"""Page tokens: opaque, tamper-evident, and good only for the question that they continue."""

import base64
import binascii
import hashlib
import hmac
from functools import cache
from typing import Any

import msgspec

from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import ValidationException

MARK_BYTES = 16


def seal(ctx: Context, question: Any, position: Any) -> str:
    """`question` is everything that decides what is listed, `position` where the next page starts; both plain data."""
    payload = msgspec.msgpack.encode(position)
    return base64.urlsafe_b64encode(_mark(ctx, question, payload) + payload).decode()


def open_token(ctx: Context, token: str | None, question: Any, start: Any) -> Any:
    """The sealed position, or `start` without a token. Raises `ValidationException` for any other token than ours."""
    if not token:
        return start
    try:
        raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValidationException("Invalid NextToken.") from None
    mark, payload = raw[:MARK_BYTES], raw[MARK_BYTES:]
    if not hmac.compare_digest(mark, _mark(ctx, question, payload)):
        raise ValidationException("Invalid NextToken.")
    return msgspec.msgpack.decode(payload)


def _mark(ctx: Context, question: Any, payload: bytes) -> bytes:
    asked = msgspec.json.encode(question, order="sorted")
    text = len(asked).to_bytes(8, "big") + asked + payload
    return hmac.digest(_key(ctx.need(Store)), text, hashlib.sha256)[:MARK_BYTES]


@cache
def _key(store: Store) -> bytes:
    return store.secret("page tokens")
