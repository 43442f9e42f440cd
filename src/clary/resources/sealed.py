"""Page tokens: opaque, tamper-evident, and good only for the question that they continue."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec

from clary.resources.kinds import View
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
    return hmac.digest(ctx.need(Store).secret("page tokens"), text, hashlib.sha256)[:MARK_BYTES]


def page_of(view: View, items: Sequence[Any], most: int) -> tuple[list[Any], str | None]:
    """A page of a list that lies inside one record, as some Describe operations give, and the token of the next.

    `most` holds unless the request says `MaxResults`.
    """
    question = ["inside", view.record.id, view.ctx.operation]
    start = open_token(view.ctx, view.request.get("NextToken"), question, 0)
    end = start + view.request.get("MaxResults", most)
    return list(items[start:end]), seal(view.ctx, question, end) if end < len(items) else None
