"""AWS Signature Version 4: who signed this request, with headers or in the query. Called by the server before any work.

A signature holds for the skew around its date, and AWS too accepts it again within that window: what keeps a replayed
create from creating twice is that names are unique. Bodies are bound by their hash; only S3 may leave them unsigned.
"""

import hashlib
import hmac
import re
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import gmtime, strftime, strptime
from typing import Protocol
from urllib.parse import unquote

import msgspec

from clary.wire import canonical
from clary.wire.context import Principal
from clary.wire.errors import AwsError
from clary.wire.messages import Head

ALGORITHM = "AWS4-HMAC-SHA256"
LONGEST_PRESIGNED = 7 * 24 * 3600
SCOPE = re.compile(
    r"([!-.0-~]{1,256})/(\d{8})/([a-z]{2,16}(?:-[a-z]{1,16}){1,4}-\d{1,2})/([a-z0-9-]{1,64})/aws4_request"
)
STAMP = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True, slots=True)
class Key:
    secret: str
    principal: Principal


class Keys(Protocol):
    """The access keys that exist. Implementations name it as a base, so that `parts.need(Keys)` finds them."""

    def find(self, access_key_id: str, session_token: str | None) -> Key:
        """Raises `AwsError` `UnrecognizedClientException` or `ExpiredTokenException`."""


class Identity(msgspec.Struct, frozen=True):
    """A verified caller. The last four let S3 verify the chunks of a signed stream, each chained to the one before."""

    principal: Principal
    region: str
    service: str
    payload_hash: str
    """What the client signed for its body: a SHA-256 in hex, `UNSIGNED-PAYLOAD` or `STREAMING-...`."""
    signing_key: bytes = b""
    signature: str = ""
    stamp: str = ""
    scope: str = ""


class Claim(msgspec.Struct, frozen=True):
    """What a request says of its signature, before anything is believed."""

    access_key: str
    date: str
    region: str
    service: str
    stamp: str
    signed: list[str]
    signature: str
    token: str | None
    seconds: int | None = None
    """How long a presigned URL lives; `None` for a header signature."""

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def claim(head: Head) -> Claim | None:
    """The signature a request carries, or `None`. Raises `IncompleteSignatureException`."""
    authorization = head.named.get("authorization", "")
    if authorization.startswith(ALGORITHM):
        return _header_claim(head, authorization)
    if "X-Amz-Signature=" in head.query:
        return _query_claim(head, head.query_map)
    return None


def authenticate(head: Head, told: Claim, keys: Keys, now: float, skew: float, body_hash: str | None) -> Identity:
    """Believe `told`, or raise.

    `body_hash` is the SHA-256 in hex of the whole body; `None` only for S3, which compares the hash itself while it
    reads.
    """
    moment = _check_time(told, now, skew)
    _check_signed(head, told)
    key = keys.find(told.access_key, told.token)
    payload = _payload(head, told, body_hash)
    path = canonical.object_path(head.path) if told.service == "s3" else canonical.service_path(head.path)
    without = "X-Amz-Signature" if told.seconds is not None else ""
    text = canonical.request(head, path, told.signed, payload, without)
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    signing = _signing_key(key.secret, told.date, told.region, told.service)
    scope = told.scope
    to_sign = f"{ALGORITHM}\n{told.stamp}\n{scope}\n{digest}"
    keyed = _keyed(signing).copy()
    keyed.update(to_sign.encode())
    wanted = keyed.hexdigest()
    if not hmac.compare_digest(wanted.encode(), told.signature.encode("utf-8", "replace")):
        raise _mismatch()
    _check_life(told, moment, now)
    return Identity(key.principal, told.region, told.service, payload, signing, told.signature, told.stamp, scope)


@lru_cache(maxsize=1024)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=1024)
def _keyed(signing: bytes) -> hmac.HMAC:
    return hmac.new(signing, digestmod="sha256")


@lru_cache(maxsize=256)
def _epoch(stamp: str) -> int:
    try:
        return timegm(strptime(stamp, "%Y%m%dT%H%M%SZ"))
    except ValueError as error:
        raise _incomplete(f"Date must be in ISO-8601 'basic format'. Got '{stamp[:32]}'.") from error


def _header_claim(head: Head, authorization: str) -> Claim:
    fields: dict[str, str] = {}
    for part in authorization[len(ALGORITHM) :].split(","):
        name, _, value = part.strip().partition("=")
        fields[name] = value
    for name in ("Credential", "Signature", "SignedHeaders"):
        if not fields.get(name):
            raise _incomplete(f"Authorization header requires '{name}' parameter.")
    stamp = head.header("x-amz-date")
    if not stamp:
        raise _incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    token = head.named.get("x-amz-security-token")
    return _claim(fields["Credential"], stamp, fields["SignedHeaders"], fields["Signature"], token, None)


def _query_claim(head: Head, query: Mapping[str, str]) -> Claim:
    names = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Algorithm")
    for name in names:
        if not query.get(name):
            raise _incomplete(f"AWS query-string parameters must include '{name}'.")
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise _incomplete("X-Amz-Algorithm only supports AWS4-HMAC-SHA256.")
    life = query.get("X-Amz-Expires", "900")
    if not (life.isascii() and life.isdigit() and len(life) < 8 and int(life) <= LONGEST_PRESIGNED):
        raise _incomplete(
            "X-Amz-Expires must be a number of seconds, at most a week.", "AuthorizationQueryParametersError"
        )
    credential, stamp, signed, signature, _ = (query[name] for name in names)
    return _claim(credential, stamp, signed, signature, query.get("X-Amz-Security-Token"), int(life))


def _claim(credential: str, stamp: str, signed: str, signature: str, token: str | None, life: int | None) -> Claim:
    access_key, date, region, service = _scope(credential)
    if not STAMP.fullmatch(stamp):
        raise _incomplete(f"Date must be in ISO-8601 'basic format'. Got '{stamp[:32]}'.")
    return Claim(access_key, date, region, service, stamp, signed.lower().split(";"), signature, token, life)


@lru_cache(maxsize=1024)
def _scope(credential: str) -> tuple[str, ...]:
    """Access key, date, region and service: of a client, the same for a day."""
    scope = SCOPE.fullmatch(credential)
    if scope is None:
        raise _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{unquote(credential)[:256]}'."
        )
    return scope.groups()


def _check_time(told: Claim, now: float, skew: float) -> int:
    """The request's date, when it is the scope's and near enough."""
    moment = _epoch(told.stamp)
    if told.stamp[:8] != told.date:
        raise _mismatch(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{told.date}' != '{told.stamp[:8]}', from '{told.stamp}'."
        )
    if moment > now + skew:
        raise _skewed(
            told, f"Signature not yet current: {told.stamp} is still later than {_form(now + skew)}", now, skew
        )
    if told.seconds is None and moment < now - skew:
        raise _skewed(told, f"Signature expired: {told.stamp} is now earlier than {_form(now - skew)}", now, skew)
    return moment


def _check_life(told: Claim, moment: int, now: float) -> None:
    """After the signature, so that only its owner learns that it was once good."""
    if told.seconds is None or now <= moment + told.seconds:
        return
    if told.service == "s3":
        raise AwsError("Request has expired", code="AccessDenied", status=403)
    raise _mismatch(f"Signature expired: {told.stamp} is now earlier than {_form(now - told.seconds)}")


def _check_signed(head: Head, told: Claim) -> None:
    """The host and every `x-amz-*` header must be covered, or someone between could change their meaning.

    The session token may stay out: a changed token finds another key, and the signature fails.
    """
    if "host" not in told.signed:
        raise _mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    present = head.named
    for name in told.signed:
        if name not in present:
            raise _mismatch()
    for name in present:
        if name[:6] == "x-amz-" and name not in told.signed and name != "x-amz-security-token":
            raise _unsigned_header(told, name)


def _unsigned_header(told: Claim, name: str) -> AwsError:
    if told.service == "s3":
        return AwsError(
            "There were headers present in the request which were not signed", code="AccessDenied", status=403
        )
    return _mismatch(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")


def _payload(head: Head, told: Claim, body_hash: str | None) -> str:
    """The payload line of the canonical request."""
    given = head.named.get("x-amz-content-sha256")
    if body_hash is None:
        return given or _s3_default(head, told)
    if given is not None and not hmac.compare_digest(given.encode(), body_hash.encode()):
        raise _mismatch()
    return body_hash


def _s3_default(head: Head, told: Claim) -> str:
    if told.seconds is not None:
        return head.query_map.get("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
    raise AwsError("Missing required header for this request: x-amz-content-sha256", code="InvalidRequest", status=400)


def _form(seconds: float) -> str:
    return strftime("%Y%m%dT%H%M%SZ", gmtime(seconds))


def _skewed(told: Claim, text: str, now: float, skew: float) -> AwsError:
    if told.service == "s3":
        return AwsError(
            "The difference between the request time and the current time is too large.",
            code="RequestTimeTooSkewed",
            status=403,
        )
    sign = "+" if text.startswith("Signature not yet") else "-"
    return _mismatch(f"{text} ({_form(now)} {sign} {skew / 60:g} min.)")


def _incomplete(message: str, code: str = "IncompleteSignatureException") -> AwsError:
    return AwsError(message, code=code, status=400)


def _mismatch(
    message: str = "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
) -> AwsError:
    return AwsError(message, code="InvalidSignatureException", status=403)
