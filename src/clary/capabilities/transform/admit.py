"""What CreateTransformJob checks before it answers, and the defaults it fills in.

The wire has checked shapes, patterns and enums already; the name is checked by the insert.
"""

from typing import Any

from clary.capabilities.instances import check_isolation
from clary.capabilities.jobs.addresses import Addresses, parsed
from clary.capabilities.model_containers.spec import containers, is_direct, is_multi_model
from clary.resources.kinds import Kind, Kinds
from clary.resources.records import Record
from clary.resources.verbs import find
from clary.serving.batch import path, shape
from clary.wire.context import Context
from clary.wire.errors import NotBuilt, ValidationException

Request = dict[str, Any]
MOST_MB = 100


def admit(ctx: Context, request: Request) -> Request:
    """The request with its defaults. Raises `ValidationException` or `NotBuilt`."""
    spec = _defaults(request)
    model = found_model(ctx, spec).spec
    _check_model(model)
    check_isolation(ctx, model.get("EnableNetworkIsolation", False), spec["TransformResources"]["InstanceCount"])
    _check_payload(spec)
    for type_member in (spec["TransformInput"].get("ContentType"), spec["TransformOutput"].get("Accept")):
        _check_type(type_member or "")
    _check_processing(spec)
    _check_data(ctx, spec, model.get("ExecutionRoleArn", ""))
    return spec


def found_model(ctx: Context, spec: Request) -> Record:
    """The model, which is another capability's: reached as part of the assembly. Raises its missing error."""
    kind = ctx.need(Kinds).find("Model")
    assert isinstance(kind, Kind), "transform jobs need the models capability"
    return find(ctx, kind, spec["ModelName"])


def _defaults(request: Request) -> Request:
    return request | {
        "TransformInput": {"CompressionType": "None", "SplitType": "None", **request["TransformInput"]},
        "TransformOutput": {"AssembleWith": "None", **request["TransformOutput"]},
        "DataProcessing": {
            "InputFilter": "$",
            "OutputFilter": "$",
            "JoinSource": "None",
            **request.get("DataProcessing", {}),
        },
    }


def _check_model(model: Request) -> None:
    if any(map(is_multi_model, containers(model))):
        raise ValidationException("Batch transform does not support models with containers of mode MultiModel.")
    if is_direct(model):
        raise ValidationException("Batch transform does not support models whose containers are invoked directly.")


def _check_payload(spec: Request) -> None:
    size, concurrent = spec.get("MaxPayloadInMB"), spec.get("MaxConcurrentTransforms")
    if size is not None and size > MOST_MB:
        raise ValidationException(f"MaxPayloadInMB {size} is greater than {MOST_MB}.")
    if size and concurrent and size * concurrent > MOST_MB:
        raise ValidationException(
            f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {MOST_MB} MB, and is {size * concurrent} MB."
        )


def _check_type(value: str) -> None:
    """It becomes a header."""
    if not value.isprintable() or not value.isascii():
        raise ValidationException(f"{value!r} is not a MIME type.")


def _check_processing(spec: Request) -> None:
    processing, source, target = spec["DataProcessing"], spec["TransformInput"], spec["TransformOutput"]
    for member in ("InputFilter", "OutputFilter"):
        try:
            path.parse(processing[member])
        except path.BadPath as error:
            raise ValidationException(f"DataProcessing.{member} is not a supported JSONPath: {error}") from error
    joined = processing["JoinSource"] == "Input"
    stamped = spec.get("DataCaptureConfig", {}).get("GenerateInferenceId", False)
    if not (joined or stamped or {processing["InputFilter"], processing["OutputFilter"]} != {"$"}):
        return
    content_type = source.get("ContentType", "")
    form = shape.form(content_type, lines=source["SplitType"] == "Line")
    if form is None or source["SplitType"] not in ("None", "Line"):
        raise ValidationException(
            "DataProcessing and GenerateInferenceId need CSV or JSON records: a ContentType of text/csv, "
            "application/json or application/jsonlines, and the SplitType Line, or None for application/json."
        )
    in_lines = shape.is_lines(content_type) or source["SplitType"] == "Line"
    if in_lines and (source["SplitType"], target["AssembleWith"]) != ("Line", "Line"):
        raise ValidationException(
            "DataProcessing of records that are lines needs SplitType Line and AssembleWith Line."
        )
    accept = target.get("Accept", content_type)
    if joined and shape.media(accept) != shape.media(content_type):
        raise ValidationException(
            f"JoinSource Input needs the same type in and out: ContentType is {content_type}, Accept is {accept}."
        )


def _check_data(ctx: Context, spec: Request, role: str) -> None:
    source = spec["TransformInput"]["DataSource"]["S3DataSource"]
    if source["S3DataType"] == "Converse":
        raise NotBuilt(
            "S3DataType Converse is not supported yet. Write the requests in the model's own form, as JSON lines, and "
            "give S3Prefix or ManifestFile with SplitType Line."
        )
    if source["S3DataType"] == "AugmentedManifestFile":
        raise ValidationException("S3DataType AugmentedManifestFile is not supported for batch transform.")
    addresses = Addresses(ctx, role)
    addresses.check_source(source["S3Uri"])
    addresses.check_target(spec["TransformOutput"]["S3OutputPath"], "output")
    if capture := spec.get("DataCaptureConfig"):
        parsed(capture["DestinationS3Uri"])
        addresses.check_target(capture["DestinationS3Uri"], "data capture")
