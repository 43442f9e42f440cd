"""The protocol `rest-json`: method and path name the operation, the body is JSON or one raw member."""

from typing import Any

import msgspec
from botocore.model import OperationModel, ServiceModel

from clary.wire.errors import AwsError
from clary.wire.faults import fault, members
from clary.wire.messages import Head, Reply
from clary.wire.protocols import event_stream, http_binding, json_body
from clary.wire.shapes import is_document, payload_member

JSON = "application/json"


def parse(operation: OperationModel, head: Head, body: bytes, labels: dict[str, str]) -> dict[str, Any]:
    """Clients write `{}` for a body that is one member which is not there; so that is what it means."""
    shape = operation.input_shape
    if shape is None:
        return {}
    request = http_binding.read(shape, head, labels)
    payload = payload_member(shape)
    if payload is None:
        content = json_body.read(shape, json_body.decode(body)) if body else {}
        return request | content
    member = shape.members[payload]
    if member.type_name in ("blob", "string") and not is_document(member):
        if body or payload in shape.required_members:
            request[payload] = body if member.type_name == "blob" else body.decode("utf-8", "replace")
    elif body:
        content = json_body.read(member, json_body.decode(body))
        if content != {} or payload in shape.required_members:
            request[payload] = content
    return request


def answer(operation: OperationModel, result: dict[str, Any], request_id: str) -> Reply:
    shape = operation.output_shape
    headers, status = http_binding.write(shape, result)
    status = status or operation.http.get("responseCode", 200)
    if name := event_stream.member_of(shape):
        reply = Reply(status, [*headers, ("x-amzn-requestid", request_id)])
        return event_stream.answer(reply, shape.members[name], result[name], json_body.encode, JSON)
    body, content_type = _body(shape, result)
    if content_type and "content-type" not in dict(headers):
        headers.append(("content-type", content_type))
    headers.append(("x-amzn-requestid", request_id))
    return Reply(status, headers, body)


def refuse(model: ServiceModel, error: AwsError, request_id: str) -> Reply:
    known = fault(model, error)
    headers = [("content-type", JSON), ("x-amzn-requestid", request_id), ("x-amzn-errortype", known.code)]
    content: dict[str, Any] = {"message": error.message}
    if known.shape is not None:
        named = members(error, known.shape)
        bound, _ = http_binding.write(known.shape, named)
        headers += bound
        content = json_body.write(known.shape, named)
        if not {"message", "Message"} & content.keys() and error.message:
            content["message"] = error.message
    return Reply(known.status, headers, msgspec.json.encode(content))


def _body(shape: Any, result: dict[str, Any]) -> tuple[bytes, str]:
    if shape is None:
        return b"", ""
    payload = payload_member(shape)
    if payload is None:
        return msgspec.json.encode(json_body.write(shape, result)), JSON
    member, value = shape.members[payload], result.get(payload)
    if member.type_name in ("blob", "string") and not is_document(member):
        raw = value.encode() if isinstance(value, str) else value or b""
        return raw, "application/octet-stream" if member.type_name == "blob" else "text/plain"
    if value is None:
        return b"", ""
    return msgspec.json.encode(json_body.write(member, value)), JSON
