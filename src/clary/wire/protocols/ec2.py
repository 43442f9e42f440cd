"""The protocol `ec2`: query's older brother. Names are capitalised, lists always flat, errors wrapped differently."""

from typing import Any

from botocore.model import OperationModel, ServiceModel, Shape

from clary.wire.errors import AwsError
from clary.wire.faults import fault
from clary.wire.messages import Head, Reply
from clary.wire.protocols import form, xml_body

XML = "text/xml;charset=UTF-8"


def parse(operation: OperationModel, head: Head, body: bytes, labels: dict[str, str]) -> dict[str, Any]:
    if operation.input_shape is None:
        return {}
    return form.read_structure(operation.input_shape, form.fields(head, body), _name, flat=True)


def answer(operation: OperationModel, result: dict[str, Any], request_id: str) -> Reply:
    shape, name = operation.output_shape, operation.name
    content = "" if shape is None else xml_body.write_members(shape, result)
    space = f' xmlns="http://ec2.amazonaws.com/doc/{operation.service_model.metadata.get("apiVersion", "")}/"'
    text = f"<{name}Response{space}><requestId>{request_id}</requestId>{content}</{name}Response>"
    return Reply(200, [("content-type", XML), ("x-amzn-requestid", request_id)], text.encode())


def refuse(model: ServiceModel, error: AwsError, request_id: str) -> Reply:
    known = fault(model, error)
    content = "" if known.shape is None else xml_body.write_members(known.shape, error.extra)
    told = f"<Code>{xml_body.text(known.legacy)}</Code><Message>{xml_body.text(error.message)}</Message>"
    inner = f"<Errors><Error>{told}{content}</Error></Errors><RequestID>{request_id}</RequestID>"
    headers = [("content-type", XML), ("x-amzn-requestid", request_id)]
    return Reply(known.status, headers, f"<Response>{inner}</Response>".encode())


def _name(member: Shape, name: str) -> str:
    traits = member.serialization
    if "queryName" in traits:
        return str(traits["queryName"])
    given = str(traits.get("name", name))
    return given[:1].upper() + given[1:]
