"""The protocols `json` 1.0 and 1.1: one POST to `/`, the operation in X-Amz-Target."""

from typing import Any

import msgspec
from botocore.model import OperationModel, ServiceModel

from clary.wire.errors import AwsError
from clary.wire.faults import fault, members
from clary.wire.messages import Head, Reply
from clary.wire.protocols import event_stream, json_body


def parse(operation: OperationModel, head: Head, body: bytes, labels: dict[str, str]) -> dict[str, Any]:
    if operation.input_shape is None:
        return {}
    request: dict[str, Any] = json_body.read(operation.input_shape, json_body.decode(body or b"{}"))
    return request


def answer(operation: OperationModel, result: dict[str, Any], request_id: str) -> Reply:
    if name := event_stream.member_of(operation.output_shape):
        return _stream(operation, name, result, request_id)
    body = json_body.encode(operation.output_shape, result)
    return Reply(200, [("content-type", content_type(operation.service_model)), *_ids(request_id)], body)


def refuse(model: ServiceModel, error: AwsError, request_id: str) -> Reply:
    known = fault(model, error)
    content = {"__type": known.code, "message": error.message}
    if known.shape is not None:
        content = {"__type": known.code} | json_body.write(known.shape, members(error, known.shape))
        if not {"message", "Message"} & content.keys():
            content["message"] = error.message
    headers = [("content-type", content_type(model)), *_ids(request_id)]
    if "awsQueryCompatible" in model.metadata:
        headers.append(("x-amzn-query-error", f"{known.legacy};{known.side}"))
    return Reply(known.status, headers, msgspec.json.encode(content))


def _stream(operation: OperationModel, name: str, result: dict[str, Any], request_id: str) -> Reply:
    shape = operation.output_shape
    rest = {key: value for key, value in result.items() if key != name}
    kind = content_type(operation.service_model)
    reply = Reply(200, _ids(request_id), event_stream.initial(shape, rest, json_body.encode, kind))
    return event_stream.answer(reply, shape.members[name], result[name], json_body.encode, kind)


def content_type(model: ServiceModel) -> str:
    return f"application/x-amz-json-{model.metadata.get('jsonVersion', '1.1')}"


def _ids(request_id: str) -> list[tuple[str, str]]:
    return [("x-amzn-requestid", request_id)]
