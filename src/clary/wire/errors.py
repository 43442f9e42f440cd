"""The errors a client sees.

AwsError                      any modelled or common AWS error, by code
├── ValidationException       400, the caller's input is wrong
├── SerializationException    400, the caller's input cannot be read at all
├── ResourceNotFound          400, SageMaker's modelled not-found
├── ResourceInUse             400, the name or thing is taken
├── ResourceLimitExceeded     400, a quota or capacity is used up
├── AccessDenied              403-like, authenticated but not allowed
└── NotBuilt                  501-like, the operation exists on AWS and not here yet

HTTP status and fault come from the model where the code is modelled; `status` here is the fallback.
Raise these anywhere below a request; the wire turns them into the protocol's own form.
"""

from typing import Any


class AwsError(Exception):
    """An error answer. `extra` holds further modelled members, such as ModelError's OriginalStatusCode."""

    code = "InternalFailure"
    status = 500

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.status = status or type(self).status
        self.extra = extra


class ValidationException(AwsError):
    code, status = "ValidationException", 400


class SerializationException(AwsError):
    code, status = "SerializationException", 400


class ResourceNotFound(AwsError):
    code, status = "ResourceNotFound", 400


class ResourceInUse(AwsError):
    code, status = "ResourceInUse", 400


class ResourceLimitExceeded(AwsError):
    code, status = "ResourceLimitExceeded", 400


class AccessDenied(AwsError):
    code, status = "AccessDeniedException", 400


class NotBuilt(AwsError):
    """The operation is real on AWS and refused here, by name."""

    code, status = "NotImplemented", 501
