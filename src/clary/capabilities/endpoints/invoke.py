"""InvokeEndpoint: AWS's request and errors on one side, the gateway on the other. Runs on the event loop."""

import time
from typing import Any

from clary.capabilities.endpoints.metering import Call, Meter
from clary.capabilities.endpoints.routes import Route, Routes
from clary.serving.gateway import Gateway, NoInstance, Variant, choose, choose_named
from clary.serving.reply import HttpError, Reply, TimedOut
from clary.serving.serial import Forwarded
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import operation

Request = dict[str, Any]

FORWARDED = {
    "ContentType": "content-type",
    "Accept": "accept",
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
    "InferenceId": "x-amzn-sagemaker-inference-id",
}
"""What of the client's request the model sees; nothing else of it is passed on."""

UNBUILT = ("TargetModel", "EnableExplanations", "InferenceComponentName", "SessionId")


class Invocations:
    """The part that serves calls: one per server process. `max_bytes` bounds a request's body."""

    def __init__(self, routes: Routes, gateway: Gateway, meter: Meter, max_bytes: int) -> None:
        self._routes = routes
        self._gateway = gateway
        self._meter = meter
        self._max_bytes = max_bytes

    async def invoke(self, ctx: Context, request: Request) -> Request:
        """Raises ValidationError, ModelError, ModelNotReadyException or ServiceUnavailable."""
        start = time.perf_counter()
        self._check(request)
        route = self._route(ctx, request["EndpointName"])
        variant = _pick(route, request)
        shared = len(variant.sockets)
        call = Call(ctx.account, ctx.region, request["EndpointName"], variant.name, variant.config, shared)
        try:
            forwarded = await self._forward(variant, target_container(variant, request), request)
        except AwsError:
            self._meter.lost(call)
            raise
        overhead = time.perf_counter() - start - forwarded.model_seconds
        self._meter.answered(call, forwarded.reply.status, forwarded.model_seconds, overhead)
        self._meter.passed(call, variant.containers, forwarded)
        return _answer(ctx, request["EndpointName"], variant, forwarded)

    def _check(self, request: Request) -> None:
        if len(request.get("Body", b"")) > self._max_bytes:
            raise _invalid(f"The request body may hold at most {self._max_bytes} bytes.")
        for member in UNBUILT:
            if request.get(member):
                raise _invalid(f"{member} cannot be used with this endpoint.")

    def _route(self, ctx: Context, name: str) -> Route:
        route = self._routes.find(ctx.account, ctx.region, name)
        if route is None:
            raise _invalid(f"Endpoint {name} of account {ctx.account} not found.")
        if route.asynchronous:
            raise _invalid(
                f"Endpoint {name} of account {ctx.account} is an asynchronous endpoint: use InvokeEndpointAsync."
            )
        return route

    async def _forward(self, variant: Variant, container: int | None, request: Request) -> Forwarded:
        if not variant.sockets:
            raise AwsError(
                f"Variant {variant.name} has no instance that is ready; the model is being loaded.",
                code="ModelNotReadyException",
                status=429,
            )
        headers = {header: request[member] for member, header in FORWARDED.items() if request.get(member)}
        try:
            return await self._gateway.invoke(variant, headers, request.get("Body", b""), container)
        except ValueError as error:
            raise _invalid(str(error)) from error
        except TimedOut as error:
            name = variant.containers[error.container]
            message = f"Your invocation timed out while waiting for a response from container {name}"
            raise AwsError(
                f'Received server error (0) from {name} with message "{message}"',
                code="ModelError",
                status=424,
                OriginalStatusCode=0,
                OriginalMessage=message,
            ) from error
        except (NoInstance, HttpError) as error:
            raise AwsError(f"The instance did not answer: {error}", code="ServiceUnavailable", status=503) from error


@operation("InvokeEndpoint", "sagemaker-runtime")
async def invoke_endpoint(ctx: Context, request: Request) -> Request:
    return await ctx.need(Invocations).invoke(ctx, request)


def _pick(route: Route, request: Request) -> Variant:
    wanted = request.get("TargetVariant")
    if not wanted:
        try:
            return choose(route.variants)
        except NoInstance as error:
            raise _invalid(str(error)) from error
    found = choose_named(route.variants, wanted)
    if found is None:
        raise _invalid(f'Could not find variant "{wanted}" of endpoint "{route.arn}".')
    return found


def target_container(variant: Variant, request: Request) -> int | None:
    """The place of the container that alone answers; `None` where all do, in order. Raises ValidationError."""
    wanted = request.get("TargetContainerHostname")
    if not variant.direct:
        if wanted:
            raise _invalid(
                "TargetContainerHostname cannot be used: the endpoint is not configured for Direct invocation."
            )
        return 0 if len(variant.containers) == 1 else None
    if not wanted:
        raise _invalid("TargetContainerHostname is required: the endpoint is configured for Direct invocation.")
    if wanted not in variant.containers:
        raise _invalid(f'Container "{wanted}" not found. The endpoint has: {", ".join(variant.containers)}.')
    return variant.containers.index(wanted)


def _answer(ctx: Context, endpoint: str, variant: Variant, forwarded: Forwarded) -> Request:
    reply = forwarded.reply
    if not 200 <= reply.status < 300:
        raise _model_error(ctx, endpoint, variant.containers[forwarded.container], reply)
    answer = {
        "Body": reply.body,
        "ContentType": reply.headers.get("content-type", ""),
        "InvokedProductionVariant": variant.name,
        "CustomAttributes": reply.headers.get("x-amzn-sagemaker-custom-attributes", ""),
    }
    return {name: value for name, value in answer.items() if value or name == "Body"}


def _model_error(ctx: Context, endpoint: str, container: str, reply: Reply) -> AwsError:
    """AWS's wording, which clients take apart."""
    side = "client" if 400 <= reply.status < 500 else "server"
    original = reply.body.decode("utf-8", "replace")
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    place = (
        f"https://{ctx.region}.console.aws.amazon.com/cloudwatch/home?region={ctx.region}"
        f"#logEventViewer:group={group} in account {ctx.account}"
    )
    return AwsError(
        f'Received {side} error ({reply.status}) from {container} with message "{original}". '
        f"See {place} for more information.",
        code="ModelError",
        status=424,
        OriginalStatusCode=reply.status,
        OriginalMessage=original,
        LogStreamArn=f"arn:aws:logs:{ctx.region}:{ctx.account}:log-group:{group}",
    )


def _invalid(message: str) -> AwsError:
    return AwsError(message, code="ValidationError", status=400)
