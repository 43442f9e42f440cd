"""The old query signature (`AWSAccessKeyId`, `Expires`, `Signature`) that S3 clients presign with for custom endpoints.

SHA-1 because the scheme says so. It covers method, two content headers, expiry, `x-amz-*` and the resource.
"""

import base64
import hmac
import re

from clary.wire.errors import AwsError
from clary.wire.messages import Head
from clary.wire.sigv4 import Identity, Keys

SUBRESOURCES = re.compile(
    "accelerate|acl|cors|defaultObjectAcl|location|logging|partNumber|policy|requestPayment|torrent|versioning|"
    "versionId|versions|website|uploads|uploadId|response-(content-(type|language|disposition|encoding)|expires|"
    "cache-control)|delete|lifecycle|tagging|restore|storageClass|notification|replication|analytics|metrics|"
    "inventory|select|select-type|object-lock"
)


def is_signed(head: Head) -> bool:
    return "AWSAccessKeyId=" in head.query and "Signature=" in head.query


def authenticate(head: Head, keys: Keys, now: float, region: str, bucket: str = "") -> Identity:
    """The caller of a presigned URL, or an S3 error. `bucket` is the one named by a virtual host."""
    query = head.query_map
    expires = query.get("Expires", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) < 12):
        raise AwsError("Query-string authentication requires Expires.", code="AccessDenied", status=403)
    token = query.get("x-amz-security-token")
    key = keys.find(query["AWSAccessKeyId"], token)
    text = _string_to_sign(head, expires, bucket)
    wanted = base64.b64encode(hmac.digest(key.secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1"))
    if not hmac.compare_digest(wanted, query["Signature"].encode("utf-8", "replace")):
        raise AwsError(
            "The request signature we calculated does not match the signature you provided. Check your key and "
            "signing method.",
            code="SignatureDoesNotMatch",
            status=403,
        )
    if now > int(expires):
        raise AwsError("Request has expired", code="AccessDenied", status=403)
    return Identity(key.principal, region, "s3", "UNSIGNED-PAYLOAD")


def _string_to_sign(head: Head, expires: str, bucket: str) -> str:
    amazon: dict[str, str] = {name: value.strip() for name, value in head.named.items() if name.startswith("x-amz-")}
    amazon |= {name.lower(): value for name, value in head.query_pairs if name.lower().startswith("x-amz-")}
    headers = "".join(f"{name}:{amazon[name]}\n" for name in sorted(amazon))
    subresources = sorted(
        f"{name}={value}" if value else name for name, value in head.query_pairs if SUBRESOURCES.fullmatch(name)
    )
    # A path that is only a bucket is signed with a closing slash, which clients need not send.
    closing = "/" if not bucket and head.path.count("/") == 1 and head.path != "/" else ""
    resource = (
        (f"/{bucket}" if bucket else "") + head.path + closing + ("?" + "&".join(subresources) if subresources else "")
    )
    content = (head.header("content-md5"), head.header("content-type"))
    return "\n".join((head.method, *content, expires, headers + resource))
