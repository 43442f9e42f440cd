"""What CreateProcessingJob checks before it answers, and the defaults it fills in.

The wire has checked shapes, patterns and enums already; the name is checked by the insert.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from clary.capabilities import images
from clary.capabilities.instances import check_isolation
from clary.capabilities.jobs.addresses import Addresses, parsed
from clary.capabilities.processing.inputs import Input, Output, inputs, outputs
from clary.capabilities.processing.places import PROCESSING, BadPath, local, overlap
from clary.companions.iam.roles import check_pass_role
from clary.runtime.images import UnknownImage
from clary.wire.context import Context
from clary.wire.errors import ValidationException

Request = dict[str, Any]
DEFAULT_RUN_SECONDS = 86400


def ahead(ctx: Context, request: Request) -> Callable[[], None] | None:
    """The check of an image that the machine's engine knows, if any."""
    return images.asking(_check_image, ctx, request["AppSpecification"]["ImageUri"])


def admit(ctx: Context, request: Request) -> Request:
    """The request with its defaults. Raises `ValidationException` or `AccessDenied`."""
    spec = _defaults(request)
    check_pass_role(ctx, spec["RoleArn"])
    _check_cluster(spec["ProcessingResources"]["ClusterConfig"])
    isolated = spec.get("NetworkConfig", {}).get("EnableNetworkIsolation", False)
    check_isolation(ctx, isolated, _most(spec["ProcessingResources"]["ClusterConfig"]))
    for entry in spec.get("ProcessingInputs", ()):
        _check_input(entry)
    for entry in spec.get("ProcessingOutputConfig", {}).get("Outputs", ()):
        _check_output(entry)
    _check_names("input", (entry["InputName"] for entry in spec.get("ProcessingInputs", ())))
    _check_names("output", (entry["OutputName"] for entry in spec.get("ProcessingOutputConfig", {}).get("Outputs", ())))
    _check_paths(spec)
    _check_data(ctx, spec)
    return spec


def _defaults(request: Request) -> Request:
    spec = {"StoppingCondition": {"MaxRuntimeInSeconds": DEFAULT_RUN_SECONDS}, **request}
    if "ProcessingInputs" in spec:
        spec["ProcessingInputs"] = [_with_defaults(entry) for entry in spec["ProcessingInputs"]]
    if "ProcessingOutputConfig" in spec:
        config = spec["ProcessingOutputConfig"]
        found = [{"AppManaged": False, **entry} for entry in config["Outputs"]]
        spec["ProcessingOutputConfig"] = config | {"Outputs": found}
    return spec


def _with_defaults(entry: Request) -> Request:
    usual = {"S3InputMode": "File", "S3DataDistributionType": "FullyReplicated", "S3CompressionType": "None"}
    source = {"S3Input": usual | entry["S3Input"]} if "S3Input" in entry else {}
    return {"AppManaged": False, **entry, **source}


def _check_image(ctx: Context, image: str) -> None:
    try:
        images.check(ctx, image)
    except UnknownImage as error:
        raise ValidationException(f"Cannot find repository of processing image {image}. {error}") from error


def _most(config: Request) -> int:
    """Instances, of whichever preference is chosen."""
    counts = (entry.get("InstanceCount", 0) for entry in config.get("InstancePreferences", ()))
    return int(max(counts, default=0) or config["InstanceCount"])


def _check_cluster(config: Request) -> None:
    preferences = config.get("InstancePreferences")
    if "SelectedInstanceType" in config or "SelectedInstanceCount" in config:
        raise ValidationException("SelectedInstanceType and SelectedInstanceCount cannot be given.")
    if not preferences:
        if "InstanceType" not in config or "InstanceCount" not in config:
            raise ValidationException("ClusterConfig needs InstanceType and InstanceCount, or InstancePreferences.")
        return
    if "InstanceType" in config:
        raise ValidationException("InstancePreferences cannot be given together with InstanceType.")
    counted = ["InstanceCount" in entry for entry in preferences]
    if any(counted) if "InstanceCount" in config else not all(counted):
        raise ValidationException("InstanceCount is given either once, or for each of InstancePreferences.")
    _check_names("instance type", (entry["InstanceType"] for entry in preferences))


def _check_input(entry: Request) -> None:
    what = f"ProcessingInput {entry['InputName']}"
    if "DatasetDefinition" in entry:
        raise ValidationException(f"{what}: DatasetDefinition is not available in this version; use S3Input.")
    if "S3Input" not in entry:
        raise ValidationException(f"{what}: S3Input must be given.")
    source = entry["S3Input"]
    if source["S3CompressionType"] == "Gzip" and source["S3InputMode"] != "Pipe":
        raise ValidationException(f"{what}: S3CompressionType Gzip needs S3InputMode Pipe.")
    _check_place(what, entry, source)


def _check_output(entry: Request) -> None:
    what = f"ProcessingOutput {entry['OutputName']}"
    if "FeatureStoreOutput" in entry:
        raise ValidationException(f"{what}: FeatureStoreOutput is not available in this version; use S3Output.")
    if "S3Output" not in entry:
        raise ValidationException(f"{what}: S3Output must be given.")
    _check_place(what, entry, entry["S3Output"])


def _check_place(what: str, entry: Request, place: Request) -> None:
    parsed(place["S3Uri"])
    if "LocalPath" not in place:
        if entry["AppManaged"]:
            return
        raise ValidationException(f"{what}: LocalPath is required when AppManaged is False.")
    try:
        local(place["LocalPath"])
    except BadPath:
        raise ValidationException(
            f"{what}: LocalPath {place['LocalPath']} must be an absolute path that begins with {PROCESSING}/."
        ) from None


def _check_names(what: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValidationException(f"Each processing {what} must be unique, and {name} is given {count} times.")


def _check_paths(spec: Request) -> None:
    """Inputs may lie inside one another, and outputs too; one path cannot be twice, nor both read and written."""
    sources, targets = inputs(spec), outputs(spec)
    _check_names("input LocalPath", (str(each.path) for each in sources))
    _check_names("output LocalPath", (str(each.path) for each in targets))
    _check_pipes(sources, targets)
    for target in targets:
        for source in sources:
            if overlap(source.path, target.path):
                raise ValidationException(
                    f"ProcessingOutput {target.name}: LocalPath {target.path} overlaps {source.path} of "
                    f"ProcessingInput {source.name}."
                )


def _check_pipes(sources: list[Input], targets: list[Output]) -> None:
    """Nothing stands where FIFOs, `<LocalPath>_0` and so on, are to be, or hides the folder that they are made in."""
    for pipe in [each for each in sources if each.is_pipe]:
        taken = re.compile(f"{re.escape(str(pipe.path))}_[0-9]+(/.*)?", re.DOTALL)
        found = [each.path for each in sources if not each.is_pipe and pipe.path.parent.is_relative_to(each.path)]
        paths = [*(each.path for each in sources), *(each.path for each in targets)]
        found += [path for path in paths if taken.fullmatch(str(path))]
        if found:
            raise ValidationException(
                f"LocalPath {found[0]} is where the pipes of ProcessingInput {pipe.name} would be."
            )


def _check_data(ctx: Context, spec: Request) -> None:
    addresses = Addresses(ctx, spec["RoleArn"])
    for source in inputs(spec):
        addresses.check_source(source.uri)
    for target in outputs(spec):
        addresses.check_target(f"s3://{target.bucket}/{target.prefix}", "output")
