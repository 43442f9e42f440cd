"""ServerlessConfig: what is refused when a configuration is made, and what an instance gets. Pure.

Limits and exclusions: the developer guide's page on deploying serverless endpoints; words are ours where AWS's are not
published.
"""

from typing import Any

from clary.runtime.workload import Limits
from clary.wire.errors import ValidationException

Request = dict[str, Any]

KEY = "ServerlessConfig"
MOST_BYTES = 4 * 1024 * 1024
"""Of a request's body."""
MEGABYTE = 1024 * 1024
MEGABYTES_PER_CPU = 2048
"""AWS gives processors in proportion to memory and does not say how many."""
PROCESSES = 4096


def of(production: Request) -> Request | None:
    """The ServerlessConfig of a ProductionVariant."""
    found: Request | None = production.get(KEY)
    return found


def check_variant(variant: Request, model: Request) -> None:
    """Raises ValidationException. `model` is the spec of the variant's model."""
    config = of(variant)
    if config is None:
        return
    for member in ("InstanceType", "InitialInstanceCount", "AcceleratorType", "VolumeSizeInGB", "RoutingConfig"):
        if member in variant:
            raise ValidationException(f"{member} cannot be specified together with ServerlessConfig.")
    if config["MemorySizeInMB"] % 1024:
        raise ValidationException(
            f"Invalid MemorySizeInMB {config['MemorySizeInMB']}: the supported values are 1024, 2048, 3072, 4096, 5120 "
            "and 6144."
        )
    check_concurrency(config)
    for member, feature in (("VpcConfig", "VPC configuration"), ("EnableNetworkIsolation", "Network isolation")):
        if model.get(member):
            raise ValidationException(f"{feature} is not supported for serverless endpoints.")
    containers = model.get("Containers") or [model.get("PrimaryContainer", {})]
    if len(containers) > 1:
        raise ValidationException("Inference pipelines are not supported for serverless endpoints.")
    if containers[0].get("Mode") == "MultiModel":
        raise ValidationException("Multi-model containers are not supported for serverless endpoints.")


def check_concurrency(config: Request) -> None:
    """Raises ValidationException."""
    if config.get("ProvisionedConcurrency", 0) > config["MaxConcurrency"]:
        raise ValidationException(
            f"ProvisionedConcurrency {config['ProvisionedConcurrency']} must be less than or equal to MaxConcurrency "
            f"{config['MaxConcurrency']}."
        )


def check(request: Request) -> None:
    """The configuration as a whole. Raises ValidationException."""
    variants = request["ProductionVariants"]
    if not any(map(of, variants)):
        return
    if len(variants) > 1:
        raise ValidationException("Serverless endpoints support one production variant.")
    for member, feature in (
        ("ShadowProductionVariants", "Shadow variants"),
        ("DataCaptureConfig", "Data capture"),
        ("ExplainerConfig", "Online explanations"),
        ("KmsKeyId", "Encryption of storage volumes (KmsKeyId)"),
    ):
        if request.get(member):
            raise ValidationException(f"{feature} is not supported for serverless endpoints.")
    if request.get("EnableNetworkIsolation") or request.get("VpcConfig"):
        raise ValidationException("Network isolation and VPC configuration are not supported for serverless endpoints.")


def provisioned(config: Request) -> int:
    """Instances that are kept whether anybody calls or not."""
    return int(config.get("ProvisionedConcurrency", 0))


def initial_count(production: Request) -> int:
    """Instances of a fleet that is to come: one of a serverless variant shows that the model can be served."""
    config = of(production)
    return max(1, provisioned(config)) if config else int(production["InitialInstanceCount"])


def limits(config: Request) -> Limits:
    memory = config["MemorySizeInMB"]
    cpus = max(1.0, float(memory // MEGABYTES_PER_CPU))
    return Limits(cpus=cpus, memory_bytes=memory * MEGABYTE, processes=PROCESSES)


def updated(production: Request, update: Request) -> Request:
    """The ProductionVariant with a ServerlessUpdateConfig. Raises ValidationException."""
    config = of(production)
    if config is None:
        raise ValidationException(f"Variant {production['VariantName']} is not a serverless variant.")
    changed = {**config, **update}
    check_concurrency(changed)
    return {**production, KEY: changed}
