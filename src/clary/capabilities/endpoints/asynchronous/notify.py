"""What subscribers are told of a request's end: AWS's message. Pure.

Form of the messages: the developer guide's page on checking prediction results of asynchronous endpoints.
"""

import json
import uuid
from typing import Any

from clary.capabilities.endpoints.asynchronous.ticket import Answer, Request
from clary.companions.sns import Message, stamp

EVENT = {"eventVersion": "1.0", "eventSource": "aws:sagemaker"}
LARGEST_INCLUDED = 128 * 1024
_SPACE = uuid.UUID("0b6f8a3c-5f0e-4d53-9b5a-3f1f5c0f6d11")


def message(request: Request) -> str:
    """JSON: how this request ended, or a TestNotification."""
    if request.ticket.test:
        return json.dumps(EVENT | {"eventName": "TestNotification"}, separators=(",", ":"))
    assert request.answer
    return json.dumps(_result(request, request.answer), separators=(",", ":"))


def _result(request: Request, answer: Answer) -> dict[str, Any]:
    ticket = request.ticket
    asked = {"contentType": ticket.content_type, "endpointName": ticket.endpoint, "inputLocation": ticket.input}
    where = {"outputLocation": ticket.output} if answer.ok else {"failureLocation": ticket.failure}
    told: dict[str, Any] = {
        "awsRegion": ticket.region,
        "eventTime": stamp(answer.at),
        "receivedTime": stamp(request.received),
        "invocationStatus": "Completed" if answer.ok else "Failed",
        **({} if answer.ok else {"failureReason": answer.reason}),
        "requestParameters": {name: value for name, value in asked.items() if value},
        "responseParameters": {"contentType": answer.content_type, **where},
    }
    if answer.included:
        told["responseBody"] = {"content": answer.included, "encoding": "BASE64"}
    return told | {"inferenceId": ticket.inference_id} | EVENT | {"eventName": "InferenceResult"}


def topic(request: Request) -> str:
    """Who is to be told; empty: nobody."""
    if request.ticket.test:
        return request.ticket.test
    assert request.answer
    return request.ticket.topics.of(request.answer.ok)


def told(request: Request) -> Message:
    """For the companion that stands for SNS; with the same id at every try."""
    ticket = request.ticket
    number = str(uuid.uuid5(_SPACE, request.id))
    return Message(ticket.account, ticket.region, topic(request), number, message(request))
