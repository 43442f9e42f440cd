"""What a client is told of a call: AWS's answer, or AWS's error in AWS's words. Pure."""

from collections.abc import Mapping
from typing import Any

from clary.serving.reply import HttpError, Reply, TimedOut, TooLarge, Unusable
from clary.wire.context import Context
from clary.wire.errors import AwsError

TOLD = {
    "ContentType": "content-type",
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
}
"""What of the model's answer the client sees beside its body."""


LONGEST_MESSAGE = 65536
"""Bytes of a model's error that the client is told."""


def answered(variant: str, headers: Mapping[str, str], body: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"Body": body, "InvokedProductionVariant": variant}
    for member, header in TOLD.items():
        if value := headers.get(header):
            told[member] = _visible(value)
    return told


def _visible(value: str) -> str:
    """What may stand in a header of ours: a model may have put anything there."""
    if value.isascii() and value.isprintable():
        return value
    return "".join(each if " " <= each <= "~" else "?" for each in value)


def model_error(ctx: Context, endpoint: str, container: str, reply: Reply) -> AwsError:
    """The model answered with an error. AWS's wording, which clients take apart."""
    side = "client" if 400 <= reply.status < 500 else "server"
    original = reply.body[:LONGEST_MESSAGE].decode("utf-8", "replace")
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    place = (
        f"https://{ctx.region}.console.aws.amazon.com/cloudwatch/home?region={ctx.region}"
        f"#logEventViewer:group={group} in account {ctx.account}"
    )
    return AwsError(
        f'Received {side} error ({reply.status}) from {container} with message "{original}". '
        f"See {place} for more information.",
        code="ModelError",
        status=424,
        OriginalStatusCode=reply.status,
        OriginalMessage=original,
        LogStreamArn=f"arn:aws:logs:{ctx.region}:{ctx.account}:log-group:{group}",
    )


def not_answered(error: Exception, container: str) -> AwsError:
    """No answer came, or none that can be passed on."""
    if isinstance(error, TimedOut):
        return _no_answer(
            container, f"Your invocation timed out while waiting for a response from container {container}"
        )
    if isinstance(error, TooLarge | Unusable):
        return _no_answer(container, f"The response of container {container} cannot be passed on: {error}")
    return AwsError(f"The instance did not answer: {error}", code="ServiceUnavailable", status=503)


def broken_off(error: HttpError, container: str) -> AwsError:
    """A stream that began and cannot go on."""
    if isinstance(error, TimedOut):
        message = f"Container {container} did not finish its response in time."
        return AwsError(message, code="ModelStreamError", ErrorCode="ModelInvocationTimeExceeded")
    message = f"The response of container {container} broke off: {error}"
    return AwsError(message, code="ModelStreamError", ErrorCode="StreamBroken")


def invalid(message: str) -> AwsError:
    return AwsError(message, code="ValidationError", status=400)


def loading(variant: str) -> AwsError:
    return AwsError(
        f"Variant {variant} has no instance that is ready; the model is being loaded.",
        code="ModelNotReadyException",
        status=429,
    )


def _no_answer(container: str, message: str) -> AwsError:
    return AwsError(
        f'Received server error (0) from {container} with message "{message}"',
        code="ModelError",
        status=424,
        OriginalStatusCode=0,
        OriginalMessage=message,
    )
