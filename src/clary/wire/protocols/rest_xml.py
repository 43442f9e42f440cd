"""The protocol `rest-xml`: method and path name the operation, the body is XML or one raw member. S3 speaks it."""

from typing import Any

from botocore.model import OperationModel, ServiceModel

from clary.wire.errors import AwsError
from clary.wire.faults import fault, members
from clary.wire.messages import Head, Reply
from clary.wire.protocols import event_stream, http_binding, xml_body
from clary.wire.shapes import payload_member, wire_name

XML = "application/xml"


def parse(operation: OperationModel, head: Head, body: bytes, labels: dict[str, str]) -> dict[str, Any]:
    shape = operation.input_shape
    if shape is None:
        return {}
    request = http_binding.read(shape, head, labels)
    payload = payload_member(shape)
    if payload is None:
        return request | (xml_body.read(shape, xml_body.decode(body)) if body else {})
    member = shape.members[payload]
    if member.type_name in ("blob", "string"):
        if body or payload in shape.required_members:
            request[payload] = body if member.type_name == "blob" else body.decode("utf-8", "replace")
    elif body:
        request[payload] = xml_body.read(member, xml_body.decode(body))
    return request


def answer(operation: OperationModel, result: dict[str, Any], request_id: str) -> Reply:
    shape = operation.output_shape
    headers, status = http_binding.write(shape, result)
    status = status or operation.http.get("responseCode", 200)
    if name := event_stream.member_of(shape):
        reply = Reply(status, [*headers, *ids(request_id)])
        return event_stream.answer(reply, shape.members[name], result[name], _event, XML)
    body, content_type = _body(operation, shape, result)
    if content_type and not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", content_type))
    return Reply(status, [*headers, *ids(request_id)], body)


def refuse(model: ServiceModel, error: AwsError, request_id: str) -> Reply:
    """S3's `<Error>` for S3, and the wrapped form of all others."""
    known = fault(model, error)
    headers, content = [("content-type", XML), *ids(request_id)], ""
    if known.shape is not None:
        named = members(error, known.shape)
        headers += http_binding.write(known.shape, named)[0]
        content = xml_body.write_members(known.shape, {k: v for k, v in named.items() if k.lower() != "message"})
    elif error.extra:
        content = "".join(f"<{k}>{xml_body.text(str(v))}</{k}>" for k, v in error.extra.items())
    told = f"<Code>{xml_body.text(known.legacy)}</Code><Message>{xml_body.text(error.message)}</Message>{content}"
    if model.service_name == "s3":
        text = f"<Error>{told}<RequestId>{request_id}</RequestId></Error>"
    else:
        inner = f"<Error><Type>{known.side}</Type>{told}</Error><RequestId>{request_id}</RequestId>"
        text = f"<ErrorResponse{_space(model)}>{inner}</ErrorResponse>"
    return Reply(known.status, headers, (xml_body.HEAD + text).encode())


def ids(request_id: str) -> list[tuple[str, str]]:
    """S3 calls it otherwise; each client reads its own."""
    return [("x-amzn-requestid", request_id), ("x-amz-request-id", request_id)]


def _body(operation: OperationModel, shape: Any, result: dict[str, Any]) -> tuple[bytes, str]:
    if shape is None:
        return b"", ""
    payload = payload_member(shape)
    if payload is None:
        if not http_binding.has_body(shape):
            return b"", ""
        name = shape.serialization.get("name", shape.name)
        space = operation.service_model.metadata.get("xmlNamespace", "")
        return _document(xml_body.write(shape, result, name, _uri(space)))
    member, value = shape.members[payload], result.get(payload)
    if member.type_name in ("blob", "string"):
        raw = value.encode() if isinstance(value, str) else value or b""
        return raw, "application/octet-stream" if member.type_name == "blob" else "text/plain"
    if value is None:
        return b"", ""
    return _document(xml_body.write(member, value, wire_name(member, member.name)))


def _event(shape: Any, value: Any) -> bytes:
    return xml_body.write(shape, value, shape.name).encode()


def _document(text: str) -> tuple[bytes, str]:
    return (xml_body.HEAD + text).encode(), XML


def _uri(space: Any) -> str:
    return space.get("uri", "") if isinstance(space, dict) else str(space or "")


def _space(model: ServiceModel) -> str:
    uri = _uri(model.metadata.get("xmlNamespace"))
    return f' xmlns="{uri}"' if uri else ""
