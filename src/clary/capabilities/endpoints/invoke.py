"""InvokeEndpoint: AWS's request and errors on one side, the gateway on the other. Runs on the event loop.

`streams.py` answers InvokeEndpointWithResponseStream by the same first half; `answers.py` has what clients are told.
"""

import time
from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from clary.capabilities.endpoints import sessions
from clary.capabilities.endpoints.answers import answered, invalid, loading, model_error, not_answered
from clary.capabilities.endpoints.aside import Aside, Asked
from clary.capabilities.endpoints.metering import Call, Meter
from clary.capabilities.endpoints.routes import Route, Routes
from clary.capabilities.endpoints.serverless.calls import Serverless
from clary.capabilities.endpoints.serverless.calls import check as check_serverless
from clary.serving.gateway import Gateway, NoInstance, Variant, choose, choose_named
from clary.serving.multimodel import NoModel, Note, NotReady, Target
from clary.serving.reply import HttpError, Reply
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
    "SessionId": "x-amzn-sagemaker-session-id",
}
"""What of the client's request the model sees; nothing else of it is passed on."""

UNBUILT = ("EnableExplanations",)


class Taken(msgspec.Struct, frozen=True):
    """A call that is let in: to whom it goes, and what they are asked. `start` is of the process's own clock."""

    route: Route
    variant: Variant
    call: Call
    asked: Asked
    model: Target | None
    hint: bytes
    start: float

    @property
    def instances(self) -> int:
        """How many share the calls."""
        return len(self.variant.sockets)


class Invocations:
    """The part that serves calls: one per server process. `max_bytes` bounds a request's body."""

    def __init__(
        self, routes: Routes, gateway: Gateway, meter: Meter, max_bytes: int, serverless: Serverless, aside: Aside
    ) -> None:
        self.gateway = gateway
        self.meter = meter
        self.aside = aside
        self._serverless = serverless
        self._routes = routes
        self._max_bytes = max_bytes

    async def invoke(self, ctx: Context, request: Request) -> Request:
        """Raises ValidationError, ModelError, ModelNotReadyException or ServiceUnavailable."""
        taken = self.take(ctx, request)
        try:
            forwarded = await self._answer(taken, request)
        except AwsError as error:
            self.meter.lost(taken.call, taken.instances, error)
            raise
        finally:
            if taken.route.shadows:
                self.aside.copy(taken.route, taken.asked)
        overhead = time.perf_counter() - taken.start - forwarded.model_seconds
        self.meter.answered(taken.call, taken.instances, forwarded.reply.status, forwarded.model_seconds, overhead)
        self.meter.passed(taken.call, taken.variant.containers, forwarded)
        answer = self._told(ctx, taken, forwarded)
        if session := request.get("SessionId"):
            answer |= await _session(ctx, taken, session, forwarded.reply)
        return answer

    def take(self, ctx: Context, request: Request) -> Taken:
        """Raises ValidationError."""
        start = time.perf_counter()
        self._check(request)
        name = request["EndpointName"]
        route = self._route(ctx, name)
        component = request.get("InferenceComponentName", "")
        variant = self._component(ctx, route, request) if route.hosts or component else _pick(route, request)
        if session := request.get("SessionId"):
            variant = self._seated(ctx, route, variant, session)
        call = Call(ctx.account, ctx.region, name, variant.name, variant.config, component)
        container = target_container(variant, request)
        headers = {header: value for member, header in FORWARDED.items() if (value := request.get(member))}
        asked = Asked(ctx.account, ctx.region, name, headers, request.get("Body", b""), container)
        model = target_model(variant, container, request, partial(self.meter.model, call))
        self.meter.begins(call, len(variant.sockets), partial(self.gateway.outstanding, variant))
        return Taken(route, variant, call, asked, model, request.get("PrefixAwareId", "").encode(), start)

    def end(self) -> None:
        """Before the process ends: writes what has been counted and captured. Blocking."""
        self.meter.flush_now()
        self.aside.recorder.flush()

    def _check(self, request: Request) -> None:
        if len(request.get("Body", b"")) > self._max_bytes:
            raise invalid(f"The request body may hold at most {self._max_bytes} bytes.")
        for member in UNBUILT:
            if request.get(member):
                raise invalid(f"{member} cannot be used with this endpoint.")

    def _route(self, ctx: Context, name: str) -> Route:
        route = self._routes.find(ctx.account, ctx.region, name)
        if route is None:
            raise invalid(f"Endpoint {name} of account {ctx.account} not found.")
        if route.asynchronous:
            raise invalid(
                f"Endpoint {name} of account {ctx.account} is an asynchronous endpoint: use InvokeEndpointAsync."
            )
        return route

    def _component(self, ctx: Context, route: Route, request: Request) -> Variant:
        """The copies of the component that is called."""
        name = request.get("InferenceComponentName")
        if not route.hosts:
            raise invalid("InferenceComponentName cannot be used with this endpoint.")
        if not name:
            raise invalid(
                "Inference Component Name header is required for endpoints to which you plan to deploy inference "
                "components. Please include Inference Component Name header or consider using SageMaker models."
            )
        found = self._routes.component(ctx.account, ctx.region, name)
        if found is None or found.arn != route.arn:
            raise invalid(f"Inference component {name} of endpoint {request['EndpointName']} not found.")
        if not found.variants:
            raise invalid(
                "Inference Component has no capacity to process this request. ApplicationAutoScaling may be "
                "in-progress (if configured) or try to increase the capacity by invoking "
                "UpdateInferenceComponentRuntimeConfig API."
            )
        return _pick(found, request)

    def _seated(self, ctx: Context, route: Route, variant: Variant, session: str) -> Variant:
        """The variant with the one instance that has the session, or is to have the new one."""
        if route.on_demand:
            raise invalid("SessionId cannot be used with a serverless endpoint.")
        if session == sessions.NEW:
            return _only(variant, self.gateway.quietest(variant)) if variant.sockets else variant
        instance = sessions.instance_of(ctx, route.id, session)
        for each in route.variants:
            if instance in each.instances:
                return _only(each, each.instances.index(instance))
        raise invalid(f"The instance of session {session} is gone. Begin a new one with SessionId NEW_SESSION.")

    def _answer(self, taken: Taken, request: Request) -> Awaitable[Forwarded]:
        on_demand, variant = taken.route.on_demand, taken.variant
        told = on_demand.get((variant.name, variant.config)) if on_demand else None
        if told is None:
            return self._forward(taken, variant)
        check_serverless(request)
        return self._serverless.invoke(variant, told, partial(self._forward, taken))

    async def _forward(self, taken: Taken, variant: Variant) -> Forwarded:
        asked = taken.asked
        with Guarded(variant):
            return await self.gateway.invoke(
                variant, asked.headers, asked.body, asked.container, hint=taken.hint, model=taken.model
            )

    def _told(self, ctx: Context, taken: Taken, forwarded: Forwarded) -> Request:
        reply, variant = forwarded.reply, taken.variant
        if not 200 <= reply.status < 300:
            raise model_error(ctx, taken.asked.endpoint, variant.containers[forwarded.container], reply)
        if self.aside.captures(taken.route):
            kind = reply.headers.get("content-type", "")
            self.aside.capture(taken.route, taken.asked, variant.name, kind, reply.body)
        return answered(variant.name, reply.headers, reply.body)


class Guarded:
    """What is done with a variant inside raises AWS's errors for the gateway's."""

    def __init__(self, variant: Variant) -> None:
        self._variant = variant

    def __enter__(self) -> None:
        if not self._variant.sockets:
            raise loading(self._variant.name)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        match error:
            case None:
                return
            case ValueError() | NoModel():
                raise invalid(str(error)) from error
            case NotReady():
                raise AwsError(f"{error}; try again.", code="ModelNotReadyException", status=429) from error
            case NoInstance() | HttpError():
                raise not_answered(error, self._variant.containers[getattr(error, "container", 0)]) from error


@operation("InvokeEndpoint", "sagemaker-runtime")
async def invoke_endpoint(ctx: Context, request: Request) -> Request:
    return await ctx.need(Invocations).invoke(ctx, request)


async def _session(ctx: Context, taken: Taken, session: str, reply: Reply) -> Request:
    """What the model said of its session, kept and told."""
    if session == sessions.NEW:
        made = sessions.made(reply.headers)
        if made is None:
            return {}
        await sessions.begin(ctx, taken.route.id, made, taken.variant.instances[0])
        return {"NewSessionId": made.told}
    closed = reply.headers.get(sessions.CLOSED)
    if closed != session:
        return {}
    await sessions.end(ctx, taken.route.id, session)
    return {"ClosedSessionId": session}


def _only(variant: Variant, place: int) -> Variant:
    return replace(variant, sockets=(variant.sockets[place],), instances=(variant.instances[place],), spare=())


def _pick(route: Route, request: Request) -> Variant:
    wanted = request.get("TargetVariant")
    if not wanted:
        try:
            return choose(route.variants)
        except NoInstance as error:
            raise invalid(str(error)) from error
    found = choose_named(route.variants, wanted)
    if found is None:
        raise invalid(f'Could not find variant "{wanted}" of endpoint "{route.arn}".')
    return found


def target_container(variant: Variant, request: Request) -> int | None:
    """The place of the container that alone answers; `None` where all do, in order. Raises ValidationError."""
    wanted = request.get("TargetContainerHostname")
    if not variant.direct:
        if wanted:
            raise invalid(
                "TargetContainerHostname cannot be used: the endpoint is not configured for Direct invocation."
            )
        return 0 if len(variant.containers) == 1 else None
    if not wanted:
        raise invalid("TargetContainerHostname is required: the endpoint is configured for Direct invocation.")
    if wanted not in variant.containers:
        raise invalid(f'Container "{wanted}" not found. The endpoint has: {", ".join(variant.containers)}.')
    return variant.containers.index(wanted)


def target_model(variant: Variant, container: int | None, request: Request, note: Note) -> Target | None:
    """Which model of a container that has several is called, if one that answers has. Raises ValidationError."""
    wanted, source = request.get("TargetModel"), variant.models
    if source is None or container not in (None, source.place):
        if wanted:
            raise invalid("TargetModel cannot be used: the container is not a multi-model one.")
        return None
    if not wanted:
        raise invalid("TargetModel is required: the container is a multi-model one.")
    return Target(wanted, source, note)
