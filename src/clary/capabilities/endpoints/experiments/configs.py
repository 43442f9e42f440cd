"""The endpoint configurations of an experiment: while it runs, and when it is over. Pure."""

from collections.abc import Mapping
from typing import Any

Request = dict[str, Any]

PROMOTE, RETAIN, REMOVE = "Promote", "Retain", "Remove"


def source(spec: Request) -> str:
    """The production variant, whose calls are copied."""
    return str(spec["ShadowModeConfig"]["SourceModelVariantName"])


def shadow(spec: Request) -> str:
    return str(spec["ShadowModeConfig"]["ShadowModelVariants"][0]["ShadowModelVariantName"])


def ending(spec: Request) -> dict[str, str]:
    """What becomes of the variants of an experiment that nobody stops: the endpoint answers as before."""
    return {source(spec): RETAIN, shadow(spec): REMOVE}


def problem(spec: Request, actions: Mapping[str, str]) -> str:
    """Why a stop with these actions is refused; empty when it is not."""
    known = {source(spec), shadow(spec)}
    if strange := sorted(actions.keys() - known):
        return f"Variant {strange[0]} is not part of the inference experiment."
    if actions.get(source(spec)) == PROMOTE:
        return f"Variant {source(spec)} is a production variant already and cannot be promoted."
    if not _answering(spec, actions):
        return "At least one variant must remain or become a production variant."
    return ""


def running(spec: Request, before: Request | None) -> Request:
    """Members of CreateEndpointConfig. `before`: the endpoint's DataCaptureConfig, for one that has none itself."""
    percent = spec["ShadowModeConfig"]["ShadowModelVariants"][0]["SamplingPercentage"]
    variants = _variants(spec["ModelVariants"])
    return {
        "ProductionVariants": [variants[source(spec)]],
        "ShadowProductionVariants": [{**variants[shadow(spec)], "InitialVariantWeight": percent / 100}],
        **_shared(spec, _storage(spec) or before),
    }


def over(spec: Request, actions: Mapping[str, str], desired: list[Request], before: Request | None) -> Request:
    """Likewise at its end. `desired`: how variants are to be from then on, where that is said."""
    variants = _variants(spec["ModelVariants"]) | _variants(desired)
    kept = actions.get(shadow(spec), REMOVE) == RETAIN
    weight = spec["ShadowModeConfig"]["ShadowModelVariants"][0]["SamplingPercentage"] / 100
    shadows = [{**variants[shadow(spec)], "InitialVariantWeight": weight}] if kept else []
    return {
        "ProductionVariants": [variants[name] for name in _answering(spec, actions)],
        **({"ShadowProductionVariants": shadows} if shadows else {}),
        **_shared(spec, before),
    }


def _answering(spec: Request, actions: Mapping[str, str]) -> list[str]:
    """The production variants at the end. What no action is given for goes as in `ending`."""
    chosen = ending(spec) | dict(actions)
    wanted = {source(spec): RETAIN, shadow(spec): PROMOTE}
    return [name for name, action in wanted.items() if chosen[name] == action]


def _variants(given: list[Request]) -> dict[str, Request]:
    """ProductionVariants by name."""
    return {each["VariantName"]: _variant(each) for each in given}


def _variant(given: Request) -> Request:
    real = given["InfrastructureConfig"]["RealTimeInferenceConfig"]
    return {
        "VariantName": given["VariantName"],
        "ModelName": given["ModelName"],
        "InstanceType": real["InstanceType"],
        "InitialInstanceCount": real["InstanceCount"],
        "InitialVariantWeight": 1.0,
    }


def _shared(spec: Request, capture: Request | None) -> Request:
    members = {"KmsKeyId": spec.get("KmsKey"), "DataCaptureConfig": capture, "ExecutionRoleArn": spec["RoleArn"]}
    return {name: value for name, value in members.items() if value}


def _storage(spec: Request) -> Request | None:
    """DataStorageConfig as the DataCaptureConfig that it stands for: all calls, both sides."""
    storage = spec.get("DataStorageConfig")
    if storage is None:
        return None
    types, key = storage.get("ContentType"), storage.get("KmsKey")
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": storage["Destination"],
        "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
        **({"CaptureContentTypeHeader": types} if types else {}),
        **({"KmsKeyId": key} if key else {}),
    }
