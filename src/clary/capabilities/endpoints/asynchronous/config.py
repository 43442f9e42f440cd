"""AsyncInferenceConfig: what is checked when a configuration is made, and where the answers of a request go. Pure."""

from collections.abc import Callable
from typing import Any

from clary.capabilities.endpoints.asynchronous.ticket import Topics
from clary.objects import parse_uri
from clary.wire.errors import ValidationException

Request = dict[str, Any]

CONCURRENT = 4
"""Calls of one instance at a time where the configuration does not say: AWS chooses "an optimal value" then."""


def check(request: Request, model: Callable[[str], Request]) -> None:
    """Raises ValidationException for an AsyncInferenceConfig that cannot be, or not with the rest of `request`.

    `model`: the spec of a model by its name.
    """
    config = request.get("AsyncInferenceConfig")
    if config is None:
        return
    output = config["OutputConfig"]
    for member in ("S3OutputPath", "S3FailurePath"):
        if output.get(member):
            _check_uri(member, output[member])
    for member, feature in (("ShadowProductionVariants", "Shadow variants"), ("ExplainerConfig", "ExplainerConfig")):
        if request.get(member):
            raise ValidationException(f"{feature} are not supported when specifying an AsyncInferenceConfig.")
    for variant in request["ProductionVariants"]:
        _check_variant(variant, model)


def _check_variant(variant: Request, model: Callable[[str], Request]) -> None:
    """A request of the queue names neither a container, nor a model of several, nor a component."""
    if variant.get("ServerlessConfig"):
        raise ValidationException("ServerlessConfig is not supported when specifying an AsyncInferenceConfig.")
    if not variant.get("ModelName"):
        raise ValidationException("Inference components are not supported when specifying an AsyncInferenceConfig.")
    spec = model(variant["ModelName"])
    containers = spec.get("Containers") or [spec.get("PrimaryContainer", {})]
    if any(container.get("Mode") == "MultiModel" for container in containers):
        raise ValidationException("Multi-model containers are not supported when specifying an AsyncInferenceConfig.")
    if spec.get("InferenceExecutionConfig", {}).get("Mode") == "Direct":
        raise ValidationException(
            "Direct invocation of containers is not supported when specifying an AsyncInferenceConfig."
        )


def _check_uri(member: str, uri: str) -> None:
    try:
        parse_uri(uri)
    except ValueError as error:
        raise ValidationException(f"{member} is invalid: {error}") from error


def concurrent(config: Request) -> int:
    """MaxConcurrentInvocationsPerInstance."""
    return int(config.get("ClientConfig", {}).get("MaxConcurrentInvocationsPerInstance", CONCURRENT))


def output_path(config: Request, account: str, region: str, endpoint: str) -> str:
    """Where answers go; without S3OutputPath into the account's default bucket, as the SDK does."""
    given = config["OutputConfig"].get("S3OutputPath")
    return str(given or f"s3://sagemaker-{region}-{account}/async-endpoint-outputs/{endpoint}")


def failure_path(config: Request, account: str, region: str, endpoint: str) -> str:
    """Where failures go: beside the answers where the configuration does not say."""
    return str(config["OutputConfig"].get("S3FailurePath") or output_path(config, account, region, endpoint))


def location(path: str, extension: str, name: str) -> str:
    """`<path>/[<extension>/]<name>` as an s3:// URI."""
    bucket, prefix = parse_uri(path)
    parts = [part.strip("/") for part in (prefix, extension)]
    return f"s3://{bucket}/" + "/".join([*(part for part in parts if part), name])


def topics(config: Request) -> Topics:
    told = config["OutputConfig"].get("NotificationConfig", {})
    include = told.get("IncludeInferenceResponseIn", [])
    return Topics(
        success=told.get("SuccessTopic", ""),
        error=told.get("ErrorTopic", ""),
        include_success="SUCCESS_NOTIFICATION_TOPIC" in include,
        include_error="ERROR_NOTIFICATION_TOPIC" in include,
    )
