"""The protocol `smithy-rpc-v2-cbor`: the path names the operation, bodies are CBOR. New CloudWatch clients speak it."""

from typing import Any

from botocore.model import OperationModel, ServiceModel

from clary.wire.errors import AwsError
from clary.wire.faults import fault, members
from clary.wire.messages import Head, Reply
from clary.wire.protocols import cbor_body, json_body
from clary.wire.shapes import wire_name


def parse(operation: OperationModel, head: Head, body: bytes, labels: dict[str, str]) -> dict[str, Any]:
    if operation.input_shape is None or not body:
        return {}
    request: dict[str, Any] = json_body.read(operation.input_shape, cbor_body.decode(body))
    return request


def answer(operation: OperationModel, result: dict[str, Any], request_id: str) -> Reply:
    if operation.output_shape is None:
        return Reply(200, _headers(request_id))
    body = cbor_body.encode(_value(operation.output_shape, result))
    return Reply(200, [("content-type", "application/cbor"), *_headers(request_id)], body)


def refuse(model: ServiceModel, error: AwsError, request_id: str) -> Reply:
    known = fault(model, error)
    content = {"__type": known.code, "message": error.message}
    if known.shape is not None:
        content = {"__type": known.code} | _value(known.shape, members(error, known.shape))
        if not {"message", "Message"} & content.keys():
            content["message"] = error.message
    headers = [("content-type", "application/cbor"), *_headers(request_id)]
    if "awsQueryCompatible" in model.metadata:
        headers.append(("x-amzn-query-error", f"{known.legacy};{known.side}"))
    return Reply(known.status, headers, cbor_body.encode(content))


def _headers(request_id: str) -> list[tuple[str, str]]:
    return [("smithy-protocol", "rpc-v2-cbor"), ("x-amzn-requestid", request_id)]


def _value(shape: Any, value: Any) -> Any:
    """The value in types that CBOR tells apart."""
    kind = shape.type_name
    if kind == "structure":
        given = ((name, member) for name, member in shape.members.items() if value.get(name) is not None)
        return {wire_name(member, name): _value(member, value[name]) for name, member in given}
    if kind == "list":
        return [None if item is None else _value(shape.member, item) for item in value]
    if kind == "map":
        return {key: None if item is None else _value(shape.value, item) for key, item in value.items()}
    return _scalar(kind, value)


def _scalar(kind: str, value: Any) -> Any:
    if kind == "timestamp":
        return cbor_body.Epoch(value)
    if kind in ("float", "double"):
        return float(value)
    return value.encode() if kind == "blob" and isinstance(value, str) else value
