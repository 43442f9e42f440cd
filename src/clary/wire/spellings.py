"""How each protocol spells the errors that every service can give, and with which status.

Raised anywhere in their JSON spelling; AWS's form services and S3 know the same refusals by older names.
"""

from collections.abc import Mapping

from clary.wire.errors import AwsError
from clary.wire.services import Service

Spelling = tuple[str, int]

JSON: Mapping[str, Spelling] = {
    "InvalidSignatureException": ("InvalidSignatureException", 400),
    "UnrecognizedClientException": ("UnrecognizedClientException", 400),
    "ExpiredTokenException": ("ExpiredTokenException", 400),
    "IncompleteSignatureException": ("IncompleteSignatureException", 400),
    "MissingAuthenticationTokenException": ("MissingAuthenticationTokenException", 400),
}
REST_JSON: Mapping[str, Spelling] = {code: (spelling, 403) for code, (spelling, _) in JSON.items()}
FORM: Mapping[str, Spelling] = {
    "InvalidSignatureException": ("SignatureDoesNotMatch", 403),
    "UnrecognizedClientException": ("InvalidClientTokenId", 403),
    "ExpiredTokenException": ("ExpiredToken", 403),
    "IncompleteSignatureException": ("IncompleteSignature", 400),
    "MissingAuthenticationTokenException": ("MissingAuthenticationToken", 403),
    "AccessDeniedException": ("AccessDenied", 403),
    "SerializationException": ("MalformedInput", 400),
    "UnknownOperationException": ("InvalidAction", 400),
    "RequestEntityTooLargeException": ("RequestEntityTooLarge", 413),
}
S3: Mapping[str, Spelling] = {
    "InvalidSignatureException": ("SignatureDoesNotMatch", 403),
    "UnrecognizedClientException": ("InvalidAccessKeyId", 403),
    "ExpiredTokenException": ("ExpiredToken", 400),
    "IncompleteSignatureException": ("AuthorizationHeaderMalformed", 400),
    "MissingAuthenticationTokenException": ("AccessDenied", 403),
    "AccessDeniedException": ("AccessDenied", 403),
    "InternalFailure": ("InternalError", 500),
}
_TABLES = {"json": JSON, "smithy-rpc-v2-cbor": JSON, "rest-json": REST_JSON, "query": FORM, "ec2": FORM}


def spell(error: AwsError, service: Service, protocol: str) -> AwsError:
    """The error as this service says it; unchanged when it has no other spelling."""
    table = S3 if service.name == "s3" else _TABLES.get(protocol, {})
    if error.code not in table:
        return error
    code, status = table[error.code]
    return AwsError(error.message, code=code, status=status, **error.extra)
