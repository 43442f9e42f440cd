"""Passwords of the registry: what GetAuthorizationToken gives and `docker login` sends back.

One is a temporary credential of the caller, whole, with its region; nothing is kept for it.
"""

import base64
import binascii
import hmac
import json
import re
from dataclasses import dataclass

from clary.companions.iam import KeyRing
from clary.wire.context import Principal
from clary.wire.errors import AwsError

_REGION = re.compile(r"[a-z0-9-]{1,40}")
USER = "AWS"
SECONDS = 12 * 3600.0
"""As long as AWS's tokens last."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who speaks to the registry, and which region's registry is meant."""

    account: str
    region: str


def issue(keys: KeyRing, principal: Principal, region: str) -> tuple[str, float]:
    """A password for the principal, and when it expires."""
    made = keys.issue(principal.account, principal.arn, principal.user_id, SECONDS)
    text = json.dumps([made.access_key, made.secret, made.token, region])
    return base64.b64encode(text.encode()).decode(), made.expires


def caller(keys: KeyRing, authorization: str) -> Caller | None:
    """Whose header of HTTP's Basic scheme this is; `None` for nobody's that may pass."""
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        access_key, secret, token, region = json.loads(base64.b64decode(password, validate=True))
        found = keys.find(access_key, token)
        if user != USER or not token or not hmac.compare_digest(found.secret.encode(), secret.encode()):
            return None
    except (AwsError, binascii.Error, ValueError, TypeError, AttributeError, RecursionError):
        return None
    return Caller(found.principal.account, region) if isinstance(region, str) and _REGION.fullmatch(region) else None
