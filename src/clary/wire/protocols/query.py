"""The protocol `query`: a form with `Action` and `Version`, answered in XML. STS, IAM and older CloudWatch speak it."""

from typing import Any

from botocore.model import OperationModel, ServiceModel

from clary.wire.errors import AwsError
from clary.wire.faults import fault, members
from clary.wire.messages import Head, Reply
from clary.wire.protocols import form, xml_body
from clary.wire.shapes import wire_name

XML = "text/xml"


def parse(operation: OperationModel, head: Head, body: bytes, labels: dict[str, str]) -> dict[str, Any]:
    if operation.input_shape is None:
        return {}
    return form.read_structure(operation.input_shape, form.fields(head, body), wire_name, flat=False)


def answer(operation: OperationModel, result: dict[str, Any], request_id: str) -> Reply:
    name, shape, content = operation.name, operation.output_shape, ""
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{name}Result")
        content = f"<{wrapper}>{xml_body.write_members(shape, result)}</{wrapper}>"
    metadata = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
    text = f"<{name}Response{_space(operation.service_model)}>{content}{metadata}</{name}Response>"
    return Reply(200, [("content-type", XML), ("x-amzn-requestid", request_id)], text.encode())


def refuse(model: ServiceModel, error: AwsError, request_id: str) -> Reply:
    known, content = fault(model, error), ""
    if known.shape is not None:
        named = {k: v for k, v in members(error, known.shape).items() if k.lower() != "message"}
        content = xml_body.write_members(known.shape, named)
    told = f"<Code>{xml_body.text(known.legacy)}</Code><Message>{xml_body.text(error.message)}</Message>"
    inner = f"<Error><Type>{known.side}</Type>{told}{content}</Error><RequestId>{request_id}</RequestId>"
    text = f"<ErrorResponse{_space(model)}>{inner}</ErrorResponse>"
    return Reply(known.status, [("content-type", XML), ("x-amzn-requestid", request_id)], text.encode())


def _space(model: ServiceModel) -> str:
    uri = model.metadata.get("xmlNamespace")
    return f' xmlns="{uri}"' if uri else ""
