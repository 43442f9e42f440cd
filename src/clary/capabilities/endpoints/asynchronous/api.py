"""InvokeEndpointAsync: a request is accepted, which makes it one durable row, and answered later by the dispatcher."""

import uuid
from typing import Any

from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.asynchronous import config
from clary.capabilities.endpoints.asynchronous.queue import Queue
from clary.capabilities.endpoints.asynchronous.ticket import Ticket
from clary.capabilities.endpoints.fleet import Fleet
from clary.objects import Objects, parse_uri
from clary.resources.records import Record
from clary.resources.store import Store
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import operation

Request = dict[str, Any]

TTL_SECONDS = 21_600
TIMEOUT_SECONDS = 900
HEADERS = {
    "ContentType": "content-type",
    "Accept": "accept",
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
}
"""What of the request the model sees, beside the inference id."""


@operation("InvokeEndpointAsync", "sagemaker-runtime")
def invoke_endpoint_async(ctx: Context, request: Request) -> Request:
    """Raises ValidationError."""
    record, asynchronous = _endpoint(ctx, request["EndpointName"])
    body = request.get("Body") or None
    if (body is None) == (request.get("InputLocation") is None):
        raise _invalid("Provide exactly one of Body and InputLocation.")
    name = str(uuid.uuid4())
    ticket = _ticket(ctx, request, asynchronous, name)
    _check_places(ctx, ticket)
    lifetime = request.get("RequestTTLSeconds", TTL_SECONDS)
    ctx.need(Queue).put(name, record.id, ticket, lifetime, body)
    return {
        "InferenceId": ticket.inference_id,
        "OutputLocation": ticket.output,
        "FailureLocation": ticket.failure,
    }


def announce(ctx: Context, record: Record, upcoming: Fleet) -> None:
    """Send each topic of a configuration that an endpoint is to have AWS's test message."""
    if upcoming.asynchronous is None:
        return
    topics = config.topics(upcoming.asynchronous)
    for topic in sorted({topics.success, topics.error} - {""}):
        ticket = Ticket(
            account=ctx.account,
            region=ctx.region,
            endpoint=record.name,
            inference_id="",
            headers={},
            content_type="",
            input="",
            output="",
            failure="",
            timeout=0.0,
            test=topic,
        )
        ctx.need(Queue).announce(str(uuid.uuid4()), record.id, ticket)


def _endpoint(ctx: Context, name: str) -> tuple[Record, Request]:
    record = ctx.need(Store).get("Endpoint", ctx.account, ctx.region, name)
    serving = fleet.load(record.state).serving if record and record.status != "Deleting" else None
    if record is None or serving is None:
        raise _invalid(f"Endpoint {name} of account {ctx.account} not found.")
    if serving.asynchronous is None:
        raise _invalid(f"Endpoint {name} of account {ctx.account} is not an asynchronous endpoint.")
    return record, serving.asynchronous


def _ticket(ctx: Context, request: Request, asynchronous: Request, name: str) -> Ticket:
    endpoint, extension = request["EndpointName"], request.get("S3OutputPathExtension", "")
    inference_id = request.get("InferenceId") or str(uuid.uuid4())
    told = {header: request[member] for member, header in HEADERS.items() if request.get(member)}
    place = (asynchronous, ctx.account, ctx.region, endpoint)
    return Ticket(
        account=ctx.account,
        region=ctx.region,
        endpoint=endpoint,
        inference_id=inference_id,
        headers={**told, "x-amzn-sagemaker-inference-id": inference_id},
        content_type=request.get("ContentType", ""),
        input=request.get("InputLocation", ""),
        output=config.location(config.output_path(*place), extension, request.get("Filename") or f"{name}.out"),
        failure=config.location(config.failure_path(*place), extension, f"{name}-error.out"),
        timeout=float(request.get("InvocationTimeoutSeconds", TIMEOUT_SECONDS)),
        topics=config.topics(asynchronous),
    )


def _check_places(ctx: Context, ticket: Ticket) -> None:
    """What could never be stored is refused at once; an input may come, or go, until it is its turn."""
    for location in {ticket.output, ticket.failure}:
        bucket, _ = parse_uri(location)
        if not ctx.need(Objects).bucket_exists(ctx.account, bucket):
            raise _invalid(f"Cannot write to {location}: account {ctx.account} has no bucket {bucket}.")
    try:
        parse_uri(ticket.input or "s3://inline/body")
    except ValueError as error:
        raise _invalid(f"InputLocation is invalid: {error}") from error
    if any("\r" in value or "\n" in value or "\0" in value for value in ticket.headers.values()):
        raise _invalid("a header value may not contain line ends")


def _invalid(message: str) -> AwsError:
    return AwsError(message, code="ValidationError", status=400)
