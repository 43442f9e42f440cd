"""The server: one application that answers every AWS service on one port.

A request is routed, authenticated, parsed, validated, dispatched and answered, in this order, and nothing is done
for it before its signature is good. `app.py` builds one `Server` per worker; it keeps no state between requests.
"""

import asyncio
import hashlib
import logging
import random
import time
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from clary.settings import Settings
from clary.wire import bodies, forward, routing, sigv2, sigv4, spellings, streaming, validation
from clary.wire.context import Context, Parts
from clary.wire.errors import AwsError, NotBuilt, SerializationException
from clary.wire.hosts import bucket_of
from clary.wire.http.exchange import Exchange
from clary.wire.messages import Head, Reply
from clary.wire.models import Models
from clary.wire.operations import Operation, Registry
from clary.wire.patience import Patience
from clary.wire.protocols import Codec, codecs
from clary.wire.routing import Route
from clary.wire.services import SERVICES
from clary.wire.sigv4 import Identity, Keys

S3 = Callable[[Exchange, Identity | None], Awaitable[None]]
Images = Callable[[Exchange], Awaitable[None]]
"""Answers a request below /v2/, the registry of container images."""
Call = tuple[Context, Operation | None, dict[str, Any]]

THREADS = 8
BODIES_BYTES = 512 * 1024 * 1024
"""Of all large requests that a process answers at once."""
SMALL_LENGTH = len("100000")
"""Digits of a content length: bodies with fewer need no room."""
SMALL_BODY = 64 * 1024
"""Larger bodies are hashed and parsed in a thread, so that the loop stays free."""

log = logging.getLogger("clary.wire")


class Server:
    """`registry` holds what is built, `models` what AWS has; `s3` gets every request of S3, signed or unsigned."""

    def __init__(
        self,
        registry: Registry,
        parts: Parts,
        models: Models,
        s3: S3 | None = None,
        images: Images | None = None,
        leads: Callable[[], str] = str,
        ends: Callable[[], None] = lambda: None,
    ) -> None:
        """`leads`: URL of the server that has what lies in one home only; empty when it is this one.

        `ends` is called when the process is about to end in good order.
        """
        self._ends = ends
        self._leads = leads
        self._images = images
        self._registry = registry
        self._parts = parts
        self._models = models
        self._s3 = s3
        self._settings = parts.need(Settings)
        self._keys: Keys = parts.need(Keys)  # type: ignore[type-abstract]
        self._codecs = codecs()
        self._threads = ThreadPoolExecutor(THREADS, "clary-request")
        self._room = bodies.Room(BODIES_BYTES)
        self._patience = Patience(bodies.READ_SECONDS)

    async def __call__(self, exchange: Exchange) -> None:
        head = exchange.head
        if head.path == "/clary/health":
            exchange.answer(200, [("content-type", "application/json")], b'{"status":"ok"}')
            return
        request_id = _request_id()
        try:
            told = sigv4.claim(head)
        except AwsError as error:
            await _send(exchange, self._refuse(routing.guess(head, None), error, request_id))
            return
        if self._images is not None and _is_images(head, told):
            await self._images(exchange)
            return
        if self._s3 is not None and _is_s3(head, told):
            await self._pass_to_s3(self._s3, exchange, told, request_id)
            return
        if len(head.header("content-length")) < SMALL_LENGTH and not head.header("transfer-encoding"):
            await _send(exchange, await self._answer(exchange, told, request_id))
            return
        try:
            async with self._room.held(head, self._settings.max_request_bytes):
                reply = await self._answer(exchange, told, request_id)
        except AwsError as error:
            reply = self._refuse(routing.guess(head, told.service if told else None), error, request_id)
        await _send(exchange, reply)

    def end(self) -> None:
        """The process is about to end in good order."""
        self._ends()

    async def _pass_to_s3(self, s3: S3, exchange: Exchange, told: sigv4.Claim | None, request_id: str) -> None:
        try:
            identity = self._s3_identity(exchange.head, told)
        except AwsError as error:
            await _send(exchange, self._refuse(Route(SERVICES["s3"], "rest-xml", ""), error, request_id))
            return
        await s3(exchange, identity)

    def _s3_identity(self, head: Head, told: sigv4.Claim | None) -> Identity | None:
        if told is not None:
            return sigv4.authenticate(head, told, self._keys, time.time(), self._settings.clock_skew_seconds, None)
        if sigv2.is_signed(head):
            bucket = bucket_of(head.header("host"))
            return sigv2.authenticate(head, self._keys, time.time(), self._settings.region, bucket)
        if head.header("authorization"):
            raise AwsError("Please use AWS4-HMAC-SHA256.", code="InvalidRequest", status=400)
        return None

    async def _answer(self, exchange: Exchange, told: sigv4.Claim | None, request_id: str) -> Reply:
        """The border of a request: whatever happens below becomes an answer here."""
        route: Route | None = None
        head = exchange.head
        started = time.perf_counter()
        try:
            body = await bodies.read(exchange, self._settings.max_request_bytes, self._patience)
            route = self._route(head, body, told)
            if route.service.name in forward.AT_HOME and forward.MARK not in head.named and (url := self._leads()):
                return cast(Reply, await self._in_thread(forward.forward, url, head, body))
            if len(body) > SMALL_BODY:
                call = await self._in_thread(self._understand, route, head, body, told, request_id)
            else:
                call = self._understand(route, head, body, told, request_id)
            result = await self._dispatch(*call)
            operation = self._models.operation(route.service.name, route.operation)
            reply = self._codec(route).answer(operation, result, request_id)
        except AwsError as error:
            route = route or routing.guess(head, told.service if told else None)
            reply = self._refuse(route, error, request_id)
        except Exception:
            route = route or routing.guess(head, told.service if told else None)
            log.error("request %s (%s %s) failed\n%s", request_id, route.service.name, route.operation, _trace())
            reply = self._refuse(route, AwsError("An internal error has occurred."), request_id)
        if log.isEnabledFor(logging.DEBUG):
            spent = (time.perf_counter() - started) * 1000
            log.debug("%s %s %s %d %.1f ms", request_id, route.service.name, route.operation, reply.status, spent)
        return reply

    def _route(self, head: Head, body: bytes, told: sigv4.Claim | None) -> Route:
        route = routing.route(head, body, told.service if told else None)
        if route is None:
            raise AwsError("This server has no object store.", code="NotImplemented", status=501)
        return route

    def _understand(self, route: Route, head: Head, body: bytes, told: sigv4.Claim | None, request_id: str) -> Call:
        """Authenticate, parse and validate."""
        identity = self._authenticate(head, body, told)
        try:
            return self._parse(route, head, body, identity, request_id)
        except RecursionError as error:
            raise SerializationException("The request is nested too deeply.") from error

    def _authenticate(self, head: Head, body: bytes, told: sigv4.Claim | None) -> Identity:
        if told is None:
            raise AwsError("Missing Authentication Token", code="MissingAuthenticationTokenException", status=403)
        digest = hashlib.sha256(body).hexdigest()
        return sigv4.authenticate(head, told, self._keys, time.time(), self._settings.clock_skew_seconds, digest)

    def _parse(self, route: Route, head: Head, body: bytes, identity: Identity, request_id: str) -> Call:
        service = route.service
        if not route.operation:
            raise AwsError(f"Unknown operation {route.wanted!r}.", code="UnknownOperationException", status=404)
        model = self._models.operation(service.name, route.operation)
        plain = bodies.unpack(head, body, self._settings.max_request_bytes)
        if route.protocol == "json":
            request = validation.decode(model.input_shape, plain, service.invalid)
        else:
            request = self._codec(route).parse(model, head, plain, route.labels)
            validation.check(model.input_shape, request, service.invalid)
        who = identity.principal
        context = Context(self._parts, service.name, route.operation, who.account, identity.region, who, request_id)
        return context, self._registry.find(service.name, route.operation), request

    async def _dispatch(self, context: Context, operation: Operation | None, request: dict[str, Any]) -> dict[str, Any]:
        if operation is None:
            raise NotBuilt(f"Clary does not implement {context.service}:{context.operation} yet.")
        if operation.waits or operation.is_quick(request):
            result = operation.handler(context, request)
        else:
            result = await self._in_thread(operation.handler, context, request)
        return (result if result is None or isinstance(result, dict) else await result) or {}

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _refuse(self, route: Route, error: AwsError, request_id: str) -> Reply:
        spelled = spellings.spell(error, route.service, route.protocol)
        return self._codec(route).refuse(self._models.service(route.service.name), spelled, request_id)

    def _codec(self, route: Route) -> Codec:
        return self._codecs[route.protocol]


def _request_id() -> str:
    """In the form of a random UUID. It is no secret, so it need not cost what one does."""
    text = random.randbytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _is_s3(head: Head, told: sigv4.Claim | None) -> bool:
    if told is not None:
        return told.service == "s3"
    return sigv2.is_signed(head) or not routing.is_unsigned_api(head)


def _is_images(head: Head, told: sigv4.Claim | None) -> bool:
    """No bucket can be called `v2`, but a bucket of its own host may have a key that begins so."""
    below = head.path == "/v2" or head.path.startswith("/v2/")
    return below and told is None and not sigv2.is_signed(head) and not bucket_of(head.header("host"))


async def _send(exchange: Exchange, reply: Reply) -> None:
    if reply.stream is None:
        exchange.answer(reply.status, reply.headers, reply.body)
    else:
        await streaming.send(exchange, reply, reply.stream)


def _trace() -> str:
    """Indented, so that no text of a client's begins a line of the log."""
    return "\n".join(f"  | {line}" for line in traceback.format_exc().splitlines())
