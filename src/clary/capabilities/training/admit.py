"""What CreateTrainingJob checks before it answers, with AWS's words, and the defaults it fills in.

The wire has checked shapes, patterns and enums already; the name is checked by the insert.
"""

from collections.abc import Callable
from typing import Any

from clary.capabilities import images
from clary.capabilities.instances import check_isolation
from clary.capabilities.jobs.addresses import Addresses
from clary.capabilities.jobs.hosts import hosts
from clary.capabilities.training import debugging, inputs, places
from clary.companions.iam.roles import check_pass_role
from clary.runtime.images import UnknownImage
from clary.wire.context import Context
from clary.wire.errors import ValidationException

Request = dict[str, Any]
DEFAULT_RUN_SECONDS = 86400


def ahead(ctx: Context, request: Request) -> Callable[[], None] | None:
    """The check of an image that the machine's engine knows, if any."""
    return images.asking(_check_image, ctx, request.get("AlgorithmSpecification", {}).get("TrainingImage"))


def admit(ctx: Context, request: Request) -> Request:
    """The request with its defaults. Raises `ValidationException` or `AccessDenied`."""
    spec = _defaults(request)
    check_pass_role(ctx, _given(spec, "RoleArn"))
    _check_algorithm(spec["AlgorithmSpecification"])
    _check_instances(_given(spec, "ResourceConfig"))
    check_isolation(ctx, spec["EnableNetworkIsolation"], len(hosts(spec["ResourceConfig"])))
    _check_stopping(spec)
    debugging.check(spec)
    _check_warm_pool(spec)
    addresses = Addresses(ctx, spec["RoleArn"])
    inputs.check(ctx, spec, addresses)
    addresses.check_target(_given(spec, "OutputDataConfig").get("S3OutputPath", ""), "output")
    _check_checkpoints(spec.get("CheckpointConfig"), addresses)
    return spec


def _given(spec: Request, member: str) -> Any:
    """A member the model lets be absent for kinds of jobs that are not built."""
    if member not in spec:
        raise ValidationException(f"Missing required parameter {member}.")
    return spec[member]


def _defaults(request: Request) -> Request:
    inputs = [
        {"CompressionType": "None", "RecordWrapperType": "None", **entry, "DataSource": _source(entry)}
        for entry in request.get("InputDataConfig", [])
    ]
    stopping = {"MaxRuntimeInSeconds": DEFAULT_RUN_SECONDS, **request.get("StoppingCondition", {})}
    algorithm = {"EnableSageMakerMetricsTimeSeries": False, **request.get("AlgorithmSpecification", {})}
    switches = dict.fromkeys(
        ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"), False
    )
    return {
        **switches,
        **request,
        "AlgorithmSpecification": algorithm,
        "StoppingCondition": stopping,
        **({"InputDataConfig": inputs} if inputs else {}),
    }


def _source(entry: Request) -> Request:
    source: Request = entry["DataSource"]
    if "S3DataSource" not in source:
        return source
    return {"S3DataSource": {"S3DataDistributionType": "FullyReplicated", **source["S3DataSource"]}}


def _check_algorithm(algorithm: Request) -> None:
    if algorithm.get("TrainingImage") is None:
        name = algorithm.get("AlgorithmName", "")
        raise ValidationException(f"Could not find algorithm {name}. A TrainingImage is needed in this version.")


def _check_image(ctx: Context, image: str) -> None:
    try:
        images.check(ctx, image)
    except UnknownImage as error:
        raise ValidationException(f"Cannot find repository of training image {image}. {error}") from error


def _check_instances(config: Request) -> None:
    groups = config.get("InstanceGroups")
    single = "InstanceType" in config or "InstanceCount" in config
    if groups and single:
        raise ValidationException("InstanceGroups cannot be given together with InstanceType and InstanceCount.")
    if not groups and not ("InstanceType" in config and "InstanceCount" in config):
        raise ValidationException("ResourceConfig needs InstanceType and InstanceCount, or InstanceGroups.")
    names = [group["InstanceGroupName"] for group in groups or ()]
    if len(set(names)) < len(names):
        raise ValidationException("The names of InstanceGroups must be unique.")
    if any(each["InstanceCount"] < 1 for each in groups or [config]):
        raise ValidationException("InstanceCount must be at least 1.")


def _check_stopping(spec: Request) -> None:
    stopping = spec["StoppingCondition"]
    wait = stopping.get("MaxWaitTimeInSeconds")
    if spec["EnableManagedSpotTraining"] and (wait is None or wait < stopping["MaxRuntimeInSeconds"]):
        raise ValidationException(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
        )
    if not spec["EnableManagedSpotTraining"] and wait is not None:
        raise ValidationException("MaxWaitTimeInSeconds is only supported with EnableManagedSpotTraining.")


def _check_warm_pool(spec: Request) -> None:
    resources = spec["ResourceConfig"]
    if not resources.get("KeepAlivePeriodInSeconds"):
        return
    if spec["EnableManagedSpotTraining"]:
        raise ValidationException("KeepAlivePeriodInSeconds is not supported with EnableManagedSpotTraining.")
    if resources.get("InstanceGroups"):
        raise ValidationException("KeepAlivePeriodInSeconds is not supported with InstanceGroups.")


def _check_checkpoints(config: Request | None, addresses: Addresses) -> None:
    if config is None:
        return
    addresses.check_target(config["S3Uri"], "checkpoint")
    folder = config.get("LocalPath") or places.CHECKPOINTS
    if not places.is_folder(folder):
        raise ValidationException(f"CheckpointConfig: LocalPath {folder} cannot be a checkpoint folder.")
